//! Interrupt lines: which one a pin leads to, how many messages there are in its place, and
//! which lines are in use.
//!
//! Sources: "Using Interrupt Resource Descriptors"; PCI-to-PCI Bridge Architecture
//! Specification 1.2, table 9-1; "Enabling Message-Signaled Interrupts in the Registry".

use alloc::collections::BTreeMap;

use super::{pci::msi::Capability, resource::Vector};

/// The slot of the root bus that a function is in or behind, and the pin there that its own
/// leads to: each bridge turns the pins by the number of the device behind it. `slots` are those
/// of the function, of the bridge that it is behind, and so on up to the root bus.
#[must_use]
pub fn at_root(slots: &[u8], pin: u8) -> (u8, u8) {
    let (&root, below) = slots.split_last().unwrap_or((&0, &[]));
    let pin = below.iter().fold(pin, |pin, slot| (pin + (slot >> 3)) % 4);
    (root >> 3, pin)
}

/// How many messages a device is to get: one by its MSI capability; by MSI-X as many as its
/// table holds, up to the registry's limit, and at least one.
#[must_use]
pub fn message_count(capability: Capability, limit: Option<u32>) -> u16 {
    let possible = match capability {
        Capability::Msi { .. } => 1,
        Capability::MsiX { messages, .. } => messages,
    };
    let limit = limit.and_then(|limit| u16::try_from(limit).ok());
    possible.min(limit.unwrap_or(possible)).max(1)
}

/// A line in use.
#[derive(Clone, Copy, Debug)]
struct Line {
    vector: Vector,
    /// How many devices it is assigned to.
    devices: u32,
}

/// The lines in use: devices share them, and a line has one vector.
#[derive(Debug)]
pub struct Lines(BTreeMap<u32, Line>);

impl Lines {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The vector of a line that is in use.
    #[must_use]
    pub fn vector(&self, line: u32) -> Option<Vector> {
        self.0.get(&line).map(|known| known.vector)
    }

    /// Another device gets a line that is in use; its vector. `None` if it is not in use.
    pub fn share(&mut self, line: u32) -> Option<Vector> {
        let known = self.0.get_mut(&line)?;
        known.devices += 1;
        Some(known.vector)
    }

    /// The first device gets a line, which is not in use, with a new vector.
    pub fn begin(&mut self, line: u32, vector: Vector) {
        self.0.insert(line, Line { vector, devices: 1 });
    }

    /// A device gives its line back. The vector is given if no device has the line any more: it
    /// is to be freed.
    #[must_use]
    pub fn release(&mut self, line: u32) -> Option<Vector> {
        let known = self.0.get_mut(&line)?;
        known.devices -= 1;
        let vector = known.vector;
        if known.devices != 0 {
            return None;
        }
        self.0.remove(&line);
        Some(vector)
    }
}

impl Default for Lines {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::resource::Affinity, *};

    const VECTOR: Vector = Vector {
        vector: 0x51,
        affinity: Affinity {
            group: 0,
            mask: 1,
            target: 0,
        },
    };

    #[test]
    fn a_line_keeps_its_vector_until_the_last_device_gives_it_back() {
        let mut lines = Lines::new();
        assert_eq!(lines.share(16), None);
        lines.begin(16, VECTOR);
        assert_eq!(lines.share(16), Some(VECTOR));
        assert_eq!(lines.share(17), None);
        assert_eq!(lines.release(16), None);
        assert_eq!(lines.release(16), Some(VECTOR));
        assert_eq!(lines.share(16), None);
        assert_eq!(lines.release(16), None);
    }

    #[test]
    fn a_device_gets_as_many_messages_as_its_table_holds_and_the_registry_allows() {
        let many = Capability::MsiX {
            offset: 0x40,
            messages: 8,
            bar: 0,
            table: 0,
        };
        assert_eq!(message_count(many, None), 8);
        assert_eq!(message_count(many, Some(3)), 3);
        assert_eq!(message_count(many, Some(100)), 8);
        // No message is no answer, nor is a limit that is none.
        assert_eq!(message_count(many, Some(0)), 1);
        assert_eq!(message_count(many, Some(70_000)), 8);
    }

    #[test]
    fn bridges_turn_pins_by_the_number_of_the_device_behind_them() {
        // On the root bus: device 3, pin A.
        assert_eq!(at_root(&[3 << 3], 0), (3, 0));
        // Device 2 behind a bridge, which is device 5 behind another, which is device 1.
        assert_eq!(at_root(&[2 << 3, 5 << 3, 1 << 3], 0), (1, 3));
        assert_eq!(at_root(&[2 << 3, 5 << 3, 1 << 3], 1), (1, 0));
        // The function does not count.
        assert_eq!(at_root(&[2 << 3 | 7, 1 << 3 | 1], 1), (1, 3));
    }
}
