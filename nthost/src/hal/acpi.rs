//! The firmware's tables: processors and interrupt controllers (MADT), nodes (SRAT, SLIT), the
//! power-management timer (FADT), the IOMMU (DMAR).
//!
//! Source: the ACPI specification, chapter 5. The tables are parsed here, rather than by a
//! crate, because the one at hand takes the SRAT's one-byte lengths for two bytes.

use alloc::vec::Vec;

use super::physical::PhysicalRange;

/// A table's header is this long.
const HEADER: usize = 36;

/// A processor of the MADT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalApic {
    /// The id of its local APIC.
    pub id: u32,
}

/// An I/O APIC of the MADT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Where its registers are.
    pub address: u64,
    /// The global system interrupt of its first pin.
    pub first_interrupt: u32,
}

/// The Multiple APIC Description Table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Madt {
    /// The processors that can be used.
    pub processors: Vec<LocalApic>,
    /// The I/O APICs.
    pub io_apics: Vec<IoApic>,
}

/// Memory of a proximity domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAffinity {
    /// The proximity domain.
    pub domain: u32,
    /// The memory.
    pub range: PhysicalRange,
}

/// The System Resource Affinity Table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Srat {
    /// Proximity domain by local APIC id.
    pub processors: Vec<(u32, u32)>,
    /// Memory by proximity domain.
    pub memory: Vec<MemoryAffinity>,
}

impl Srat {
    fn domains(&self) -> Vec<u32> {
        let mut domains: Vec<_> = self.processors.iter().map(|&(_, domain)| domain).collect();
        domains.extend(self.memory.iter().map(|memory| memory.domain));
        domains.sort_unstable();
        domains.dedup();
        domains
    }

    /// The node number of a proximity domain: nodes are counted without gaps.
    #[must_use]
    pub fn node_of_domain(&self, domain: u32) -> u16 {
        let index = self.domains().iter().position(|&other| other == domain);
        index.unwrap_or(0) as u16
    }

    /// The node of a processor; node 0 if the firmware does not say.
    #[must_use]
    pub fn node_of_processor(&self, apic: u32) -> u16 {
        let domain = self.processors.iter().find(|&&(id, _)| id == apic);
        domain.map_or(0, |&(_, domain)| self.node_of_domain(domain))
    }

    /// How many nodes there are.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.domains().len().max(1)
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes
        .get(offset..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .first_chunk()
        .copied()
        .map(u64::from_le_bytes)
}

/// The entries of a table: kind and bytes. Ends at the first that is not whole.
fn entries(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let &[kind, length, ..] = bytes else {
            return None;
        };
        if length < 2 {
            return None;
        }
        let (entry, rest) = bytes.split_at_checked(usize::from(length))?;
        bytes = rest;
        Some((kind, entry))
    })
}

/// Reads a MADT.
#[must_use]
pub fn parse_madt(table: &[u8]) -> Madt {
    let mut madt = Madt::default();
    for (kind, entry) in entries(table.get(HEADER + 8..).unwrap_or_default()) {
        match kind {
            // Local APIC: id at 3, flags at 4 (1: enabled).
            0 if u32_at(entry, 4).is_some_and(|flags| flags & 1 != 0) => {
                madt.processors.push(LocalApic {
                    id: u32::from(entry[3]),
                });
            }
            // I/O APIC.
            1 => {
                if let (Some(address), Some(first)) = (u32_at(entry, 4), u32_at(entry, 8)) {
                    let address = u64::from(address);
                    madt.io_apics.push(IoApic {
                        address,
                        first_interrupt: first,
                    });
                }
            }
            // Local x2APIC: id at 4, flags at 8.
            9 if u32_at(entry, 8).is_some_and(|flags| flags & 1 != 0) => {
                madt.processors
                    .extend(u32_at(entry, 4).map(|id| LocalApic { id }));
            }
            _ => {}
        }
    }
    madt
}

/// Reads an SRAT.
#[must_use]
pub fn parse_srat(table: &[u8]) -> Srat {
    let mut srat = Srat::default();
    for (kind, entry) in entries(table.get(HEADER + 12..).unwrap_or_default()) {
        match kind {
            // Processor: domain in bytes 2 and 9 to 11, APIC id at 3, flags at 4.
            0 if entry.len() >= 16 && entry[4] & 1 != 0 => {
                let domain = u32::from_le_bytes([entry[2], entry[9], entry[10], entry[11]]);
                srat.processors.push((u32::from(entry[3]), domain));
            }
            // Memory: domain at 2, base at 8, length at 16, flags at 28.
            1 if entry.len() >= 40 && entry[28] & 1 != 0 => {
                if let (Some(domain), Some(start), Some(length)) =
                    (u32_at(entry, 2), u64_at(entry, 8), u64_at(entry, 16))
                    && length > 0
                {
                    let range = PhysicalRange { start, length };
                    srat.memory.push(MemoryAffinity { domain, range });
                }
            }
            // x2APIC processor: domain at 4, id at 8, flags at 12.
            2 if entry.len() >= 24 && entry[12] & 1 != 0 => {
                if let (Some(domain), Some(id)) = (u32_at(entry, 4), u32_at(entry, 8)) {
                    srat.processors.push((id, domain));
                }
            }
            _ => {}
        }
    }
    srat
}

/// The register of the real-time clock that has the century, from a FADT; zero is none.
#[must_use]
pub fn parse_century(fadt: &[u8]) -> Option<u8> {
    fadt.get(108).copied().filter(|&register| register != 0)
}

/// The port of the power-management timer, from a FADT.
#[must_use]
pub fn parse_fadt(table: &[u8]) -> Option<u16> {
    u32_at(table, 76)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|&port| port != 0)
}

/// The registers of the first IOMMU, from a DMAR table.
#[must_use]
pub fn parse_dmar(table: &[u8]) -> Option<u64> {
    let mut left = table.get(HEADER + 12..)?;
    loop {
        let &[kind, kind_high, length, length_high, ..] = left else {
            return None;
        };
        let length = usize::from(u16::from_le_bytes([length, length_high]));
        let (entry, rest) = left.split_at_checked(length.max(4))?;
        // A remapping hardware unit: its registers at 8.
        if u16::from_le_bytes([kind, kind_high]) == 0 {
            return u64_at(entry, 8);
        }
        left = rest;
    }
}

#[cfg(target_os = "none")]
pub use machine::*;

/// The tables of this machine.
#[cfg(target_os = "none")]
mod machine {
    use alloc::vec::Vec;

    use super::{
        HEADER, Madt, Srat, parse_century, parse_dmar, parse_fadt, parse_madt, parse_srat, u32_at,
        u64_at,
    };
    use crate::hal::{once::Once, physical::physical};

    /// What the firmware says.
    #[derive(Debug, Default)]
    pub struct Tables {
        /// Processors and interrupt controllers.
        pub madt: Madt,
        /// Nodes.
        pub srat: Srat,
        /// Distances between nodes, row by row; empty if the firmware does not say.
        pub slit: Vec<u8>,
        /// The port of the power-management timer.
        pub timer_port: Option<u16>,
        /// The registers of the IOMMU, if there is one.
        pub iommu: Option<u64>,
        /// The register of the real-time clock that has the century.
        pub century: Option<u8>,
        /// The definition blocks (DSDT and SSDTs).
        pub definition_blocks: Vec<&'static [u8]>,
    }

    impl Tables {
        /// Root buses and their proximity domains.
        #[must_use]
        pub fn bus_domains(&self) -> Vec<(u8, u32)> {
            let blocks = self.definition_blocks.iter();
            blocks
                .flat_map(|block| crate::hal::numa::domains(block))
                .collect()
        }
    }

    /// Where the fixed description table has the address of the DSDT.
    const DSDT: usize = 40;

    static TABLES: Once<Tables> = Once::new();

    /// What the firmware says.
    ///
    /// # Panics
    ///
    /// Before [`initialize`].
    #[must_use]
    pub fn tables() -> &'static Tables {
        TABLES
            .get()
            .expect("the firmware's tables are read at the start")
    }

    fn table(address: u64) -> &'static [u8] {
        let pointer = physical(address).cast_const();
        // SAFETY: the firmware's tables lie below 4 GiB, which is mapped, and do not change.
        let header = unsafe { core::slice::from_raw_parts(pointer, HEADER) };
        let length = u32_at(header, 4).unwrap_or(0) as usize;
        // SAFETY: as above; the length is the table's own.
        unsafe { core::slice::from_raw_parts(pointer, length.max(HEADER)) }
    }

    /// Reads the tables that hang from this root pointer.
    pub fn initialize(rsdp: u64) {
        let pointer = physical(rsdp).cast_const();
        // SAFETY: the loader vouches for the root pointer; version 2 has 36 bytes, and the 20
        // of version 1 are never the last of the memory they lie in.
        let root = unsafe { core::slice::from_raw_parts(pointer, 36) };
        let extended = if root[15] >= 2 {
            u64_at(root, 24).filter(|&x| x != 0)
        } else {
            None
        };
        let (list, size) = extended.map_or_else(
            || (table(u64::from(u32_at(root, 16).unwrap_or(0))), 4),
            |address| (table(address), 8),
        );
        let mut tables = Tables::default();
        for entry in list[HEADER..].chunks_exact(size) {
            let address = u64_at(entry, 0).or_else(|| u32_at(entry, 0).map(u64::from));
            let table = table(address.unwrap_or(0));
            match &table[..4] {
                b"APIC" => tables.madt = parse_madt(table),
                b"SRAT" => tables.srat = parse_srat(table),
                b"SLIT" => tables.slit = table.get(HEADER + 8..).unwrap_or_default().to_vec(),
                b"DMAR" => tables.iommu = parse_dmar(table),
                b"FACP" => {
                    tables.timer_port = parse_fadt(table);
                    tables.century = parse_century(table);
                    let address = u32_at(table, DSDT).filter(|&address| address != 0);
                    let block = address.map(|address| self::table(address.into()));
                    tables.definition_blocks.extend(block);
                }
                b"SSDT" => tables.definition_blocks.push(table),
                _ => {}
            }
        }
        TABLES.set(tables);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn with_header(length: usize, entries: &[&[u8]]) -> Vec<u8> {
        let mut table = vec![0; length];
        for entry in entries {
            table.extend_from_slice(entry);
        }
        table
    }

    #[test]
    fn processors_that_cannot_be_used_are_left_out() {
        let enabled = [0, 8, 0, 5, 1, 0, 0, 0];
        let disabled = [0, 8, 0, 6, 0, 0, 0, 0];
        let madt = parse_madt(&with_header(44, &[&enabled, &disabled]));
        assert_eq!(madt.processors, [LocalApic { id: 5 }]);
    }

    #[test]
    fn a_table_that_is_cut_off_gives_the_entries_that_are_whole() {
        let whole = [0, 8, 0, 5, 1, 0, 0, 0];
        let table = with_header(44, &[&whole, &[0, 8, 0]]);
        for length in 0..=table.len() {
            let expected = usize::from(length >= 52);
            assert_eq!(
                parse_madt(&table[..length]).processors.len(),
                expected,
                "{length}"
            );
        }
    }

    #[test]
    fn an_entry_of_length_zero_ends_the_table() {
        assert_eq!(
            parse_madt(&with_header(44, &[&[0, 0, 0, 0]])),
            Madt::default()
        );
    }

    #[test]
    fn nodes_are_counted_without_gaps() {
        let mut processor = [0_u8; 16];
        (
            processor[0],
            processor[1],
            processor[2],
            processor[3],
            processor[4],
        ) = (0, 16, 7, 1, 1);
        let mut memory = [0_u8; 40];
        (memory[0], memory[1], memory[2], memory[28]) = (1, 40, 3, 1);
        memory[16..24].copy_from_slice(&0x1000_u64.to_le_bytes());
        let srat = parse_srat(&with_header(48, &[&processor, &memory]));
        assert_eq!(srat.node_count(), 2);
        assert_eq!((srat.node_of_domain(3), srat.node_of_domain(7)), (0, 1));
        assert_eq!(srat.node_of_processor(1), 1);
    }

    #[test]
    fn the_first_unit_of_a_dmar_table_is_found() {
        let reserved = [1, 0, 8, 0, 0, 0, 0, 0];
        let unit = [0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0xd9, 0xfe, 0, 0, 0, 0];
        let table = with_header(48, &[&reserved, &unit]);
        assert_eq!(parse_dmar(&table), Some(0xfed9_0000));
        assert_eq!(parse_dmar(&table[..60]), None);
        assert_eq!(parse_dmar(&with_header(48, &[&reserved])), None);
        assert_eq!(parse_dmar(&[0; 20]), None);
    }
}
