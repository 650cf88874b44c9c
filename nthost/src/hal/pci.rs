//! PCI configuration space, through the ports that every PC has (0xcf8, 0xcfc).
//!
//! Source: PCI Local Bus Specification 3.0, section 3.2.2.3.2.

use super::lock::HighLock;
use super::port;

/// A function of a device on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The bus.
    pub bus: u8,
    /// The device on the bus, up to 31.
    pub device: u8,
    /// The function of the device, up to 7.
    pub function: u8,
}

/// Protects the pair of ports.
static PORTS: HighLock<()> = HighLock::new(());

/// Nothing needs to be done: SeaBIOS has numbered the buses and assigned the BARs.
pub const fn initialize() {}

fn access<T>(address: Address, offset: u8, operation: impl FnOnce(u16) -> T) -> T {
    let selector = 0x8000_0000
        | u32::from(address.bus) << 16
        | u32::from(address.device) << 11
        | u32::from(address.function) << 8
        | u32::from(offset & 0xfc);
    let _guard = PORTS.lock();
    // SAFETY: selects a configuration register.
    unsafe { port::write_u32(0xcf8, selector) };
    operation(0xcfc + u16::from(offset & 3))
}

/// Reads 32 bits of configuration space, at a multiple of 4.
#[must_use]
pub fn read_u32(address: Address, offset: u8) -> u32 {
    // SAFETY: reading configuration space has no effect on memory.
    access(address, offset, |port| unsafe { port::read_u32(port) })
}

/// Reads 16 bits of configuration space, at a multiple of 2.
#[must_use]
pub fn read_u16(address: Address, offset: u8) -> u16 {
    // SAFETY: reading configuration space has no effect on memory.
    access(address, offset, |port| unsafe { port::read_u16(port) })
}

/// Reads a byte of configuration space.
#[must_use]
pub fn read_u8(address: Address, offset: u8) -> u8 {
    // SAFETY: reading configuration space has no effect on memory.
    access(address, offset, |port| unsafe { port::read_u8(port) })
}

/// Writes 32 bits of configuration space, at a multiple of 4.
///
/// # Safety
///
/// The device does nothing to memory that is not its driver's.
pub unsafe fn write_u32(address: Address, offset: u8, value: u32) {
    // SAFETY: the caller's promise.
    access(address, offset, |port| unsafe {
        port::write_u32(port, value);
    });
}

/// Writes 16 bits of configuration space, at a multiple of 2.
///
/// # Safety
///
/// As [`write_u32`].
pub unsafe fn write_u16(address: Address, offset: u8, value: u16) {
    // SAFETY: the caller's promise.
    access(address, offset, |port| unsafe {
        port::write_u16(port, value);
    });
}

/// Writes a byte of configuration space.
///
/// # Safety
///
/// As [`write_u32`].
pub unsafe fn write_u8(address: Address, offset: u8, value: u8) {
    // SAFETY: the caller's promise.
    access(address, offset, |port| unsafe {
        port::write_u8(port, value);
    });
}
