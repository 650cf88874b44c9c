//! Parameters: each is used where it is declared. One that a function takes from the script's
//! scope works by chance, and PSScriptAnalyzer's PSReviewUnusedParameter flags it as unused.

use tree_sitter::Node;

use crate::scripts;
use crate::tree::{at, below, child, command_name, of_kind, parse, text};

/// The name of a variable without its sigil: `Path` for `$Path`, `${Path}` and `@Path`.
fn name(variable: Node<'_>, script: &str) -> String {
    text(variable, script)
        .trim_start_matches(['$', '@', '{'])
        .trim_end_matches('}')
        .to_lowercase()
}

/// Whether a node belongs to the scope around it: a function has one of its own, and so has a
/// script block, except where it is run in place.
fn same_scope(node: Node<'_>, script: &str) -> bool {
    if node.kind() == "function_statement" {
        return false;
    }
    if node.kind() != "script_block_expression" {
        return true;
    }
    crate::tree::around(node, "command").is_some_and(|command| {
        matches!(
            command_name(command, script),
            "ForEach-Object" | "Where-Object"
        )
    })
}

/// Every parameter that its own script or function does not use.
fn faults(script: &str) -> Vec<String> {
    let tree = parse(script);
    let mut faults = Vec::new();
    for list in of_kind(tree.root_node(), "parameter_list") {
        let owner = list.parent().unwrap().parent().unwrap();
        let enter = |node: Node<'_>| {
            !matches!(
                node.kind(),
                "param_block" | "function_parameter_declaration"
            ) && same_scope(node, script)
        };
        let used: Vec<String> = below(owner, &enter)
            .into_iter()
            .filter(|node| node.kind() == "variable")
            .map(|node| name(node, script))
            .collect();
        let mut cursor = list.walk();
        for parameter in list.children(&mut cursor) {
            if let Some(variable) = child(parameter, "variable")
                && !used.contains(&name(variable, script))
            {
                faults.push(format!(
                    "{}, {}",
                    text(variable, script),
                    at(variable, script)
                ));
            }
        }
    }
    faults
}

#[test]
fn every_parameter_is_used_by_the_script_or_function_that_declares_it() {
    for (name, script) in scripts() {
        assert_eq!(faults(&script), [""; 0], "{name}");
    }
}

#[test]
fn the_rule_sees_parameters_that_are_used_nowhere_or_in_another_scope() {
    let seen = |script: &str| faults(script).len();
    assert_eq!(seen("param([switch] $Restart)\nGet-Date\n"), 1);
    let through_scope = "param([switch] $Restart, [int] $Minutes = 5)\n\
                         function F {\n    if ($Restart) { $Minutes }\n}\nF\n";
    assert_eq!(seen(through_scope), 2);
    assert_eq!(seen("function F([string] $A, $B) {\n    \"$A\"\n}\n"), 1);
    assert_eq!(
        seen("param($A)\n$b = { $A }\nInvoke-Command -ScriptBlock $b\n"),
        1
    );
    for used in [
        "param($A)\nWrite-Host \"${A}\"\n",
        "param($A)\nGet-Date @A\n",
        "param($A)\n1 | ForEach-Object { $A }\n",
        "function F([string] $A) {\n    \"x $($a.Length)\"\n}\n",
    ] {
        assert_eq!(faults(used), [""; 0], "{used}");
    }
}
