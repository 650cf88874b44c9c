//! The port that the kernel itself writes to, which a driver for serial ports leaves alone.
//!
//! Source: the declaration of KdComPortInUse: a variable with the port's address.

use core::{ptr::without_provenance_mut, sync::atomic::AtomicPtr};

use super::serial::COM1;

static PORT: AtomicPtr<u8> = AtomicPtr::new(without_provenance_mut(COM1 as usize));

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(KdComPortInUse = (&raw const PORT).cast::<()>());
};
