//! A checkout by Git for Windows has the same bytes as any other: its default turns the ends of
//! lines into CR LF (`core.autocrlf`), unless `.gitattributes` says otherwise.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// git in the project's folder, or in none if this is no clone.
fn git(arguments: &[&str]) -> Option<()> {
    let output = Command::new("git")
        // In a container the clone may be another user's.
        .args(["-c", "safe.directory=*"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("git");
    if output.status.success() {
        return Some(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(why.contains("not a git repository"), "{why}");
    None
}

/// What git writes with these settings.
fn checkout(settings: &[&str]) -> Option<BTreeMap<PathBuf, Vec<u8>>> {
    let folder = tempfile::tempdir().unwrap();
    let prefix = format!("--prefix={}/", folder.path().display());
    let mut arguments = Vec::new();
    for setting in settings {
        arguments.extend(["-c", setting]);
    }
    arguments.extend(["checkout-index", "--all", &prefix]);
    git(&arguments)?;
    let mut files = BTreeMap::new();
    read(folder.path(), folder.path(), &mut files);
    Some(files)
}

fn read(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_checkout_with_the_defaults_of_windows_is_the_same() {
    let Some(plain) = checkout(&["core.autocrlf=false"]) else {
        eprintln!("this is no clone: there is nothing to check out");
        return;
    };
    assert!(plain.contains_key(Path::new("inf/eduwdm.inf")));
    let windows = checkout(&["core.autocrlf=true", "core.eol=crlf"]).unwrap();
    assert!(plain.keys().eq(windows.keys()));
    for (name, bytes) in &plain {
        assert!(windows[name] == *bytes, "{} differs", name.display());
    }
}
