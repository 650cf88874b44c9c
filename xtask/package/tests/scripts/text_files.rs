//! Text files: one encoding each. Where none is named, Windows PowerShell 5.1 writes UTF-16 by
//! `Tee-Object`, `Out-File` and `>`, the machine's code page by `Set-Content` and `Add-Content`.

use tree_sitter::Node;

use crate::scripts;
use crate::tree::{at, command_name, function_around, of_kind, parse, text};

/// The functions that write, for all others.
const WRITERS: [&str; 2] = ["Set-TextFile", "Add-TextLine"];

/// Whether a command names UTF-8.
fn is_utf8(command: Node<'_>, script: &str) -> bool {
    text(command, script)
        .to_lowercase()
        .contains("-encoding utf8")
}

/// Every place that writes or reads a text file in an encoding that depends on who does it.
fn faults(script: &str) -> Vec<String> {
    let tree = parse(script);
    let mut faults = Vec::new();
    for command in of_kind(tree.root_node(), "command") {
        let right = match command_name(command, script) {
            "Set-Content" | "Add-Content" => {
                is_utf8(command, script)
                    && function_around(command, script)
                        .is_some_and(|function| WRITERS.contains(&function))
            }
            "Get-Content" => is_utf8(command, script),
            "Tee-Object" | "Out-File" | "Export-Csv" | "Start-Transcript" => false,
            _ => true,
        };
        if !right {
            faults.push(at(command, script));
        }
    }
    let operators = of_kind(tree.root_node(), "file_redirection_operator");
    // The grammar takes an operator without a space after it for a word.
    let words = of_kind(tree.root_node(), "generic_token")
        .into_iter()
        .filter(|word| {
            let word = text(*word, script).trim_start_matches(['*', '1', '2', '3', '4', '5', '6']);
            word.starts_with('>') && !word.starts_with(">$null") && !word.starts_with(">&")
        });
    faults.extend(
        operators
            .into_iter()
            .chain(words)
            .map(|node| at(node, script)),
    );
    faults
}

#[test]
fn every_text_file_is_written_and_read_as_utf_8() {
    let mut writers = 0;
    for (name, script) in scripts() {
        assert_eq!(faults(&script), [""; 0], "{name}");
        writers += WRITERS
            .iter()
            .filter(|writer| script.contains(&format!("function {writer}(")))
            .count();
    }
    assert_eq!(writers, WRITERS.len());
}

#[test]
fn the_rule_sees_writers_that_choose_an_encoding_themselves() {
    for script in [
        "Set-Content -LiteralPath $log -Value 'x'",
        "Set-Content -LiteralPath $log -Value 'x' -Encoding UTF8",
        "function Add-TextLine { Add-Content -LiteralPath $log -Value 'x' }",
        "Get-Date | Tee-Object -FilePath $log -Append",
        "Get-Date | Out-File $log",
        "Get-Date > $log",
        "Get-Date >> log.txt",
        "Get-Date *>log.txt",
        "Get-Content -LiteralPath $log -Raw",
    ] {
        assert_eq!(faults(script).len(), 1, "{script}");
    }
    for script in [
        "function Set-TextFile { Set-Content -LiteralPath $log -Value 'x' -Encoding UTF8 }",
        "Get-Content -LiteralPath $log -Encoding UTF8",
        "Get-Date 2>$null",
        "Get-Date 2>&1",
    ] {
        assert_eq!(faults(script), [""; 0], "{script}");
    }
}
