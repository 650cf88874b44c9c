//! What a device needs: the `IO_RESOURCE_REQUIREMENTS_LIST` that its bus driver tells and its function
//! driver filters, or the `CM_RESOURCE_LIST` of what it has been set up with.
//!
//! Sources: IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_RESOURCES,
//! ns-wdm-_io_resource_requirements_list, ns-wdm-_io_resource_list,
//! ns-wdm-_io_resource_descriptor.

use alloc::vec::Vec;

use nthost_nt::io::resource::{
    CmResourceTypeInterrupt, CmResourceTypeMemory, CmResourceTypeNonArbitrated, CmResourceTypePort,
    IO_RESOURCE_ALTERNATIVE,
};

/// `IO_RESOURCE_PREFERRED`.
const PREFERRED: u8 = 1;
/// `CmResourceTypeNull`.
const NULL: u8 = 0;
/// Bytes before the alternatives, before the descriptors of each, and of a descriptor.
const HEAD: usize = 32;
const LIST_HEAD: usize = 8;
const DESCRIPTOR: usize = 32;

/// What a device needs, in one way or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// The bus: its `INTERFACE_TYPE` and number.
    pub bus: (i32, u32),
    /// The ways, in the order in which they are liked: each a list of all that is needed.
    pub ways: Vec<Vec<Need>>,
}

/// A resource that is needed: one of these, in the order in which they are liked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need(pub Vec<Choice>);

/// What could be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `CmResourceShare…`.
    pub share: u8,
    /// By type.
    pub flags: u16,
    /// The resource.
    pub what: What,
}

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Memory.
    Memory(Span),
    /// Ports.
    Ports(Span),
    /// An interrupt line, from the first to the last.
    Line(u32, u32),
    /// What nobody has to find a place for, such as what is the driver's alone: its type, and what
    /// it says.
    Private(u8, [u32; 3]),
    /// What this machine has none of.
    Unknown(u8),
}

/// Where a range may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many bytes.
    pub length: u64,
    /// What its first is a multiple of.
    pub alignment: u64,
    /// The lowest address that it may have.
    pub minimum: u64,
    /// The highest.
    pub maximum: u64,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The option, and what the descriptor at this offset says; none for one that says nothing.
fn choice(bytes: &[u8]) -> Option<(u8, Option<Choice>)> {
    let (option, kind, share) = (*bytes.first()?, *bytes.get(1)?, *bytes.get(2)?);
    let span = || {
        Some(Span {
            length: word(bytes, 8)?.into(),
            alignment: u64::from(word(bytes, 12)?).max(1),
            minimum: long(bytes, 16)?,
            maximum: long(bytes, 24)?,
        })
    };
    let what = match kind {
        _ if kind == CmResourceTypeMemory => What::Memory(span()?),
        _ if kind == CmResourceTypePort => What::Ports(span()?),
        _ if kind == CmResourceTypeInterrupt => What::Line(word(bytes, 8)?, word(bytes, 12)?),
        CmResourceTypeNonArbitrated.. => {
            What::Private(kind, [word(bytes, 8)?, word(bytes, 12)?, word(bytes, 16)?])
        }
        NULL => return Some((option, None)),
        _ => What::Unknown(kind),
    };
    let flags = half(bytes, 4)?;
    Some((option, Some(Choice { share, flags, what })))
}

/// What a list's bytes say; none if they end too early.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Requirements> {
    let bus = (word(bytes, 4)?.cast_signed(), word(bytes, 8)?);
    let mut ways = Vec::new();
    let mut at = HEAD;
    for _ in 0..word(bytes, 28)? {
        let count = word(bytes, at + 4)?;
        at += LIST_HEAD;
        let mut needs: Vec<Need> = Vec::new();
        for _ in 0..count {
            let (option, choice) = choice(bytes.get(at..at + DESCRIPTOR)?)?;
            at += DESCRIPTOR;
            let Some(choice) = choice else { continue };
            match needs.last_mut() {
                Some(need) if option & IO_RESOURCE_ALTERNATIVE != 0 => {
                    let place = if option & PREFERRED != 0 {
                        0
                    } else {
                        need.0.len()
                    };
                    need.0.insert(place, choice);
                }
                _ => needs.push(Need(Vec::from([choice]))),
            }
        }
        ways.push(needs);
    }
    Some(Requirements { bus, ways })
}

/// Bytes of a full descriptor before its partial ones, and of one of these.
const FULL_HEAD: usize = 16;
const PARTIAL: usize = 20;

/// What a `CM_RESOURCE_LIST` of one bus says, as needs that nothing else satisfies.
#[must_use]
pub fn of_resources(bytes: &[u8]) -> Option<Requirements> {
    if word(bytes, 0)? == 0 {
        return None;
    }
    let bus = (word(bytes, 4)?.cast_signed(), word(bytes, 8)?);
    let mut needs = Vec::new();
    for index in 0..word(bytes, FULL_HEAD)? as usize {
        let at = 4 + FULL_HEAD + index * PARTIAL;
        let partial = bytes.get(at..at + PARTIAL)?;
        let span = || {
            let (start, length) = (long(partial, 4)?, u64::from(word(partial, 12)?));
            Some(Span {
                length,
                alignment: 1,
                minimum: start,
                maximum: start.checked_add(length.max(1) - 1)?,
            })
        };
        let what = match *partial.first()? {
            kind if kind == CmResourceTypeMemory => What::Memory(span()?),
            kind if kind == CmResourceTypePort => What::Ports(span()?),
            kind if kind == CmResourceTypeInterrupt => {
                let line = word(partial, 8)?;
                What::Line(line, line)
            }
            kind @ CmResourceTypeNonArbitrated.. => What::Private(
                kind,
                [word(partial, 4)?, word(partial, 8)?, word(partial, 12)?],
            ),
            NULL => continue,
            kind => What::Unknown(kind),
        };
        let (share, flags) = (*partial.get(1)?, half(partial, 2)?);
        needs.push(Need(Vec::from([Choice { share, flags, what }])));
    }
    Some(Requirements {
        bus,
        ways: Vec::from([needs]),
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn descriptor(option: u8, kind: u8, words: [u32; 6]) -> Vec<u8> {
        let mut bytes = vec![option, kind, 3, 0, 7, 0, 0, 0];
        bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        bytes
    }

    fn list(ways: &[&[Vec<u8>]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0, 5, 9, 0, 0, 0, 0, ways.len() as u32] {
            bytes.extend(u32::to_le_bytes(word));
        }
        for way in ways {
            bytes.extend([1, 0, 1, 0]);
            bytes.extend((way.len() as u32).to_le_bytes());
            bytes.extend(way.concat());
        }
        bytes
    }

    const fn wanted(what: What) -> Choice {
        Choice {
            share: 3,
            flags: 7,
            what,
        }
    }

    #[test]
    fn alternatives_belong_to_what_they_follow_and_the_preferred_one_comes_first() {
        let bytes = list(&[
            &[
                descriptor(0, 1, [8, 0, 0x300, 0, 0x3ff, 0]),
                descriptor(8, 1, [16, 16, 0, 0, 0xffff, 0]),
                descriptor(9, 2, [5, 5, 0, 0, 0, 0]),
                descriptor(0, 0, [0; 6]),
                descriptor(0, 129, [1, 2, 3, 0, 0, 0]),
            ],
            &[descriptor(0, 4, [0; 6])],
        ]);
        let ports = |length, alignment, minimum, maximum| {
            wanted(What::Ports(Span {
                length,
                alignment,
                minimum,
                maximum,
            }))
        };
        let expected = Requirements {
            bus: (5, 9),
            ways: vec![
                vec![
                    Need(vec![
                        wanted(What::Line(5, 5)),
                        ports(8, 1, 0x300, 0x3ff),
                        ports(16, 16, 0, 0xffff),
                    ]),
                    Need(vec![wanted(What::Private(129, [1, 2, 3]))]),
                ],
                vec![Need(vec![wanted(What::Unknown(4))])],
            ],
        };
        assert_eq!(parse(&bytes).unwrap(), expected);
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_a_device_has_is_what_it_needs() {
        #[rustfmt::skip]
        let bytes = [
            1, 0, 0, 0,   5, 0, 0, 0,   9, 0, 0, 0,   1, 0, 1, 0,   2, 0, 0, 0,
            3, 3, 7, 0,   0, 0, 0, 0xfe, 0, 0, 0, 0,   0, 0x10, 0, 0,   0, 0, 0, 0,
            2, 3, 7, 0,   4, 0, 0, 0,   4, 0, 0, 0,   0xf, 0, 0, 0, 0, 0, 0, 0,
        ];
        let memory = Span {
            length: 0x1000,
            alignment: 1,
            minimum: 0xfe00_0000,
            maximum: 0xfe00_0fff,
        };
        let needs = [What::Memory(memory), What::Line(4, 4)].map(|what| Need(vec![wanted(what)]));
        let expected = Requirements {
            bus: (5, 9),
            ways: vec![needs.to_vec()],
        };
        assert_eq!(of_resources(&bytes), Some(expected));
        assert_eq!(of_resources(&bytes[..59]), None);
        assert_eq!(of_resources(&[0; 4]), None);
    }
}
