//! Which NUMA node a root bus is on: what the firmware's tables say in `_PXM`, beside the bus's
//! number in `_BBN`.
//!
//! Simplified: the definition blocks are not interpreted. Both are constants in a device's
//! scope on this machine, so it is enough to look for the two names in their order.

use alloc::vec::Vec;

/// Bus numbers and proximity domains in a definition block, in the order of the block.
#[must_use]
pub fn domains(block: &[u8]) -> Vec<(u8, u32)> {
    let mut found = Vec::new();
    let mut bus = None;
    for (index, window) in block.windows(5).enumerate() {
        let value = || integer(block.get(index + 5..)?);
        match window {
            // NameOp, then the name.
            [0x08, b'_', b'B', b'B', b'N'] => bus = value().and_then(|bus| u8::try_from(bus).ok()),
            [0x08, b'_', b'P', b'X', b'M'] => {
                if let (Some(bus), Some(domain)) = (bus, value()) {
                    found.push((bus, domain));
                }
            }
            _ => {}
        }
    }
    found
}

/// A constant (ACPI specification, "Constants Encoding").
fn integer(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0x00, ..] => Some(0),
        [0x01, ..] => Some(1),
        [0x0a, value, ..] => Some(u32::from(*value)),
        [0x0b, low, high, ..] => Some(u32::from(u16::from_le_bytes([*low, *high]))),
        [0x0c, a, b, c, d, ..] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// The node of a bus: that of the root bus with the highest number up to it.
#[must_use]
pub fn of_bus(domains: &[(u8, u32)], bus: u8) -> Option<u32> {
    let below = domains.iter().filter(|&&(root, _)| root <= bus);
    below
        .max_by_key(|&&(root, _)| root)
        .map(|&(_, domain)| domain)
}

#[cfg(target_os = "none")]
pub use machine::node_of;

#[cfg(target_os = "none")]
mod machine {
    use super::super::acpi;

    /// The node of a bus, if the firmware says.
    #[must_use]
    pub fn node_of(bus: u8) -> Option<u16> {
        let tables = acpi::tables();
        let domains = tables.bus_domains();
        super::of_bus(&domains, bus).map(|domain| tables.srat.node_of_domain(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buses_have_their_domains() {
        let block = b"xx\x08_BBN\x0a\x40\x08_PXM\x01yy\x08_BBN\x0a\x80\x08_PXM\x0a\x02\x08_BBN\x00";
        assert_eq!(domains(block), [(0x40, 1), (0x80, 2)]);
        assert_eq!(of_bus(&domains(block), 0x81), Some(2));
        assert_eq!(of_bus(&domains(block), 0x7f), Some(1));
        assert_eq!(of_bus(&domains(block), 0), None);
    }

    #[test]
    fn a_block_that_ends_in_a_name_has_no_value() {
        assert_eq!(domains(b"\x08_BBN\x00\x08_PXM"), []);
        assert_eq!(domains(b"\x08_PXM\x01"), [], "no bus before it");
    }
}
