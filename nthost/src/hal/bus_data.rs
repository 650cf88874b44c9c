//! Configuration space by bus and slot, as drivers did before buses had interfaces.
//!
//! Sources: HalGetBusDataByOffset, HalSetBusDataByOffset: of PCI alone. Only the bytes that are
//! asked for are accessed; the header of a bridge is not written.

use core::ffi::c_void;

use super::pci::{self, Address};

/// `PCIConfiguration` of `BUS_DATA_TYPE`.
const PCI_CONFIGURATION: i32 = 4;
/// Bytes of a function's configuration space that the ports reach.
const SPACE: u32 = 256;
/// Where the header says of which type it is, and the bit of functions beside the first.
const HEADER_TYPE: u8 = 0x0e;
const MULTIFUNCTION: u8 = 0x80;
/// What the vendor of no function is.
const NO_VENDOR: u16 = 0xffff;

/// The function in a slot: five bits of `PCI_SLOT_NUMBER` are the device, the next three the
/// function. There is one segment.
fn address(bus: u32, slot: u32) -> Option<Address> {
    Some(Address {
        bus: u8::try_from(bus).ok()?,
        device: (slot & 0x1f) as u8,
        function: (slot >> 5 & 7) as u8,
    })
}

/// The offsets of an access, cut off at the end of the space.
fn offsets(offset: u32, length: u32) -> core::ops::Range<u32> {
    offset.min(SPACE)..offset.saturating_add(length).min(SPACE)
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Reads a function's configuration space; gives the bytes read. Of a slot without a
    /// function, that is a vendor of ones and nothing more; of another kind of bus, nothing.
    ///
    /// Source: HalGetBusDataByOffset.
    ///
    /// # Safety
    ///
    /// The buffer has so many bytes.
    pub unsafe fn HalGetBusDataByOffset(
        kind: i32,
        bus: u32,
        slot: u32,
        buffer: *mut c_void,
        offset: u32,
        length: u32,
    ) -> u32 {
        let address = address(bus, slot).filter(|_| kind == PCI_CONFIGURATION);
        let Some(address) = address else { return 0 };
        let mut range = offsets(offset, length);
        if pci::read_u16(address, 0) == NO_VENDOR {
            range.end = range.end.min(2).max(range.start);
        }
        let count = range.len() as u32;
        for (index, offset) in range.enumerate() {
            let byte = pci::read_u8(address, offset as u8);
            // SAFETY: the caller's promise: the buffer has `length` bytes.
            let to = unsafe { buffer.cast::<u8>().add(index) };
            // SAFETY: as above.
            unsafe { to.write(byte) };
        }
        count
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Writes a function's configuration space; gives the bytes written: none of a bridge's
    /// header, and none if there is no function.
    ///
    /// Source: HalSetBusDataByOffset.
    ///
    /// # Safety
    ///
    /// The buffer has so many bytes, and the device does nothing to memory that is not its
    /// driver's.
    pub unsafe fn HalSetBusDataByOffset(
        kind: i32,
        bus: u32,
        slot: u32,
        buffer: *const c_void,
        offset: u32,
        length: u32,
    ) -> u32 {
        let address = address(bus, slot).filter(|_| kind == PCI_CONFIGURATION);
        let Some(address) = address else { return 0 };
        let exists = pci::read_u16(address, 0) != NO_VENDOR;
        // Of a bridge, all that the ports reach is the common header that is not to be written.
        let is_bridge = pci::read_u8(address, HEADER_TYPE) & !MULTIFUNCTION != 0;
        if !exists || is_bridge {
            return 0;
        }
        let range = offsets(offset, length);
        let count = range.len() as u32;
        for (index, offset) in range.enumerate() {
            // SAFETY: the caller's promise: the buffer has `length` bytes.
            let from = unsafe { buffer.cast::<u8>().add(index) };
            // SAFETY: as above.
            let byte = unsafe { from.read() };
            // SAFETY: the caller's promise.
            unsafe { pci::write_u8(address, offset as u8, byte) };
        }
        count
    }
}
