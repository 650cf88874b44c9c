//! The registers of the `pci-testdev` device.
//!
//! BAR0 (memory) and BAR1 (ports) begin with the same header. Writing to `TEST` selects a test
//! and resets its count; the header then tells where in the BAR to write what, and counts the
//! writes.

use wdm::{
    mmio::{Registers, Whole},
    ports::PortRange,
};

wdm::registers! {
    /// BAR0.
    pub bar Bar0[0x1000] => pub struct Bar0Registers {
        /// All of it: where a test writes is told by the device.
        all: pub block AllOfBar0 {}
    }
}

// SAFETY: the device knows no DMA.
unsafe impl Whole for AllOfBar0 {}

/// Where the fields of the header are.
mod field {
    /// Selects and starts a test. A byte.
    pub const TEST: u16 = 0;
    /// How many bytes a write has. A byte.
    pub const WIDTH: u16 = 1;
    /// Where in the BAR to write. 32 bits.
    pub const OFFSET: u16 = 4;
    /// What to write. A byte.
    pub const DATA: u16 = 8;
    /// How many writes were seen. 32 bits.
    pub const COUNT: u16 = 12;
    /// The test's name begins here. Bytes, and a NUL.
    pub const NAME: u16 = 16;
}

/// The most of a name that is read.
pub const NAME_LENGTH: usize = 32;

/// The least number of ports: the header and a name.
pub const PORTS_NEEDED: u16 = field::NAME + 32;

/// A BAR with a header: memory or ports. All accesses are checked against its length, since the
/// device itself says where to write.
pub trait Bar {
    /// Reads a byte.
    fn read(&self, offset: u16) -> Option<u8>;
    /// Writes a byte.
    fn write(&mut self, offset: u16, value: u8) -> Option<()>;

    /// Reads 32 bits, a byte at a time as the device has them.
    fn read_u32(&self, offset: u16) -> Option<u32> {
        let mut bytes = [0; 4];
        for (byte, at) in bytes.iter_mut().zip(offset..) {
            *byte = self.read(at)?;
        }
        Some(u32::from_le_bytes(bytes))
    }

    /// Selects and starts a test.
    fn select(&mut self, test: u8) -> Option<()> {
        self.write(field::TEST, test)
    }

    /// What the selected test asks for.
    fn test(&self) -> Option<Test> {
        Some(Test {
            width: self.read(field::WIDTH)?,
            offset: self.read_u32(field::OFFSET)?,
            data: self.read(field::DATA)?,
        })
    }

    /// How many writes the selected test has seen.
    fn count(&self) -> Option<u32> {
        self.read_u32(field::COUNT)
    }

    /// The selected test's name, NUL-padded.
    fn name(&self) -> Option<[u8; NAME_LENGTH]> {
        let mut name = [0; NAME_LENGTH];
        for (byte, at) in name.iter_mut().zip(field::NAME..) {
            *byte = self.read(at)?;
            if *byte == 0 {
                break;
            }
        }
        Some(name)
    }
}

/// What a test asks for.
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// How many bytes a write has.
    pub width: u8,
    /// Where in the BAR to write.
    pub offset: u32,
    /// What to write.
    pub data: u8,
}

impl Bar for Registers<AllOfBar0> {
    fn read(&self, offset: u16) -> Option<u8> {
        self.read_u8_at(offset.into())
    }

    fn write(&mut self, offset: u16, value: u8) -> Option<()> {
        self.write_u8_at(offset.into(), value)
    }
}

impl Bar for PortRange {
    fn read(&self, offset: u16) -> Option<u8> {
        self.read_u8(offset)
    }

    fn write(&mut self, offset: u16, value: u8) -> Option<()> {
        self.write_u8(offset, value)
    }
}
