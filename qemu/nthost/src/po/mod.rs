//! Power: requests that change the state of devices and of the system.

mod exports;
pub mod host;
mod irp;
