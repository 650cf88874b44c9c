//! How processors belong together: cores, packages, nodes, groups and caches.
//!
//! Source: KeQueryLogicalProcessorRelationship, SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX. Cores and
//! packages are parts of the APIC identifier, as CPUID says; a package's processors are one die.

use alloc::{collections::BTreeMap, vec::Vec};

/// `RelationProcessorCore` and the others of LOGICAL_PROCESSOR_RELATIONSHIP.
pub mod relation {
    /// Processors that share a core.
    pub const CORE: u32 = 0;
    /// Those of a node.
    pub const NODE: u32 = 1;
    /// Those that share a cache.
    pub const CACHE: u32 = 2;
    /// Those of a package.
    pub const PACKAGE: u32 = 3;
    /// Those of a group.
    pub const GROUP: u32 = 4;
    /// Those of a die.
    pub const DIE: u32 = 5;
    /// Those of a node, in all groups.
    pub const NODE_EX: u32 = 6;
    /// All of these.
    pub const ALL: u32 = 0xffff;
}

/// `LTP_PC_SMT`: a core has several processors.
const SEVERAL: u8 = 1;

/// A processor.
#[derive(Clone, Copy, Debug)]
pub struct Processor {
    /// Its APIC identifier.
    pub apic_id: u32,
    /// Its node.
    pub node: u16,
    /// Its group.
    pub group: u16,
    /// Its number there.
    pub number: u8,
}

/// A cache, as leaf 4 of CPUID tells it.
#[derive(Clone, Copy, Debug)]
pub struct Cache {
    /// 1 for the nearest.
    pub level: u8,
    /// How many places a line has.
    pub ways: u8,
    /// Bytes of a line.
    pub line: u16,
    /// Bytes of all.
    pub size: u32,
    /// `CacheUnified`, `CacheInstruction`, `CacheData`: 0 to 2.
    pub kind: u32,
    /// How many low bits of the APIC identifier tell apart who shares it.
    pub shift: u32,
}

/// What CPUID says of all processors.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// How many low bits of the APIC identifier tell a core's processors apart.
    pub core_shift: u32,
    /// How many tell a package's apart.
    pub package_shift: u32,
    /// The caches that each processor has.
    pub caches: Vec<Cache>,
}

/// Masks by group.
type Masks = BTreeMap<u16, u64>;

/// Sets of processors that a number tells apart, in the order of that number.
fn sets(processors: &[Processor], key: impl Fn(&Processor) -> u32) -> Vec<(u32, Masks)> {
    let mut sets: BTreeMap<u32, Masks> = BTreeMap::new();
    for processor in processors {
        let masks = sets.entry(key(processor)).or_default();
        *masks.entry(processor.group).or_default() |= 1 << processor.number;
    }
    sets.into_iter().collect()
}

fn push_masks(to: &mut Vec<u8>, masks: &Masks) {
    to.extend_from_slice(&(masks.len() as u16).to_le_bytes());
    for (group, mask) in masks {
        to.extend_from_slice(&mask.to_le_bytes());
        to.extend_from_slice(&group.to_le_bytes());
        to.extend_from_slice(&[0; 6]);
    }
}

/// Appends a structure with its head.
fn push(to: &mut Vec<u8>, relation: u32, body: &[u8]) {
    to.extend_from_slice(&relation.to_le_bytes());
    to.extend_from_slice(&(body.len() as u32 + 8).to_le_bytes());
    to.extend_from_slice(body);
}

fn has(masks: &Masks, only: Option<&Processor>) -> bool {
    only.is_none_or(|only| {
        let mask = masks.get(&only.group).copied().unwrap_or_default();
        mask >> only.number & 1 != 0
    })
}

/// The structures of one relation, or of all; of one processor, or of all.
#[must_use]
pub fn describe(
    processors: &[Processor],
    topology: &Topology,
    relation: u32,
    only: Option<&Processor>,
) -> Vec<u8> {
    use relation::{ALL, CACHE, CORE, DIE, GROUP, NODE, NODE_EX, PACKAGE};
    let mut to = Vec::new();
    let wanted = |one| relation == one || relation == ALL;
    for (kind, shift) in [
        (CORE, topology.core_shift),
        (PACKAGE, topology.package_shift),
        (DIE, topology.package_shift),
    ] {
        let parts = sets(processors, |processor| processor.apic_id >> shift);
        for (_, masks) in parts
            .iter()
            .filter(|(_, masks)| wanted(kind) && has(masks, only))
        {
            let count: u32 = masks.values().map(|mask| mask.count_ones()).sum();
            let mut body = alloc::vec![0; 22];
            body[0] = if kind == CORE && count > 1 {
                SEVERAL
            } else {
                0
            };
            push_masks(&mut body, masks);
            push(&mut to, kind, &body);
        }
    }
    if wanted(NODE) || relation == NODE_EX {
        for (node, mut masks) in sets(processors, |processor| processor.node.into()) {
            if !has(&masks, only) {
                continue;
            }
            if relation == NODE {
                // One group: that of the processor, or the node's first.
                let group = only.map_or_else(|| masks.keys().next().copied(), |it| Some(it.group));
                masks.retain(|&other, _| Some(other) == group);
            }
            let mut body = node.to_le_bytes().to_vec();
            body.extend_from_slice(&[0; 18]);
            push_masks(&mut body, &masks);
            push(&mut to, NODE, &body);
        }
    }
    for cache in topology.caches.iter().filter(|_| wanted(CACHE)) {
        let parts = sets(processors, |processor| processor.apic_id >> cache.shift);
        for (_, masks) in parts.iter().filter(|(_, masks)| has(masks, only)) {
            let mut body = alloc::vec![cache.level, cache.ways];
            body.extend_from_slice(&cache.line.to_le_bytes());
            body.extend_from_slice(&cache.size.to_le_bytes());
            body.extend_from_slice(&cache.kind.to_le_bytes());
            body.extend_from_slice(&[0; 18]);
            push_masks(&mut body, masks);
            push(&mut to, CACHE, &body);
        }
    }
    if wanted(GROUP) {
        let all = sets(processors, |_| 0);
        let groups = all
            .first()
            .map(|(_, masks)| masks.clone())
            .unwrap_or_default();
        let count = (groups.len() as u16).to_le_bytes();
        let mut body = [count, count].concat();
        body.extend_from_slice(&[0; 20]);
        for mask in groups.values() {
            let active = mask.count_ones() as u8;
            // No processor is added while the system runs.
            body.extend_from_slice(&[active, active]);
            body.extend_from_slice(&[0; 38]);
            body.extend_from_slice(&mask.to_le_bytes());
        }
        push(&mut to, GROUP, &body);
    }
    to
}

#[cfg(target_os = "none")]
mod exported {
    use core::arch::x86_64::{__cpuid_count, CpuidResult};

    use nthost_nt::{
        ke::PROCESSOR_NUMBER,
        status::{NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
    };

    use super::{Cache, Processor, Topology, Vec, describe};
    use crate::ke::pcr;

    fn leaf(number: u32, part: u32) -> CpuidResult {
        #[allow(unused_unsafe, reason = "newer compilers know that it is safe")]
        // SAFETY: amd64 has the instruction.
        unsafe {
            __cpuid_count(number, part)
        }
    }

    /// How many bits tell so many apart.
    const fn bits(count: u32) -> u32 {
        count.next_power_of_two().trailing_zeros()
    }

    /// The caches of a leaf that has them one by one.
    fn caches(number: u32) -> Vec<Cache> {
        let each = (0..16).map(|part| leaf(number, part));
        each.take_while(|leaf| leaf.eax & 0x1f != 0)
            .map(|leaf| {
                let (ways, partitions) = ((leaf.ebx >> 22) + 1, (leaf.ebx >> 12 & 0x3ff) + 1);
                let line = (leaf.ebx & 0xfff) + 1;
                Cache {
                    level: (leaf.eax >> 5 & 7) as u8,
                    ways: u8::try_from(ways).unwrap_or(u8::MAX),
                    line: line as u16,
                    size: ways * partitions * line * (leaf.ecx + 1),
                    // Data, instructions, both.
                    kind: [0, 2, 1, 0][(leaf.eax & 3) as usize],
                    shift: bits((leaf.eax >> 14 & 0xfff) + 1),
                }
            })
            .collect()
    }

    fn topology() -> Topology {
        let highest = leaf(0, 0).eax;
        let (mut core_shift, mut package_shift) = (0, bits(leaf(1, 0).ebx >> 16 & 0xff));
        if highest >= 0xb && leaf(0xb, 0).ebx & 0xffff != 0 {
            for part in (0..4).map(|part| leaf(0xb, part)) {
                match part.ecx >> 8 & 0xff {
                    1 => core_shift = part.eax & 0x1f,
                    2 => package_shift = part.eax & 0x1f,
                    _ => break,
                }
            }
        }
        let extended = leaf(0x8000_0000, 0).eax >= 0x8000_001d;
        // AMD's leaf is there with its extensions for the topology.
        let amd = extended && leaf(0x8000_0001, 0).ecx >> 22 & 1 != 0;
        Topology {
            core_shift,
            package_shift: package_shift.max(core_shift),
            caches: if amd {
                caches(0x8000_001d)
            } else if highest >= 4 {
                caches(4)
            } else {
                Vec::new()
            },
        }
    }

    nt_export! {
        irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
        /// Tells how processors belong together: all, or one. `STATUS_INVALID_PARAMETER` if there
        /// is no such processor; `STATUS_INFO_LENGTH_MISMATCH`, and how many bytes it takes.
        ///
        /// Source: KeQueryLogicalProcessorRelationship.
        ///
        /// # Safety
        ///
        /// Null, or a processor's number; there are as many bytes as the length says.
        pub unsafe fn KeQueryLogicalProcessorRelationship(
            number: *const PROCESSOR_NUMBER,
            relation: i32,
            to: *mut u8,
            length: *mut u32,
        ) -> NTSTATUS {
            let relation = relation.cast_unsigned();
            let processors: Vec<_> = pcr::all()
                .map(|pcr| Processor {
                    apic_id: pcr.apic_id,
                    node: pcr.node,
                    group: pcr.group,
                    number: pcr.group_number,
                })
                .collect();
            // SAFETY: the caller's promise.
            let number = unsafe { number.as_ref() };
            let only = number.map(|number| {
                let same = |it: &&Processor| (it.group, it.number) == (number.Group, number.Number);
                processors.iter().find(same)
            });
            if matches!(only, Some(None)) {
                return STATUS_INVALID_PARAMETER;
            }
            let bytes = describe(&processors, &topology(), relation, only.flatten());
            // SAFETY: the caller's promise.
            let room = unsafe { length.replace(bytes.len() as u32) } as usize;
            if to.is_null() || room < bytes.len() {
                return STATUS_INFO_LENGTH_MISMATCH;
            }
            // SAFETY: there is room.
            unsafe { to.copy_from(bytes.as_ptr(), bytes.len()) };
            STATUS_SUCCESS
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of two cores of two processors, each package a node.
    fn eight() -> (Vec<Processor>, Topology) {
        let processors = (0..8).map(|index| Processor {
            apic_id: index,
            node: (index / 4) as u16,
            group: 0,
            number: index as u8,
        });
        let cache = Cache {
            level: 2,
            ways: 8,
            line: 64,
            size: 0x4_0000,
            kind: 0,
            shift: 2,
        };
        let topology = Topology {
            core_shift: 1,
            package_shift: 2,
            caches: Vec::from([cache]),
        };
        (processors.collect(), topology)
    }

    /// The structures: their relation and their bodies.
    fn parts(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let mut parts = Vec::new();
        while let Some((head, _)) = bytes.split_first_chunk::<8>() {
            let relation = u32::from_le_bytes(head[..4].try_into().unwrap());
            let size = u32::from_le_bytes(head[4..].try_into().unwrap()) as usize;
            parts.push((relation, bytes[8..size].to_vec()));
            bytes = &bytes[size..];
        }
        parts
    }

    fn masks(relation: u32, only: Option<usize>, at: usize) -> Vec<u64> {
        let (processors, topology) = eight();
        let only = only.map(|index| &processors[index]);
        parts(&describe(&processors, &topology, relation, only))
            .iter()
            .map(|(_, body)| u64::from_le_bytes(body[at..at + 8].try_into().unwrap()))
            .collect()
    }

    #[test]
    fn processors_of_a_core_a_package_a_node_and_a_cache_come_together() {
        assert_eq!(masks(relation::CORE, None, 24), [3, 0xc, 0x30, 0xc0]);
        assert_eq!(masks(relation::PACKAGE, None, 24), [0xf, 0xf0]);
        assert_eq!(masks(relation::NODE, None, 24), [0xf, 0xf0]);
        assert_eq!(masks(relation::CACHE, None, 32), [0xf, 0xf0]);
        assert_eq!(masks(relation::GROUP, None, 64), [0xff]);
    }

    #[test]
    fn one_processor_has_what_it_belongs_to() {
        assert_eq!(masks(relation::CORE, Some(5), 24), [0x30]);
        assert_eq!(masks(relation::NODE, Some(5), 24), [0xf0]);
        assert_eq!(masks(relation::CACHE, Some(0), 32), [0xf]);
    }

    #[test]
    fn structures_are_as_long_as_the_headers_have_them() {
        let (processors, topology) = eight();
        let all = parts(&describe(&processors, &topology, relation::ALL, None));
        for (relation, body) in &all {
            let expected = match *relation {
                relation::CACHE => 48,
                relation::GROUP => 72,
                _ => 40,
            };
            assert_eq!(body.len(), expected, "{relation}");
        }
        assert_eq!(all.len(), 4 + 2 + 2 + 2 + 2 + 1);
        assert_eq!(all[0].1[0], SEVERAL, "a core has two processors");
    }
}
