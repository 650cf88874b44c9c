//! The system's event log.
//!
//! Source: nf-wdm-ioallocateerrorlogentry, nf-wdm-iowriteerrorlogentry, "Logging Errors".
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     device::PhysicalDevice,
//!     errorlog::{self, Entry},
//!     irql::Passive,
//! };
//!
//! fn log(physical: PhysicalDevice<'_>, status: Status, irql: &mut Passive) {
//!     let entry = Entry {
//!         error_code: Status::DEVICE_HARDWARE_ERROR,
//!         unique_value: 1,
//!         final_status: status,
//!         dump_data: 0,
//!     };
//!     errorlog::write(physical, entry, irql);
//! }
//! ```

use wdk_sys::{
    IO_ERROR_LOG_PACKET,
    ntddk::{IoAllocateErrorLogEntry, IoWriteErrorLogEntry},
};

use crate::{Status, device::PhysicalDevice, irql::Passive};

/// An entry of the event log.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// What the entry is: a code of the message table that the event source names.
    pub error_code: Status,
    /// Tells apart the places that log the same code.
    pub unique_value: u32,
    /// The status that the driver ended with.
    pub final_status: Status,
    /// More to look at.
    pub dump_data: u32,
}

/// Writes an entry about a device. Without memory for it, it is lost: the log may not get in the
/// way of what it tells of.
///
/// The entry names the device by its physical device object: the log puts in the name of the object
/// that it is written for, and a function device object has none.
pub fn write(device: PhysicalDevice<'_>, entry: Entry, _irql: &mut Passive) {
    // `DumpDataSize` counts bytes; the packet has room for one ULONG of them.
    const DUMP_DATA_SIZE: u16 = 4;
    // SAFETY: a device object; the size is that of the packet.
    let packet = unsafe {
        IoAllocateErrorLogEntry(
            device.as_ptr().cast(),
            crate::constants::ERROR_LOG_PACKET_SIZE,
        )
    };
    let packet = packet.cast::<IO_ERROR_LOG_PACKET>();
    if packet.is_null() {
        return;
    }
    let contents = IO_ERROR_LOG_PACKET {
        DumpDataSize: DUMP_DATA_SIZE,
        ErrorCode: entry.error_code.to_raw(),
        UniqueErrorValue: entry.unique_value,
        FinalStatus: entry.final_status.to_raw(),
        DumpData: [entry.dump_data],
        ..Default::default()
    };
    // SAFETY: freshly allocated for a packet.
    unsafe { packet.write(contents) };
    // SAFETY: from `IoAllocateErrorLogEntry`, given up with this call; at PASSIVE_LEVEL.
    unsafe { IoWriteErrorLogEntry(packet.cast()) };
}
