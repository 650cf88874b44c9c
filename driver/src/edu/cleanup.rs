//! IRP_MJ_CLEANUP: a handle was closed, and nobody waits for its requests any more.

use wdm::{irp::FileObject, irql::Passive};

use super::Edu;

impl Edu {
    /// Cancels what waits in any queue for this handle. What is on the device is completed when
    /// the device is done.
    pub fn cleanup(&self, file_object: FileObject, irql: &Passive) {
        self.compute.cancel_of(file_object, irql);
    }
}
