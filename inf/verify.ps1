<#
.SYNOPSIS
Runs the eduwdm driver under Driver Verifier, and reports what came of it.

.DESCRIPTION
Takes two runs with a restart of Windows between them, which -Restart does by itself:

  1. switches Driver Verifier on for eduwdm.sys: the standard flags (special pool, forced IRQL
     checking, pool tracking, I/O verification, deadlock detection, DMA checking, security
     checks, miscellaneous checks, DDI compliance), IRP logging, and low resources simulation;
  2. after the restart: runs "eductl stress" without faults, waits until Driver Verifier begins
     to fail allocations (eight minutes after the start of Windows), runs it again, writes a
     report, and switches Driver Verifier off again.

A violation ends in a bugcheck. Windows then starts without Driver Verifier (boot mode
resetonbootfail, where it cannot start at all), and the next run of the script finds the dump and
says so. The script can be run at any time; it goes on where it stands.

Exit codes: 0 passed, and switched off; 2 not installed; 5 Driver Verifier did not take the
driver; 6 eductl found a fault; 7 Windows stopped with a bugcheck while the driver was verified;
3010 Windows must be restarted, to switch on or off.

.PARAMETER Restart
Restarts Windows where that is needed, and goes on at the next sign-in.

.PARAMETER Minutes
How long each of the two stress runs takes.

.PARAMETER Seed
The seed of the stress runs; the same seed makes the same requests.

.PARAMETER NoLowResources
Leaves low resources simulation out, and the second stress run with it.

.PARAMETER KeepOn
Leaves Driver Verifier on at the end.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File .\verify.ps1 -Restart
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [switch] $Restart,
    [ValidateRange(1, 1440)] [int] $Minutes = 5,
    [ValidateRange(0, 4294967295)] [long] $Seed = 1,
    [switch] $NoLowResources,
    [switch] $KeepOn
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
Import-Module (Join-Path $PSScriptRoot 'eduwdm.psm1') -Force -DisableNameChecking

# The bits of "verifier /flags", by their names in its documentation.
$Options = [ordered] @{
    'special pool'                  = 0x00001
    'force IRQL checking'           = 0x00002
    'pool tracking'                 = 0x00008
    'I/O verification'              = 0x00010
    'deadlock detection'            = 0x00020
    'DMA checking'                  = 0x00080
    'security checks'               = 0x00100
    'IRP logging'                   = 0x00400
    'miscellaneous checks'          = 0x00800
    'DDI compliance checking'       = 0x20000
    'low resources simulation'      = 0x00004
}
# Low resources simulation leaves the system this long in peace after it has started.
$QuietMinutes = 8
$TaskName = 'eduwdm-verify'
$Folder = Join-Path $env:ProgramData 'eduwdm'
$StateFile = Join-Path $Folder 'verify.json'

function Get-StartTime {
    (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime
}

function Get-State {
    if (Test-Path -LiteralPath $StateFile) {
        return Get-Content -LiteralPath $StateFile -Raw | ConvertFrom-Json
    }
    return $null
}

# When Driver Verifier was set. A number, because versions of PowerShell read times differently.
function Get-SetTime($State) {
    New-Object -TypeName datetime -ArgumentList ([long] $State.SetAt)
}

function Confirm-Installed {
    $devices = @(Get-EduwdmDevice | Where-Object { $_.Status -eq 'OK' -and (Get-DeviceProperty $_ 'DEVPKEY_Device_Service') -eq 'eduwdm' })
    if ($devices.Count -eq 0) {
        Stop-Script 2 'No device of this machine runs with the eduwdm driver.' 'Run install.ps1 first.'
    }
    if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'eductl.exe'))) {
        Stop-Script 2 'eductl.exe is not in the package.' 'Make the package again with: cargo xtask package'
    }
}

function Register-Continuation {
    $arguments = @('-NoProfile', '-ExecutionPolicy', 'Bypass', '-NoExit', '-File', "`"$PSCommandPath`"", '-Restart',
        '-Minutes', $Minutes, '-Seed', $Seed)
    if ($NoLowResources) { $arguments += '-NoLowResources' }
    if ($KeepOn) { $arguments += '-KeepOn' }
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument ($arguments -join ' ')
    $trigger = New-ScheduledTaskTrigger -AtLogOn -User "$env:USERDOMAIN\$env:USERNAME"
    $principal = New-ScheduledTaskPrincipal -UserId "$env:USERDOMAIN\$env:USERNAME" -RunLevel Highest
    $null = Register-ScheduledTask -TaskName $TaskName -Action $action -Trigger $trigger -Principal $principal -Force
    Write-Done 'verify.ps1 will go on when you sign in after the restart.'
}

function Unregister-Continuation {
    if (Get-ScheduledTask -TaskName $TaskName -ErrorAction SilentlyContinue) {
        Unregister-ScheduledTask -TaskName $TaskName -Confirm:$false
    }
}

function Invoke-Restart([string] $Why) {
    if ($Restart) {
        Write-Host "$Why Windows restarts in ten seconds."
        Start-Sleep -Seconds 10
        Restart-Computer -Force
        exit 3010
    }
    Stop-Script 3010 "$Why Windows must be restarted." 'Restart it, and run verify.ps1 again.'
}

function Enable-Verifier {
    $flags = 0
    foreach ($name in $Options.Keys) {
        if ($name -ne 'low resources simulation' -or -not $NoLowResources) {
            $flags = $flags -bor $Options[$name]
        }
    }
    $others = @(Get-VerifiedDriver | Where-Object { $_ -ne 'eduwdm.sys' })
    if ($others.Count -gt 0) {
        Stop-Script 5 "Driver Verifier is set for $($others -join ', ') already." @(
            'Its settings are for one set of drivers. Finish that first, or run: verifier /reset')
    }
    $text = '0x{0:x}' -f $flags
    # 2 means that the settings hold after the next start.
    if ((Invoke-Program 'verifier.exe' @('/flags', $text, '/driver', 'eduwdm.sys')) -notin 0, 2) {
        Stop-Script 5 "verifier /flags $text /driver eduwdm.sys ended with exit code $LASTEXITCODE."
    }
    # A machine that cannot start any more would be of no use to anybody.
    $null = Invoke-Program 'verifier.exe' @('/bootmode', 'resetonbootfail')
    $null = New-Item -ItemType Directory -Path $Folder -Force
    @{ SetAt = (Get-Date).Ticks; Flags = $flags } | ConvertTo-Json | Set-Content -LiteralPath $StateFile
    Write-Done "Driver Verifier is set for eduwdm.sys with the flags ${text}:"
    foreach ($name in $Options.Keys) {
        if ($flags -band $Options[$name]) {
            Write-Host ('            0x{0:x5}  {1}' -f $Options[$name], $name)
        }
    }
    if ($Restart) {
        Register-Continuation
    }
    Invoke-Restart 'Driver Verifier begins with the next start.'
}

# The bugchecks that Windows has recorded since a moment.
function Get-Bugcheck([datetime] $Since) {
    Get-WinEvent -FilterHashtable @{ LogName = 'System'; Id = 1001; StartTime = $Since } -ErrorAction SilentlyContinue |
        Where-Object { $_.ProviderName -in 'Microsoft-Windows-WER-SystemErrorReporting', 'BugCheck' }
}

function Confirm-NoBugcheck([datetime] $Since) {
    $bugchecks = @(Get-Bugcheck $Since)
    if ($bugchecks.Count -eq 0) {
        return
    }
    $lines = @($bugchecks | ForEach-Object { "$($_.TimeCreated): $($_.Message)" })
    $lines += 'Open the dump in WinDbg with the eduwdm.pdb of this package, and type: !analyze -v'
    $null = Invoke-Program 'verifier.exe' @('/reset')
    Unregister-Continuation
    Remove-Item -LiteralPath $StateFile
    Stop-Script 7 'Windows stopped with a bugcheck while the driver was verified.' $lines
}

# Whether Driver Verifier has the driver loaded and watches it, in its own words.
function Confirm-Verified {
    $query = (& verifier.exe '/query') -join "`n"
    if ($query -notmatch 'eduwdm\.sys') {
        Stop-Script 5 'Driver Verifier does not watch eduwdm.sys, though it was set to.' @(
            'Is the driver loaded? Run: eductl list',
            'Run: verifier /querysettings')
    }
    Write-Already 'Driver Verifier watches eduwdm.sys.'
    return $query
}

# Runs eductl stress for the given minutes, and notes what it found. Where allocations fail on
# purpose, the driver may refuse a request for want of memory: eductl then ends with exit code 3,
# and is started again until the time is over. Wrong answers, hangs and a device that is gone are
# faults in either case.
function Invoke-Stress([string] $Name, [bool] $MayRefuse) {
    $eductl = Join-Path $PSScriptRoot 'eductl.exe'
    $log = Join-Path $Folder "stress-$Name.log"
    Set-Content -LiteralPath $log -Value "eductl stress, $Name, $(Get-Date -Format 'u')"
    $end = (Get-Date).AddMinutes($Minutes)
    $runs = 0
    $refused = 0
    while ($true) {
        $left = [int] [Math]::Ceiling(($end - (Get-Date)).TotalSeconds)
        if ($left -le 0) {
            break
        }
        # Each start has a seed of its own, or it would only repeat the first.
        $arguments = @('stress', '--duration', "$left", '--seed', "$($Seed + $runs)")
        $runs++
        Write-Host "            ${Name}: eductl $arguments"
        & $eductl @arguments 2>&1 | Tee-Object -FilePath $log -Append | ForEach-Object { Write-Host "            $_" }
        $code = $LASTEXITCODE
        if ($code -eq 0) {
            break
        }
        if ($code -eq 3 -and $MayRefuse) {
            $refused++
            continue
        }
        $script:Faults += "eductl stress ($Name) ended with exit code $code; see $log"
        return
    }
    if ($MayRefuse) {
        Write-Done "eductl stress ($Name) found no fault; the driver refused $refused of $runs runs for want of memory."
    } else {
        Write-Done "eductl stress ($Name) found no fault."
    }
}

function Write-Report([string] $Before) {
    $report = Join-Path $Folder ('report-{0:yyyyMMdd-HHmmss}.txt' -f (Get-Date))
    $after = (& verifier.exe '/query') -join "`n"
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $machine = Get-CimInstance -ClassName Win32_ComputerSystem
    @(
        "eduwdm under Driver Verifier, $(Get-Date -Format 'u')"
        "$($system.Caption), build $($system.BuildNumber); $($machine.NumberOfLogicalProcessors) processors"
        ''
        (Get-EduwdmDevice | ForEach-Object { "$($_.FriendlyName) [$($_.InstanceId)] $($_.Status)" })
        ''
        $(if ($script:Faults.Count) { 'FAULTS:'; $script:Faults } else { 'No fault was found.' })
        ''
        '--- verifier /query before the stress runs'
        $Before
        '--- verifier /query after the stress runs'
        $after
    ) | Set-Content -LiteralPath $report
    Write-Done "The report is $report"
}

function Disable-Verifier {
    Unregister-Continuation
    if ($KeepOn) {
        Write-Note 'Driver Verifier is left on. To switch it off: verifier /reset'
        return
    }
    if ((Invoke-Program 'verifier.exe' @('/reset')) -notin 0, 2) {
        Stop-Script 5 "verifier /reset ended with exit code $LASTEXITCODE."
    }
    Remove-Item -LiteralPath $StateFile
    Write-Done 'Driver Verifier is off from the next start of Windows on.'
}

$script:Faults = @()
$state = Get-State
$set = (Get-VerifiedDriver) -contains 'eduwdm.sys'
if ($state) {
    Confirm-NoBugcheck (Get-SetTime $state)
}
if (-not $set -or -not $state) {
    Confirm-Installed
    Enable-Verifier
}
if ((Get-StartTime) -lt (Get-SetTime $state)) {
    Write-Already 'Driver Verifier is set for eduwdm.sys.'
    Invoke-Restart 'Driver Verifier begins with the next start.'
}
Confirm-Installed
$before = Confirm-Verified
Invoke-Stress 'strict' $false
if ($state.Flags -band $Options['low resources simulation']) {
    $until = (Get-StartTime).AddMinutes($QuietMinutes)
    while ((Get-Date) -lt $until) {
        $left = [int] ($until - (Get-Date)).TotalSeconds
        Write-Progress -Activity 'Waiting until Driver Verifier fails allocations' -SecondsRemaining $left
        Start-Sleep -Seconds 1
    }
    Write-Progress -Activity 'Waiting until Driver Verifier fails allocations' -Completed
    Invoke-Stress 'low-resources' $true
}
Write-Report $before
Disable-Verifier
if ($script:Faults.Count -gt 0) {
    Stop-Script 6 'The driver or its answers were at fault.' $script:Faults
}
Write-Host ''
Write-Host 'Passed.'
exit 0
