//! The configuration space of a PCI function: its header, base address registers and
//! capabilities, as the PCI Local Bus Specification lays them out.
#![expect(
    clippy::cast_possible_truncation,
    reason = "registers are cut into their fields"
)]

use alloc::vec::Vec;

/// Access to one function's configuration space. Offsets are aligned to the width.
pub trait Config {
    /// Reads 32 bits.
    fn read(&self, offset: u16) -> u32;
    /// Writes 32 bits.
    fn write(&self, offset: u16, value: u32);

    /// Reads 16 bits.
    fn read16(&self, offset: u16) -> u16 {
        let shift = u32::from(offset & 2) * 8;
        (self.read(offset & !3) >> shift) as u16
    }

    /// Reads 8 bits.
    fn read8(&self, offset: u16) -> u8 {
        let shift = u32::from(offset & 3) * 8;
        (self.read(offset & !3) >> shift) as u8
    }

    /// Writes 16 bits. The other half of the doubleword is written back as it was read, so
    /// this is not for the command register, beside which lie status bits that writing clears.
    fn write16(&self, offset: u16, value: u16) {
        let shift = u32::from(offset & 2) * 8;
        let others = self.read(offset & !3) & !(0xffff << shift);
        self.write(offset & !3, others | u32::from(value) << shift);
    }

    /// Writes the command register; the status bits beside it are left alone.
    fn write_command(&self, value: u16) {
        self.write(COMMAND, value.into());
    }
}

/// Vendor and device id.
const ID: u16 = 0x00;
/// The command register; the status register lies above it.
pub const COMMAND: u16 = 0x04;
/// Revision and class.
const CLASS: u16 = 0x08;
/// The header's kind, among others.
const HEADER_TYPE: u16 = 0x0e;
/// The first base address register.
const BAR0: u16 = 0x10;
/// A bridge's secondary bus number.
const SECONDARY_BUS: u16 = 0x19;
/// Subsystem vendor and subsystem id.
const SUBSYSTEM: u16 = 0x2c;
/// Where the list of capabilities begins.
const CAPABILITIES: u16 = 0x34;
/// The interrupt pin, 1 for A.
const INTERRUPT_PIN: u16 = 0x3d;

/// Command register: the function decodes its ports.
pub const COMMAND_IO: u16 = 1 << 0;
/// Command register: the function decodes its memory.
pub const COMMAND_MEMORY: u16 = 1 << 1;
/// Command register: the function may be a bus master.
pub const COMMAND_MASTER: u16 = 1 << 2;
/// Command register: the function must not assert its interrupt pin.
pub const COMMAND_NO_INTX: u16 = 1 << 10;
/// Status register: there is a list of capabilities.
const STATUS_CAPABILITIES: u16 = 1 << 4;

/// The capability of power management.
pub const CAPABILITY_POWER: u8 = 0x01;
/// The capability of message-signalled interrupts.
pub const CAPABILITY_MSI: u8 = 0x05;
/// The capability of being a PCI Express function.
pub const CAPABILITY_EXPRESS: u8 = 0x10;
/// The capability of a table of message-signalled interrupts.
pub const CAPABILITY_MSIX: u8 = 0x11;

/// What a function's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who made it.
    pub vendor: u16,
    /// What it is.
    pub device: u16,
    /// The revision.
    pub revision: u8,
    /// Base class, subclass, programming interface.
    pub class: [u8; 3],
    /// 0 for a device, 1 for a bridge.
    pub kind: u8,
    /// More functions may follow in this slot.
    pub multifunction: bool,
    /// Subsystem vendor and subsystem; zero for a bridge.
    pub subsystem: (u16, u16),
    /// The interrupt pin: 0 for A … 3 for D.
    pub pin: Option<u8>,
    /// The bus behind a bridge.
    pub secondary_bus: Option<u8>,
    /// The capabilities: id and offset.
    pub capabilities: Vec<(u8, u16)>,
}

impl Header {
    /// Reads a header; nothing if there is no such function.
    pub fn read(config: &impl Config) -> Option<Self> {
        let id = config.read(ID);
        let vendor = id as u16;
        if vendor == 0xffff || vendor == 0 {
            return None;
        }
        let class = config.read(CLASS);
        let header_type = config.read8(HEADER_TYPE);
        let kind = header_type & 0x7f;
        let subsystem = if kind == 0 { config.read(SUBSYSTEM) } else { 0 };
        Some(Self {
            vendor,
            device: (id >> 16) as u16,
            revision: class as u8,
            class: [(class >> 24) as u8, (class >> 16) as u8, (class >> 8) as u8],
            kind,
            multifunction: header_type & 0x80 != 0,
            subsystem: (subsystem as u16, (subsystem >> 16) as u16),
            pin: config
                .read8(INTERRUPT_PIN)
                .checked_sub(1)
                .filter(|&pin| pin < 4),
            secondary_bus: (kind == 1).then(|| config.read8(SECONDARY_BUS)),
            capabilities: capabilities(config),
        })
    }

    /// Where a capability lies.
    #[must_use]
    pub fn capability(&self, id: u8) -> Option<u16> {
        self.capabilities
            .iter()
            .find(|&&(other, _)| other == id)
            .map(|&(_, offset)| offset)
    }
}

/// The list of capabilities. A function can be wrong about it, so a list that does not end is
/// cut where it must repeat itself.
fn capabilities(config: &impl Config) -> Vec<(u8, u16)> {
    let mut found = Vec::new();
    if config.read16(COMMAND + 2) & STATUS_CAPABILITIES == 0 {
        return found;
    }
    let mut offset = u16::from(config.read8(CAPABILITIES) & !3);
    while offset >= 0x40 && found.len() < 48 {
        let head = config.read(offset);
        found.push((head as u8, offset));
        offset = u16::from((head >> 8) as u8 & !3);
    }
    found
}

/// What a base address register decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Ports.
    Io,
    /// Memory.
    Memory {
        /// Reads have no side effects.
        prefetchable: bool,
        /// The address has 64 bits, and the register is two.
        wide: bool,
    },
}

/// A base address register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Which one, 0 to 5.
    pub index: u8,
    /// What it decodes.
    pub space: Space,
    /// Where; 0 if it has not been assigned.
    pub address: u64,
    /// How many bytes: a power of two.
    pub size: u64,
}

impl Bar {
    const fn offset(self) -> u16 {
        BAR0 + 4 * self.index as u16
    }

    /// Moves it. The function must not be decoding.
    pub fn assign(&mut self, config: &impl Config, address: u64) {
        self.address = address;
        config.write(self.offset(), address as u32);
        if matches!(self.space, Space::Memory { wide: true, .. }) {
            config.write(self.offset() + 4, (address >> 32) as u32);
        }
    }
}

/// The base address registers of a function, with their sizes. Decoding is off while they are
/// probed, and as it was afterwards.
pub fn bars(config: &impl Config, header: &Header) -> Vec<Bar> {
    let registers = match header.kind {
        0 => 6,
        1 => 2,
        _ => 0,
    };
    let command = config.read16(COMMAND);
    config.write_command(command & !(COMMAND_IO | COMMAND_MEMORY));
    let mut found = Vec::new();
    let mut index = 0;
    while index < registers {
        let bar = probe(config, index);
        let wide = matches!(
            bar,
            Some(Bar {
                space: Space::Memory { wide: true, .. },
                ..
            })
        );
        index += if wide { 2 } else { 1 };
        found.extend(bar);
    }
    config.write_command(command);
    found
}

/// One base address register: its address is kept, all ones are written, and what cannot be set
/// tells the size.
fn probe(config: &impl Config, index: u8) -> Option<Bar> {
    let offset = BAR0 + 4 * u16::from(index);
    let size_of = |offset| {
        let old = config.read(offset);
        config.write(offset, u32::MAX);
        let mask = config.read(offset);
        config.write(offset, old);
        (old, mask)
    };
    let (low, mask) = size_of(offset);
    if mask == 0 {
        return None;
    }
    let (space, address, size) = if low & 1 == 1 {
        // A device may leave the upper 16 bits of a port address zero.
        let size = (!(mask & !3) & 0xffff) + 1;
        (Space::Io, u64::from(low & !3), u64::from(size))
    } else {
        let wide = low >> 1 & 3 == 2;
        let (high, high_mask) = if wide {
            size_of(offset + 4)
        } else {
            (0, u32::MAX)
        };
        let mask = u64::from(high_mask) << 32 | u64::from(mask & !0xf);
        let space = Space::Memory {
            prefetchable: low & 8 != 0,
            wide,
        };
        let address = u64::from(high) << 32 | u64::from(low & !0xf);
        (space, address, (!mask).wrapping_add(1))
    };
    Some(Bar {
        index,
        space,
        address,
        size,
    })
}

#[cfg(test)]
mod tests {
    use super::{super::fake::Fake, *};

    #[test]
    fn a_header_says_what_the_function_is() {
        let header = Header::read(&Fake::edu()).unwrap();
        assert_eq!((header.vendor, header.device), (0x1234, 0x11e8));
        assert_eq!(header.revision, 0x10);
        assert_eq!(header.class, [0, 0xff, 0]);
        assert_eq!(header.subsystem, (0x1af4, 0x1100));
        assert_eq!(header.pin, Some(0));
        assert_eq!(header.capability(CAPABILITY_MSI), Some(0x40));
        assert_eq!(header.capability(CAPABILITY_MSIX), None);
    }

    #[test]
    fn where_nothing_answers_there_is_no_function() {
        let fake = Fake::edu();
        fake.write(0, u32::MAX);
        assert_eq!(Header::read(&fake), None);
    }

    #[test]
    fn a_list_of_capabilities_that_runs_in_a_circle_ends() {
        let fake = Fake::edu();
        fake.put(0x41, 0x40);
        assert_eq!(Header::read(&fake).unwrap().capabilities.len(), 48);
    }

    #[test]
    fn probing_finds_sizes_and_leaves_everything_as_it_was() {
        let fake = Fake::edu();
        let header = Header::read(&fake).unwrap();
        let found = bars(&fake, &header);
        let expected = Bar {
            index: 0,
            space: Space::Memory {
                prefetchable: false,
                wide: false,
            },
            address: 0xfea0_0000,
            size: 1 << 20,
        };
        assert_eq!(found, [expected]);
        assert_eq!(fake.read(0x10), 0xfea0_0000);
        assert_eq!(fake.read16(COMMAND), COMMAND_MEMORY);
    }

    #[test]
    fn ports_and_wide_memory_are_told_apart() {
        let fake = Fake::with_bars(&[
            (1, 0xffff_ff00, 0xc001),
            (2, 0xc000_0000, 0x0000_000c),
            (3, 0xffff_ffff, 0x0000_0080),
        ]);
        let header = Header::read(&fake).unwrap();
        let mut found = bars(&fake, &header);
        assert_eq!(
            (
                found[0].index,
                found[0].space,
                found[0].address,
                found[0].size
            ),
            (1, Space::Io, 0xc000, 0x100)
        );
        let wide = Space::Memory {
            prefetchable: true,
            wide: true,
        };
        assert_eq!(
            (
                found[1].index,
                found[1].space,
                found[1].address,
                found[1].size
            ),
            (2, wide, 0x80_0000_0000, 1 << 30)
        );
        assert_eq!(found.len(), 2);
        found[1].assign(&fake, 0x81_4000_0000);
        assert_eq!(fake.read(0x18), 0x4000_000c);
        assert_eq!(fake.read(0x1c), 0x81);
    }
}
