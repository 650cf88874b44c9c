//! The hardware: what the HAL hides from the kernel and from drivers.

pub mod acpi;
#[cfg(target_os = "none")]
pub mod apic;
#[cfg(target_os = "none")]
mod bus_data;
pub mod cmos;
#[cfg(target_os = "none")]
mod debug_port;
#[cfg(target_os = "none")]
pub mod exit;
#[cfg(target_os = "none")]
pub mod ioapic;
#[cfg(target_os = "none")]
pub mod irql;
#[cfg(target_os = "none")]
pub mod lock;
pub mod numa;
#[cfg(target_os = "none")]
pub mod once;
#[cfg(target_os = "none")]
pub mod pci;
pub mod physical;
#[cfg(target_os = "none")]
pub mod port;
pub mod rate;
pub mod redirection;
#[cfg(target_os = "none")]
pub mod serial;
#[cfg(target_os = "none")]
pub mod time;
