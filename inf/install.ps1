<#
.SYNOPSIS
Installs the eduwdm driver on this test machine, and tries it.

.DESCRIPTION
Checks that Windows lets test-signed drivers run, trusts the package's certificate, adds the
package to the driver store, waits until its devices have started, and runs eductl once.
It can be run again at any time: what has been done already is left as it is.

Exit codes: 0 installed and tried; 2 test signing is off; 3 the package is damaged or
incomplete; 4 Windows refused the package; 5 a device did not start; 6 eductl found a fault;
3010 Windows must be restarted first.

.PARAMETER EnableTestSigning
Switches test signing on where it is off. It holds after the next start of Windows.

.PARAMETER WaitSeconds
How long a device may take to start.

.PARAMETER SkipSmokeTest
Does not run eductl.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File .\install.ps1
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [switch] $EnableTestSigning,
    [ValidateRange(1, 600)] [int] $WaitSeconds = 30,
    [switch] $SkipSmokeTest
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
Import-Module (Join-Path $PSScriptRoot 'eduwdm.psm1') -Force -DisableNameChecking

# The first Windows with every routine that the driver calls: Windows 10, version 2004.
$LowestBuild = 19041

function Confirm-Windows {
    $build = [Environment]::OSVersion.Version.Build
    if ($build -lt $LowestBuild) {
        Stop-Script 4 "This is build $build of Windows; the driver needs build $LowestBuild (Windows 10, version 2004) or later."
    }
}

function Confirm-Package {
    foreach ($name in 'eduwdm.inf', 'eduwdm.sys', 'eduwdm.cat', 'eduwdm.cer') {
        if (-not (Test-Path -LiteralPath (Join-Path $PSScriptRoot $name) -PathType Leaf)) {
            Stop-Script 3 "$name is missing." 'Unpack the whole zip file into a folder, and run the script from there.'
        }
    }
}

function Confirm-TestSigning([bool] $Enable) {
    if (Test-TestSigning) {
        Write-Already 'Windows lets test-signed drivers run.'
        return
    }
    if (Test-SecureBoot) {
        Stop-Script 2 'Secure Boot is on, and does not let test signing be switched on.' @(
            'Switch Secure Boot off in the virtual machine''s firmware, and start again.',
            "Then run: $(Get-CommandLine 'install.ps1 -EnableTestSigning')")
    }
    if (-not $Enable) {
        Stop-Script 2 'Windows does not let test-signed drivers run.' @(
            'Use a virtual machine that you can do without, and run:',
            "  $(Get-CommandLine 'install.ps1 -EnableTestSigning')",
            'or do the same by hand:',
            '  bcdedit /set testsigning on',
            'Then restart Windows, and run:',
            "  $(Get-CommandLine 'install.ps1')")
    }
    if ((Invoke-Program 'bcdedit.exe' @('/set', 'testsigning', 'on')) -ne 0) {
        Stop-Script 2 'bcdedit could not switch test signing on.' @(
            'If BitLocker protects the system drive, suspend it first: Suspend-BitLocker -MountPoint C:')
    }
    Write-Done 'Test signing is switched on for the next start of Windows.'
    Stop-Script 3010 'Windows must be restarted.' @(
        'Restart it, and run:', "  $(Get-CommandLine 'install.ps1')")
}

function Import-PackageCertificate {
    $file = Join-Path $PSScriptRoot 'eduwdm.cer'
    $certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 $file
    foreach ($name in 'eduwdm.cat', 'eduwdm.sys') {
        $signature = Get-AuthenticodeSignature -LiteralPath (Join-Path $PSScriptRoot $name)
        if ($null -eq $signature.SignerCertificate) {
            Stop-Script 3 "$name is not signed." 'Make the package again: cargo xtask package'
        }
        if ($signature.SignerCertificate.Thumbprint -ne $certificate.Thumbprint) {
            Stop-Script 3 "$name is not signed with eduwdm.cer, but by $($signature.SignerCertificate.Subject)." `
                'Do not mix files of two packages.'
        }
    }
    if ($certificate.NotAfter -lt (Get-Date)) {
        Stop-Script 3 "The certificate expired on $($certificate.NotAfter)." 'Make the package again: cargo xtask package'
    }
    # Only a certificate that vouches for itself has to become a root; a bought one has its own.
    $stores = @('TrustedPublisher')
    if ($certificate.Subject -eq $certificate.Issuer) {
        $stores += 'Root'
    }
    foreach ($store in $stores) {
        $path = "Cert:\LocalMachine\$store"
        if (Test-Path "$path\$($certificate.Thumbprint)") {
            Write-Already "The certificate $($certificate.Thumbprint) is in $store."
        } else {
            $null = Import-Certificate -FilePath $file -CertStoreLocation $path
            Write-Done "The certificate $($certificate.Thumbprint) ($($certificate.Subject)) is in $store."
        }
    }
    foreach ($name in 'eduwdm.cat', 'eduwdm.sys') {
        $signature = Get-AuthenticodeSignature -LiteralPath (Join-Path $PSScriptRoot $name)
        if ($signature.Status -ne 'Valid') {
            Stop-Script 3 "The signature of ${name} is not valid: $($signature.StatusMessage)" `
                'The file was changed after it was signed. Unpack the package again.'
        }
    }
    Write-Already 'The signatures of catalog and driver are valid.'
}

# Adds the package and says whether Windows must be restarted for it.
function Add-Package {
    $inf = Join-Path $PSScriptRoot 'eduwdm.inf'
    $code = Invoke-Program 'pnputil.exe' @('/add-driver', $inf, '/install')
    switch ($code) {
        0 { Write-Done 'The package is in the driver store, and its devices have its driver.' }
        # ERROR_NO_MORE_ITEMS: every device has this driver, or a better one, or there is none.
        259 { Write-Already 'The package is in the driver store; no device needed another driver.' }
        # ERROR_SUCCESS_REBOOT_REQUIRED
        3010 {
            Write-Done 'The package is in the driver store.'
            return $true
        }
        default {
            Stop-Script 4 ('pnputil refused the package: exit code {0} (0x{0:x8}).' -f $code) @(
                "What happened is at the end of $env:windir\INF\setupapi.dev.log.",
                'A message about the signature means that the certificate is not trusted, or that a file was changed.')
        }
    }
    return $false
}

function Wait-Device([int] $Seconds) {
    $devices = @(Get-EduwdmDevice)
    if ($devices.Count -eq 0) {
        Write-Note 'This machine has neither an edu device nor a pci-testdev device.'
        Write-Note 'Start it in QEMU with -device edu and -device pci-testdev; the driver is ready for them.'
        return 0
    }
    foreach ($device in $devices) {
        $until = (Get-Date).AddSeconds($Seconds)
        while ((Get-PnpDevice -InstanceId $device.InstanceId).Status -ne 'OK' -and (Get-Date) -lt $until) {
            Start-Sleep -Milliseconds 250
        }
        $now = Get-PnpDevice -InstanceId $device.InstanceId
        $service = Get-DeviceProperty $now 'DEVPKEY_Device_Service'
        if ($now.Status -ne 'OK' -or $service -ne 'eduwdm') {
            $problem = Get-DeviceProperty $now 'DEVPKEY_Device_ProblemCode'
            $status = Get-DeviceProperty $now 'DEVPKEY_Device_ProblemStatus'
            $text = "$($now.FriendlyName) [$($now.InstanceId)] did not start: service '$service', problem code $problem"
            if ($null -ne $status) {
                $text += ', status 0x{0:x8}' -f $status
            }
            Stop-Script 5 "$text." @(
                'Problem code 52: test signing is off, or the driver''s signature is not trusted.',
                'Problem code 10: the driver refused the device; see the System event log, source eduwdm.')
        }
        $version = Get-DeviceProperty $now 'DEVPKEY_Device_DriverVersion'
        Write-Already "$($now.FriendlyName) [$($now.InstanceId)] runs, driver $version."
    }
    return $devices.Count
}

function Invoke-SmokeTest {
    $eductl = Join-Path $PSScriptRoot 'eductl.exe'
    if (-not (Test-Path -LiteralPath $eductl)) {
        Write-Note 'eductl.exe is not in the package, so the driver was not tried.'
        return
    }
    if (Test-SmartAppControl) {
        Write-Note 'Smart App Control is on. It keeps eductl.exe from running, which has the package''s signature only.'
        Write-Note 'Switch it off in Windows Security, "App & browser control", "Smart App Control settings".'
    }
    $hasEdu = @(Get-EduwdmDevice | Where-Object { $_.InstanceId -like 'PCI\VEN_1234&DEV_11E8*' }).Count -gt 0
    $commands = @(, @('list'))
    if ($hasEdu) {
        $commands += , @('info')
        $commands += , @('factorial', '0', '5', '12')
    }
    foreach ($command in $commands) {
        Write-Host "            eductl $command"
        if ((Invoke-Program $eductl $command -Utf8) -ne 0) {
            Stop-Script 6 "eductl $command ended with exit code $LASTEXITCODE."
        }
    }
    Write-Done 'eductl has reached the driver.'
}

Confirm-Platform 4
Confirm-Windows
Confirm-Package
Confirm-TestSigning $EnableTestSigning
Import-PackageCertificate
$restart = Add-Package
if ($restart) {
    Stop-Script 3010 'Windows must be restarted before the devices work.' @(
        'Restart it, and run:', "  $(Get-CommandLine 'install.ps1')")
}
$count = Wait-Device $WaitSeconds
if ($count -gt 0 -and -not $SkipSmokeTest) {
    Invoke-SmokeTest
}
Write-Host ''
Write-Host 'Installed. Next, to run the driver under Driver Verifier, or to take everything away:'
Write-Host "  $(Get-CommandLine 'verify.ps1 -Restart')"
Write-Host "  $(Get-CommandLine 'remove.ps1')"
exit 0
