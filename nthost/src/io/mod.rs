//! The I/O manager: devices and their drivers, IRPs and what they go through, files.
//!
//! Lock order: the cancel spin lock, a driver's own locks, then nthost's. Of the latter each is
//! a leaf but where it says otherwise; no driver's routine is called with one of them held.

pub mod error_code;
pub mod error_text;
pub mod identity;
pub mod master_irp;
pub mod origin;
pub mod property_store;
pub mod share_access;

#[cfg(target_os = "none")]
pub mod attachment;
#[cfg(target_os = "none")]
pub mod build;
#[cfg(target_os = "none")]
pub mod call;
#[cfg(target_os = "none")]
pub mod cancel;
#[cfg(target_os = "none")]
pub mod complete;
#[cfg(target_os = "none")]
pub mod completion;
#[cfg(target_os = "none")]
pub mod configuration;
#[cfg(target_os = "none")]
pub mod controller;
#[cfg(target_os = "none")]
pub mod csq;
#[cfg(target_os = "none")]
pub mod device;
#[cfg(target_os = "none")]
mod device_list;
#[cfg(target_os = "none")]
pub mod driver;
#[cfg(target_os = "none")]
pub mod driver_extension;
#[cfg(target_os = "none")]
pub mod driver_path;
#[cfg(target_os = "none")]
pub mod error_log;
#[cfg(target_os = "none")]
pub mod export_driver;
#[cfg(target_os = "none")]
pub mod fault;
#[cfg(target_os = "none")]
pub mod file;
#[cfg(target_os = "none")]
pub mod finish;
#[cfg(target_os = "none")]
pub mod forward;
#[cfg(target_os = "none")]
mod hard_error;
#[cfg(target_os = "none")]
pub mod interface;
#[cfg(target_os = "none")]
pub mod interrupt;
#[cfg(target_os = "none")]
mod interrupt_source;
#[cfg(target_os = "none")]
mod interrupt_vector;
#[cfg(target_os = "none")]
pub mod irp;
#[cfg(target_os = "none")]
mod irp_lookaside;
#[cfg(target_os = "none")]
pub mod leak;
#[cfg(target_os = "none")]
pub mod notify;
#[cfg(target_os = "none")]
pub mod notify_target;
#[cfg(target_os = "none")]
pub mod pointer;
#[cfg(target_os = "none")]
pub mod priority_hint;
#[cfg(target_os = "none")]
pub mod property;
#[cfg(target_os = "none")]
pub mod property_data;
#[cfg(target_os = "none")]
pub mod reinitialize;
#[cfg(target_os = "none")]
pub mod remove_lock;
#[cfg(target_os = "none")]
pub mod request;
#[cfg(target_os = "none")]
mod requestor;
#[cfg(target_os = "none")]
pub mod security;
#[cfg(target_os = "none")]
pub mod startio;
#[cfg(target_os = "none")]
pub mod thread_end;
#[cfg(target_os = "none")]
pub mod timer;
#[cfg(target_os = "none")]
pub mod unload;
#[cfg(target_os = "none")]
pub mod verify;
#[cfg(target_os = "none")]
pub mod workitem;
#[cfg(target_os = "none")]
pub mod zw_information;
#[cfg(target_os = "none")]
pub mod zw_open;
#[cfg(target_os = "none")]
pub mod zw_request;
