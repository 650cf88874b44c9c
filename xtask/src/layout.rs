//! The structure-layout test: what the headers here make of the kernel's structures, against
//! Microsoft's own metadata. It is a crate of constants that does not compile where they differ.

use anyhow::bail;

use crate::{build, toolchain::Toolchain};

/// Compiles the comparison.
///
/// # Errors
///
/// If a structure differs: the compiler says which, and where.
pub fn run(toolchain: Toolchain) -> anyhow::Result<()> {
    let mut cargo = build::driver_cargo(toolchain, "check")?;
    cargo.args(["--quiet", "--release", "--package", "wdk-layout"]);
    if !cargo.status()?.success() {
        bail!("a structure of the kernel is laid out otherwise than Microsoft's metadata says");
    }
    Ok(())
}
