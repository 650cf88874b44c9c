<#
.SYNOPSIS
Removes the eduwdm driver from this machine, with everything that install.ps1 and verify.ps1 did.

.DESCRIPTION
Takes the driver from Driver Verifier's list, removes the package from the devices and from the
driver store, removes the certificate, and, if asked, switches test signing off. It can be run
again at any time: what is gone already is left alone.

Exit codes: 0 removed; 4 Windows refused to remove the package; 3010 removed, and Windows must be
restarted for all of it to take effect.

.PARAMETER DisableTestSigning
Switches test signing off as well. Other test-signed drivers will not run then.

.PARAMETER KeepCertificate
Leaves the certificate trusted, for other packages that are signed with it.

.EXAMPLE
powershell -ExecutionPolicy Bypass -File .\remove.ps1
#>
#Requires -Version 5.1
#Requires -RunAsAdministrator
[CmdletBinding()]
param(
    [switch] $DisableTestSigning,
    [switch] $KeepCertificate
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
Import-Module (Join-Path $PSScriptRoot 'eduwdm.psm1') -Force -DisableNameChecking

# Whether something that was done holds only after the next start of Windows.
$script:Restart = $false

function Remove-FromVerifier {
    $verified = @(Get-VerifiedDriver)
    if ($verified -notcontains 'eduwdm.sys') {
        Write-Already 'Driver Verifier does not watch eduwdm.sys.'
        return
    }
    $others = @($verified | Where-Object { $_ -ne 'eduwdm.sys' })
    if ($others.Count -gt 0) {
        Write-Note "Driver Verifier watches $($others -join ', ') too, so its settings are left as they are."
        Write-Note 'To take eduwdm.sys from the list by hand, run verifier.exe.'
        return
    }
    # verifier says 2 where the settings hold after the next start.
    if ((Invoke-Program 'verifier.exe' @('/reset')) -notin 0, 2) {
        Write-Note "verifier /reset ended with exit code $LASTEXITCODE."
    }
    Write-Done 'Driver Verifier is off from the next start of Windows on.'
    $script:Restart = $true
}

# What verify.ps1 would have gone on from. Its reports stay.
function Remove-VerifyRun {
    $state = Join-Path $env:ProgramData 'eduwdm\verify.json'
    if (Test-Path -LiteralPath $state) {
        Remove-Item -LiteralPath $state
        Write-Done 'The verification that had begun is given up.'
    }
    if (Get-ScheduledTask -TaskName 'eduwdm-verify' -ErrorAction SilentlyContinue) {
        Unregister-ScheduledTask -TaskName 'eduwdm-verify' -Confirm:$false
        Write-Done 'The task that would have gone on with verify.ps1 is removed.'
    }
}

function Remove-Package {
    $packages = @(Get-StoredPackage)
    if ($packages.Count -eq 0) {
        Write-Already 'The driver store has no package of eduwdm.'
        return
    }
    foreach ($package in $packages) {
        $code = Invoke-Program 'pnputil.exe' @('/delete-driver', $package.Driver, '/uninstall', '/force')
        switch ($code) {
            0 { Write-Done "The package $($package.Driver), version $($package.Version), is removed." }
            3010 {
                Write-Done "The package $($package.Driver), version $($package.Version), is removed."
                $script:Restart = $true
            }
            default {
                Stop-Script 4 ('pnputil could not remove {0}: exit code {1} (0x{1:x8}).' -f $package.Driver, $code) @(
                    'Close every program that uses the devices, eductl above all, and run:',
                    "  $(Get-CommandLine 'remove.ps1')")
            }
        }
    }
    # The devices stay, without a driver; let Windows look at them anew.
    $null = Invoke-Program 'pnputil.exe' @('/scan-devices')
}

function Remove-PackageCertificate([bool] $Keep) {
    $file = Join-Path $PSScriptRoot 'eduwdm.cer'
    if ($Keep -or -not (Test-Path -LiteralPath $file)) {
        Write-Note 'The certificate is left where it is.'
        return
    }
    $certificate = New-Object System.Security.Cryptography.X509Certificates.X509Certificate2 $file
    $found = $false
    foreach ($store in 'TrustedPublisher', 'Root') {
        $path = "Cert:\LocalMachine\$store\$($certificate.Thumbprint)"
        if (Test-Path $path) {
            Remove-Item -LiteralPath $path
            Write-Done "The certificate $($certificate.Thumbprint) is removed from $store."
            $found = $true
        }
    }
    if (-not $found) {
        Write-Already "The certificate $($certificate.Thumbprint) is not trusted."
    }
}

function Disable-TestSigning {
    if (-not (Test-TestSigning)) {
        Write-Already 'Test signing is off.'
        return
    }
    if ((Invoke-Program 'bcdedit.exe' @('/set', 'testsigning', 'off')) -ne 0) {
        Stop-Script 4 'bcdedit could not switch test signing off.'
    }
    Write-Done 'Test signing is off from the next start of Windows on.'
    $script:Restart = $true
}

Confirm-Platform 4
Remove-FromVerifier
Remove-VerifyRun
Remove-Package
Remove-PackageCertificate $KeepCertificate
if ($DisableTestSigning) {
    Disable-TestSigning
}
Write-Host ''
if ($script:Restart) {
    Write-Host 'Removed. Restart Windows for the rest of it.'
    exit 3010
}
Write-Host 'Removed.'
exit 0
