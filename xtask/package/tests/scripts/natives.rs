//! Programs that are run. Windows PowerShell 5.1 makes an error record of each line that a program
//! writes to a standard error that is redirected, by the script or by the host (the ISE and remote
//! sessions do it always); under `$ErrorActionPreference = 'Stop'` the first such line ends the
//! script, with everything that it has set up left as it is. So a program may be run only where
//! 'Continue' holds, and where a program that cannot be run is still an error.

use std::path::Path;

use tree_sitter::Node;

use crate::scripts;
use crate::tree::{around, at, below, child, command_name, of_kind, parse, text};

/// Whether a command runs a program: by its name, or by a name that is computed.
fn is_native(command: Node<'_>, script: &str) -> bool {
    let program = Path::new(command_name(command, script))
        .extension()
        .is_some_and(|end| {
            ["exe", "cmd", "com"]
                .iter()
                .any(|known| end.eq_ignore_ascii_case(known))
        });
    if program {
        return true;
    }
    child(command, "command_invokation_operator").is_some()
        && child(command, "command_name_expr")
            .is_some_and(|name| child(name, "script_block_expression").is_none())
}

/// Whether 'Continue' is set earlier in the function around a node.
fn continues(node: Node<'_>, script: &str) -> bool {
    let Some(function) = around(node, "function_statement") else {
        return false;
    };
    of_kind(function, "assignment_expression")
        .into_iter()
        .filter(|assignment| assignment.end_byte() < node.start_byte())
        .any(|assignment| text(assignment, script) == "$ErrorActionPreference = 'Continue'")
}

/// Whether a failure to run the program is thrown on: it ends a statement only, so that 'Continue'
/// would go on, with the exit code of the program before.
fn throws_on(node: Node<'_>, script: &str) -> bool {
    around(node, "try_statement").is_some_and(|attempt| {
        of_kind(attempt, "catch_clause").into_iter().any(|clause| {
            below(clause, &|_| true).into_iter().any(|node| {
                node.kind() == "flow_control_statement" && text(node, script) == "throw"
            })
        })
    })
}

/// Every place where a line on standard error, or a program that is not there, goes wrong.
fn faults(script: &str) -> Vec<String> {
    let tree = parse(script);
    of_kind(tree.root_node(), "command")
        .into_iter()
        .filter(|command| is_native(*command, script))
        .filter(|command| !continues(*command, script) || !throws_on(*command, script))
        .map(|command| at(command, script))
        .collect()
}

#[test]
fn a_line_on_standard_error_ends_no_script() {
    let mut natives = 0;
    for (name, script) in scripts() {
        assert_eq!(faults(&script), [""; 0], "{name}");
        natives += of_kind(parse(&script).root_node(), "command")
            .into_iter()
            .filter(|command| is_native(*command, &script))
            .count();
    }
    assert_eq!(natives, 1, "one place that runs programs");
}

#[test]
fn the_rule_sees_every_way_to_run_a_program() {
    for line in [
        "& $eductl @arguments 2>&1 | ForEach-Object { $_ }",
        "& $eductl list 2>$null",
        "& $Path @Arguments",
        "& (Join-Path $PSScriptRoot 'eductl.exe') list",
        "& 'C:\\a b\\eductl.exe' list",
        ". $eductl list",
        "bcdedit.exe /set testsigning on",
        "$query = (& verifier.exe '/query') -join \"`n\"",
    ] {
        for script in [
            line.to_owned(),
            format!("function F {{\n    {line}\n}}\n"),
            format!("function F {{\n    $ErrorActionPreference = 'Continue'\n    {line}\n}}\n"),
            format!(
                "function F {{\n    try {{\n        {line}\n    }} catch {{\n        throw\n    }}\n    \
                 $ErrorActionPreference = 'Continue'\n}}\n"
            ),
            format!(
                "function F {{\n    $ErrorActionPreference = 'Continue'\n    try {{\n        {line}\n    }} \
                 catch {{\n        Write-Host $_\n    }}\n}}\n"
            ),
        ] {
            assert_eq!(faults(&script).len(), 1, "{script}");
        }
        let right = format!(
            "function F {{\n    $ErrorActionPreference = 'Continue'\n    try {{\n        {line}\n    }} catch \
             {{\n        throw\n    }}\n}}\n"
        );
        assert_eq!(faults(&right), [""; 0]);
    }
    assert_eq!(faults("& { Get-Date }\nGet-Date 2>$null\n"), [""; 0]);
}
