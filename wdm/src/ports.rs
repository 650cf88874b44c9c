//! I/O ports.
//!
//! Source: nf-wdm-read_port_uchar and its like, which are inline in the headers for amd64.

use core::arch::asm;

use crate::pnp;

/// A range of ports that belongs to a device.
#[derive(Debug)]
pub struct PortRange {
    start: u16,
    length: u16,
}

impl PortRange {
    /// The ports of a resource.
    ///
    /// The resource is the PnP manager's word that the ports are this device's; it needs no
    /// mapping on amd64.
    ///
    /// # Safety
    ///
    /// Nothing that is written to the ports makes the device use memory.
    #[must_use]
    pub unsafe fn new(resource: pnp::Ports<'_>) -> Option<Self> {
        let start = u16::try_from(resource.start()).ok()?;
        let length = u16::try_from(resource.length()).ok()?;
        start.checked_add(length.checked_sub(1)?)?;
        Some(Self { start, length })
    }

    /// How many.
    #[must_use]
    pub const fn length(&self) -> u16 {
        self.length
    }

    /// Reads a byte from the port at this offset, if it is one of these.
    #[must_use]
    pub fn read_u8(&self, offset: u16) -> Option<u8> {
        let port = self.port(offset, 1)?;
        let value: u8;
        // SAFETY: a port of the device. Reading has effects on the device at most.
        unsafe {
            asm!("in al, dx", out("al") value, in("dx") port, options(nostack, preserves_flags));
        }
        Some(value)
    }

    /// Reads four bytes from the port at this offset, if all of them are among these.
    #[must_use]
    pub fn read_u32(&self, offset: u16) -> Option<u32> {
        let port = self.port(offset, 4)?;
        let value: u32;
        // SAFETY: a port of the device. Reading has effects on the device at most.
        unsafe {
            asm!("in eax, dx", out("eax") value, in("dx") port, options(nostack, preserves_flags));
        }
        Some(value)
    }

    /// Writes a byte to the port at this offset, if it is one of these.
    pub fn write_u8(&mut self, offset: u16, value: u8) -> Option<()> {
        let port = self.port(offset, 1)?;
        // SAFETY: a port of the device, which uses no memory for it, as whoever made this said.
        unsafe {
            asm!("out dx, al", in("al") value, in("dx") port, options(nostack, preserves_flags));
        }
        Some(())
    }

    fn port(&self, offset: u16, bytes: u16) -> Option<u16> {
        let end = offset.checked_add(bytes)?;
        if end > self.length {
            return None;
        }
        Some(self.start + offset)
    }
}
