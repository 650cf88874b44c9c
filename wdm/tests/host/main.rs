//! The safe layer on the host, on stand-ins for the kernel's routines: whether what it does with
//! raw pointers is defined, and whether what several processors do to each other is sound.
//!
//! These tests are for Miri, which `cargo xtask test` runs where it is installed. Orders that only
//! a race brings about are made here step by step: see [`kernel::csq::Cancellation`].
#![expect(missing_docs, reason = "tests, and a kernel that serves nobody else")]

mod kernel;

mod callbacks;
mod device;
mod dma;
mod information;
mod pofx;
mod pool;
mod queue;
mod registers;
mod timeout;

use wdm::{irql::Passive, pool::Tag};

#[test]
fn a_status_is_what_something_can_end_in() {
    use wdm::Status;
    for none in [wdk_sys::STATUS_PENDING, -1] {
        assert_eq!(Status::from_raw(none), Status::INTERNAL_ERROR);
    }
    assert_eq!(Status::check(-1), Err(Status::INTERNAL_ERROR));
    for status in [wdk_sys::STATUS_SUCCESS, wdk_sys::STATUS_CANCELLED] {
        assert_eq!(Status::from_raw(status).to_raw(), status);
    }
}

pub const TAG: Tag = Tag::new(*b"Test");

/// The proof of the level that test threads begin at.
pub fn passive() -> Passive {
    assert_eq!(kernel::irql(), 0);
    // SAFETY: as checked; the tests hold one at a time.
    unsafe { Passive::assume() }
}
