//! `cargo xtask misdeed`: has a wrong driver of `tests/drivers/c` do what it does, and shows what the
//! verifier says.

use anyhow::bail;
use clap::Args;

use crate::{build, setup, test};

/// Which one.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The driver, such as `wrong_ke`; without one, all misdeeds are listed
    #[arg(requires = "misdeed")]
    driver: Option<String>,
    /// What it does, by the name of its routine
    misdeed: Option<String>,
    /// Which machine of qemu/machines
    #[arg(long, value_name = "NAME", default_value = "up")]
    machine: String,
}

/// Boots a machine with the driver, and shows how that ends.
///
/// # Errors
///
/// If it does not end as it should.
pub fn run(options: &Options) -> anyhow::Result<()> {
    build::run(&options.setup)?;
    let mut cargo = test::cargo("run");
    cargo.args(["--quiet", "--package", "eduwdm-tests", "--bin", "misdeed"]);
    cargo.arg("--");
    if let (Some(driver), Some(misdeed)) = (&options.driver, &options.misdeed) {
        cargo.args([&options.machine, driver, misdeed]);
    }
    if !cargo.status()?.success() {
        bail!("no misdeed was shown");
    }
    Ok(())
}
