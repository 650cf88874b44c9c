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

A violation ends in a bugcheck. Windows starts again by itself; if it cannot, the boot mode
resetonbootfail takes Driver Verifier away. The next run of the script finds in the event log, or
by its own note of where it was, that Windows had stopped, and ends the verification. The script
can be run at any time; it goes on where it stands.

Exit codes: 0 passed, and switched off; 2 not installed; 5 Driver Verifier did not take the
driver, or has not got it any more; 6 eductl found a fault; 7 Windows stopped while the driver was
verified, with a bugcheck as a rule; 3010 Windows must be restarted, to switch on or off.

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

# The name of the option under which the driver may refuse requests for want of memory.
$LowResources = 'low resources simulation'
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
# How long the event log may take, after Windows has started, to say how it had stopped.
$EventSeconds = 180
$TaskName = 'eduwdm-verify'
$Folder = Join-Path $env:ProgramData 'eduwdm'
$StateFile = Join-Path $Folder 'verify.json'

function Get-StartTime {
    (Get-CimInstance -ClassName Win32_OperatingSystem).LastBootUpTime
}

# The state between two runs of the script: when Driver Verifier was set, with which flags, and
# when the stress runs began (0: not yet). Times are numbers, because versions of PowerShell read
# them differently.
function Get-State {
    if (Test-Path -LiteralPath $StateFile) {
        return Get-Content -LiteralPath $StateFile -Raw -Encoding UTF8 | ConvertFrom-Json
    }
    return $null
}

function Set-State([long] $SetAt, [int] $Flags, [long] $RunningSince) {
    $null = New-Item -ItemType Directory -Path $Folder -Force
    $state = @{ SetAt = $SetAt; Flags = $Flags; RunningSince = $RunningSince }
    Set-TextFile $StateFile (ConvertTo-Json $state -Compress)
}

function Get-Time([long] $Ticks) {
    New-Object -TypeName datetime -ArgumentList $Ticks
}

function Confirm-Installed {
    $devices = @(Get-EduwdmDevice | Where-Object { $_.Status -eq 'OK' -and (Get-DeviceProperty $_ 'DEVPKEY_Device_Service') -eq 'eduwdm' })
    if ($devices.Count -eq 0) {
        Stop-Script 2 'No device of this machine runs with the eduwdm driver.' @(
            'First run:', "  $(Get-CommandLine 'install.ps1')")
    }
    if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot 'eductl.exe'))) {
        Stop-Script 2 'eductl.exe is not in the package.' 'Make the package again with: cargo xtask package'
    }
}

# Has the script go on when the user signs in, with the arguments that it was given.
function Register-Continuation([string[]] $Arguments) {
    $all = @('-NoProfile', '-ExecutionPolicy', 'Bypass', '-NoExit', '-File', "`"$PSCommandPath`"", '-Restart') + $Arguments
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument ($all -join ' ')
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

function Invoke-Restart([bool] $ByItself, [string] $Why) {
    if ($ByItself) {
        Write-Host "$Why Windows restarts in ten seconds."
        Start-Sleep -Seconds 10
        Restart-Computer -Force
        exit 3010
    }
    Stop-Script 3010 "$Why Windows must be restarted." @(
        'Restart it, and run:', "  $(Get-CommandLine 'verify.ps1')")
}

function Enable-Verifier([string[]] $Names) {
    $flags = 0
    foreach ($name in $Names) {
        $flags = $flags -bor $Options[$name]
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
    Set-State (Get-Date).Ticks $flags 0
    Write-Done "Driver Verifier is set for eduwdm.sys with the flags ${text}:"
    foreach ($name in $Names) {
        Write-Host ('            0x{0:x5}  {1}' -f $Options[$name], $name)
    }
}

# The events of a source since a moment.
function Get-SystemEvent([string[]] $Sources, [int] $Id, [datetime] $Since) {
    Get-WinEvent -FilterHashtable @{ LogName = 'System'; Id = $Id; StartTime = $Since } -ErrorAction SilentlyContinue |
        Where-Object { $_.ProviderName -in $Sources }
}

# The bugchecks that Windows has recorded since a moment, a line each: the report of the dump, or,
# where there is none, the code that the kernel has found at its next start.
function Get-Bugcheck([datetime] $Since) {
    $reports = @(Get-SystemEvent @('Microsoft-Windows-WER-SystemErrorReporting', 'BugCheck') 1001 $Since)
    if ($reports.Count -gt 0) {
        return @($reports | ForEach-Object { "$($_.TimeCreated): $($_.Message)" })
    }
    $lines = @()
    foreach ($record in @(Get-SystemEvent 'Microsoft-Windows-Kernel-Power' 41 $Since)) {
        $data = ([xml] $record.ToXml()).Event.EventData.Data | Where-Object { $_.Name -eq 'BugcheckCode' }
        if ($data -and [uint32] $data.InnerText -ne 0) {
            $lines += '{0}: bugcheck 0x{1:x}, without a dump' -f $record.TimeCreated, [uint32] $data.InnerText
        }
    }
    return $lines
}

# Ends the verification: what was set up for it is taken away, whatever it came to.
function Stop-Verification([int] $Code, [string] $Text, [string[]] $Lines) {
    if ((Invoke-Program 'verifier.exe' @('/reset')) -notin 0, 2) {
        Write-Note "verifier /reset ended with exit code $LASTEXITCODE."
    }
    Unregister-Continuation
    Remove-Item -LiteralPath $StateFile
    Stop-Script $Code $Text $Lines
}

# Ends the verification if Windows has stopped since Driver Verifier was set. The event that says
# so is written some time after the start, often after the sign-in with which this script goes
# on. So if Windows was not shut down, the event is waited for; and if it started anew in the
# middle of the stress runs, it had stopped, with an event or without.
function Confirm-NoBugcheck($State) {
    $since = Get-Time $State.SetAt
    $interrupted = $State.RunningSince -ne 0 -and (Get-StartTime) -gt (Get-Time $State.RunningSince)
    $until = (Get-StartTime).AddSeconds($EventSeconds)
    $bugchecks = @(Get-Bugcheck $since)
    while ($bugchecks.Count -eq 0 -and (Get-Date) -lt $until) {
        # The event log's first entry of a start, and what it says of the stop before it.
        $started = @(Get-SystemEvent 'EventLog' 6005 (Get-StartTime)).Count -gt 0
        $unclean = @(Get-SystemEvent 'EventLog' 6008 $since).Count -gt 0
        if ($started -and -not $unclean -and -not $interrupted) {
            break
        }
        Write-Progress -Activity 'Waiting for the event log to say how Windows had stopped'
        Start-Sleep -Seconds 2
        $bugchecks = @(Get-Bugcheck $since)
    }
    Write-Progress -Activity 'Waiting for the event log to say how Windows had stopped' -Completed
    if ($bugchecks.Count -gt 0) {
        Stop-Verification 7 'Windows stopped with a bugcheck while the driver was verified.' (
            $bugchecks + 'Open the dump in WinDbg with the eduwdm.pdb of this package, and type: !analyze -v')
    }
    if ($interrupted) {
        Stop-Verification 7 'Windows was started anew during the stress runs, and recorded no bugcheck.' @(
            'If it was restarted or switched off by hand, begin anew:', "  $(Get-CommandLine 'verify.ps1')",
            'If not, Windows could not write its dump: let a kernel debugger see the next stop.')
    }
}

# Whether Driver Verifier has the driver loaded and watches it, in its own words.
function Confirm-Verified {
    $query = (Get-ProgramOutput 'verifier.exe' @('/query')) -join "`r`n"
    if ($query -notmatch 'eduwdm\.sys') {
        Stop-Script 5 'Driver Verifier does not watch eduwdm.sys, though it was set to.' @(
            'Is the driver loaded? Run: .\eductl.exe list',
            'Run: verifier /querysettings')
    }
    Write-Already 'Driver Verifier watches eduwdm.sys.'
    return $query
}

# Runs eductl stress for the given minutes, and notes what it found. Where allocations fail on
# purpose, the driver may refuse a request for want of memory: eductl then ends with exit code 3,
# and is started again until the time is over. Wrong answers, hangs and a device that is gone are
# faults in either case.
function Invoke-Stress([string] $Name, [int] $Length, [long] $FirstSeed, [bool] $MayRefuse) {
    $eductl = Join-Path $PSScriptRoot 'eductl.exe'
    $log = Join-Path $Folder "stress-$Name.log"
    Set-TextFile $log "eductl stress, $Name, $(Get-Date -Format 'u')"
    $end = (Get-Date).AddMinutes($Length)
    $runs = 0
    $refused = 0
    while ($true) {
        $left = [int] [Math]::Ceiling(($end - (Get-Date)).TotalSeconds)
        if ($left -le 0) {
            break
        }
        # Each start has a seed of its own, or it would only repeat the first.
        $arguments = @('stress', '--duration', "$left", '--seed', "$($FirstSeed + $runs)")
        $runs++
        Write-Host "            ${Name}: eductl $arguments"
        Add-TextLine $log "eductl $arguments"
        Get-ProgramOutput $eductl $arguments -Utf8 | ForEach-Object {
            Add-TextLine $log $_
            Write-Host "            $_"
        }
        $code = $LASTEXITCODE
        Add-TextLine $log "exit code $code"
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
    $after = (Get-ProgramOutput 'verifier.exe' @('/query')) -join "`r`n"
    $system = Get-CimInstance -ClassName Win32_OperatingSystem
    $machine = Get-CimInstance -ClassName Win32_ComputerSystem
    Set-TextFile $report @(
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
    )
    Write-Done "The report is $report"
}

function Disable-Verifier($State, [bool] $Keep) {
    Unregister-Continuation
    if ($Keep) {
        # The next run of the script begins with the stress runs.
        Set-State $State.SetAt $State.Flags 0
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
Confirm-Platform 2
$state = Get-State
$set = (Get-VerifiedDriver) -contains 'eduwdm.sys'
if ($state -and (Get-StartTime) -ge (Get-Time $state.SetAt)) {
    Confirm-NoBugcheck $state
    if (-not $set) {
        Stop-Verification 5 'Driver Verifier does not have eduwdm.sys any more.' @(
            'Either Windows could not start with it, and the boot mode resetonbootfail took it away,',
            'or somebody has run: verifier /reset')
    }
}
if (-not $set -or -not $state) {
    Confirm-Installed
    Enable-Verifier @($Options.Keys | Where-Object { $_ -ne $LowResources -or -not $NoLowResources })
    if ($Restart) {
        $arguments = @('-Minutes', $Minutes, '-Seed', $Seed)
        if ($KeepOn) { $arguments += '-KeepOn' }
        Register-Continuation $arguments
    }
    Invoke-Restart $Restart 'Driver Verifier begins with the next start.'
}
if ((Get-StartTime) -lt (Get-Time $state.SetAt)) {
    Write-Already 'Driver Verifier is set for eduwdm.sys.'
    Invoke-Restart $Restart 'Driver Verifier begins with the next start.'
}
Confirm-Installed
$before = Confirm-Verified
Set-State $state.SetAt $state.Flags (Get-Date).Ticks
Invoke-Stress 'strict' $Minutes $Seed $false
if ($state.Flags -band $Options[$LowResources]) {
    $until = (Get-StartTime).AddMinutes($QuietMinutes)
    while ((Get-Date) -lt $until) {
        $left = [int] ($until - (Get-Date)).TotalSeconds
        Write-Progress -Activity 'Waiting until Driver Verifier fails allocations' -SecondsRemaining $left
        Start-Sleep -Seconds 1
    }
    Write-Progress -Activity 'Waiting until Driver Verifier fails allocations' -Completed
    Invoke-Stress 'low-resources' $Minutes $Seed $true
}
Write-Report $before
Disable-Verifier $state $KeepOn
if ($script:Faults.Count -gt 0) {
    Stop-Script 6 'The driver or its answers were at fault.' $script:Faults
}
Write-Host ''
Write-Host 'Passed.'
exit 0
