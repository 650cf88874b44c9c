//! Message-signalled interrupts of a PCI function: the two capabilities, and what is written
//! into them. A message's address and data name the local APICs and the vector (Intel SDM,
//! "Message Signalled Interrupts").
#![expect(
    clippy::cast_possible_truncation,
    reason = "registers are cut into their fields"
)]

use super::config::{CAPABILITY_MSI, CAPABILITY_MSIX, Config, Header};

/// What a function writes to interrupt a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where.
    pub address: u64,
    /// What.
    pub data: u32,
}

impl Message {
    /// The message that delivers `vector` to the processor with this local APIC, as an edge.
    #[must_use]
    pub const fn new(apic_id: u8, vector: u8) -> Self {
        Self {
            address: 0xfee0_0000 | (apic_id as u64) << 12,
            data: vector as u32,
        }
    }
}

/// Which of the two capabilities, and where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Messages with consecutive data, all to one address.
    Msi {
        /// In configuration space.
        offset: u16,
        /// How many the function can tell apart: a power of two up to 32.
        messages: u16,
        /// Its address register has 64 bits.
        wide: bool,
    },
    /// A table of messages in the function's memory.
    MsiX {
        /// In configuration space.
        offset: u16,
        /// How many entries.
        messages: u16,
        /// Which base address register decodes the table.
        bar: u8,
        /// Where in it.
        table: u32,
    },
}

const MSI_ENABLE: u32 = 1 << 16;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASK_ALL: u32 = 1 << 30;

impl Capability {
    /// The function's capability; the table if it has both, as Windows prefers it.
    pub fn find(config: &impl Config, header: &Header) -> Option<Self> {
        if let Some(offset) = header.capability(CAPABILITY_MSIX) {
            let control = config.read(offset) >> 16;
            let table = config.read(offset + 4);
            return Some(Self::MsiX {
                offset,
                messages: (control & 0x7ff) as u16 + 1,
                bar: (table & 7) as u8,
                table: table & !7,
            });
        }
        let offset = header.capability(CAPABILITY_MSI)?;
        let control = config.read(offset) >> 16;
        Some(Self::Msi {
            offset,
            messages: 1 << (control >> 1 & 7).min(5),
            wide: control & 0x80 != 0,
        })
    }

    /// How many messages the function can send.
    #[must_use]
    pub const fn messages(self) -> u16 {
        match self {
            Self::Msi { messages, .. } | Self::MsiX { messages, .. } => messages,
        }
    }

    /// Writes the message of an MSI capability (the first of several: the others follow it in
    /// their data). Those of a table are written into the table by who maps it.
    pub fn set_message(self, config: &impl Config, message: Message) {
        if let Self::Msi { offset, wide, .. } = self {
            config.write(offset + 4, message.address as u32);
            if wide {
                config.write(offset + 8, (message.address >> 32) as u32);
            }
            let data = if wide { offset + 12 } else { offset + 8 };
            config.write16(data, message.data as u16);
        }
    }

    /// Lets the function send messages, or no longer. `count`, a power of two, is how many of an
    /// MSI capability's it may tell apart.
    pub fn enable(self, config: &impl Config, enable: bool, count: u16) {
        match self {
            Self::Msi { offset, .. } => {
                let old = config.read(offset) & !(MSI_ENABLE | 7 << 20);
                let count = u32::from(count.max(1)).ilog2() << 20;
                config.write(offset, old | count | if enable { MSI_ENABLE } else { 0 });
            }
            Self::MsiX { offset, .. } => {
                let old = config.read(offset) & !(MSIX_ENABLE | MSIX_MASK_ALL);
                config.write(offset, old | if enable { MSIX_ENABLE } else { 0 });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::fake::Fake, *};

    #[test]
    fn an_msi_capability_is_found_set_and_enabled() {
        let fake = Fake::edu();
        let header = Header::read(&fake).unwrap();
        let msi = Capability::find(&fake, &header).unwrap();
        assert_eq!(
            msi,
            Capability::Msi {
                offset: 0x40,
                messages: 1,
                wide: true
            }
        );
        msi.set_message(&fake, Message::new(3, 0x61));
        msi.enable(&fake, true, 1);
        assert_eq!(fake.read(0x44), 0xfee0_3000);
        assert_eq!(fake.read(0x48), 0);
        assert_eq!(fake.read16(0x4c), 0x61);
        assert_eq!(fake.read(0x40) & MSI_ENABLE, MSI_ENABLE);
        msi.enable(&fake, false, 1);
        assert_eq!(fake.read(0x40) & MSI_ENABLE, 0);
    }

    #[test]
    fn a_table_is_preferred() {
        let fake = Fake::edu();
        fake.put(0x41, 0x50);
        fake.write(0x50, 0x8003_0011);
        fake.write(0x54, 0x2001);
        let header = Header::read(&fake).unwrap();
        let msix = Capability::find(&fake, &header).unwrap();
        assert_eq!(
            msix,
            Capability::MsiX {
                offset: 0x50,
                messages: 4,
                bar: 1,
                table: 0x2000
            }
        );
    }
}
