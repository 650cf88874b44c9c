//! I/O ports.
//!
//! The rule of the kernel this stands for: ports belong to the device that the PnP manager has
//! assigned them to, from its start to its stop, and are accessed by their own width. A range can be
//! split, so that each part of a driver owns the ports that it uses. ("I/O Port Resources".)
//!
//! Source: nf-wdm-read_port_uchar and its like, which are inline in the headers for amd64.
//!
//! # Example
//!
//! ```
//! use wdm::{pnp::Resources, ports::PortRange};
//!
//! /// The ports of a 16550: its data, and all else.
//! fn uart(resources: Resources<'_>) -> Option<(PortRange, PortRange)> {
//!     let ports = resources.ports().next()?;
//!     // SAFETY: a UART uses no memory.
//!     let ports = unsafe { PortRange::new(ports) }?;
//!     ports.split_at(1)
//! }
//! ```

use core::arch::asm;

use crate::pnp;

/// A range of ports that belongs to a device.
#[derive(Debug)]
pub struct PortRange {
    start: u16,
    length: u16,
}

/// Defines what reads and writes ports of one width, and strings of that width.
macro_rules! width {
    ($(
        $type:ty, $register:tt, $operand:literal, $string:literal, $what:literal:
        $read:ident $write:ident $read_string:ident $write_string:ident;
    )*) => {
        impl PortRange {$(
            #[doc = concat!("Reads ", $what, " from the port at this offset, if all of it is among these.")]
            #[must_use]
            pub fn $read(&self, offset: u16) -> Option<$type> {
                let port = self.port::<$type>(offset)?;
                let value: $type;
                // SAFETY: a port of the device. Reading has effects on the device at most.
                unsafe {
                    asm!(
                        concat!("in ", $operand, ", dx"),
                        out($register) value,
                        in("dx") port,
                        options(nostack, preserves_flags),
                    );
                }
                Some(value)
            }

            #[doc = concat!("Writes ", $what, " to the port at this offset, if all of it is among these.")]
            pub fn $write(&mut self, offset: u16, value: $type) -> Option<()> {
                let port = self.port::<$type>(offset)?;
                // SAFETY: a port of the device, which uses no memory for it, as the maker of this
                // said.
                unsafe {
                    asm!(
                        concat!("out dx, ", $operand),
                        in($register) value,
                        in("dx") port,
                        options(nostack, preserves_flags),
                    );
                }
                Some(())
            }

            #[doc = concat!("Reads ", $what, " again and again from the one port, in a string instruction: as many as there is room for.")]
            pub fn $read_string(&self, offset: u16, values: &mut [$type]) -> Option<()> {
                let port = self.port::<$type>(offset)?;
                // SAFETY: a port of the device, and as many values are stored as there is room for.
                // The direction flag is clear, as the calling convention has it.
                unsafe {
                    asm!(
                        concat!("rep ins", $string),
                        inout("rcx") values.len() => _,
                        inout("rdi") values.as_mut_ptr() => _,
                        in("dx") port,
                        options(nostack, preserves_flags),
                    );
                }
                Some(())
            }

            #[doc = concat!("Writes ", $what, " after the other to the one port, in a string instruction.")]
            pub fn $write_string(&mut self, offset: u16, values: &[$type]) -> Option<()> {
                let port = self.port::<$type>(offset)?;
                // SAFETY: a port of the device, which uses no memory for it, and as many values are
                // loaded as there are. The direction flag is clear, as the calling convention has it.
                unsafe {
                    asm!(
                        concat!("rep outs", $string),
                        inout("rcx") values.len() => _,
                        inout("rsi") values.as_ptr() => _,
                        in("dx") port,
                        options(nostack, preserves_flags, readonly),
                    );
                }
                Some(())
            }
        )*}
    };
}

width! {
    u8, "al", "al", "b", "a byte": read_u8 write_u8 read_u8_string write_u8_string;
    u16, "ax", "ax", "w", "two bytes": read_u16 write_u16 read_u16_string write_u16_string;
    u32, "eax", "eax", "d", "four bytes": read_u32 write_u32 read_u32_string write_u32_string;
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

    /// Splits it in two, for two owners: the ports before this offset, and those from there on.
    /// `None` if either would have none.
    #[must_use]
    pub const fn split_at(self, offset: u16) -> Option<(Self, Self)> {
        if offset == 0 || offset >= self.length {
            return None;
        }
        let before = Self {
            start: self.start,
            length: offset,
        };
        let behind = Self {
            start: self.start + offset,
            length: self.length - offset,
        };
        Some((before, behind))
    }

    fn port<T>(&self, offset: u16) -> Option<u16> {
        let bytes = u16::try_from(size_of::<T>()).ok()?;
        let end = offset.checked_add(bytes)?;
        if end > self.length {
            return None;
        }
        Some(self.start + offset)
    }
}
