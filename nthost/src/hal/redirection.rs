//! What the I/O APIC is told about a line, and which I/O APIC has it.
//!
//! Source: Intel 82093AA data sheet, 3.2.4 "I/O redirection table registers".

/// The first register of the table: each line has two.
const TABLE: u32 = 0x10;
/// In the lower half: the line is not heeded.
pub const MASKED: u32 = 1 << 16;
/// In the lower half: the line asks as long as it is asserted.
const LEVEL: u32 = 1 << 15;
/// In the lower half: the line is asserted when it is low.
const ACTIVE_LOW: u32 = 1 << 13;

/// The registers of a line: the lower half of its entry, and the upper.
#[must_use]
pub const fn registers(pin: u32) -> [u32; 2] {
    [TABLE + 2 * pin, TABLE + 2 * pin + 1]
}

/// The entry, lower half first, that sends a line to a processor as a vector. PCI's lines are
/// level-triggered and active low; those of the ISA bus neither.
#[must_use]
pub const fn entry(vector: u8, apic: u32, level_triggered: bool) -> [u32; 2] {
    let trigger = if level_triggered {
        LEVEL | ACTIVE_LOW
    } else {
        0
    };
    [vector as u32 | trigger, apic << 24]
}

/// Lines of an I/O APIC, by its version register.
#[must_use]
pub const fn pins(version: u32) -> u32 {
    ((version >> 16) & 0xff) + 1
}

/// The pin of an interrupt at an I/O APIC whose first is `first`; `None` if it is not one of
/// its.
#[must_use]
pub fn pin(interrupt: u32, first: u32, pins: u32) -> Option<u32> {
    interrupt.checked_sub(first).filter(|&pin| pin < pins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_lines_are_level_triggered_and_active_low() {
        assert_eq!(entry(0x51, 3, true), [0xa051, 0x0300_0000]);
        assert_eq!(entry(0x51, 3, false), [0x51, 0x0300_0000]);
    }

    #[test]
    fn each_line_has_two_registers() {
        assert_eq!(registers(0), [0x10, 0x11]);
        assert_eq!(registers(23), [0x3e, 0x3f]);
    }

    #[test]
    fn an_interrupt_belongs_to_the_io_apic_that_has_it() {
        // Version 0x20 with 24 lines, as on the Q35.
        let count = pins(0x0017_0020);
        assert_eq!(count, 24);
        assert_eq!(pin(23, 0, count), Some(23));
        assert_eq!(pin(24, 0, count), None);
        assert_eq!(pin(24, 24, count), Some(0));
        assert_eq!(pin(3, 24, count), None);
    }
}
