//! How many devices of some kinds drivers have found: each driver counts its own.
//!
//! Sources: IoGetConfigurationInformation, ns-ntddk-configuration_information.

use core::{cell::UnsafeCell, mem::size_of};

/// The counts (ns-ntddk-configuration_information).
#[repr(C)]
#[derive(Debug)]
pub struct CONFIGURATION_INFORMATION {
    disks: u32,
    floppies: u32,
    cd_roms: u32,
    tapes: u32,
    scsi_ports: u32,
    serial_ports: u32,
    parallel_ports: u32,
    first_addresses_claimed: u8,
    second_addresses_claimed: u8,
    version: u32,
    medium_changers: u32,
}

struct Shared(UnsafeCell<CONFIGURATION_INFORMATION>);

// SAFETY: it is drivers alone who read and write it, as the reference lets them.
unsafe impl Sync for Shared {}

static INFORMATION: Shared = Shared(UnsafeCell::new(CONFIGURATION_INFORMATION {
    disks: 0,
    floppies: 0,
    cd_roms: 0,
    tapes: 0,
    scsi_ports: 0,
    serial_ports: 0,
    parallel_ports: 0,
    first_addresses_claimed: 0,
    second_addresses_claimed: 0,
    version: size_of::<CONFIGURATION_INFORMATION>() as u32,
    medium_changers: 0,
}));

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The counts of devices that drivers have found, for drivers to read and change.
    ///
    /// Source: IoGetConfigurationInformation.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetConfigurationInformation() -> *mut CONFIGURATION_INFORMATION {
        INFORMATION.0.get()
    }
}
