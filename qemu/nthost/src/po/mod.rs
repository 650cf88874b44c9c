//! Power: requests that change the state of devices and of the system.

mod exports;
pub mod host;
pub mod idle;
mod irp;
pub mod setting;

pub use exports::{
    IoRegisterLastChanceShutdownNotification, IoRegisterShutdownNotification,
    IoUnregisterShutdownNotification, forget, notify_shutdown,
};
