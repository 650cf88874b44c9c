# What the scripts share that run by themselves in a virtual machine: how they tell the host what
# they do, and where they leave what they have found. eduwdm.psm1 is to be imported before.

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'

# What is kept on the system's disk: the agent, and how far a verification has come.
$script:GuestFolder = Join-Path $env:SystemDrive 'eduwdm-vm'
# The first serial port, once it is open.
$script:Port = $null

# Opens the port to the host. Without it everything goes on, and the host sees only the end.
function Connect-HostPort {
    $port = New-Object -TypeName System.IO.Ports.SerialPort -ArgumentList 'COM1', 115200
    $port.NewLine = "`r`n"
    $port.WriteTimeout = 10000
    try {
        $port.Open()
        $script:Port = $port
    } catch {
        Write-Note "The host cannot be told anything by COM1: $_"
    }
}

# Tells the host a line. The port has the characters of ASCII.
function Send-HostLine([string] $Kind, [string] $Text) {
    Write-Host "${Kind}: $Text"
    if ($null -eq $script:Port) {
        return
    }
    try {
        $script:Port.WriteLine(("@eduwdm $Kind $Text" -replace '[^\x20-\x7e]', '?'))
    } catch [System.TimeoutException] {
        Write-Note 'The host does not listen any more.'
        $script:Port = $null
    }
}

# Leaves the exit code on the package's disk, tells it to the host, and shuts the machine down.
# The disk is written out first: what the host is told is there.
function Complete-Guest([string] $Root, [int] $Code) {
    $results = Join-Path $Root 'results'
    $null = New-Item -ItemType Directory -Path $results -Force
    Set-TextFile (Join-Path $results 'exit-code.txt') "$Code"
    Write-VolumeCache -DriveLetter $Root.Substring(0, 1)
    Send-HostLine 'done' "$Code"
    Stop-Computer -Force
}

Export-ModuleMember -Function '*' -Variable 'GuestFolder'
