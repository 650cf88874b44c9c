//! The syntax tree of a script, by a grammar of PowerShell that is not ours.

use tree_sitter::{Node, Parser, Tree};

/// Reads a script.
pub fn parse(text: &str) -> Tree {
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .unwrap();
    parser.parse(text, None).unwrap()
}

/// All nodes below a node that `enter` lets in, and itself, in the order of the text.
pub fn below<'t>(node: Node<'t>, enter: &dyn Fn(Node<'t>) -> bool) -> Vec<Node<'t>> {
    let mut all = vec![node];
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        if enter(child) {
            all.extend(below(child, enter));
        }
    }
    all
}

/// All nodes of a kind below a node.
pub fn of_kind<'t>(node: Node<'t>, kind: &str) -> Vec<Node<'t>> {
    let mut all = below(node, &|_| true);
    all.retain(|node| node.kind() == kind);
    all
}

/// The nearest node of a kind around a node.
pub fn around<'t>(node: Node<'t>, kind: &str) -> Option<Node<'t>> {
    let mut node = node.parent()?;
    while node.kind() != kind {
        node = node.parent()?;
    }
    Some(node)
}

/// The child of a kind.
pub fn child<'t>(node: Node<'t>, kind: &str) -> Option<Node<'t>> {
    let mut cursor = node.walk();
    node.children(&mut cursor)
        .find(|child| child.kind() == kind)
}

/// A node's text.
pub fn text<'s>(node: Node<'_>, script: &'s str) -> &'s str {
    &script[node.byte_range()]
}

/// A node's place and line, for a message.
pub fn at(node: Node<'_>, script: &str) -> String {
    let row = node.start_position().row;
    let line = script.lines().nth(row).unwrap_or("").trim();
    format!("line {}: {line}", row + 1)
}

/// The name of a command, or nothing where it is computed.
pub fn command_name<'s>(command: Node<'_>, script: &'s str) -> &'s str {
    child(command, "command_name").map_or("", |name| text(name, script))
}

/// The name of the function around a node.
pub fn function_around<'s>(node: Node<'_>, script: &'s str) -> Option<&'s str> {
    let function = around(node, "function_statement")?;
    Some(text(child(function, "function_name")?, script))
}

/// Every place that the grammar does not understand.
pub fn syntax_faults(script: &str) -> Vec<String> {
    let tree = parse(script);
    below(tree.root_node(), &|_| true)
        .into_iter()
        .filter(|node| node.is_error() || node.is_missing())
        .map(|node| at(node, script))
        .collect()
}

#[test]
fn the_grammar_sees_faults() {
    for text in [
        "if ($a { }",
        "function F { ",
        "$a = @('x', ",
        "foreach ($x in $y { $x }",
    ] {
        assert!(!syntax_faults(text).is_empty(), "{text}");
    }
}
