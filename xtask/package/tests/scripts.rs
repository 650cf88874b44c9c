//! The scripts for the test machine: their syntax, by a grammar of PowerShell that is not ours,
//! and that they agree with each other and with the package.

use std::fs;
use std::path::PathBuf;

use tree_sitter::{Node, Parser};

fn scripts() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../inf");
    let mut scripts: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|end| end == "ps1" || end == "psm1")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    scripts.sort();
    scripts
}

fn parser() -> Parser {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    parser
}

/// Every place that the grammar does not understand.
fn faults(text: &str) -> Vec<String> {
    fn visit(node: Node<'_>, text: &str, faults: &mut Vec<String>) {
        if node.is_error() || node.is_missing() {
            let at = node.start_position();
            let line = text.lines().nth(at.row).unwrap_or("");
            faults.push(format!(
                "line {}, column {}: {line}",
                at.row + 1,
                at.column + 1
            ));
            return;
        }
        let mut cursor = node.walk();
        for child in node.children(&mut cursor) {
            visit(child, text, faults);
        }
    }
    let tree = parser().parse(text, None).unwrap();
    let mut faults = Vec::new();
    visit(tree.root_node(), text, &mut faults);
    faults
}

#[test]
fn every_script_is_understood_by_the_grammar() {
    let scripts = scripts();
    let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["eduwdm.psm1", "install.ps1", "remove.ps1", "verify.ps1"]
    );
    for (name, text) in &scripts {
        assert_eq!(faults(text), [""; 0], "{name}");
    }
}

#[test]
fn the_grammar_sees_faults() {
    for text in [
        "if ($a { }",
        "function F { ",
        "$a = @('x', ",
        "foreach ($x in $y { $x }",
    ] {
        assert!(!faults(text).is_empty(), "{text}");
    }
}

#[test]
fn they_are_ascii_so_that_every_powershell_reads_them_alike() {
    // Windows PowerShell takes a file without a byte-order mark for ANSI.
    for (name, text) in scripts() {
        assert!(text.is_ascii(), "{name}");
    }
}

#[test]
fn each_says_what_it_does_and_how_it_ends_and_asks_for_an_administrator() {
    for (name, text) in scripts() {
        if name == "eduwdm.psm1" {
            continue;
        }
        for part in [
            ".SYNOPSIS",
            ".DESCRIPTION",
            ".EXAMPLE",
            "Exit codes:",
            "#Requires -RunAsAdministrator",
            "Set-StrictMode -Version 3.0",
            "$ErrorActionPreference = 'Stop'",
            "Import-Module (Join-Path $PSScriptRoot 'eduwdm.psm1')",
        ] {
            assert!(text.contains(part), "{part} in {name}");
        }
    }
}

#[test]
fn every_exit_code_is_documented_in_its_script() {
    for (name, text) in scripts() {
        let Some((_, described)) = text.split_once("Exit codes:") else {
            continue;
        };
        let described = &described[..described.find("\n\n").unwrap()];
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let code = line.strip_prefix("exit ").or_else(|| {
                let (_, after) = line.split_once("Stop-Script ")?;
                after.split(' ').next()
            });
            if let Some(code) = code.filter(|code| code.parse::<u32>().is_ok()) {
                assert!(
                    described
                        .split(|c: char| !c.is_ascii_digit())
                        .any(|word| word == code),
                    "{name} line {}: exit code {code}",
                    index + 1
                );
            }
        }
    }
}

#[test]
fn every_function_that_is_called_is_defined() {
    let scripts = scripts();
    let own = |text: &str| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.strip_prefix("function "))
            .map(|rest| rest.split(['(', ' ', '{']).next().unwrap().to_owned())
            .collect()
    };
    let shared = own(&scripts[0].1);
    // Cmdlets of Windows PowerShell and its modules that the scripts use.
    let cmdlets = [
        "Add-Type",
        "Confirm-SecureBootUEFI",
        "ConvertFrom-Json",
        "ConvertTo-Json",
        "Export-ModuleMember",
        "ForEach-Object",
        "Get-AuthenticodeSignature",
        "Get-CimInstance",
        "Get-Content",
        "Get-Date",
        "Get-ItemProperty",
        "Get-PnpDevice",
        "Get-PnpDeviceProperty",
        "Get-ScheduledTask",
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
        "Restart-Computer",
        "Set-Content",
        "Set-StrictMode",
        "Split-Path",
        "Start-Sleep",
        "Tee-Object",
        "Test-Path",
        "Unregister-ScheduledTask",
        "Where-Object",
        "Write-Host",
        "Write-Progress",
    ];
    for (name, text) in &scripts {
        let own = own(text);
        let mut commands = Vec::new();
        collect(
            parser().parse(text, None).unwrap().root_node(),
            text,
            &mut commands,
        );
        assert_ne!(commands, Vec::<String>::new(), "no command was found");
        for command in commands {
            let known = own.contains(&command)
                || shared.contains(&command)
                || cmdlets.contains(&command.as_str())
                || ["bcdedit.exe", "pnputil.exe", "verifier.exe"].contains(&command.as_str())
                || !command.contains('-');
            assert!(known, "{name}: {command}");
        }
    }
}

fn collect(node: Node<'_>, text: &str, commands: &mut Vec<String>) {
    if node.kind() == "command_name" {
        commands.push(text[node.byte_range()].to_owned());
    }
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        collect(child, text, commands);
    }
}

#[test]
fn they_know_the_devices_of_the_inf_file() {
    let document = eduwdm_package::inf::Document::parse(include_str!("../../../inf/eduwdm.inf"));
    let facts = eduwdm_package::inf::facts::Facts::of(&document);
    let (_, shared) = &scripts()[0];
    for id in facts.device_ids {
        assert!(shared.contains(&id.to_uppercase()), "{id}");
    }
}

#[test]
fn driver_verifier_is_set_with_every_option_that_is_promised() {
    let (_, text) = scripts()
        .into_iter()
        .find(|(name, _)| name == "verify.ps1")
        .unwrap();
    let flags: u32 = text
        .lines()
        .skip_while(|line| !line.starts_with("$Options"))
        .skip(1)
        .take_while(|line| *line != "}")
        .map(|line| line.rsplit("0x").next().unwrap())
        .map(|number| u32::from_str_radix(number, 16).unwrap())
        .sum();
    // The standard flags, IRP logging and low resources simulation.
    assert_eq!(flags, 0x209bb | 0x400 | 0x4);
}

#[test]
fn the_guide_lists_the_exit_codes_of_the_scripts() {
    let guide = [
        ("install.ps1", include_str!("../../../docs/src/install.md")),
        (
            "verify.ps1",
            include_str!("../../../docs/src/driver-verifier.md"),
        ),
    ];
    for (name, page) in guide {
        let (_, text) = scripts()
            .into_iter()
            .find(|(script, _)| script == name)
            .unwrap();
        let (_, described) = text.split_once("Exit codes:").unwrap();
        let described = &described[..described.find("\n\n").unwrap()];
        for entry in described.split(';') {
            let code = entry.split_whitespace().next().unwrap();
            assert!(page.contains(&format!("| {code} |")), "{code} of {name}");
        }
    }
}

/// The `run` blocks of a job of the workflow.
fn steps(job: &str) -> Vec<String> {
    let workflow = include_str!("../../../.github/workflows/ci.yml");
    let (_, rest) = workflow.split_once(&format!("\n  {job}:\n")).unwrap();
    let mut steps = Vec::new();
    let mut lines = rest
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .peekable();
    while let Some(line) = lines.next() {
        let Some((_, command)) = line.split_once(" run: ") else {
            continue;
        };
        let mut text = String::new();
        if command == "|" {
            while let Some(next) = lines.next_if(|line| line.starts_with("          ")) {
                text.push_str(next);
                text.push('\n');
            }
        } else {
            text.push_str(command);
        }
        steps.push(text);
    }
    steps
}

#[test]
fn the_workflows_steps_on_windows_are_understood_by_the_grammar() {
    let steps = steps("windows");
    assert!(steps.len() >= 8, "{}", steps.len());
    for step in steps {
        assert_eq!(faults(&step), [""; 0], "{step}");
    }
}

#[cfg(unix)]
#[test]
fn the_workflows_steps_on_linux_are_understood_by_the_shell() {
    let steps = steps("linux");
    assert!(steps.len() >= 4, "{}", steps.len());
    for step in steps {
        let status = std::process::Command::new("sh")
            .args(["-n", "-c", &step])
            .status()
            .unwrap();
        assert!(status.success(), "{step}");
    }
}
