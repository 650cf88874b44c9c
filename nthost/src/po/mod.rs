//! Power: requests that change the state of devices and of the system.

pub mod fx;
pub mod idle_counter;
pub mod setting_value;

#[cfg(target_os = "none")]
mod exports;
#[cfg(target_os = "none")]
pub mod host;
#[cfg(target_os = "none")]
pub mod idle;
#[cfg(target_os = "none")]
mod information;
#[cfg(target_os = "none")]
mod irp;
#[cfg(target_os = "none")]
pub mod power_request;
#[cfg(target_os = "none")]
mod serial;
#[cfg(target_os = "none")]
pub mod setting;
#[cfg(target_os = "none")]
mod wake;
#[cfg(target_os = "none")]
mod watchdog;

#[cfg(target_os = "none")]
pub use exports::{
    IoRegisterLastChanceShutdownNotification, IoRegisterShutdownNotification,
    IoUnregisterShutdownNotification, forget, notify_shutdown,
};
