//! The power management framework: components of a device are active or idle as the driver says,
//! and idle ones go into states of less power; when all are idle, the device need not be on.
//!
//! Sources: "Overview of the Power Management Framework", PoFxRegisterDevice and the routines that
//! its page leads to, PO_FX_DEVICE; bug check 0xA0.
//!
//! There is no plug-in for the platform: an idle component goes into the deepest state that the
//! driver's hints allow. Devices register by version 1 or 2; nothing powers a device down by
//! direction (version 3), and there are no performance states.

pub mod component;
pub mod device;

#[cfg(target_os = "none")]
mod exports;
#[cfg(target_os = "none")]
mod registration;
#[cfg(target_os = "none")]
pub mod run;
