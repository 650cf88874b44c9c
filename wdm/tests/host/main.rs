//! The safe layer on the host, on stand-ins for the kernel's routines: whether what it does with
//! raw pointers is defined, and whether what several processors do to each other is sound.
//!
//! These tests are for Miri, which `cargo xtask test` runs where it is installed. Orders that only
//! a race brings about are made here step by step: see [`kernel::csq::Cancellation`].
#![expect(missing_docs, reason = "tests, and a kernel that serves nobody else")]

mod kernel;

mod callbacks;
mod device;
mod pool;
mod queue;
mod registers;
mod timeout;

use wdm::{irql::Passive, pool::Tag};

pub const TAG: Tag = Tag::new(*b"Test");

/// The proof of the level that test threads begin at.
pub fn passive() -> Passive {
    assert_eq!(kernel::irql(), 0);
    // SAFETY: as checked; the tests hold one at a time.
    unsafe { Passive::assume() }
}
