//! The identification strings that the PCI bus driver reports for a function (the reference's
//! "Identifiers for PCI devices"), most specific first.

use alloc::{format, string::String, vec, vec::Vec};

use super::config::Header;

/// The device id: the most specific of the hardware ids.
#[must_use]
pub fn device_id(header: &Header) -> String {
    format!("{}&REV_{:02X}", subsystem_id(header), header.revision)
}

fn device(header: &Header) -> String {
    format!(r"PCI\VEN_{:04X}&DEV_{:04X}", header.vendor, header.device)
}

fn subsystem_id(header: &Header) -> String {
    let (vendor, subsystem) = header.subsystem;
    format!("{}&SUBSYS_{subsystem:04X}{vendor:04X}", device(header))
}

/// The hardware ids.
#[must_use]
pub fn hardware_ids(header: &Header) -> Vec<String> {
    let device = device(header);
    let [base, sub, interface] = header.class;
    vec![
        device_id(header),
        subsystem_id(header),
        format!("{device}&CC_{base:02X}{sub:02X}{interface:02X}"),
        format!("{device}&CC_{base:02X}{sub:02X}"),
    ]
}

/// The compatible ids.
#[must_use]
pub fn compatible_ids(header: &Header) -> Vec<String> {
    let device = device(header);
    let vendor = format!(r"PCI\VEN_{:04X}", header.vendor);
    let [base, sub, interface] = header.class;
    vec![
        format!("{device}&REV_{:02X}", header.revision),
        device,
        format!("{vendor}&CC_{base:02X}{sub:02X}{interface:02X}"),
        format!("{vendor}&CC_{base:02X}{sub:02X}"),
        vendor,
        format!(r"PCI\CC_{base:02X}{sub:02X}{interface:02X}"),
        format!(r"PCI\CC_{base:02X}{sub:02X}"),
    ]
}

/// Where on its bus a function sits: the slot in the upper five, the function in the lower three
/// bits.
#[must_use]
pub const fn slot(device: u8, function: u8) -> u8 {
    device << 3 | function
}

/// The instance id, unique among all functions: the root bus, the slot of the function, then
/// those of the bridges above it.
#[must_use]
pub fn instance_id(root_bus: u8, slots_from_the_function_up: &[u8]) -> String {
    slots_from_the_function_up
        .iter()
        .fold(format!("{root_bus:X}&"), |id, slot| {
            format!("{id}{slot:02X}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edu() -> Header {
        Header {
            vendor: 0x1234,
            device: 0x11e8,
            revision: 0x10,
            class: [0x00, 0xff, 0x00],
            kind: 0,
            multifunction: false,
            subsystem: (0x1af4, 0x1100),
            pin: Some(0),
            secondary_bus: None,
            capabilities: vec![],
        }
    }

    #[test]
    fn hardware_ids_go_from_the_subsystem_and_revision_to_the_class() {
        assert_eq!(
            hardware_ids(&edu()),
            [
                r"PCI\VEN_1234&DEV_11E8&SUBSYS_11001AF4&REV_10",
                r"PCI\VEN_1234&DEV_11E8&SUBSYS_11001AF4",
                r"PCI\VEN_1234&DEV_11E8&CC_00FF00",
                r"PCI\VEN_1234&DEV_11E8&CC_00FF",
            ]
        );
    }

    #[test]
    fn compatible_ids_go_from_the_device_to_its_class() {
        assert_eq!(
            compatible_ids(&edu()),
            [
                r"PCI\VEN_1234&DEV_11E8&REV_10",
                r"PCI\VEN_1234&DEV_11E8",
                r"PCI\VEN_1234&CC_00FF00",
                r"PCI\VEN_1234&CC_00FF",
                r"PCI\VEN_1234",
                r"PCI\CC_00FF00",
                r"PCI\CC_00FF",
            ]
        );
    }

    #[test]
    fn an_instance_id_names_the_way_to_the_root() {
        assert_eq!(instance_id(0, &[slot(2, 0)]), "0&10");
        assert_eq!(instance_id(0, &[slot(0, 1), slot(28, 0)]), "0&01E0");
        assert_eq!(instance_id(0x40, &[slot(0, 1), slot(28, 0)]), "40&01E0");
    }
}
