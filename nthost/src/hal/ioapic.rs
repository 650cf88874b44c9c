//! The I/O APIC: it turns interrupt lines into vectors.
//!
//! Source: Intel 82093AA data sheet.

use super::{
    acpi,
    redirection::{self, MASKED, entry, registers},
};
use super::{lock::HighLock, physical::physical};

/// Protects the pair of registers through which all others are reached.
static REGISTERS: HighLock<()> = HighLock::new(());

fn access<T>(base: u64, register: u32, operation: impl FnOnce(*mut u32) -> T) -> T {
    let _guard = REGISTERS.lock();
    let select = physical(base).cast::<u32>();
    // SAFETY: the I/O APIC's select register, in the physical map.
    unsafe { select.write_volatile(register) };
    operation(physical(base + 0x10).cast())
}

fn write(base: u64, register: u32, value: u32) {
    // SAFETY: the I/O APIC's window register, in the physical map.
    access(base, register, |window| unsafe {
        window.write_volatile(value);
    });
}

fn read(base: u64, register: u32) -> u32 {
    // SAFETY: the I/O APIC's window register, in the physical map.
    access(base, register, |window| unsafe { window.read_volatile() })
}

fn pins(base: u64) -> u32 {
    redirection::pins(read(base, 1))
}

/// Masks every line.
pub fn initialize() {
    for controller in &acpi::tables().madt.io_apics {
        for pin in 0..pins(controller.address) {
            write(controller.address, registers(pin)[0], MASKED);
        }
    }
}

fn find(interrupt: u32) -> Option<(u64, u32)> {
    acpi::tables().madt.io_apics.iter().find_map(|controller| {
        let pins = pins(controller.address);
        let pin = redirection::pin(interrupt, controller.first_interrupt, pins)?;
        Some((controller.address, pin))
    })
}

/// Sends a line to a processor as a vector. Says whether there is such a line.
#[must_use]
pub fn route(interrupt: u32, vector: u8, apic: u32, level_triggered: bool) -> bool {
    let Some((base, pin)) = find(interrupt) else {
        return false;
    };
    let [lower, upper] = registers(pin);
    let [what, whom] = entry(vector, apic, level_triggered);
    // The processor first: with the other half the line is heeded.
    write(base, upper, whom);
    write(base, lower, what);
    true
}

/// Masks a line.
pub fn mask(interrupt: u32) {
    if let Some((base, pin)) = find(interrupt) {
        write(base, registers(pin)[0], MASKED);
    }
}
