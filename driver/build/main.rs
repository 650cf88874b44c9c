//! Leaves to `wdk-build` how a driver is linked, and adds the version resource.

mod flags;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use version_resource::Version;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Err(why) = flags::check(&std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default()) {
        eprintln!("{why}");
        return Ok(ExitCode::FAILURE);
    }
    wdk_build::configure_wdk_binary_build()?;

    let version = std::env::var("CARGO_PKG_VERSION")?;
    let part = |name: &str| -> Result<u16, Box<dyn Error>> {
        Ok(std::env::var(format!("CARGO_PKG_VERSION_{name}"))?.parse()?)
    };
    let resource = Version {
        // As the INF file's DriverVer is stamped; the package compares the two.
        numbers: [part("MAJOR")?, part("MINOR")?, part("PATCH")?, 0],
        strings: &[
            ("CompanyName", "The eduwdm project"),
            (
                "FileDescription",
                "Driver of QEMU's edu and pci-testdev devices",
            ),
            ("FileVersion", &version),
            ("InternalName", "eduwdm.sys"),
            ("LegalCopyright", "MIT OR Apache-2.0"),
            ("OriginalFilename", "eduwdm.sys"),
            ("ProductName", "eduwdm"),
            ("ProductVersion", &version),
        ],
    };
    let file = Path::new(&std::env::var("OUT_DIR")?).join("version.res");
    std::fs::write(&file, resource.resource_file())?;
    println!("cargo::rustc-cdylib-link-arg={}", file.display());
    Ok(ExitCode::SUCCESS)
}
