//! The Windows program under Wine, for what Wine can show: that it starts, explains itself,
//! tells wrong arguments, and says that no device is present.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use eduwdm_tests::out;
use serde_json::Value;

/// A folder with the program and what Wine lacks for it.
struct Wine {
    program: PathBuf,
    prefix: PathBuf,
    _folder: tempfile::TempDir,
}

/// Wine's prefix, which has to be an absolute path. It is kept, since it takes Wine a while to
/// make one.
fn prefix() -> PathBuf {
    let target = fs::canonicalize(out()).expect("cargo xtask build makes it");
    target.with_file_name("wine")
}

impl Wine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("eductl.exe");
        fs::copy(out().join("eductl.exe"), &program).expect("cargo xtask build makes it");
        // Rust's library imports ProcessPrng from a library that this Wine does not have.
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("wine/bcryptprimitives.c");
        let built = Command::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-O1", "-o"])
            .arg(folder.path().join("bcryptprimitives.dll"))
            .arg(source)
            .arg("-ladvapi32")
            .status();
        assert!(built.expect("cargo xtask setup installs it").success());
        Self {
            program,
            prefix: prefix(),
            _folder: folder,
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("wine")
            .arg(&self.program)
            .args(arguments)
            .env("WINEPREFIX", &self.prefix)
            .env("WINEARCH", "win64")
            .env("WINEDEBUG", "-all")
            // Nothing here needs these, and Wine would ask for them.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env_remove("DISPLAY")
            .output()
            .expect("cargo xtask setup installs Wine")
    }

    #[track_caller]
    fn check(&self, arguments: &[&str], code: i32, words: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        for word in words {
            assert!(
                text.contains(word),
                "{arguments:?}: “{word}” is not in: {text}"
            );
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// One test, since all share Wine's server.
#[test]
fn the_windows_program_explains_itself_and_says_that_no_device_is_there() {
    let wine = Wine::new();
    let overview = wine.check(&["--help"], 0, &["Exit codes", "eductl factorial 5 12 20"]);
    assert!(
        !overview.contains("\n  host "),
        "nthost is not for Windows: {overview}"
    );
    for command in [
        "list",
        "factorial",
        "copy",
        "stress",
        "bench",
        "top",
        "cancel-storm",
    ] {
        assert!(
            overview.contains(&format!("\n  {command} ")),
            "{command}: {overview}"
        );
        wine.check(&[command, "--help"], 0, &["Example", "Usage: eductl.exe"]);
    }
    wine.check(&["factorial"], 2, &["<N>"]);
    wine.check(&["liveness", "0xyz"], 2, &["hexadecimal"]);
    wine.check(&["juggle"], 2, &["juggle"]);
    for arguments in [
        &["list"][..],
        &["factorial", "5"],
        &["stress"],
        &["info", "--device", "0"],
    ] {
        wine.check(
            arguments,
            1,
            &["no eduwdm device is present", "Is the driver installed"],
        );
    }
    wine.check(&["top"], 2, &["top needs a terminal"]);
    let document = wine.check(&["list", "--json"], 1, &[]);
    let document: Value = serde_json::from_str(&document).expect("JSON");
    assert_eq!(document["error"]["kind"], "no-device");
    assert_eq!(document["error"]["exit_code"], 1);
    wine.check(
        &["completions", "powershell"],
        0,
        &["Register-ArgumentCompleter"],
    );
}
