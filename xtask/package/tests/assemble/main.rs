//! The whole package: made from a driver, an INF file and a certificate, or not at all.

#[path = "../pe/image.rs"]
mod image;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use eduwdm_package::assemble::{self, PackageError, Request};
use eduwdm_package::inf::Document;
use eduwdm_package::inf::driver_version::Version;
use eduwdm_package::inf::facts::Facts;
use eduwdm_package::sign::certificate::{CertificateError, Signer};
use eduwdm_package::sign::{authenticode, catalog, oid, test_certificate};
use image::{GOOD, GUARDED, GUID, Plan};
use tempfile::TempDir;

const DAY: Duration = Duration::from_hours(24);
const VERSION: Version = Version([1, 2, 3, 0]);

fn signer() -> Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER
        .get_or_init(|| test_certificate::make(SystemTime::now()).unwrap())
        .clone()
}

/// A folder with a driver, its PDB, the project's INF file and a script.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        bench.driver(&GUARDED);
        fs::write(bench.path("eduwdm.pdb"), image::pdb(GUID)).unwrap();
        fs::write(bench.path("script.ps1"), "exit 0\r\n").unwrap();
        let inf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../inf/eduwdm.inf");
        fs::copy(inf, bench.path("eduwdm.inf")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn driver(&self, plan: &Plan) {
        fs::write(self.path("eduwdm.sys"), image::image(plan)).unwrap();
    }

    fn inf(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("eduwdm.inf")).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(self.path("eduwdm.inf"), text.replace(from, to)).unwrap();
    }

    fn request(&self) -> Request {
        Request {
            inf: self.path("eduwdm.inf"),
            driver: self.path("eduwdm.sys"),
            pdb: Some(self.path("eduwdm.pdb")),
            programs: Vec::new(),
            installed: Vec::new(),
            made: Vec::new(),
            is_own: true,
            extras: vec![self.path("script.ps1")],
            stamp: Some(VERSION),
            now: SystemTime::now(),
            signer: signer(),
            stamper: None,
            folder: self.path("out/eduwdm"),
        }
    }

    /// What is in the package's parent.
    fn written(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("out")) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The error of a request, after which nothing is there.
    fn refused(&self, request: &Request) -> PackageError {
        let error = assemble::make(request).unwrap_err();
        assert_eq!(self.written(), [""; 0], "{error}");
        error
    }
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

#[test]
fn folder_and_zip_hold_the_same_whole_package() {
    let bench = Bench::new();
    let outcome = assemble::make(&bench.request()).unwrap();
    assert_eq!(bench.written(), ["eduwdm", "eduwdm.zip"]);
    let files = contents(&bench.path("out/eduwdm"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "eduwdm.cat",
            "eduwdm.cer",
            "eduwdm.inf",
            "eduwdm.pdb",
            "eduwdm.sys",
            "script.ps1"
        ]
    );
    let mut zip = zip::ZipArchive::new(fs::File::open(&outcome.zip).unwrap()).unwrap();
    assert_eq!(zip.len(), files.len());
    for (name, bytes) in &files {
        let mut read = Vec::new();
        zip.by_name(&format!("eduwdm/{name}"))
            .unwrap()
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(&read, bytes, "{name}");
    }
}

#[test]
fn the_catalog_is_of_the_files_that_are_there() {
    let bench = Bench::new();
    assemble::make(&bench.request()).unwrap();
    let files = contents(&bench.path("out/eduwdm"));
    let list = catalog::read(&files["eduwdm.cat"]).unwrap();
    let has = |digest: Vec<u8>| {
        list.trusted_subjects
            .iter()
            .any(|member| member.identifier.as_bytes() == digest)
    };
    assert!(has(authenticode::digest(&files["eduwdm.sys"]).unwrap()));
    assert!(has(<sha2::Sha256 as sha2::Digest>::digest(
        &files["eduwdm.inf"]
    )
    .to_vec()));
}

#[test]
fn the_inf_file_is_stamped_and_ends_its_lines_as_windows_does() {
    let bench = Bench::new();
    let outcome = assemble::make(&bench.request()).unwrap();
    let text = fs::read_to_string(bench.path("out/eduwdm/eduwdm.inf")).unwrap();
    let facts = Facts::of(&Document::parse(&text));
    assert_eq!(
        (facts.date.unwrap(), facts.version.unwrap()),
        outcome.version
    );
    assert_eq!(facts.version, Some(VERSION));
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
}

#[test]
fn a_second_package_takes_the_place_of_the_first() {
    let bench = Bench::new();
    assemble::make(&bench.request()).unwrap();
    fs::write(bench.path("out/eduwdm/left-over"), "").unwrap();
    assemble::make(&bench.request()).unwrap();
    assert_eq!(bench.written(), ["eduwdm", "eduwdm.zip"]);
    assert!(!bench.path("out/eduwdm/left-over").exists());
}

#[test]
fn a_refused_package_leaves_the_first_as_it_was() {
    let bench = Bench::new();
    assemble::make(&bench.request()).unwrap();
    let before = contents(&bench.path("out/eduwdm"));
    bench.driver(&Plan {
        version: Some([9, 9, 9, 0]),
        ..GOOD
    });
    assemble::make(&bench.request()).unwrap_err();
    assert_eq!(contents(&bench.path("out/eduwdm")), before);
    assert_eq!(bench.written(), ["eduwdm", "eduwdm.zip"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_left() {
    let bench = Bench::new();
    // A folder where the zip file should be: the last step fails, and the first is undone.
    fs::create_dir_all(bench.path("out/eduwdm.zip/inside")).unwrap();
    fs::create_dir_all(bench.path("out/eduwdm")).unwrap();
    fs::write(bench.path("out/eduwdm/mine"), "kept").unwrap();
    let error = assemble::make(&bench.request()).unwrap_err();
    assert!(matches!(error, PackageError::Write { .. }), "{error}");
    assert_eq!(
        fs::read_to_string(bench.path("out/eduwdm/mine")).unwrap(),
        "kept"
    );
    assert_eq!(bench.written(), ["eduwdm", "eduwdm.zip"]);
    // A file where the folder's parent should be.
    let mut request = bench.request();
    request.folder = bench.path("script.ps1").join("eduwdm");
    let error = assemble::make(&request).unwrap_err();
    assert!(error.to_string().contains("nothing was changed"), "{error}");
}

#[test]
fn an_expired_or_a_wrong_certificate_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let now = SystemTime::now();
    let mut request = bench.request();
    request.signer =
        test_certificate::make_for("CN=old", &[oid::CODE_SIGNING], now - DAY * 2, now - DAY)
            .unwrap();
    let error = bench.refused(&request);
    assert!(
        matches!(
            error,
            PackageError::Certificate(CertificateError::Expired { .. })
        ),
        "{error}"
    );
    let server = der::asn1::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
    request.signer =
        test_certificate::make_for("CN=server", &[server], now - DAY, now + DAY).unwrap();
    let error = bench.refused(&request);
    assert!(
        error.to_string().contains("not for code signing"),
        "{error}"
    );
}

#[test]
fn a_driver_of_another_version_is_refused() {
    let bench = Bench::new();
    bench.driver(&Plan {
        version: Some([1, 2, 2, 0]),
        ..GOOD
    });
    let error = bench.refused(&bench.request());
    assert!(matches!(error, PackageError::OutOfDate { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("1.2.3.0, the driver's version is 1.2.2.0"),
        "{error}"
    );
}

#[test]
fn an_inf_file_that_is_kept_must_be_of_the_drivers_day_or_later_but_not_of_tomorrow() {
    let bench = Bench::new();
    let mut request = bench.request();
    request.stamp = None;
    bench.inf("01/01/2026,0.1.0.0", "01/01/2020,1.2.3.0");
    let error = bench.refused(&request);
    assert!(
        error
            .to_string()
            .contains("DriverVer is of 01/01/2020, but the driver was built"),
        "{error}"
    );
    bench.inf("01/01/2020,1.2.3.0", "01/01/2999,1.2.3.0");
    let error = bench.refused(&request);
    assert!(error.to_string().contains("in the future"), "{error}");
}

#[test]
fn an_inf_file_for_another_driver_is_refused() {
    let bench = Bench::new();
    bench.inf("eduwdm.sys = 1", "eduwdm.sys = 1\nother.sys = 1");
    let error = bench.refused(&bench.request());
    assert!(
        error
            .to_string()
            .contains("other.sys, which the package has not"),
        "{error}"
    );
}

#[test]
fn an_inf_file_with_faults_is_refused_with_rule_and_line() {
    let bench = Bench::new();
    bench.inf("PnpLockdown = 1", "PnpLockdown = 0");
    let error = bench.refused(&bench.request());
    assert!(
        error
            .to_string()
            .contains("line 17: error 1324 pnp-lockdown"),
        "{error}"
    );
    fs::write(bench.path("eduwdm.inf"), b"\xef\xbb\xbf[Version]").unwrap();
    assert!(matches!(
        bench.refused(&bench.request()),
        PackageError::Encoding { .. }
    ));
    fs::write(bench.path("eduwdm.inf"), b"[Version]\r\n").unwrap();
    assert!(matches!(
        bench.refused(&bench.request()),
        PackageError::Stamp { .. }
    ));
}

#[test]
fn a_driver_that_is_not_fit_or_not_there_is_refused() {
    let bench = Bench::new();
    bench.driver(&Plan {
        characteristics: 0,
        ..GOOD
    });
    let error = bench.refused(&bench.request());
    assert!(error.to_string().contains("NX compatible"), "{error}");
    bench.driver(&Plan {
        version: None,
        ..GOOD
    });
    let error = bench.refused(&bench.request());
    assert!(error.to_string().contains("version resource"), "{error}");
    fs::write(bench.path("eduwdm.sys"), "not an image").unwrap();
    assert!(matches!(
        bench.refused(&bench.request()),
        PackageError::Unfit { .. }
    ));
    fs::remove_file(bench.path("eduwdm.sys")).unwrap();
    let error = bench.refused(&bench.request());
    assert!(error.to_string().contains("eduwdm.sys"), "{error}");
}

#[test]
fn the_pdb_of_another_image_and_a_missing_extra_are_refused() {
    let bench = Bench::new();
    fs::write(bench.path("eduwdm.pdb"), image::pdb(*b"another guid, 16")).unwrap();
    let error = bench.refused(&bench.request());
    assert!(
        error.to_string().contains("that of another image"),
        "{error}"
    );
    let bench = Bench::new();
    let mut request = bench.request();
    request.extras.push(bench.path("missing.ps1"));
    let error = bench.refused(&request);
    assert!(error.to_string().contains("missing.ps1"), "{error}");
}

/// A program that imports from this library.
fn tool(library: &'static str) -> Vec<u8> {
    image::image(&Plan {
        import: (library, "Sleep"),
        ..GOOD
    })
}

#[test]
fn programs_are_signed_and_what_is_no_program_is_refused() {
    let bench = Bench::new();
    let mut request = bench.request();
    fs::write(bench.path("tool.exe"), tool("KERNEL32.dll")).unwrap();
    request.programs.push(bench.path("tool.exe"));
    assemble::make(&request).unwrap();
    let tool = fs::read(bench.path("out/eduwdm/tool.exe")).unwrap();
    assert!(authenticode::signature(&tool).unwrap().is_some());
    let bench = Bench::new();
    let mut request = bench.request();
    request.programs.push(bench.path("script.ps1"));
    let error = bench.refused(&request);
    assert!(matches!(error, PackageError::Unfit { .. }), "{error}");
}

#[test]
fn a_program_that_a_fresh_windows_cannot_start_is_refused() {
    for library in ["VCRUNTIME140.dll", "libgcc_s_seh-1.dll", "ntoskrnl.exe"] {
        let bench = Bench::new();
        let mut request = bench.request();
        fs::write(bench.path("tool.exe"), tool(library)).unwrap();
        request.programs.push(bench.path("tool.exe"));
        let error = bench.refused(&request).to_string();
        assert!(error.contains(library), "{error}");
    }
}

#[test]
fn a_program_with_its_symbols_inside_is_refused() {
    let mut image = tool("KERNEL32.dll");
    let with = |image: &[u8]| {
        let bench = Bench::new();
        fs::write(bench.path("tool.exe"), image).unwrap();
        let mut request = bench.request();
        request.programs.push(bench.path("tool.exe"));
        (bench, request)
    };
    image.resize(8 << 20, 0);
    let (_bench, request) = with(&image);
    assemble::make(&request).unwrap();
    image.push(0);
    let (bench, request) = with(&image);
    let error = bench.refused(&request).to_string();
    assert!(error.contains("symbols"), "{error}");
}
