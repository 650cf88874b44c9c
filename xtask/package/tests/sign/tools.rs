//! The same, judged by OpenSSL and osslsigncode.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use der::pem::LineEnding;
use der::{Encode, EncodePem};
use eduwdm_package::sign::authenticode;
use eduwdm_package::sign::certificate;
use eduwdm_package::sign::time_stamp::TimeStamper;
use rsa::pkcs8::EncodePrivateKey;
use tempfile::TempDir;

use crate::image::image;
use crate::{INF, sample_catalog, signer};

/// A folder with the signed image, the INF file, the catalog and the certificate.
struct Package {
    folder: TempDir,
}

impl Package {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signed = authenticode::sign(&image(3), "sample", signer(), None).unwrap();
        let package = Self { folder };
        fs::write(package.path("sample.cat"), sample_catalog(&signed)).unwrap();
        fs::write(package.path("sample.sys"), signed).unwrap();
        fs::write(package.path("sample.inf"), INF).unwrap();
        let certificate = signer().certificate();
        fs::write(
            package.path("ca.pem"),
            certificate.to_pem(LineEnding::LF).unwrap(),
        )
        .unwrap();
        fs::write(package.path("ca.der"), certificate.to_der().unwrap()).unwrap();
        let key = signer().key.to_pkcs8_pem(LineEnding::LF).unwrap();
        fs::write(package.path("key.pem"), key.as_bytes()).unwrap();
        package
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        Command::new(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; Debian's package {program} has it"))
    }

    fn passes(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments);
        let text = text(&output);
        assert!(output.status.success(), "{program} {arguments:?}:\n{text}");
        text
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn change(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn osslsigncode_verifies_the_image_and_refuses_a_changed_one() {
    let package = Package::new();
    let verify = ["verify", "-CAfile", "ca.pem", "-in", "sample.sys"];
    let said = package.passes("osslsigncode", &verify);
    assert!(said.contains("Signature verification: ok"), "{said}");
    assert!(said.contains("Number of verified signatures: 1"), "{said}");
    assert!(!said.contains("MISMATCH"), "{said}");
    change(&package.path("sample.sys"), 0x210);
    let output = package.run("osslsigncode", &verify);
    assert!(!output.status.success(), "{}", text(&output));
}

#[test]
fn osslsigncode_verifies_the_image_against_the_catalog() {
    let package = Package::new();
    let verify = [
        "verify",
        "-CAfile",
        "ca.pem",
        "-catalog",
        "sample.cat",
        "-in",
        "sample.sys",
    ];
    let said = package.passes("osslsigncode", &verify);
    assert!(said.contains("Signature verification: ok"), "{said}");
    change(&package.path("sample.sys"), 0x210);
    let output = package.run("osslsigncode", &verify);
    assert!(!output.status.success(), "{}", text(&output));
}

/// The contents of the trust list, where OpenSSL's own parser says they are.
fn trust_list(catalog: &Path, parsed: &str) -> Vec<u8> {
    // The object identifier, the tag around the content, and the content.
    let line = parsed
        .lines()
        .skip_while(|line| !line.ends_with(":1.3.6.1.4.1.311.10.1"))
        .nth(2)
        .unwrap();
    let number = |after: &str| -> usize {
        let rest = line.split_once(after).unwrap().1.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        rest[..end].parse().unwrap()
    };
    let offset: usize = line.split(':').next().unwrap().trim().parse().unwrap();
    let (start, length) = (offset + number("hl="), number(" l="));
    fs::read(catalog).unwrap()[start..start + length].to_vec()
}

#[test]
fn openssl_verifies_the_catalog_and_finds_the_inf_files_digest_in_it() {
    let package = Package::new();
    let shown = package.passes(
        "openssl",
        &["asn1parse", "-inform", "DER", "-in", "sample.cat"],
    );
    fs::write(
        package.path("content"),
        trust_list(&package.path("sample.cat"), &shown),
    )
    .unwrap();
    // PKCS #7 as Authenticode uses it is older than CMS, so `smime` reads it and `cms` does not;
    // and what is signed are the list's contents, without its tag.
    let verify = [
        "smime",
        "-verify",
        "-inform",
        "DER",
        "-in",
        "sample.cat",
        "-binary",
        "-CAfile",
        "ca.pem",
        "-purpose",
        "any",
        "-content",
        "content",
        "-out",
        "verified",
    ];
    let said = package.passes("openssl", &verify);
    assert!(said.contains("Verification successful"), "{said}");
    let digest = package.passes("openssl", &["dgst", "-sha256", "-hex", "sample.inf"]);
    let digest = digest.trim().rsplit(' ').next().unwrap().to_uppercase();
    assert!(shown.contains(&digest), "{digest} in\n{shown}");
}

#[test]
fn a_pfx_file_that_openssl_made_is_read_with_its_password_only() {
    let package = Package::new();
    for legacy in [false, true] {
        let mut arguments = vec![
            "pkcs12",
            "-export",
            "-in",
            "ca.pem",
            "-inkey",
            "key.pem",
            "-out",
            "test.pfx",
            "-passout",
            "pass:secret",
        ];
        if legacy {
            // What Windows writes when it is asked for TripleDES-SHA1.
            arguments.extend([
                "-keypbe",
                "PBE-SHA1-3DES",
                "-certpbe",
                "PBE-SHA1-3DES",
                "-macalg",
                "sha1",
            ]);
        }
        package.passes("openssl", &arguments);
        let file = fs::read(package.path("test.pfx")).unwrap();
        let read = certificate::read(&file, None, "secret").unwrap();
        assert_eq!(read.certificate(), signer().certificate());
        assert_eq!(read.key, signer().key);
        let error = certificate::read(&file, None, "wrong").unwrap_err();
        assert!(error.to_string().contains("password"), "{error}");
    }
}

/// OpenSSL's own time-stamp authority behind a socket of this machine.
fn authority(package: &Package, answers: usize) -> (String, std::thread::JoinHandle<()>) {
    package.passes(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "tsa.key",
            "-out",
            "tsa.pem",
            "-subj",
            "/CN=sample time stamps",
            "-days",
            "30",
            "-addext",
            "extendedKeyUsage=critical,timeStamping",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "keyUsage=critical,digitalSignature",
        ],
    );
    fs::write(
        package.path("tsa.cnf"),
        "[tsa]\ndefault_tsa=t\n[t]\nserial=./serial\ncrypto_device=builtin\n\
         signer_digest=sha256\ndefault_policy=1.2.3.4\ndigests=sha256\nordering=no\n\
         tsa_name=no\ness_cert_id_chain=no\n",
    )
    .unwrap();
    fs::write(package.path("serial"), "01\n").unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let folder = package.folder.path().to_owned();
    let thread = std::thread::spawn(move || {
        for _ in 0..answers {
            let (mut stream, _) = listener.accept().unwrap();
            serve(&folder, &mut stream);
        }
    });
    (url, thread)
}

fn serve(folder: &Path, stream: &mut std::net::TcpStream) {
    use std::io::{Read, Write};
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let body = loop {
        let read = stream.read(&mut buffer).unwrap();
        request.extend(&buffer[..read]);
        let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        assert!(head.contains("application/timestamp-query"));
        if request.len() >= end + 4 + length {
            break request[end + 4..].to_vec();
        }
    };
    fs::write(folder.join("query.tsq"), body).unwrap();
    let status = Command::new("openssl")
        .args([
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-section",
            "t",
            "-queryfile",
            "query.tsq",
            "-signer",
            "tsa.pem",
            "-inkey",
            "tsa.key",
            "-out",
            "reply.tsr",
        ])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let reply = fs::read(folder.join("reply.tsr")).unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        reply.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&reply).unwrap();
}

#[test]
fn a_time_stamp_is_had_and_osslsigncode_verifies_it() {
    let package = Package::new();
    let (url, thread) = authority(&package, 1);
    let stamper = TimeStamper::new(&url).unwrap();
    let signed = authenticode::sign(&image(0), "sample", signer(), Some(&stamper)).unwrap();
    thread.join().unwrap();
    fs::write(package.path("stamped.sys"), signed).unwrap();
    let said = package.passes(
        "osslsigncode",
        &[
            "verify",
            "-CAfile",
            "ca.pem",
            "-TSA-CAfile",
            "tsa.pem",
            "-in",
            "stamped.sys",
        ],
    );
    assert!(
        said.contains("Timestamp Server Signature verification: ok"),
        "{said}"
    );
}

#[test]
fn a_server_that_is_none_or_answers_nonsense_is_named() {
    let error = TimeStamper::new("https://example.org").unwrap_err();
    assert!(error.to_string().contains("http://"), "{error}");
    // A port that nobody listens on, because this test has just left it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let stamper = TimeStamper::new(&url).unwrap();
    let error = authenticode::sign(&image(0), "s", signer(), Some(&stamper)).unwrap_err();
    assert!(error.to_string().contains(&url), "{error}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        stream.write_all(answer).unwrap();
    });
    let stamper = TimeStamper::new(&url).unwrap();
    let error = authenticode::sign(&image(0), "s", signer(), Some(&stamper)).unwrap_err();
    thread.join().unwrap();
    assert!(
        error.to_string().contains("no time-stamp response"),
        "{error}"
    );
}

#[test]
fn an_expired_certificate_is_seen_by_osslsigncode_too() {
    let now = SystemTime::now();
    let day = Duration::from_hours(24);
    let expired = eduwdm_package::sign::test_certificate::make_for(
        "CN=expired",
        &[eduwdm_package::sign::oid::CODE_SIGNING],
        now - day * 2,
        now - day,
    )
    .unwrap();
    let package = Package::new();
    let signed = authenticode::sign(&image(0), "sample", &expired, None).unwrap();
    fs::write(package.path("expired.sys"), signed).unwrap();
    let pem = expired.certificate().to_pem(LineEnding::LF).unwrap();
    fs::write(package.path("expired.pem"), pem).unwrap();
    let output = package.run(
        "osslsigncode",
        &["verify", "-CAfile", "expired.pem", "-in", "expired.sys"],
    );
    assert!(!output.status.success(), "{}", text(&output));
}
