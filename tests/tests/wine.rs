//! The Windows program under Wine, for what Wine can show: that it starts, explains itself,
//! tells wrong arguments, says that no device is present, and writes files; and the test of its
//! Win32 side, whose requests go to files and pipes there.
#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use eduwdm_tests::out;
use serde_json::Value;

/// All that there are on Windows.
const COMMANDS: &str = "list info liveness factorial read write copy raise wait testdev stats topology \
                        cancel-storm stress bench top io completions man";

/// What there is below `io`.
const IO_COMMANDS: [&str; 5] = ["list", "open", "read", "write", "control"];

/// A folder with the program, the test of its Win32 side, and what Wine lacks for them.
struct Wine {
    program: PathBuf,
    prefix: PathBuf,
    /// Has Wine's server and services run as long as this: a program that had to start them would
    /// hand its output on to them, and would not be at its end before they are.
    keeper: Child,
    _folder: tempfile::TempDir,
}

/// Wine's prefix, which has to be an absolute path. It is kept, since it takes Wine a while to
/// make one.
fn prefix() -> PathBuf {
    let target = fs::canonicalize(out()).expect("cargo xtask build makes it");
    target.with_file_name("wine")
}

fn wine(prefix: &Path) -> Command {
    let mut command = Command::new("wine");
    command
        .env("WINEPREFIX", prefix)
        .env("WINEARCH", "win64")
        .env("WINEDEBUG", "-all")
        // Nothing here needs these, and Wine would ask for them.
        .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
        .env_remove("DISPLAY");
    command
}

impl Drop for Wine {
    fn drop(&mut self) {
        // The end of its input ends the interpreter, and then Wine's server ends too.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl Wine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("eductl.exe");
        for name in ["eductl.exe", "win32-test.exe"] {
            let copied = fs::copy(out().join(name), folder.path().join(name));
            copied.expect("cargo xtask build makes it");
        }
        // Rust's library imports ProcessPrng from a library that this Wine does not have.
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("wine/bcryptprimitives.c");
        let built = Command::new("x86_64-w64-mingw32-gcc")
            .args(["-shared", "-O1", "-o"])
            .arg(folder.path().join("bcryptprimitives.dll"))
            .arg(source)
            .arg("-ladvapi32")
            .status();
        assert!(built.expect("cargo xtask setup installs it").success());
        let prefix = prefix();
        // A command interpreter that waits for a command, and one that it has carried out before
        // anything else is run.
        let mut keeper = wine(&prefix)
            .args(["cmd", "/q"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("cargo xtask setup installs Wine");
        let stdin = keeper.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"echo started\r\n").unwrap();
        let stdout = keeper.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.trim() == "started"), "no Wine");
        Self {
            program,
            prefix,
            keeper,
            _folder: folder,
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_program(&self.program, arguments)
    }

    fn run_program(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = wine(&self.prefix);
        command.arg(program).args(arguments);
        command.stdin(Stdio::null()).output().expect("Wine")
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
fn the_windows_program_works_as_far_as_wine_can_show() {
    let wine = Wine::new();
    let overview = wine.check(&["--help"], 0, &["Exit codes", "eductl factorial 5 12 20"]);
    assert!(
        !overview.contains("\n  host "),
        "nthost is not for Windows: {overview}"
    );
    let commands: Vec<_> = COMMANDS.split(' ').collect();
    for command in &commands {
        assert!(
            overview.contains(&format!("\n  {command} ")),
            "{command}: {overview}"
        );
        wine.check(&[command, "--help"], 0, &["Example", "Usage: eductl.exe"]);
    }
    for command in IO_COMMANDS {
        wine.check(&["io", command, "--help"], 0, &["Usage: eductl.exe io"]);
    }
    wine.check(&["factorial"], 2, &["<N>"]);
    wine.check(&["liveness", "0xyz"], 2, &["hexadecimal"]);
    wine.check(&["juggle"], 2, &["juggle"]);
    for arguments in [
        &["list"][..],
        &["factorial", "5"],
        &["stress"],
        &["info", "--device", "0"],
        &["wait", "0x2", "--timeout", "1"],
        &["read", "--output", "buffer.bin"],
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
    // Files are written whole, over those that are there.
    let folder = tempfile::tempdir().unwrap();
    let windows = format!("Z:{}", folder.path().to_str().unwrap().replace('/', "\\"));
    let man = ["man", "--output", &windows];
    wine.check(&man, 0, &["pages are in"]);
    let page = folder.path().join("eductl-stress.1");
    fs::write(&page, "an old one").unwrap();
    wine.check(&man, 0, &["pages are in"]);
    let pages = fs::read_dir(&folder).unwrap().count();
    let expected = 1 + commands.len() + IO_COMMANDS.len();
    assert_eq!(pages, expected, "something was left, or is missing");
    let written = fs::read_to_string(page).unwrap();
    assert!(written.contains("Example"), "{written}");
    let words = ["missing"];
    wine.check(
        &["bench", "--output", &format!("{windows}\\missing\\?")],
        7,
        &words,
    );
    // The Win32 side itself: overlapped requests, their cancellation, the completion port.
    let program = wine.program.with_file_name("win32-test.exe");
    let output = wine.run_program(&program, &[]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("12 passed; 0 failed"), "{text}");
}
