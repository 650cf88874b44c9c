//! `cargo xtask mutants`: bugs that somebody could make, planted one after the other, each with
//! what is to find it.
//!
//! A bug is a patch in `tests/mutants`. Above the patch stands what rule it breaks and, behind
//! `Found-by:`, what must fail with it:
//!
//! - `compiler`: the drivers do not compile;
//! - `host ARGUMENTS`: `cargo test ARGUMENTS` on the host;
//! - `machine FILE TEST`: a test of `tests/tests`, on a machine.
//!
//! The patches are applied to a clone of the last commit, which keeps what it has built.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;

use crate::paths;

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Only those whose names contain one of these
    names: Vec<String>,
    /// Lists them, and plants none
    #[arg(long)]
    list: bool,
}

/// What must fail.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Finder {
    Compiler,
    Host(Vec<String>),
    Machine { file: String, test: String },
}

impl fmt::Display for Finder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compiler => f.write_str("compiler"),
            Self::Host(arguments) => write!(f, "host: {}", arguments.join(" ")),
            Self::Machine { file, test } => write!(f, "{file}: {test}"),
        }
    }
}

/// A bug.
#[derive(Debug)]
struct Mutant {
    name: String,
    patch: PathBuf,
    finder: Finder,
}

/// What came of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Found,
    Survived,
    /// What was to find it did not get as far.
    Unclear(&'static str),
}

impl Mutant {
    fn read(patch: &Path) -> anyhow::Result<Self> {
        let name = patch.file_stem().unwrap_or_default();
        let text = fs::read_to_string(patch)?;
        let finder = finder(&text).with_context(|| patch.display().to_string())?;
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            patch: patch.to_owned(),
            finder,
        })
    }

    /// Plants it in a tree, looks whether it is found, and takes it out again.
    fn run(&self, tree: &Path) -> anyhow::Result<Outcome> {
        git(
            tree,
            &[
                "apply",
                "--whitespace=nowarn",
                &self.patch.display().to_string(),
            ],
        )?;
        let outcome = self.look(tree);
        git(tree, &["checkout", "--quiet", "--", "."])?;
        outcome
    }

    fn look(&self, tree: &Path) -> anyhow::Result<Outcome> {
        if let Finder::Host(arguments) = &self.finder {
            let mut test = cargo(tree, &["test"]);
            return Ok(judge(&test.args(arguments).output()?));
        }
        let built = cargo(tree, &["xtask", "build"]).output()?;
        match (&self.finder, built.status.success()) {
            (Finder::Compiler, false) => {
                let said = String::from_utf8_lossy(&built.stderr);
                Ok(if said.contains("error[E") || said.contains("error: ") {
                    Outcome::Found
                } else {
                    Outcome::Unclear("the build failed, and not by the compiler")
                })
            }
            (Finder::Compiler, true) => Ok(Outcome::Survived),
            (_, false) => Ok(Outcome::Unclear("it does not build")),
            (Finder::Machine { file, test }, true) => {
                let package = [
                    "test",
                    "--package",
                    "eduwdm-tests",
                    "--test",
                    file,
                    "--",
                    "--exact",
                    test,
                ];
                Ok(judge(&cargo(tree, &package).output()?))
            }
            (Finder::Host(_), true) => unreachable!("it was dealt with above"),
        }
    }
}

/// What the text above a patch says must fail.
fn finder(text: &str) -> anyhow::Result<Finder> {
    let line = text
        .lines()
        .take_while(|line| !line.starts_with("diff "))
        .find_map(|line| line.strip_prefix("Found-by: "))
        .context("there is no line “Found-by: …” above the patch")?;
    let mut words = line.split_whitespace();
    match (words.next(), words.collect::<Vec<_>>().as_slice()) {
        (Some("compiler"), []) => Ok(Finder::Compiler),
        (Some("host"), arguments @ [_, ..]) => Ok(Finder::Host(
            arguments.iter().map(ToString::to_string).collect(),
        )),
        (Some("machine"), [file, name]) => Ok(Finder::Machine {
            file: (*file).to_owned(),
            test: (*name).to_owned(),
        }),
        _ => bail!("“{line}” names neither the compiler, nor tests of the host or a machine"),
    }
}

/// A run of tests fails for the bug if one of its tests does, and not because it cannot be built.
fn judge(output: &Output) -> Outcome {
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("test result: FAILED") {
        Outcome::Found
    } else if !output.status.success() {
        Outcome::Unclear("no test ran")
    } else if said.contains("test result: ok. 0 passed") && !said.contains(" ... ok") {
        Outcome::Unclear("there is no such test")
    } else {
        Outcome::Survived
    }
}

fn cargo(tree: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(tree).stdin(Stdio::null());
    cargo
}

fn git(tree: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(tree)
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "git {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    )
}

/// All of them, in the order of their names.
fn mutants(directory: &Path) -> anyhow::Result<Vec<Mutant>> {
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut patches = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "patch")
        {
            patches.push(path);
        }
    }
    patches.sort();
    patches.iter().map(|patch| Mutant::read(patch)).collect()
}

/// The clone in which they are planted, at the last commit.
fn clone() -> anyhow::Result<PathBuf> {
    let tree = paths::target().join("mutants/tree");
    let root = paths::root();
    if !tree.join(".git").exists() {
        fs::create_dir_all(&tree)?;
        git(
            &tree,
            &[
                "clone",
                "--quiet",
                "--shared",
                &root.display().to_string(),
                ".",
            ],
        )?;
    }
    git(
        &tree,
        &["fetch", "--quiet", &root.display().to_string(), "HEAD"],
    )?;
    git(
        &tree,
        &["checkout", "--quiet", "--force", "--detach", "FETCH_HEAD"],
    )?;
    Ok(tree)
}

/// Plants them.
///
/// # Errors
///
/// If one is not found.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let chosen = |mutant: &Mutant| {
        options.names.is_empty() || options.names.iter().any(|name| mutant.name.contains(name))
    };
    let mut mutants = mutants(&paths::root().join("tests/mutants"))?;
    mutants.retain(chosen);
    if options.list {
        for mutant in &mutants {
            println!("{:<40} {}", mutant.name, mutant.finder);
        }
        return Ok(());
    }
    let tree = clone()?;
    eprintln!("  building the tree without them, in {}", tree.display());
    let clean = cargo(&tree, &["xtask", "build"]).output()?;
    if !clean.status.success() {
        bail!(
            "it does not build: {}",
            String::from_utf8_lossy(&clean.stderr)
        );
    }
    let mut missed = Vec::new();
    for mutant in &mutants {
        let begun = Instant::now();
        let outcome = mutant.run(&tree).with_context(|| mutant.name.clone())?;
        let verdict = match outcome {
            Outcome::Found => "found",
            Outcome::Survived => "SURVIVED",
            Outcome::Unclear(why) => why,
        };
        let seconds = begun.elapsed().as_secs();
        println!(
            "{:<40} {verdict:<10} {seconds:>4} s  {}",
            mutant.name, mutant.finder
        );
        if outcome != Outcome::Found {
            missed.push(mutant.name.as_str());
        }
    }
    println!(
        "{} planted, {} found",
        mutants.len(),
        mutants.len() - missed.len()
    );
    if missed.is_empty() {
        return Ok(());
    }
    bail!("not found: {}", missed.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_patch_says_what_finds_it() {
        let text =
            |line: &str| format!("A rule.\n{line}\ndiff --git a/x b/x\nFound-by: compiler\n");
        assert_eq!(
            finder(&text("Found-by: compiler")).unwrap(),
            Finder::Compiler
        );
        assert_eq!(
            finder(&text("Found-by: host -p x")).unwrap(),
            Finder::Host(vec!["-p".to_owned(), "x".to_owned()])
        );
        let machine = finder(&text("Found-by: machine power it_sleeps")).unwrap();
        assert_eq!(machine.to_string(), "power: it_sleeps");
        assert!(
            finder(&text("")).is_err(),
            "what the patch contains is no header"
        );
        assert!(finder(&text("Found-by: machine power")).is_err());
    }

    #[test]
    fn every_patch_applies_to_this_tree_and_names_a_test_that_exists() {
        let mutants = mutants(&paths::root().join("tests/mutants")).unwrap();
        assert!(mutants.len() >= 40, "{} bugs", mutants.len());
        let mut files = BTreeSet::new();
        for mutant in &mutants {
            let patch = mutant.patch.display().to_string();
            git(&paths::root(), &["apply", "--check", &patch]).unwrap_or_else(|fault| {
                panic!("{}: {fault}", mutant.name);
            });
            if let Finder::Machine { file, test } = &mutant.finder {
                let source = paths::root().join(format!("tests/tests/{file}.rs"));
                let text = fs::read_to_string(&source).unwrap();
                assert!(
                    text.contains(&format!("fn {test}()")),
                    "{}: {test}",
                    mutant.name
                );
                files.insert(file);
            }
        }
        assert!(files.len() > 5, "{files:?}");
    }
}
