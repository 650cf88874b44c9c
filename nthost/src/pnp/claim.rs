//! Resources that drivers of devices without Plug and Play have claimed, and whether a claim
//! conflicts with what others have.
//!
//! Sources: IoReportResourceForDetection, ns-wdm-_cm_resource_list,
//! ns-wdm-_cm_partial_resource_descriptor.
#![expect(
    non_upper_case_globals,
    reason = "constants have the reference's names"
)]

use alloc::{string::String, vec::Vec};

use nthost_nt::io::resource::{
    CmResourceShareShared, CmResourceTypeInterrupt, CmResourceTypeMemory, CmResourceTypePort,
};

/// What is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Addresses of memory.
    Memory,
    /// Ports.
    Port,
    /// Interrupt lines.
    Line,
}

/// A range of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Of what.
    pub kind: Kind,
    /// The first.
    pub start: u64,
    /// How many.
    pub length: u64,
    /// Others may have it, too.
    pub shared: bool,
}

impl Range {
    /// Whether both cannot be had at once.
    #[must_use]
    pub const fn conflicts(&self, other: &Self) -> bool {
        let same = matches!(
            (self.kind, other.kind),
            (Kind::Memory, Kind::Memory) | (Kind::Port, Kind::Port) | (Kind::Line, Kind::Line)
        );
        let overlap = self.start < other.start.saturating_add(other.length)
            && other.start < self.start.saturating_add(self.length);
        same && overlap && !(self.shared && other.shared)
    }
}

/// Bytes of a partial descriptor.
const PARTIAL: usize = 20;
/// Bytes of a full descriptor before its partial ones: interface, bus, version and revision,
/// count.
const HEAD: usize = 16;

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// How many bytes a list has, its first four of which `read` gives, and more by offset.
pub fn length(read: impl Fn(usize) -> u32) -> usize {
    let mut end = 4;
    for _ in 0..read(0) {
        end += HEAD + read(end + 12) as usize * PARTIAL;
    }
    end
}

/// The interface of the first bus of a list.
#[must_use]
pub fn interface(list: &[u8]) -> Option<i32> {
    (word(list, 0)? != 0)
        .then(|| word(list, 4))?
        .map(u32::cast_signed)
}

/// What a `CM_RESOURCE_LIST` holds, apart from what has no numbers; none if it does not end
/// where it should.
#[must_use]
pub fn ranges(list: &[u8]) -> Option<Vec<Range>> {
    let mut ranges = Vec::new();
    let mut at = 4;
    for _ in 0..word(list, 0)? {
        let count = word(list, at + 12)?;
        at += HEAD;
        for _ in 0..count {
            let descriptor = list.get(at..at + PARTIAL)?;
            ranges.extend(range(descriptor));
            at += PARTIAL;
        }
    }
    Some(ranges)
}

/// The range of a partial descriptor.
fn range(descriptor: &[u8]) -> Option<Range> {
    let shared = *descriptor.get(1)? == CmResourceShareShared;
    let start = u64::from_le_bytes(*descriptor.get(4..)?.first_chunk()?);
    let (kind, start, length) = match *descriptor.first()? {
        CmResourceTypeMemory => (Kind::Memory, start, word(descriptor, 12)?.into()),
        CmResourceTypePort => (Kind::Port, start, word(descriptor, 12)?.into()),
        // Raw: the vector is the line's number.
        CmResourceTypeInterrupt => (Kind::Line, word(descriptor, 8)?.into(), 1),
        _ => return None,
    };
    Some(Range {
        kind,
        start,
        length,
        shared,
    })
}

/// A driver, or one of its devices by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The driver's service.
    pub service: String,
    /// The device object; 0 for the driver itself.
    pub device: usize,
}

/// What has been claimed, by whom.
#[derive(Debug, Default)]
pub struct Claims(Vec<(Owner, Range)>);

impl Claims {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Claims these and nothing else for an owner, whose claims before are given up, unless
    /// another has one of them, or it is in `used`. Whether it succeeded.
    pub fn replace(&mut self, owner: &Owner, wanted: &[Range], used: &[Range]) -> bool {
        let others = self.0.iter().filter(|(other, _)| other != owner);
        let taken: Vec<_> = others.map(|(_, range)| range).chain(used).collect();
        let conflicts = |range: &Range| taken.iter().any(|other| range.conflicts(other));
        if wanted.iter().any(conflicts) {
            return false;
        }
        self.0.retain(|(other, _)| other != owner);
        let claims = wanted.iter().map(|&range| (owner.clone(), range));
        self.0.extend(claims);
        true
    }

    /// A driver is gone, and its claims with it.
    pub fn forget(&mut self, service: &str) {
        self.0.retain(|(owner, _)| owner.service != service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(service: &str) -> Owner {
        Owner {
            service: service.into(),
            device: 0,
        }
    }

    const fn ports(start: u64, length: u64) -> Range {
        Range {
            kind: Kind::Port,
            start,
            length,
            shared: false,
        }
    }

    const fn line(start: u64, shared: bool) -> Range {
        Range {
            kind: Kind::Line,
            start,
            length: 1,
            shared,
        }
    }

    #[test]
    fn a_range_that_another_has_cannot_be_claimed() {
        let mut claims = Claims::new();
        assert!(claims.replace(&owner("a"), &[ports(0x300, 8)], &[]));
        assert!(!claims.replace(&owner("b"), &[ports(0x307, 1)], &[]));
        assert!(claims.replace(&owner("b"), &[ports(0x308, 1)], &[]));
        assert!(!claims.replace(&owner("c"), &[ports(0x200, 1)], &[ports(0x1f0, 0x20)]));
        let memory = Range {
            kind: Kind::Memory,
            ..ports(0x300, 8)
        };
        assert!(claims.replace(&owner("c"), &[memory], &[]));
    }

    #[test]
    fn a_claim_replaces_the_one_before_and_a_failed_one_does_not() {
        let mut claims = Claims::new();
        assert!(claims.replace(&owner("a"), &[ports(0x300, 8)], &[]));
        assert!(!claims.replace(&owner("a"), &[ports(0x10, 8)], &[ports(0x10, 1)]));
        assert!(!claims.replace(&owner("b"), &[ports(0x300, 8)], &[]));
        assert!(claims.replace(&owner("a"), &[], &[]));
        assert!(claims.replace(&owner("b"), &[ports(0x300, 8)], &[]));
        claims.forget("b");
        assert!(claims.replace(&owner("a"), &[ports(0x300, 8)], &[]));
    }

    #[test]
    fn a_line_is_shared_if_both_share_it() {
        let mut claims = Claims::new();
        assert!(claims.replace(&owner("a"), &[line(5, true)], &[]));
        assert!(claims.replace(&owner("b"), &[line(5, true)], &[]));
        assert!(!claims.replace(&owner("c"), &[line(5, false)], &[]));
    }

    #[test]
    fn a_list_gives_its_ranges_and_ends_where_it_should() {
        #[rustfmt::skip]
        let list = [
            1, 0, 0, 0,   1, 0, 0, 0,   0, 0, 0, 0,   1, 0, 1, 0,   2, 0, 0, 0,
            1, 1, 1, 0,   0xf8, 3, 0, 0, 0, 0, 0, 0,   8, 0, 0, 0,   0, 0, 0, 0,
            2, 3, 0, 0,   4, 0, 0, 0,   4, 0, 0, 0,   0xf, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(ranges(&list).unwrap(), [ports(0x3f8, 8), line(4, true)]);
        assert_eq!(ranges(&list[..59]), None);
        assert_eq!(interface(&list), Some(1));
        assert_eq!(length(|at| word(&list, at).unwrap()), list.len());
        assert_eq!(ranges(&[0; 4]).unwrap(), []);
    }
}
