//! I/O ports.

use x86_64::instructions::port::{PortReadOnly, PortWriteOnly};

/// Reads a byte from a port.
///
/// # Safety
///
/// Reading the port has no effect that breaks memory safety.
#[must_use]
pub unsafe fn read_u8(port: u16) -> u8 {
    // SAFETY: the caller's promise.
    unsafe { PortReadOnly::new(port).read() }
}

/// Reads 16 bits from a port.
///
/// # Safety
///
/// As [`read_u8`].
#[must_use]
pub unsafe fn read_u16(port: u16) -> u16 {
    // SAFETY: the caller's promise.
    unsafe { PortReadOnly::new(port).read() }
}

/// Reads 32 bits from a port.
///
/// # Safety
///
/// As [`read_u8`].
#[must_use]
pub unsafe fn read_u32(port: u16) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { PortReadOnly::new(port).read() }
}

/// Writes a byte to a port.
///
/// # Safety
///
/// Writing the port has no effect that breaks memory safety.
pub unsafe fn write_u8(port: u16, value: u8) {
    // SAFETY: the caller's promise.
    unsafe { PortWriteOnly::new(port).write(value) }
}

/// Writes 16 bits to a port.
///
/// # Safety
///
/// As [`write_u8`].
pub unsafe fn write_u16(port: u16, value: u16) {
    // SAFETY: the caller's promise.
    unsafe { PortWriteOnly::new(port).write(value) }
}

/// Writes 32 bits to a port.
///
/// # Safety
///
/// As [`write_u8`].
pub unsafe fn write_u32(port: u16, value: u32) {
    // SAFETY: the caller's promise.
    unsafe { PortWriteOnly::new(port).write(value) }
}
