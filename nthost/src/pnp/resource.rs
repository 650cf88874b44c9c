//! The hardware resources of a device: what it was assigned, and the lists in which its driver
//! gets them.
//!
//! Sources: ns-wdm-_cm_resource_list, ns-wdm-_cm_partial_resource_descriptor, "Using Interrupt
//! Resource Descriptors", "Raw and Translated Resources". On this machine the bus's addresses
//! are the processor's, so raw and translated lists differ in their interrupts only.

use alloc::{format, string::String, vec::Vec};
use core::mem::{offset_of, size_of};

use nthost_nt::io::resource::{
    CM_FULL_RESOURCE_DESCRIPTOR, CM_INTERRUPT, CM_MESSAGE_INTERRUPT_RAW,
    CM_PARTIAL_RESOURCE_DESCRIPTOR, CM_PARTIAL_RESOURCE_DESCRIPTOR_u, CM_PARTIAL_RESOURCE_LIST,
    CM_RANGE, CM_RESOURCE_INTERRUPT_LATCHED, CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE,
    CM_RESOURCE_INTERRUPT_MESSAGE, CM_RESOURCE_LIST, CM_RESOURCE_MEMORY_BAR,
    CM_RESOURCE_MEMORY_PREFETCHABLE, CM_RESOURCE_MEMORY_READ_WRITE, CM_RESOURCE_PORT_16_BIT_DECODE,
    CM_RESOURCE_PORT_BAR, CM_RESOURCE_PORT_IO, CM_RESOURCE_PORT_POSITIVE_DECODE,
    CmResourceShareDeviceExclusive, CmResourceShareShared, CmResourceTypeInterrupt,
    CmResourceTypeMemory, CmResourceTypePort, PCI_BUS,
};

use super::{
    arbiter::{Given, Part},
    pci::config::{Bar, Space},
};

/// Which processors may take an interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// Their group.
    pub group: u16,
    /// A bit for each.
    pub mask: u64,
    /// The one that takes it: an index of all processors.
    pub target: u32,
}

/// A vector that a device was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vector {
    /// The vector; its upper four bits are the DIRQL.
    pub vector: u8,
    /// Who takes it.
    pub affinity: Affinity,
}

impl Vector {
    /// The IRQL of its interrupts.
    #[must_use]
    pub const fn irql(self) -> u8 {
        self.vector >> 4
    }
}

/// The interrupts that a device was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interrupts {
    /// None.
    None,
    /// The line of its pin.
    Line {
        /// The interrupt controllers' number of it.
        line: u32,
        /// Where it goes.
        vector: Vector,
    },
    /// Messages.
    Messages(Vec<Vector>),
}

/// What a device was assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// The ranges of its base address registers.
    pub bars: Vec<Bar>,
    /// Its interrupts.
    pub interrupts: Interrupts,
    /// What a device of another bus than PCI was given, in the order in which it said that it needs
    /// it; its line is also among the interrupts.
    pub given: Vec<Given>,
    /// The bus that its own driver names: the `INTERFACE_TYPE` and the number.
    pub bus: Option<(i32, u32)>,
}

/// As the bus sees them, or as the processor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// `AllocatedResources`.
    Raw,
    /// `AllocatedResourcesTranslated`.
    Translated,
}

impl Resources {
    /// Those of a device without any.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            bars: Vec::new(),
            interrupts: Interrupts::None,
            given: Vec::new(),
            bus: None,
        }
    }

    /// The descriptor of a part of what there is; none for a line without a vector.
    fn part(&self, given: &Given, view: View) -> Option<CM_PARTIAL_RESOURCE_DESCRIPTOR> {
        let Given { share, flags, what } = *given;
        let of_range = |kind, start: u64, length| {
            let mut descriptor = empty(kind, share, flags);
            descriptor.u.Memory = CM_RANGE {
                Start: start.cast_signed(),
                Length: u32::try_from(length).unwrap_or(u32::MAX),
            };
            descriptor
        };
        Some(match what {
            Part::Memory(start, length) => of_range(CmResourceTypeMemory, start, length),
            Part::Ports(start, length) => of_range(CmResourceTypePort, start, length),
            Part::Line(_) => {
                let Interrupts::Line { line, vector } = self.interrupts else {
                    return None;
                };
                self::line((share, flags), line, vector, view)
            }
            Part::Private(kind, words) => {
                let mut descriptor = empty(kind, share, flags);
                descriptor.u.DevicePrivate = words;
                descriptor
            }
        })
    }

    /// The descriptors, in the order of the device's registers, interrupts last; or in that of its
    /// requirements.
    #[must_use]
    pub fn descriptors(&self, view: View) -> Vec<CM_PARTIAL_RESOURCE_DESCRIPTOR> {
        if !self.given.is_empty() {
            let given = self.given.iter();
            return given.filter_map(|given| self.part(given, view)).collect();
        }
        let mut descriptors: Vec<_> = self.bars.iter().map(range).collect();
        let shared = (CmResourceShareShared, CM_RESOURCE_INTERRUPT_LEVEL_SENSITIVE);
        match &self.interrupts {
            Interrupts::None => {}
            Interrupts::Line { line, vector } => {
                descriptors.push(self::line(shared, *line, *vector, view));
            }
            Interrupts::Messages(vectors) => {
                descriptors.extend(vectors.iter().map(|&vector| message(vector, view)));
            }
        }
        descriptors
    }

    /// A `CM_RESOURCE_LIST` with them, as bytes.
    ///
    /// # Panics
    ///
    /// If the structures are not laid out as this is written.
    #[must_use]
    pub fn list(&self, view: View, bus: u8) -> Vec<u8> {
        let descriptors = self.descriptors(view);
        let head = offset_of!(CM_RESOURCE_LIST, List)
            + offset_of!(CM_FULL_RESOURCE_DESCRIPTOR, PartialResourceList)
            + offset_of!(CM_PARTIAL_RESOURCE_LIST, PartialDescriptors);
        let mut bytes = Vec::with_capacity(head + descriptors.len() * 20);
        let count = u32::try_from(descriptors.len()).unwrap_or(u32::MAX);
        let own = || (PCI_BUS, bus.into());
        let (interface, bus) = self.bus.unwrap_or_else(own);
        for word in [1, interface.cast_unsigned(), bus, 0x0001_0001, count] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        assert_eq!(bytes.len(), head);
        for descriptor in &descriptors {
            bytes.extend_from_slice(as_bytes(descriptor));
        }
        bytes
    }

    /// One line for each, for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.bars.iter().map(range_line).collect();
        lines.extend(self.given.iter().filter_map(part_line));
        match &self.interrupts {
            Interrupts::None => {}
            Interrupts::Line { line, vector } => {
                let Vector { vector, affinity } = *vector;
                lines.push(format!(
                    "line {line}, vector {vector:#x}, IRQL {}, processors {:#x} of group {}",
                    vector >> 4,
                    affinity.mask,
                    affinity.group
                ));
            }
            Interrupts::Messages(vectors) => {
                lines.extend(vectors.iter().enumerate().map(|(index, vector)| {
                    let Vector { vector, affinity } = *vector;
                    format!(
                        "message {index}, vector {vector:#x}, IRQL {}, processors {:#x} of group {}",
                        vector >> 4,
                        affinity.mask,
                        affinity.group
                    )
                }));
            }
        }
        lines
    }
}

fn part_line(given: &Given) -> Option<String> {
    let (kind, start, length) = match given.what {
        Part::Memory(start, length) => ("memory", start, length),
        Part::Ports(start, length) => ("ports", start, length),
        Part::Line(_) | Part::Private(..) => return None,
    };
    Some(format!("{kind} {start:#x}-{:#x}", start + length - 1))
}

fn range_line(bar: &Bar) -> String {
    let last = bar.address + (bar.size - 1);
    let kind = match bar.space {
        Space::Io => "ports",
        Space::Memory {
            prefetchable: true, ..
        } => "prefetchable memory",
        Space::Memory { .. } => "memory",
    };
    format!("BAR{} {kind} {:#x}-{last:#x}", bar.index, bar.address)
}

/// The bytes of a descriptor: it is packed and has no gaps.
fn as_bytes(descriptor: &CM_PARTIAL_RESOURCE_DESCRIPTOR) -> &[u8] {
    let start = (&raw const *descriptor).cast::<u8>();
    // SAFETY: a packed structure that was zeroed before its fields were set: see `empty`.
    unsafe { core::slice::from_raw_parts(start, size_of::<CM_PARTIAL_RESOURCE_DESCRIPTOR>()) }
}

/// A descriptor whose union is zero.
const fn empty(kind: u8, share: u8, flags: u16) -> CM_PARTIAL_RESOURCE_DESCRIPTOR {
    let none = CM_INTERRUPT {
        Level: 0,
        Group: 0,
        Vector: 0,
        Affinity: 0,
    };
    CM_PARTIAL_RESOURCE_DESCRIPTOR {
        Type: kind,
        ShareDisposition: share,
        Flags: flags,
        u: CM_PARTIAL_RESOURCE_DESCRIPTOR_u { Interrupt: none },
    }
}

fn range(bar: &Bar) -> CM_PARTIAL_RESOURCE_DESCRIPTOR {
    let (kind, flags) = match bar.space {
        Space::Io => (
            CmResourceTypePort,
            CM_RESOURCE_PORT_IO
                | CM_RESOURCE_PORT_16_BIT_DECODE
                | CM_RESOURCE_PORT_POSITIVE_DECODE
                | CM_RESOURCE_PORT_BAR,
        ),
        Space::Memory { prefetchable, wide } => {
            let mut flags = CM_RESOURCE_MEMORY_READ_WRITE;
            if prefetchable {
                flags |= CM_RESOURCE_MEMORY_PREFETCHABLE;
            }
            if wide {
                flags |= CM_RESOURCE_MEMORY_BAR;
            }
            (CmResourceTypeMemory, flags)
        }
    };
    let mut descriptor = empty(kind, CmResourceShareDeviceExclusive, flags);
    descriptor.u.Memory = CM_RANGE {
        Start: bar.address.cast_signed(),
        Length: u32::try_from(bar.size).unwrap_or(u32::MAX),
    };
    descriptor
}

fn line(
    (share, flags): (u8, u16),
    line: u32,
    vector: Vector,
    view: View,
) -> CM_PARTIAL_RESOURCE_DESCRIPTOR {
    let mut descriptor = empty(CmResourceTypeInterrupt, share, flags);
    let raw_level = u16::try_from(line).unwrap_or(u16::MAX);
    let (level, number) = match view {
        View::Raw => (raw_level, line),
        View::Translated => (vector.irql().into(), vector.vector.into()),
    };
    descriptor.u.Interrupt = CM_INTERRUPT {
        Level: level,
        Group: vector.affinity.group,
        Vector: number,
        Affinity: vector.affinity.mask as usize,
    };
    descriptor
}

fn message(vector: Vector, view: View) -> CM_PARTIAL_RESOURCE_DESCRIPTOR {
    let flags = CM_RESOURCE_INTERRUPT_LATCHED | CM_RESOURCE_INTERRUPT_MESSAGE;
    let mut descriptor = empty(
        CmResourceTypeInterrupt,
        CmResourceShareDeviceExclusive,
        flags,
    );
    let Affinity { group, mask, .. } = vector.affinity;
    match view {
        View::Raw => {
            descriptor.u.MessageInterruptRaw = CM_MESSAGE_INTERRUPT_RAW {
                Group: group,
                MessageCount: 1,
                Vector: vector.vector.into(),
                Affinity: mask as usize,
            };
        }
        View::Translated => {
            descriptor.u.MessageInterruptTranslated = CM_INTERRUPT {
                Level: vector.irql().into(),
                Group: group,
                Vector: vector.vector.into(),
                Affinity: mask as usize,
            };
        }
    }
    descriptor
}

/// A place for a range of `size` bytes, aligned to it, within `window` and apart from all in
/// `used`: the lowest.
#[must_use]
pub fn free_place(window: (u64, u64), used: &[(u64, u64)], size: u64) -> Option<u64> {
    let (first, end) = window;
    let mut place = first.checked_next_multiple_of(size)?;
    loop {
        let behind = place.checked_add(size).filter(|&behind| behind <= end)?;
        let hit = used
            .iter()
            .find(|&&(start, length)| start < behind && place < start + length);
        match hit {
            None => return Some(place),
            Some(&(start, length)) => {
                place = (start + length).checked_next_multiple_of(size)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const VECTOR: Vector = Vector {
        vector: 0x91,
        affinity: Affinity {
            group: 0,
            mask: 0xf,
            target: 2,
        },
    };

    fn resources(interrupts: Interrupts) -> Resources {
        let memory = Space::Memory {
            prefetchable: false,
            wide: false,
        };
        Resources {
            bars: vec![
                Bar {
                    index: 0,
                    space: memory,
                    address: 0xfea0_0000,
                    size: 0x10_0000,
                },
                Bar {
                    index: 1,
                    space: Space::Io,
                    address: 0xc000,
                    size: 0x100,
                },
            ],
            interrupts,
            ..Resources::none()
        }
    }

    #[test]
    fn what_was_given_is_told_in_its_order_with_its_bus_and_flags() {
        let line = 21;
        let interrupts = Interrupts::Line {
            line,
            vector: VECTOR,
        };
        let given = [
            Part::Line(line),
            Part::Ports(0xc008, 8),
            Part::Private(129, [1, 2, 3]),
            Part::Memory(0xfe00_0000, 0x1000),
        ]
        .map(|what| Given {
            share: 1,
            flags: 0x11,
            what,
        });
        let resources = Resources {
            interrupts,
            given: given.to_vec(),
            bus: Some((1, 7)),
            ..Resources::none()
        };
        #[rustfmt::skip]
        let expected = [
            1, 0, 0, 0,   1, 0, 0, 0,   7, 0, 0, 0,   1, 0, 1, 0,   4, 0, 0, 0,
            2, 1, 0x11, 0,   21, 0, 0, 0,   21, 0, 0, 0,   0xf, 0, 0, 0, 0, 0, 0, 0,
            1, 1, 0x11, 0,   8, 0xc0, 0, 0, 0, 0, 0, 0,   8, 0, 0, 0,   0, 0, 0, 0,
            129, 1, 0x11, 0,   1, 0, 0, 0,   2, 0, 0, 0,   3, 0, 0, 0,   0, 0, 0, 0,
            3, 1, 0x11, 0,   0, 0, 0, 0xfe, 0, 0, 0, 0,   0, 0x10, 0, 0,   0, 0, 0, 0,
        ];
        assert_eq!(resources.list(View::Raw, 0), expected);
        let translated = resources.list(View::Translated, 0);
        assert_eq!(translated[24..32], [9, 0, 0, 0, 0x91, 0, 0, 0]);
    }

    #[test]
    fn a_list_lies_in_memory_as_drivers_read_it() {
        let list = resources(Interrupts::Line {
            line: 21,
            vector: VECTOR,
        })
        .list(View::Translated, 3);
        #[rustfmt::skip]
        let expected = [
            1, 0, 0, 0,   5, 0, 0, 0,   3, 0, 0, 0,   1, 0, 1, 0,   3, 0, 0, 0,
            3, 1, 0, 0,   0, 0, 0xa0, 0xfe, 0, 0, 0, 0,   0, 0, 0x10, 0,   0, 0, 0, 0,
            1, 1, 0x31, 1,   0, 0xc0, 0, 0, 0, 0, 0, 0,   0, 1, 0, 0,   0, 0, 0, 0,
            2, 3, 0, 0,   9, 0, 0, 0,   0x91, 0, 0, 0,   0xf, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(list, expected);
    }

    #[test]
    fn a_raw_line_has_the_controllers_number() {
        let interrupts = Interrupts::Line {
            line: 21,
            vector: VECTOR,
        };
        let raw = resources(interrupts).descriptors(View::Raw);
        assert_eq!(as_bytes(&raw[2])[4..12], [21, 0, 0, 0, 21, 0, 0, 0]);
    }

    #[test]
    fn a_raw_message_has_a_count_and_a_translated_one_its_level() {
        let resources = resources(Interrupts::Messages(vec![VECTOR]));
        let raw = resources.descriptors(View::Raw);
        assert_eq!(
            as_bytes(&raw[2])[..12],
            [2, 1, 3, 0, 0, 0, 1, 0, 0x91, 0, 0, 0]
        );
        let translated = resources.descriptors(View::Translated);
        assert_eq!(
            as_bytes(&translated[2])[..12],
            [2, 1, 3, 0, 9, 0, 0, 0, 0x91, 0, 0, 0]
        );
    }

    #[test]
    fn a_place_is_aligned_and_apart_from_others() {
        let used = [(0x1000, 0x1000), (0x4000, 0x100)];
        assert_eq!(free_place((0x800, 0x8000), &used, 0x800), Some(0x800));
        assert_eq!(free_place((0x1000, 0x8000), &used, 0x1000), Some(0x2000));
        assert_eq!(free_place((0x1000, 0x8000), &used, 0x4000), None);
        assert_eq!(free_place((0x1000, 0xc000), &used, 0x4000), Some(0x8000));
        assert_eq!(free_place((0x1000, 0x2000), &used, 0x1000), None);
    }
}
