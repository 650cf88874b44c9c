//! What the end-to-end tests have in common: machines booted with drivers, and a client's
//! connection to them. The tests themselves are in `tests/`.
//!
//! They use what `cargo xtask build` has left in `target/out`, and boot as many machines at a
//! time as the test harness runs threads.
#![cfg(unix)]

mod breakpoint;
mod edu;
pub mod guide;
mod leak;
mod machine;
pub mod misdeeds;
mod pe;
mod program;
pub mod safe_layer;
pub mod wrong;

pub use breakpoint::{InFlight, until};
pub use edu::InEachQueue;
pub use machine::{Booted, artifacts, boot, manifest, options, out, seed};
pub use pe::{
    checksum, {empty_guard_table, make_writable, rename_import},
};
pub use program::{Program, Running};
