//! Machines are booted: with a disk that starts itself under the BIOS, and with UEFI's own shell.
//! No Windows is needed for either; what Windows does on them is not shown here.
#![cfg(unix)]

mod sector;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use eduwdm_vm::run::PROGRAM;
use eduwdm_vm::{Arguments, VmError, disk, image, prepare};
use tempfile::TempDir;

/// The longest that a boot may take before it is taken for a hang.
const LIMIT: Duration = Duration::from_mins(2);

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

/// A folder in the place of `target`, with a package and an image.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new(image: &[u8]) -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(bench.path("package/eduwdm")).unwrap();
        fs::write(bench.path("package/eduwdm/eduwdm.inf"), "[Version]\r\n").unwrap();
        fs::write(bench.path("image"), image).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arguments(&self, more: &[&str]) -> Arguments {
        let image = self.path("image");
        let line = [
            "vm",
            "--image",
            image.to_str().unwrap(),
            "--display",
            "none",
            "--memory",
            "1024",
        ];
        let tcg = ["--accelerator", "tcg"];
        Line::parse_from(line.iter().chain(&tcg).chain(more)).arguments
    }

    /// Runs the machine to its end.
    fn run(&self, more: &[&str]) -> Result<(), VmError> {
        let machine = prepare(&self.arguments(more), self.folder.path())?;
        let mut child = Command::new(PROGRAM)
            .args(&machine.arguments)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{:?}", machine.arguments);
                return Ok(());
            }
            if Instant::now() > end {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("the machine hangs: {:?}", machine.arguments);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn every_kind_of_machine_starts_the_image_has_its_processors_and_the_packages_disk() {
    for (machine, processors) in [
        ("up", "01"),
        ("smp4", "04"),
        ("smp32", "20"),
        ("numa2x2", "04"),
        ("numa", "08"),
    ] {
        let bench = Bench::new(&sector::disk());
        let console = bench.path("console");
        let debug = format!("file:{}", console.display());
        bench
            .run(&[
                "--machine",
                machine,
                "--",
                "-debugcon",
                &debug,
                "-no-reboot",
            ])
            .unwrap();
        let said = fs::read_to_string(console).unwrap();
        assert_eq!(
            said,
            format!("processors {processors}edu1 written\n"),
            "{machine}"
        );
        assert_eq!(
            fs::read(bench.path("image")).unwrap(),
            sector::disk(),
            "the image is as it was"
        );
    }
}

#[test]
fn what_was_written_is_kept_when_asked_for_and_gone_otherwise() {
    let bench = Bench::new(&sector::disk());
    let second_sector = |bench: &Bench| -> Vec<u8> {
        let raw = bench.path("raw");
        let status = Command::new(image::PROGRAM)
            .args(["convert", "-O", "raw"])
            .args([&bench.path("vm/system.qcow2"), &raw])
            .status()
            .unwrap();
        assert!(status.success());
        fs::read(raw).unwrap()[512..1024].to_vec()
    };
    bench.run(&["--", "-no-reboot"]).unwrap();
    assert_eq!(second_sector(&bench), sector::disk()[..512]);
    prepare(&bench.arguments(&["--keep"]), bench.folder.path()).unwrap();
    assert_eq!(second_sector(&bench), sector::disk()[..512]);
    prepare(&bench.arguments(&[]), bench.folder.path()).unwrap();
    assert_eq!(second_sector(&bench), [0; 512]);
}

#[test]
fn uefi_starts_and_sees_the_package() {
    let script = "@echo -off\r\nconnect -r\r\nmap -r\r\nfor %d in 0 1 2 3\r\n  if exist fs%d:\\eduwdm\\eduwdm.inf then\r\n    \
                  echo package on fs%d\r\n  endif\r\nendfor\r\necho over\r\nreset -s\r\n";
    let system = disk::disk("system", &[("startup.nsh".to_owned(), script.into())], 0).unwrap();
    let bench = Bench::new(&system);
    let serial = bench.path("serial");
    let to = format!("file:{}", serial.display());
    bench
        .run(&[
            "--firmware",
            "uefi",
            "--machine",
            "numa2x2",
            "--",
            "-serial",
            &to,
            "-no-reboot",
        ])
        .unwrap();
    let said = fs::read_to_string(serial).unwrap();
    assert!(said.contains("package on fs"), "{said}");
    assert_eq!(fs::read(bench.path("image")).unwrap(), system);
}

#[test]
fn a_disk_with_a_gpt_is_started_by_uefi_and_any_other_by_the_bios() {
    let mut gpt = sector::disk();
    gpt[450] = 0xee;
    for (bytes, uefi) in [(sector::disk(), false), (gpt, true)] {
        let bench = Bench::new(&bytes);
        let machine = prepare(&bench.arguments(&[]), bench.folder.path()).unwrap();
        let flash = machine
            .arguments
            .iter()
            .any(|a| a.to_string_lossy().contains("pflash"));
        assert_eq!(flash, uefi);
    }
}

#[test]
fn an_overlay_of_another_image_is_not_gone_on_with() {
    let bench = Bench::new(&sector::disk());
    prepare(&bench.arguments(&[]), bench.folder.path()).unwrap();
    let overlay = bench.path("vm/system.qcow2");
    assert!(image::backs(&bench.path("image"), &overlay).unwrap());
    fs::write(bench.path("other"), sector::disk()).unwrap();
    assert!(!image::backs(&bench.path("other"), &overlay).unwrap());
}

/// The error of an attempt, after which nothing is there.
fn refused(bench: &Bench, change: impl FnOnce(&mut Arguments)) -> String {
    let mut arguments = bench.arguments(&[]);
    change(&mut arguments);
    let error = prepare(&arguments, bench.folder.path()).unwrap_err();
    assert!(!bench.path("vm").exists(), "{error}");
    error.to_string()
}

#[test]
fn what_cannot_be_started_is_refused_in_words_before_anything_is_written() {
    let bench = Bench::new(&sector::disk());
    let error = refused(&bench, |a| a.image = Some("/no/such/image".into()));
    assert!(error.contains("/no/such/image"), "{error}");
    let error = refused(&bench, |a| a.machine = vec!["smp5".to_owned()]);
    assert!(error.contains("smp4"), "{error}");
    let error = refused(&bench, |a| a.memory = 512);
    assert!(error.contains("1024"), "{error}");
    let error = refused(&bench, |a| a.package = Some("/tmp".into()));
    assert!(error.contains("cargo xtask package"), "{error}");
}
