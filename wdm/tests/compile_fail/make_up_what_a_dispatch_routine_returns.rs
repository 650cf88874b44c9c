//! STATUS_SUCCESS from a dispatch routine whose IRP is still in somebody's hands is a lie.
#![no_std]

use wdm::irp::{Dispatched, Fresh, Irp};

pub fn wrong(_irp: Irp<Fresh>) -> Dispatched {
    Dispatched(0) //~ E0423
}
