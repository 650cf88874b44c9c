//! A file of tests that runs none proves nothing, and nobody notices: it fails here.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use serde_json::Value;

/// Builds the tests that `cargo test` builds with these arguments, and looks whether each file has
/// one that runs.
///
/// # Errors
///
/// If one has none, or cannot be built.
pub fn run(arguments: &[&str]) -> anyhow::Result<()> {
    let mut cargo = super::test::cargo("test");
    cargo
        .args(arguments)
        .args(["--no-run", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit());
    let output = cargo.output()?;
    if !output.status.success() {
        bail!("failed: {cargo:?}");
    }
    let messages = String::from_utf8(output.stdout)?;
    let mut empty = Vec::new();
    let mut files = 0;
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line)?;
        let Some(test) = TestFile::of(&message) else {
            continue;
        };
        if own_harnesses(test.manifest)?.contains(test.name) {
            continue;
        }
        files += 1;
        if test.tests(&[])? <= test.tests(&["--ignored"])? {
            empty.push(test.source.to_owned());
        }
    }
    if files == 0 {
        bail!("{cargo:?} has built no file of tests");
    }
    if empty.is_empty() {
        return Ok(());
    }
    bail!("no test runs in {}", empty.join(", "))
}

/// A program that cargo has made of a file of tests.
struct TestFile<'m> {
    name: &'m str,
    source: &'m str,
    manifest: &'m Path,
    program: &'m Path,
}

impl<'m> TestFile<'m> {
    /// What this message of cargo's tells of, if it is one.
    fn of(message: &'m Value) -> Option<Self> {
        let kinds = message["target"]["kind"].as_array()?;
        let is_test =
            message["reason"] == "compiler-artifact" && kinds.iter().any(|kind| kind == "test");
        is_test.then_some(())?;
        Some(Self {
            name: message["target"]["name"].as_str()?,
            source: message["target"]["src_path"].as_str()?,
            manifest: Path::new(message["manifest_path"].as_str()?),
            program: Path::new(message["executable"].as_str()?),
        })
    }

    /// How many tests it has, of those that these arguments choose.
    fn tests(&self, arguments: &[&str]) -> anyhow::Result<usize> {
        let mut list = Command::new(self.program);
        list.args(["--list", "--format", "terse"]).args(arguments);
        let output = list
            .output()
            .with_context(|| self.program.display().to_string())?;
        if !output.status.success() {
            bail!("failed: {list:?}");
        }
        let listed = String::from_utf8(output.stdout)?;
        Ok(listed
            .lines()
            .filter(|line| line.ends_with(": test"))
            .count())
    }
}

/// The tests of a package that do not use the standard harness, and so cannot list what they run.
fn own_harnesses(manifest: &Path) -> anyhow::Result<BTreeSet<String>> {
    let text = std::fs::read_to_string(manifest)?;
    let package: toml::Table = text.parse()?;
    let tests = package.get("test").and_then(toml::Value::as_array);
    let names = tests.into_iter().flatten().filter_map(|test| {
        let own = test.get("harness").and_then(toml::Value::as_bool) == Some(false);
        own.then(|| test.get("name")?.as_str().map(ToOwned::to_owned))?
    });
    Ok(names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_made_of_a_test_file_is_one_and_a_library_is_none() {
        let artifact = |kind: &str| {
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": "/p/Cargo.toml",
                "target": { "kind": [kind], "name": "n", "src_path": "/p/tests/n.rs" },
                "executable": "/t/n",
            })
        };
        assert!(TestFile::of(&artifact("test")).is_some());
        assert!(TestFile::of(&artifact("lib")).is_none());
    }

    #[test]
    fn a_test_with_a_harness_of_its_own_is_known_by_its_manifest() {
        let directory = tempfile::tempdir().unwrap();
        let manifest = directory.path().join("Cargo.toml");
        let text = "[[test]]\nname = \"own\"\nharness = false\n[[test]]\nname = \"other\"\n";
        std::fs::write(&manifest, text).unwrap();
        let names = own_harnesses(&manifest).unwrap();
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["own"]);
    }
}
