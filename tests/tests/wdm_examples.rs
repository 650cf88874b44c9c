//! The examples in the documentation of the safe layer: each public module has one, and each compiles, or
//! does not, as it says, for the drivers' target. (rustdoc would run them, and the kernel's routines are
//! not there.)
#![cfg(unix)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use eduwdm_tests::safe_layer::{arguments, root};

/// A code block of a comment.
struct Example {
    file: PathBuf,
    line: usize,
    /// What is said of it, behind the three backquotes.
    kind: String,
    code: String,
    /// It documents the module, not an item of it.
    of_module: bool,
}

impl Example {
    /// Whether it is Rust that is to compile, by rustdoc's rules.
    fn compiles(&self) -> bool {
        matches!(self.kind.as_str(), "" | "rust")
    }

    /// The error that it must get, if it must get one.
    fn error(&self) -> Option<&str> {
        self.kind.strip_prefix("compile_fail,")
    }

    /// As rustdoc has it: the code is that of a function.
    fn function(&self) -> String {
        format!("pub fn example() {{\n{}\n}}\n", self.code)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// The code blocks of a file.
fn examples(file: &Path) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut inside = false;
    let is_page = file.extension().is_some_and(|extension| extension == "md");
    for (index, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
        let line = line.trim_start();
        let text = is_page
            .then_some(line)
            .or_else(|| line.strip_prefix("//!"))
            .or_else(|| line.strip_prefix("///"));
        let Some(text) = text else {
            assert!(!inside, "{}:{index}: a block is not closed", file.display());
            continue;
        };
        let text = text.strip_prefix(' ').unwrap_or(text);
        if let Some(kind) = text.strip_prefix("```") {
            inside = !inside;
            if inside {
                examples.push(Example {
                    file: file.to_owned(),
                    line: index + 1,
                    kind: kind.to_owned(),
                    code: String::new(),
                    of_module: line.starts_with("//!"),
                });
            }
        } else if let (true, Some(example)) = (inside, examples.last_mut()) {
            // rustdoc does not show what is behind `# `, and compiles it.
            writeln!(example.code, "{}", text.strip_prefix("# ").unwrap_or(text)).unwrap();
        }
    }
    examples
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources() -> PathBuf {
    root().join("wdm/src")
}

#[test]
fn each_public_module_has_an_example() {
    let library = fs::read_to_string(sources().join("lib.rs")).unwrap();
    let modules: Vec<_> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(modules.len() > 30, "{modules:?}");
    let has_none = |module: &&str| {
        let file = sources().join(format!("{module}.rs"));
        let file = if file.exists() {
            file
        } else {
            sources().join(module).join("mod.rs")
        };
        let of_module = |one: &Example| one.of_module && one.compiles();
        !examples(&file).iter().any(of_module)
    };
    let without: Vec<_> = modules.into_iter().filter(has_none).collect();
    assert!(without.is_empty(), "no example: {}", without.join(", "));
}

#[test]
fn each_example_compiles_or_does_not_as_it_says() {
    let mut files = files(&sources());
    files.push(root().join("wdm/README.md"));
    let all: Vec<_> = files.iter().flat_map(|file| examples(file)).collect();
    for example in &all {
        let is_known = example.compiles()
            || example.error().is_some()
            || example.kind == "text"
            || example.kind == "toml";
        assert!(is_known, "{}: {}", example.place(), example.kind);
    }
    let Some(arguments) = arguments() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let compile = |source: &Path| {
        let output = Command::new("rustc")
            .args(&arguments)
            .args(["--edition=2024", "--crate-type=lib", "--out-dir"])
            .arg(folder.path())
            .arg(source)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), said)
    };

    // Together, since the compiler takes longer to begin than to compile one.
    let library = folder.path().join("examples.rs");
    let mut text = "#![no_std]\n#![allow(unused)]\n".to_owned();
    for (index, example) in all.iter().enumerate().filter(|(_, one)| one.compiles()) {
        let name = format!("example{index}");
        writeln!(text, "/* {} */ pub mod {name};", example.place()).unwrap();
        let file = folder.path().join(name).with_extension("rs");
        fs::write(file, example.function()).unwrap();
    }
    fs::write(&library, &text).unwrap();
    let (success, said) = compile(&library);
    assert!(success, "{text}\n{said}");

    for example in &all {
        if let Some(error) = example.error() {
            let file = folder.path().join("wrong.rs");
            let text = format!("#![no_std]\n#![allow(unused)]\n{}", example.function());
            fs::write(&file, text).unwrap();
            let (success, said) = compile(&file);
            let errors = said.matches("error[").count();
            let is_it = said.contains(&format!("error[{error}]"));
            assert!(
                !success && is_it && errors == 1,
                "{}: {said}",
                example.place()
            );
        }
    }
}
