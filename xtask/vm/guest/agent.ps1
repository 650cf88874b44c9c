# Runs whenever the user is signed in: if the package's disk has a verification on it, goes on
# with it. What is to be done is on the disk, so that an image need not be made anew for it.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# The package's disk, once Windows has found it.
function Wait-PackageDisk([int] $Seconds) {
    $until = (Get-Date).AddSeconds($Seconds)
    do {
        $volume = Get-Volume | Where-Object { $_.FileSystemLabel -eq 'EDUWDM' -and $_.DriveLetter } | Select-Object -First 1
        if ($volume) {
            return "$($volume.DriveLetter):\"
        }
        Start-Sleep -Seconds 1
    } while ((Get-Date) -lt $until)
    return $null
}

$root = Wait-PackageDisk 60
if ($root -and (Test-Path -LiteralPath (Join-Path $root 'guest\settings.json'))) {
    Import-Module (Join-Path $root 'eduwdm\eduwdm.psm1') -Force -DisableNameChecking
    $script = Join-Path $root 'guest\verify-guest.ps1'
    exit (Invoke-Program 'powershell.exe' @('-NoProfile', '-ExecutionPolicy', 'Bypass', '-File', $script))
}
