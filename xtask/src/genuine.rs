//! The comparison of the bindings with what the genuine headers say: every record, routine and
//! enumerator that the drivers' sources name.

use anyhow::bail;
use eduwdm_genuine::{
    bindings::{self, Bindings},
    compare,
    exceptions::{About, Exceptions},
    sources,
    tables::{FOLLOWED, Tables},
};

use crate::{paths, toolchain::DRIVER};

/// Compares the newest bindings.
///
/// # Errors
///
/// If something differs, or is in no table and on no list.
pub fn run() -> anyhow::Result<()> {
    let root = paths::root();
    let folder = root.join("cross/genuine");
    let tables = Tables::read(&folder)?;
    let exceptions = Exceptions::read(&folder)?;
    let bindings = Bindings::read(&bindings::newest(&paths::driver_target().join(DRIVER))?)?;
    let words = sources::words(&root)?;
    let report = compare::bindings(&bindings, &tables, &exceptions, &words, FOLLOWED);
    let mut differences = report.differences.clone();
    differences.extend(exceptions.unneeded(&[About::Bindings]));
    if differences.is_empty() {
        println!("    {report}");
        return Ok(());
    }
    bail!(
        "{report}; mend the headers in cross/include, or see cross/genuine/README.md:\n  {}",
        differences.join("\n  ")
    )
}
