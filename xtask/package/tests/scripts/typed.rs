//! What a person is told to type: it works as it stands, from an ordinary PowerShell on a Windows
//! whose execution policy is the one that it came with (it refuses scripts).

use crate::tree::{around, at, command_name, of_kind, parse, text};
use crate::{script, scripts};

/// Strings that tell a person to run a script, and not how.
fn faults(script: &str) -> Vec<String> {
    let tree = parse(script);
    of_kind(tree.root_node(), "string_literal")
        .into_iter()
        .filter(|string| {
            let words = text(*string, script).to_lowercase();
            let told = words.contains(".ps1") && words.contains("run");
            told && !words.contains("$(get-commandline ")
                && !words.contains("-executionpolicy bypass -file")
                && !is_argument(*string, script)
        })
        .map(|string| at(string, script))
        .collect()
}

/// Whether a string is the argument of what makes the whole command line.
fn is_argument(string: tree_sitter::Node<'_>, script: &str) -> bool {
    around(string, "command")
        .is_some_and(|command| command_name(command, script) == "Get-CommandLine")
}

#[test]
fn nobody_is_told_to_run_a_script_without_its_command_line() {
    for (name, script) in scripts() {
        assert_eq!(faults(&script), [""; 0], "{name}");
    }
    assert_eq!(
        faults("Stop-Script 2 'Then run install.ps1 again.'").len(),
        1
    );
    assert_eq!(
        faults("Write-Host \"run: $(Get-CommandLine 'install.ps1')\""),
        [""; 0]
    );
}

#[test]
fn every_command_line_names_a_script_of_the_package_and_its_parameters() {
    let mut lines = 0;
    for (name, script_text) in scripts() {
        let tree = parse(&script_text);
        for command in of_kind(tree.root_node(), "command") {
            if command_name(command, &script_text) != "Get-CommandLine" {
                continue;
            }
            lines += 1;
            let (_, argument) = text(command, &script_text).split_once(' ').unwrap();
            let mut words = argument.trim_matches('\'').split(' ');
            let target = script(words.next().unwrap());
            for parameter in words {
                let declared = format!("[switch] ${}", parameter.strip_prefix('-').unwrap());
                assert!(target.contains(&declared), "{name}: {argument}");
            }
        }
    }
    assert!(lines >= 8, "{lines}");
}
