# What install.ps1, verify.ps1 and remove.ps1 share: how they speak, how they run programs, and
# what they look up.

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

# What a person types to run a script of the package, whatever the machine's execution policy is.
function Get-CommandLine([string] $Script) {
    "powershell -ExecutionPolicy Bypass -File .\$Script"
}

# Ends the script where this is not the PowerShell of a 64-bit Windows on x64. In a 32-bit process
# System32 is another folder, without pnputil and bcdedit. The processor is asked for in the
# registry: the variable of the same name says what the process is emulated for.
function Confirm-Platform([int] $Code) {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
    $processor = (Get-ItemProperty -LiteralPath $key).PROCESSOR_ARCHITECTURE
    if ($processor -ne 'AMD64') {
        Stop-Script $Code "The driver is for Windows on x64 alone; this is Windows on $processor."
    }
    if (-not [Environment]::Is64BitProcess) {
        Stop-Script $Code 'This is the 32-bit PowerShell of a 64-bit Windows.' @(
            'Open "Windows PowerShell" (not "Windows PowerShell (x86)") as administrator, or run the script with:',
            "  $env:windir\Sysnative\WindowsPowerShell\v1.0\powershell.exe -ExecutionPolicy Bypass -File ...")
    }
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

# Whether Smart App Control keeps programs from running that Microsoft does not know and that no
# public certification authority vouches for.
function Test-SmartAppControl {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Control\CI\Policy'
    if (-not (Test-Path -LiteralPath $key)) {
        return $false
    }
    $state = (Get-ItemProperty -LiteralPath $key).PSObject.Properties['VerifiedAndReputablePolicyState']
    # 0 is off, 2 only looks on.
    return $null -ne $state -and $state.Value -eq 1
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
    $value = (Get-ItemProperty -LiteralPath $key).PSObject.Properties['VerifyDrivers']
    if ($value -and $value.Value) {
        return @($value.Value -split '\s+' | Where-Object { $_ })
    }
    return @()
}

# Runs a program and gives its lines, those of its standard error among them, as text.
# $LASTEXITCODE is its exit code then. A program that cannot be run ends the script.
#
# Every program is run here, because Windows PowerShell 5.1 makes an error of each line of a
# standard error that it redirects (the ISE and remote sessions redirect it always), and under
# 'Stop' the first of them would end the script.
function Get-ProgramOutput([string] $Path, [string[]] $Arguments, [switch] $Utf8) {
    $program = Get-Command -Name $Path -CommandType Application -ErrorAction Stop | Select-Object -First 1
    $encoding = [Console]::OutputEncoding
    try {
        if ($Utf8) {
            Set-ConsoleEncoding (New-Object -TypeName System.Text.UTF8Encoding -ArgumentList $false)
        }
        $ErrorActionPreference = 'Continue'
        & $program.Source @Arguments 2>&1 | ForEach-Object {
            if ($_ -is [System.Management.Automation.ErrorRecord]) {
                # Of an empty line the record itself gives the name of its type.
                $_.Exception.Message
            } else {
                "$_"
            }
        }
    } catch {
        # That the program could not be run ends a statement only; 'Continue' would go on.
        throw
    } finally {
        if ($Utf8) {
            Set-ConsoleEncoding $encoding
        }
    }
}

# How the lines of programs are decoded: eductl writes UTF-8, the programs of Windows the
# console's own code page. Without a console there is nothing to set.
function Set-ConsoleEncoding([System.Text.Encoding] $Encoding) {
    try {
        [Console]::OutputEncoding = $Encoding
    } catch [System.IO.IOException] {
        Write-Verbose "The console's encoding cannot be set: $_"
    }
}

# Runs a program, shows what it prints, and returns its exit code.
function Invoke-Program([string] $Path, [string[]] $Arguments, [switch] $Utf8) {
    Get-ProgramOutput $Path $Arguments -Utf8:$Utf8 | ForEach-Object { Write-Host "            $_" }
    return $LASTEXITCODE
}

# Begins a text file, or replaces it. This and Add-TextLine are the only writers of files: where
# nothing else is said, PowerShell's own differ in their encodings, within one file too.
function Set-TextFile([string] $Path, [string[]] $Lines) {
    Set-Content -LiteralPath $Path -Value $Lines -Encoding UTF8
}

# Adds a line to a text file.
function Add-TextLine([string] $Path, [string] $Line) {
    Add-Content -LiteralPath $Path -Value $Line -Encoding UTF8
}

Export-ModuleMember -Function '*' -Variable 'DeviceIds'
