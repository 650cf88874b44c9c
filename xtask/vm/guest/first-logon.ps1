<#
.SYNOPSIS
Makes a freshly installed Windows ready for verifications that run by themselves.

.DESCRIPTION
Is run once, from the package's disk, by the answer file of cargo xtask vm --install, or by a
person in a Windows of their own, as administrator. It switches test signing on, trusts the
package's certificate, has Windows write small dumps and start again after a bugcheck, never sleep,
and sign the user in by itself, registers the agent, and shuts Windows down.

.PARAMETER Secret
The password of the user who is signed in, with which Windows signs them in by itself.
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [string] $Secret = 'eduwdm'
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$root = Split-Path -Parent $PSScriptRoot
Import-Module (Join-Path $root 'eduwdm\eduwdm.psm1') -Force -DisableNameChecking
Import-Module (Join-Path $PSScriptRoot 'guest.psm1') -Force -DisableNameChecking

# Runs a program of Windows that must succeed.
function Invoke-Required([string] $Path, [string[]] $Arguments) {
    $code = Invoke-Program $Path $Arguments
    if ($code -ne 0) {
        throw "$Path $Arguments ended with exit code $code"
    }
}

function Enable-TestDriver([string] $Package) {
    Invoke-Required 'bcdedit.exe' @('/set', 'testsigning', 'on')
    foreach ($store in 'Root', 'TrustedPublisher') {
        $null = Import-Certificate -FilePath (Join-Path $Package 'eduwdm.cer') -CertStoreLocation "Cert:\LocalMachine\$store"
    }
}

# A machine that sleeps, or waits after a bugcheck, looks to the host as one that hangs.
function Set-Endurance {
    Invoke-Required 'powercfg.exe' @('/change', 'standby-timeout-ac', '0')
    Invoke-Required 'powercfg.exe' @('/change', 'monitor-timeout-ac', '0')
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\CrashControl'
    # 3: a small dump, of which each stop leaves one.
    Set-ItemProperty -LiteralPath $key -Name 'CrashDumpEnabled' -Value 3 -Type DWord
    Set-ItemProperty -LiteralPath $key -Name 'AutoReboot' -Value 1 -Type DWord
}

function Set-SignIn([string] $Word) {
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
    Set-ItemProperty -LiteralPath $key -Name 'AutoAdminLogon' -Value '1'
    Set-ItemProperty -LiteralPath $key -Name 'DefaultUserName' -Value $env:USERNAME
    Set-ItemProperty -LiteralPath $key -Name 'DefaultPassword' -Value $Word
    # With a count, Windows would stop doing so when it has run out.
    Remove-ItemProperty -LiteralPath $key -Name 'AutoLogonCount' -ErrorAction SilentlyContinue
    Invoke-Required 'net.exe' @('accounts', '/maxpwage:unlimited')
}

function Register-Agent {
    $null = New-Item -ItemType Directory -Path $GuestFolder -Force
    $agent = Join-Path $GuestFolder 'agent.ps1'
    Copy-Item -LiteralPath (Join-Path $PSScriptRoot 'agent.ps1') -Destination $agent -Force
    $user = "$env:USERDOMAIN\$env:USERNAME"
    $arguments = "-NoProfile -ExecutionPolicy Bypass -File `"$agent`""
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $arguments
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User $user
    $principal = New-ScheduledTaskPrincipal -UserId $user -RunLevel Highest
    # A task of its own ends after three days at most; a stress run may be long, but not so long.
    $null = Register-ScheduledTask -TaskName 'eduwdm-vm' -Action $action -Trigger $trigger -Principal $principal -Force
}

Connect-HostPort
Send-HostLine 'step' 'first-logon'
$code = 0
try {
    Enable-TestDriver (Join-Path $root 'eduwdm')
    Set-Endurance
    Set-SignIn $Secret
    Register-Agent
} catch {
    Send-HostLine 'log' "$_"
    $code = 8
}
Complete-Guest $root $code
