# What install.ps1, verify.ps1 and remove.ps1 share: how they speak, and what they look up.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# The devices that the package is for.
$DeviceIds = @('PCI\VEN_1234&DEV_11E8', 'PCI\VEN_1B36&DEV_0005')

# Says that a step was done just now.
function Write-Done([string] $Text) {
    Write-Host "[done]      $Text" -ForegroundColor Green
}

# Says that there was nothing to do for a step, because it had been done before.
function Write-Already([string] $Text) {
    Write-Host "[unchanged] $Text"
}

# Says what a person should know, but need not act on.
function Write-Note([string] $Text) {
    Write-Host "[note]      $Text" -ForegroundColor Yellow
}

# Ends the script: what is wrong, what to do, and an exit code that tells the reasons apart.
function Stop-Script([int] $Code, [string] $Text, [string[]] $Remedy = @()) {
    Write-Host "[failed]    $Text" -ForegroundColor Red
    foreach ($line in $Remedy) {
        Write-Host "            $line"
    }
    exit $Code
}

# Whether Windows lets test-signed drivers run. The answer comes from the kernel: what bcdedit
# prints is in the system's language, and says what will hold after the next start.
function Test-TestSigning {
    if (-not ('Eduwdm.CodeIntegrity' -as [type])) {
        Add-Type -Namespace Eduwdm -Name CodeIntegrity -MemberDefinition @'
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
public struct Information { public uint Length; public uint Options; }

[System.Runtime.InteropServices.DllImport("ntdll.dll")]
public static extern int NtQuerySystemInformation(
    int kind, ref Information information, int length, out int returned);
'@
    }
    $information = New-Object -TypeName 'Eduwdm.CodeIntegrity+Information'
    $information.Length = 8
    $returned = 0
    # SystemCodeIntegrityInformation
    $status = [Eduwdm.CodeIntegrity]::NtQuerySystemInformation(103, [ref] $information, 8, [ref] $returned)
    if ($status -ne 0) {
        throw ('NtQuerySystemInformation: 0x{0:x8}' -f $status)
    }
    # CODEINTEGRITY_OPTION_TESTSIGN
    return ($information.Options -band 2) -ne 0
}

# Whether the firmware checks what it starts. A machine without UEFI has no such thing.
function Test-SecureBoot {
    try {
        return [bool] (Confirm-SecureBootUEFI)
    } catch {
        return $false
    }
}

# The devices of this machine that the package is for, whether they work or not.
function Get-EduwdmDevice {
    Get-PnpDevice -PresentOnly -ErrorAction SilentlyContinue | Where-Object {
        $instance = $_.InstanceId
        @($DeviceIds | Where-Object { $instance.StartsWith($_, [StringComparison]::OrdinalIgnoreCase) }).Count -gt 0
    }
}

# A property of a device, or nothing where it has none.
function Get-DeviceProperty($Device, [string] $Key) {
    $property = Get-PnpDeviceProperty -InstanceId $Device.InstanceId -KeyName $Key -ErrorAction SilentlyContinue
    if ($property -and $property.Type -ne 'Empty') {
        return $property.Data
    }
    return $null
}

# The packages in the driver store that came from eduwdm.inf: oem<number>.inf and the version.
function Get-StoredPackage {
    Get-WindowsDriver -Online | Where-Object {
        (Split-Path -Leaf $_.OriginalFileName) -eq 'eduwdm.inf'
    }
}

# The drivers that Driver Verifier watches since the last start, and those it will watch after
# the next.
function Get-VerifiedDriver {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management'
    $value = (Get-ItemProperty -Path $key).PSObject.Properties['VerifyDrivers']
    if ($value -and $value.Value) {
        return @($value.Value -split '\s+' | Where-Object { $_ })
    }
    return @()
}

# Runs a program, shows what it prints, and returns its exit code.
function Invoke-Program([string] $Path, [string[]] $Arguments) {
    & $Path @Arguments | ForEach-Object { Write-Host "            $_" }
    return $LASTEXITCODE
}

Export-ModuleMember -Function '*' -Variable 'DeviceIds'
