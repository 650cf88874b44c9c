//! Machines that run by themselves are booted, with a stand-in for Windows: the host's side is the
//! real one. UEFI's shell is the Windows that is verified, a boot loader of our own the medium and
//! its setup. What Windows itself does with the scripts and the answer file is not shown here.
#![cfg(unix)]

mod media;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use eduwdm_vm::unattended::{self, Report, Unattended};
use eduwdm_vm::watch::{Limits, Outcome, Progress};
use eduwdm_vm::{Arguments, VmError, disk, install, results, verify};
use tempfile::TempDir;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// A folder in the place of `target`, with a package.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(bench.path("package/eduwdm")).unwrap();
        fs::write(bench.path("package/eduwdm/eduwdm.inf"), "[Version]\r\n").unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An image whose shell runs this script.
    fn image(&self, script: &str) {
        let script = script.replace('\n', "\r\n").into_bytes();
        let image = disk::disk("system", &[("startup.nsh".to_owned(), script)], 0).unwrap();
        fs::write(self.path("image"), image).unwrap();
    }

    fn verification(&self, more: &[&str]) -> Arguments {
        let image = self.path("image");
        let line = [
            "--image",
            image.to_str().unwrap(),
            "--verify",
            "--firmware",
            "uefi",
        ];
        arguments(&[&line, more].concat())
    }
}

/// A command line, for machines that are small and alike everywhere.
fn arguments(more: &[&str]) -> Arguments {
    let common = ["vm", "--memory", "1024", "--accelerator", "tcg"];
    Line::parse_from(common.iter().chain(more)).arguments
}

/// Limits that no step of a stand-in comes near to, but for one that hangs at once.
fn limits() -> Limits {
    Limits {
        steps: vec![("hang", Duration::ZERO)],
        other: Duration::from_mins(10),
    }
}

/// Runs a machine, and gives the steps and logs that were shown.
fn run(machine: Unattended) -> (Report, Vec<String>) {
    let mut shown = Vec::new();
    let report = unattended::run(machine, &limits(), &mut |progress| match progress {
        Progress::Step(step, _) => shown.push(step),
        Progress::Log(text) => shown.push(format!("log {text}")),
        Progress::Transfer(_) => {}
    })
    .unwrap();
    (report, shown)
}

/// Plays a Windows that is verified: it finds the package and what it is to do, restarts once, and
/// leaves a report.
const WINDOWS: &str = "@echo -off
connect -r
map -r
for %d in 0 1 2 3
  if exist fs%d:\\eduwdm\\eduwdm.inf then
    fs%d:
  endif
endfor
if not exist \\results\\first.txt then
  echo @eduwdm step install
  if exist \\guest\\settings.json then
    if exist \\guest\\verify-guest.ps1 then
      echo @eduwdm log there is something to do
    endif
  endif
  mkdir \\results
  echo before the restart >a \\results\\first.txt
  echo @eduwdm step restart
  reset
endif
echo @eduwdm step verify
echo 6 >a \\results\\exit-code.txt
echo @eduwdm done 6
reset -s
";

#[test]
fn a_machine_is_followed_through_its_restart_and_its_report_is_brought_back() {
    let bench = Bench::new();
    bench.image(WINDOWS);
    let arguments = bench.verification(&["--machine", "numa2x2,up"]);
    let before = fs::read(bench.path("image")).unwrap();
    let name = &arguments.machine[0];
    let machine = verify::prepare(&arguments, name, bench.folder.path()).unwrap();
    let (report, shown) = run(machine);
    assert_eq!(report.outcome, Outcome::Done(6), "{shown:?}");
    assert_eq!(
        shown,
        [
            "start",
            "install",
            "log there is something to do",
            "restart",
            "verify",
            "shutdown"
        ]
    );
    assert_eq!((report.exit_code(), report.name.as_str()), (6, "numa2x2"));
    assert_eq!(report.files, ["exit-code.txt", "first.txt"]);
    let first = fs::read_to_string(bench.path("vm/results/numa2x2/first.txt")).unwrap();
    assert_eq!(first.trim(), "before the restart");
    assert_eq!(fs::read(bench.path("image")).unwrap(), before);
    // The next machine begins with the image as it is, and with a disk of its own.
    verify::prepare(&arguments, &arguments.machine[1], bench.folder.path()).unwrap();
    let left = results::bring(&bench.path("vm/package.img"), &bench.path("left")).unwrap();
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_step_that_hangs_leaves_a_picture_of_the_screen() {
    let bench = Bench::new();
    bench.image("@echo -off\necho @eduwdm step hang\npause\n");
    let arguments = bench.verification(&["--machine", "up"]);
    let machine = verify::prepare(&arguments, "up", bench.folder.path()).unwrap();
    let (report, shown) = run(machine);
    let picture = bench.path("vm/results/up.png");
    assert_eq!(
        report.outcome,
        Outcome::Hung {
            step: "hang".to_owned(),
            limit: Duration::ZERO,
            picture: Ok(picture.clone()),
        },
        "{shown:?}"
    );
    assert_eq!(report.exit_code(), 20);
    let picture = fs::read(picture).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
}

#[test]
fn firmware_reaches_the_loader_of_a_medium_which_gets_its_key_and_the_answers() {
    let bench = Bench::new();
    let iso = media::make(bench.folder.path());
    let arguments = arguments(&["--install", iso.to_str().unwrap(), "--machine", "up"]);
    let installation = install::prepare(&arguments, &iso, bench.folder.path()).unwrap();
    let image = installation.image.clone();
    let (machine, finish) = installation.start();
    let (report, shown) = run(machine);
    assert_eq!(report.outcome, Outcome::Done(0), "{shown:?}");
    for line in [
        "firmware",
        "log a key is waited for",
        "log a key came",
        "log the medium is read",
        "log the answer file is found",
    ] {
        assert!(shown.iter().any(|text| text == line), "{line}: {shown:?}");
    }
    assert!(!image.exists());
    assert_eq!(finish.finish(&report).unwrap(), Some(image.clone()));
    assert!(image.is_file());

    // What is there is not replaced.
    let error = install::prepare(&arguments, &iso, bench.folder.path()).unwrap_err();
    assert!(matches!(error, VmError::Exists(_)), "{error}");
}

#[test]
fn an_installation_that_fails_leaves_no_image_that_looks_like_one() {
    let bench = Bench::new();
    let iso = bench.path("windows.iso");
    let mut medium = vec![0; 40 << 10];
    medium[32769..][..5].copy_from_slice(b"CD001");
    medium[34823..][..23].copy_from_slice(b"EL TORITO SPECIFICATION");
    fs::write(&iso, medium).unwrap();
    let arguments = arguments(&["--install", iso.to_str().unwrap()]);
    let installation = install::prepare(&arguments, &iso, bench.folder.path()).unwrap();
    let image = installation.image.clone();
    let (_, finish) = installation.start();
    let report = Report {
        name: "smp4".to_owned(),
        outcome: Outcome::Done(8),
        folder: PathBuf::new(),
        files: Vec::new(),
        borne_out: true,
    };
    assert_eq!(finish.finish(&report).unwrap(), None);
    assert!(!image.exists());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    bench.image("");
    let target = bench.folder.path().to_owned();
    let verified =
        |more: &[&str]| verify::prepare(&bench.verification(more), "up", &target).unwrap_err();
    assert!(matches!(
        verified(&["--debug", "serial"]),
        VmError::SerialTaken
    ));
    assert!(matches!(
        verified(&["--package", "/tmp"]),
        VmError::NoPackage(_)
    ));

    let iso = bench.path("image");
    let installed = |more: &[&str]| {
        let line = ["--install", iso.to_str().unwrap()];
        let arguments = arguments(&[&line, more].concat());
        install::prepare(&arguments, &iso, &target).unwrap_err()
    };
    assert!(matches!(installed(&[]), VmError::Media { .. }));
    assert!(matches!(
        installed(&["--machine", "up,smp4"]),
        VmError::SeveralMachines
    ));
    assert!(matches!(
        installed(&["--debug", "serial"]),
        VmError::SerialTaken
    ));
    assert!(!bench.path("vm").exists());

    for line in [
        &["vm"] as &[&str],
        &["vm", "--verify"],
        &["vm", "--install", "x.iso", "--verify"],
        &["vm", "--install", "x.iso", "--image", "y"],
        &["vm", "--image", "y", "--edition", "Pro"],
        &["vm", "--image", "y", "--language", "de-DE"],
        &["vm", "--image", "y", "--size", "80"],
        &["vm", "--install", "x.iso", "--minutes", "9"],
    ] {
        assert!(Line::try_parse_from(line).is_err(), "{line:?}");
    }
}
