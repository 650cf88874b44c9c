//! A driver of one's own, from `cargo xtask new` to its package, in a folder outside of the project: for
//! a PCI device, for software alone, and in C. Each is built, run, tested and packaged without a change.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eduwdm_tests::guide;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `cargo …` as a person runs it.
fn cargo(folder: &Path, data: &Path, arguments: &[&str]) -> Output {
    let mut cargo = Command::new("cargo");
    cargo
        .args(arguments)
        .current_dir(folder)
        // The certificate that signs is made there.
        .env("XDG_DATA_HOME", data);
    // What cargo has said to this test is about this test.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        cargo.env_remove(name);
    }
    cargo.output().unwrap()
}

/// The driver that the guide lays out.
const OF_THE_GUIDE: &str = "first";

/// Each line that the guide shows of a command is printed by it.
#[track_caller]
fn compare(name: &str, command: &str, printed: &str) {
    if name != OF_THE_GUIDE {
        return;
    }
    let printed = guide::same(printed);
    let mut count = 0;
    for shown in guide::shown() {
        if shown.command != command {
            continue;
        }
        for line in guide::same(&shown.output).lines() {
            assert!(
                printed.lines().any(|other| other == line),
                "docs/src/{} shows of `{command}`:\n{line}\nIt prints:\n{printed}",
                shown.page
            );
            count += 1;
        }
    }
    assert!(count > 0, "the guide does not show `{command}`");
}

/// Lays one out, and runs its three commands.
#[track_caller]
fn lay_out_and_run(name: &str, arguments: &[&str], lines: usize) {
    let outside = tempfile::tempdir().unwrap();
    let data = outside.path().join("data");
    let folder = outside.path().join(name);
    let folder_text = folder.to_str().unwrap();
    let mut new = vec!["xtask", "new", name, "--folder", folder_text];
    new.extend(arguments);
    let output = cargo(&root(), &data, &new);
    assert!(output.status.success(), "{}", said(&output));

    // Short enough to be read in one go.
    let in_rust = folder.join("src/lib.rs");
    let source = fs::read_to_string(if in_rust.exists() {
        in_rust
    } else {
        folder.join(name).with_extension("c")
    });
    let count = source.unwrap().lines().count();
    assert!(count <= lines, "the driver has {count} lines");

    for source in ["src/lib.rs", "build.rs", "test/lib.rs"] {
        let source = folder.join(source);
        if source.exists() {
            let mut rustfmt = Command::new("rustfmt");
            let output = rustfmt.args(["--check", "--edition", "2024"]).arg(source);
            let output = output.output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
        }
    }

    let output = cargo(&folder, &data, &["nt", "run"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    compare(name, "cargo nt run", &text);
    for line in [": Started", "query-remove, remove", "nothing is left"] {
        assert!(text.contains(line), "{line}: {text}");
    }

    let output = cargo(&folder, &data, &["nt", "test"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    compare(name, "cargo nt test", &text);
    assert!(text.contains("3 passed"), "{text}");

    let output = cargo(&folder, &data, &["nt", "package"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for extension in ["sys", "inf", "cat"] {
        let file = folder.join("target/package").join(name);
        let file = file.join(name).with_extension(extension);
        assert!(file.is_file(), "{}: {text}", file.display());
    }

    // What is there is not written over.
    let output = cargo(&root(), &data, &new);
    assert!(!output.status.success());
}

#[test]
fn a_driver_of_a_pci_device_runs_as_it_is_laid_out() {
    let device = ["--device", r"PCI\VEN_1B36&DEV_0002"];
    lay_out_and_run("serialdrv", &device, 180);
}

#[test]
fn a_driver_of_software_alone_runs_as_it_is_laid_out() {
    lay_out_and_run(OF_THE_GUIDE, &["--root"], 180);
}

#[test]
fn a_driver_in_c_runs_as_it_is_laid_out() {
    lay_out_and_run("cdrv", &["--root", "--c"], 320);
}

#[test]
fn nothing_is_laid_out_inside_of_the_project() {
    let data = tempfile::tempdir().unwrap();
    let folder = root().join("target/a-driver");
    let folder = folder.to_str().unwrap();
    let arguments = ["xtask", "new", "adriver", "--root", "--folder", folder];
    let output = cargo(&root(), data.path(), &arguments);
    assert!(!output.status.success());
    assert!(said(&output).contains("--folder"), "{}", said(&output));
}
