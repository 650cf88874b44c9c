//! What a function could do with: an `IO_RESOURCE_REQUIREMENTS_LIST`
//! (ns-wdm-_io_resource_requirements_list), of one alternative.

use alloc::vec::Vec;

use nthost_nt::io::resource::{
    CM_RESOURCE_INTERRUPT_LATCHED, CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
    CM_RESOURCE_INTERRUPT_MESSAGE, CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN, CM_RESOURCE_PORT_IO,
    CmResourceShareDeviceExclusive, CmResourceShareShared, CmResourceTypeInterrupt,
    CmResourceTypeMemory, CmResourceTypePort, IO_RESOURCE_ALTERNATIVE, PCI_BUS,
};

use super::{
    config::{Bar, Header, Space},
    msi::Capability,
};

/// What the list is made of.
#[derive(Debug)]
pub struct Needs<'a> {
    /// The bus.
    pub bus: u8,
    /// The device and function on it.
    pub slot: u8,
    /// The ranges.
    pub bars: &'a [Bar],
    /// The line.
    pub header: &'a Header,
    /// The messages.
    pub messages: Option<Capability>,
}

/// The list, as bytes; none for a function without needs.
#[must_use]
pub fn list(needs: &Needs<'_>) -> Vec<u8> {
    let mut descriptors: Vec<[u8; 32]> = needs.bars.iter().map(range).collect();
    let line = needs.header.pin.is_some();
    if line {
        descriptors.push(interrupt(
            0,
            CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
            (0, u32::MAX),
        ));
    }
    if needs.messages.is_some() {
        let option = if line { IO_RESOURCE_ALTERNATIVE } else { 0 };
        let token = CM_RESOURCE_INTERRUPT_MESSAGE_TOKEN;
        let flags = CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE;
        descriptors.push(interrupt(option, flags, (token, token)));
    }
    if descriptors.is_empty() {
        return Vec::new();
    }
    let count = descriptors.len() as u32;
    let size = 40 + 32 * count;
    let slot = u32::from(needs.slot >> 3) | u32::from(needs.slot & 7) << 5;
    let mut bytes = Vec::new();
    let head = [
        size,
        PCI_BUS.cast_unsigned(),
        needs.bus.into(),
        slot,
        0,
        0,
        0,
        1,
    ];
    for word in head.into_iter().chain([0x0001_0001, count]) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend(descriptors.iter().flatten());
    bytes
}

/// The list of a function on this machine.
#[cfg(target_os = "none")]
#[must_use]
pub fn of(function: &super::function::Function) -> Vec<u8> {
    let address = function.address;
    list(&Needs {
        bus: address.bus,
        slot: super::ids::slot(address.device, address.function),
        bars: &function.bars,
        header: &function.header,
        messages: function.messages,
    })
}

fn descriptor(option: u8, kind: u8, share: u8, flags: u16) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..3].copy_from_slice(&[option, kind, share]);
    bytes[4..6].copy_from_slice(&flags.to_le_bytes());
    bytes
}

fn range(bar: &Bar) -> [u8; 32] {
    let (kind, flags, highest) = match bar.space {
        Space::Io => (CmResourceTypePort, CM_RESOURCE_PORT_IO, 0xffff),
        Space::Memory { wide: true, .. } => (CmResourceTypeMemory, 0, i64::MAX as u64),
        Space::Memory { .. } => (CmResourceTypeMemory, 0, 0xffff_ffff),
    };
    let mut bytes = descriptor(0, kind, CmResourceShareDeviceExclusive, flags);
    let size = (bar.size as u32).to_le_bytes();
    bytes[8..12].copy_from_slice(&size);
    bytes[12..16].copy_from_slice(&size);
    bytes[24..].copy_from_slice(&highest.to_le_bytes());
    bytes
}

fn interrupt(option: u8, flags: u16, vectors: (u32, u32)) -> [u8; 32] {
    let share = if flags & CM_RESOURCE_INTERRUPT_MESSAGE == 0 {
        CmResourceShareShared
    } else {
        CmResourceShareDeviceExclusive
    };
    let mut bytes = descriptor(option, CmResourceTypeInterrupt, share, flags);
    bytes[8..12].copy_from_slice(&vectors.0.to_le_bytes());
    bytes[12..16].copy_from_slice(&vectors.1.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::{
        super::{config, fake::Fake, ids},
        *,
    };

    #[test]
    fn a_function_needs_its_range_and_a_line_or_a_message() {
        let fake = Fake::edu();
        let header = Header::read(&fake).unwrap();
        let bars = config::bars(&fake, &header);
        let list = list(&Needs {
            bus: 0,
            slot: ids::slot(2, 1),
            bars: &bars,
            header: &header,
            messages: Capability::find(&fake, &header),
        });
        let word = |index: usize| u32::from_le_bytes(list[4 * index..][..4].try_into().unwrap());
        assert_eq!(list.len(), 40 + 3 * 32);
        assert_eq!(word(0) as usize, list.len());
        assert_eq!(word(3), 2 | 1 << 5, "slot");
        assert_eq!(word(9), 3, "descriptors");
        assert_eq!(&list[40..43], [0, CmResourceTypeMemory, 1]);
        assert_eq!(word(12), 1 << 20, "length");
        assert_eq!(&list[72..75], [0, CmResourceTypeInterrupt, 3]);
        assert_eq!(&list[104..107], [8, CmResourceTypeInterrupt, 1]);
        assert_eq!(word(28), u32::MAX - 1, "the token of a message");
    }
}
