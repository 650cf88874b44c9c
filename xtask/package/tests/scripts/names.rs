//! Names: every command that is called exists and is written out (an alias may be another command
//! elsewhere), and every function has one of PowerShell's approved verbs.

use crate::scripts;
use crate::tree::{at, command_name, of_kind, parse, text};

/// Cmdlets of Windows PowerShell 5.1 and of Windows' modules that the scripts use.
const CMDLETS: &[&str] = &[
    "Add-Content",
    "Add-Type",
    "Confirm-SecureBootUEFI",
    "ConvertFrom-Json",
    "ConvertTo-Json",
    "Copy-Item",
    "Export-ModuleMember",
    "ForEach-Object",
    "Get-AuthenticodeSignature",
    "Get-ChildItem",
    "Get-CimInstance",
    "Get-Command",
    "Get-Content",
    "Get-Date",
    "Get-ItemProperty",
    "Get-PnpDevice",
    "Get-PnpDeviceProperty",
    "Get-ScheduledTask",
    "Get-Volume",
    "Get-WinEvent",
    "Get-WindowsDriver",
    "Import-Certificate",
    "Import-Module",
    "Join-Path",
    "New-Item",
    "New-Object",
    "New-ScheduledTaskAction",
    "New-ScheduledTaskPrincipal",
    "New-ScheduledTaskTrigger",
    "Register-ScheduledTask",
    "Remove-Item",
    "Remove-ItemProperty",
    "Restart-Computer",
    "Select-Object",
    "Set-Content",
    "Set-ItemProperty",
    "Set-StrictMode",
    "Split-Path",
    "Start-Sleep",
    "Stop-Computer",
    "Test-Path",
    "Unregister-ScheduledTask",
    "Where-Object",
    "Write-Host",
    "Write-Progress",
    "Write-Verbose",
    "Write-VolumeCache",
];

/// "Approved Verbs for PowerShell Commands", those of Windows PowerShell 5.1.
#[rustfmt::skip]
const VERBS: &[&str] = &[
    "Add", "Approve", "Assert", "Backup", "Block", "Checkpoint", "Clear", "Close", "Compare",
    "Complete", "Compress", "Confirm", "Connect", "Convert", "ConvertFrom", "ConvertTo", "Copy",
    "Debug", "Deny", "Disable", "Disconnect", "Dismount", "Edit", "Enable", "Enter", "Exit",
    "Expand", "Export", "Find", "Format", "Get", "Grant", "Group", "Hide", "Import", "Initialize",
    "Install", "Invoke", "Join", "Limit", "Lock", "Measure", "Merge", "Mount", "Move", "New", "Open",
    "Optimize", "Out", "Ping", "Pop", "Protect", "Publish", "Push", "Read", "Receive", "Redo",
    "Register", "Remove", "Rename", "Repair", "Request", "Reset", "Resize", "Resolve", "Restart",
    "Restore", "Resume", "Revoke", "Save", "Search", "Select", "Send", "Set", "Show", "Skip", "Split",
    "Start", "Step", "Stop", "Submit", "Suspend", "Switch", "Sync", "Test", "Trace", "Unblock",
    "Undo", "Uninstall", "Unlock", "Unprotect", "Unpublish", "Unregister", "Update", "Use", "Wait",
    "Watch", "Write",
];

/// The functions that a script defines.
fn functions(script: &str) -> Vec<String> {
    of_kind(parse(script).root_node(), "function_name")
        .into_iter()
        .map(|name| text(name, script).to_owned())
        .collect()
}

/// Commands that are no function of `known` and no cmdlet, aliases among them.
fn unknown(script: &str, known: &[String]) -> Vec<String> {
    of_kind(parse(script).root_node(), "command")
        .into_iter()
        .filter(|command| {
            let name = command_name(*command, script);
            !name.is_empty()
                && !known.iter().any(|function| function == name)
                && !CMDLETS.contains(&name)
        })
        .map(|command| at(command, script))
        .collect()
}

/// Functions whose verbs PowerShell does not know.
fn unapproved(script: &str) -> Vec<String> {
    functions(script)
        .into_iter()
        .filter(|function| {
            !function
                .split_once('-')
                .is_some_and(|(verb, noun)| VERBS.contains(&verb) && !noun.is_empty())
        })
        .collect()
}

#[test]
fn every_command_is_a_function_or_a_cmdlet_written_out() {
    let shared: Vec<String> = ["eduwdm.psm1", "guest.psm1"]
        .iter()
        .flat_map(|module| functions(&crate::script(module)))
        .collect();
    let mut used = Vec::new();
    for (name, script) in scripts() {
        let mut known = functions(&script);
        known.extend_from_slice(&shared);
        assert_eq!(unknown(&script, &known), [""; 0], "{name}");
        let tree = parse(&script);
        for command in of_kind(tree.root_node(), "command") {
            used.push(command_name(command, &script).to_owned());
        }
    }
    for cmdlet in CMDLETS {
        assert!(
            used.iter().any(|used| used == cmdlet),
            "{cmdlet} is not used"
        );
    }
    for function in shared {
        assert!(used.contains(&function), "{function} is called by nobody");
    }
}

#[test]
fn every_function_has_an_approved_verb() {
    for (name, script) in scripts() {
        assert_eq!(unapproved(&script), [""; 0], "{name}");
    }
}

#[test]
fn the_rules_see_aliases_misspellings_and_verbs_of_ones_own() {
    for script in [
        "gci C:\\",
        "1 | % { $_ }",
        "1 | ? { $_ }",
        "echo 'x'",
        "Get-Dat",
        "cd C:\\",
        "1 | select -First 1",
    ] {
        assert_eq!(unknown(script, &[]).len(), 1, "{script}");
    }
    assert_eq!(unknown("Get-Date\nF-G\n", &["F-G".to_owned()]), [""; 0]);
    for script in [
        "function Ensure-Package { 1 }",
        "function Package { 1 }",
        "function Check-Windows { 1 }",
    ] {
        assert_eq!(unapproved(script).len(), 1, "{script}");
    }
}
