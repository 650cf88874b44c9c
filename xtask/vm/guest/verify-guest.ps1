<#
.SYNOPSIS
Installs the package and verifies the driver, through as many restarts as that takes.

.DESCRIPTION
Is run by the agent at each sign-in. Runs install.ps1 until it is done, then verify.ps1 until it is
done, restarts Windows where they ask for it, and leaves the report, the logs and the dumps on the
package's disk. The exit code that it leaves there is that of the script that ended last; 8 if this
script failed, 9 if Windows was to be restarted again and again.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$root = Split-Path -Parent $PSScriptRoot
Import-Module (Join-Path $root 'eduwdm\eduwdm.psm1') -Force -DisableNameChecking
Import-Module (Join-Path $PSScriptRoot 'guest.psm1') -Force -DisableNameChecking

# Installing takes one restart, or two; verifying takes one, and one more after a bugcheck.
$MostRestarts = 6
$StateFile = Join-Path $GuestFolder 'state.json'
$Log = Join-Path $GuestFolder 'console.log'
$Package = Join-Path $GuestFolder 'package'

function Get-GuestState {
    if (Test-Path -LiteralPath $StateFile) {
        return Get-Content -LiteralPath $StateFile -Raw -Encoding UTF8 | ConvertFrom-Json
    }
    return New-Object -TypeName psobject -Property @{ Restarts = 0; Installed = $false }
}

function Set-GuestState($State) {
    Set-TextFile $StateFile (ConvertTo-Json $State -Compress)
}

# Scripts go on from where they were, so they are on a disk that stays.
function Copy-Package([string] $From) {
    $null = New-Item -ItemType Directory -Path $Package -Force
    foreach ($file in Get-ChildItem -LiteralPath $From) {
        Copy-Item -LiteralPath $file.FullName -Destination $Package -Force
    }
}

# Runs a script of the package in a process of its own, and returns its exit code.
function Invoke-PackageScript([string] $Name, [string[]] $Arguments) {
    $all = @('-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', (Join-Path $Package $Name)) + $Arguments
    Get-ProgramOutput 'powershell.exe' $all | ForEach-Object {
        Add-TextLine $Log $_
        Send-HostLine 'log' $_
    }
    return $LASTEXITCODE
}

function Invoke-Verification($State, [int] $Minutes) {
    # Once it is installed, nothing touches the driver before verify.ps1 has looked at how Windows
    # had stopped.
    if (-not $State.Installed) {
        Send-HostLine 'step' 'install'
        $code = Invoke-PackageScript 'install.ps1' @('-EnableTestSigning')
        if ($code -ne 0) {
            return $code
        }
        $State.Installed = $true
        Set-GuestState $State
    }
    Send-HostLine 'step' 'verify'
    return Invoke-PackageScript 'verify.ps1' @('-Minutes', "$Minutes")
}

# What is worth bringing home: the report and the logs, what Windows says of the installation, and
# the dumps.
function Copy-Result([string] $To) {
    $null = New-Item -ItemType Directory -Path $To -Force
    $places = @(
        (Join-Path $env:ProgramData 'eduwdm\*'),
        $Log,
        "$env:windir\INF\setupapi.dev.log",
        "$env:windir\Minidump\*.dmp")
    foreach ($place in $places) {
        foreach ($file in @(Get-ChildItem -Path $place -File -ErrorAction SilentlyContinue)) {
            try {
                Copy-Item -LiteralPath $file.FullName -Destination $To -Force
            } catch {
                Send-HostLine 'log' "$($file.FullName) cannot be brought: $_"
            }
        }
    }
}

Connect-HostPort
$code = 8
try {
    $null = New-Item -ItemType Directory -Path $GuestFolder -Force
    $settings = Get-Content -LiteralPath (Join-Path $PSScriptRoot 'settings.json') -Raw -Encoding UTF8 | ConvertFrom-Json
    $state = Get-GuestState
    if (-not (Test-Path -LiteralPath (Join-Path $Package 'install.ps1'))) {
        Copy-Package (Join-Path $root 'eduwdm')
    }
    $code = Invoke-Verification $state $settings.Minutes
    if ($code -eq 3010) {
        $state.Restarts++
        Set-GuestState $state
        if ($state.Restarts -le $MostRestarts) {
            Send-HostLine 'step' 'restart'
            Restart-Computer -Force
            exit 0
        }
        $code = 9
    }
} catch {
    Send-HostLine 'log' "$_"
    $code = 8
}
Send-HostLine 'step' 'collect'
Copy-Result (Join-Path $root 'results')
Complete-Guest $root $code
