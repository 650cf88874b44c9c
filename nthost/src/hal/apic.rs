//! The local APIC: it delivers interrupts to its processor, by the priority in CR8, and sends
//! them to others.
//!
//! Source: Intel SDM volume 3, chapter "Advanced Programmable Interrupt Controller". The
//! registers are used through memory (xAPIC): the emulator has no x2APIC everywhere.

use core::sync::atomic::{AtomicU64, Ordering};

use super::physical::physical;

const BASE: u64 = 0xfee0_0000;

/// Offsets of the registers.
mod register {
    pub const ID: u64 = 0x20;
    pub const EOI: u64 = 0xb0;
    pub const SPURIOUS: u64 = 0xf0;
    pub const COMMAND_LOW: u64 = 0x300;
    pub const COMMAND_HIGH: u64 = 0x310;
    pub const TIMER: u64 = 0x320;
    pub const TIMER_INITIAL: u64 = 0x380;
    pub const TIMER_CURRENT: u64 = 0x390;
    pub const TIMER_DIVIDE: u64 = 0x3e0;
    pub const LINT0: u64 = 0x350;
}

/// The software interrupt that has the dispatcher run (IRQL 2).
pub const DISPATCH_VECTOR: u8 = 0x2f;
/// A thread has special kernel APCs to run: IRQL 1. No exception has this vector.
pub const APC_VECTOR: u8 = 0x1f;
/// The clock's interrupt (IRQL 13).
pub const CLOCK_VECTOR: u8 = 0xd1;
/// The IOMMU has refused something (IRQL 13).
pub const IOMMU_VECTOR: u8 = 0xd2;
/// Interrupts between processors (IRQL 14).
pub const IPI_VECTOR: u8 = 0xe1;
/// What the APIC delivers when an interrupt went away before it was taken.
pub const SPURIOUS_VECTOR: u8 = 0xff;

/// How often a register was read or written.
static ACCESSES: AtomicU64 = AtomicU64::new(0);

/// How often registers of local APICs were read or written: exact where there is one processor,
/// since nobody waits for the others to count.
#[must_use]
pub fn accesses() -> u64 {
    ACCESSES.load(Ordering::Relaxed)
}

fn count_access() {
    // Relaxed, and not one operation: it is a figure.
    let accesses = ACCESSES.load(Ordering::Relaxed);
    ACCESSES.store(accesses.wrapping_add(1), Ordering::Relaxed);
}

fn read(register: u64) -> u32 {
    count_access();
    let pointer = physical(BASE + register).cast::<u32>();
    // SAFETY: a register of the local APIC, which the physical map covers.
    unsafe { pointer.read_volatile() }
}

fn write(register: u64, value: u32) {
    count_access();
    let pointer = physical(BASE + register).cast::<u32>();
    // SAFETY: a register of the local APIC, which the physical map covers.
    unsafe { pointer.write_volatile(value) }
}

/// The id of this processor's APIC.
#[must_use]
pub fn id() -> u32 {
    read(register::ID) >> 24
}

/// Switches this processor's APIC on. The old interrupt controller stays masked.
pub fn initialize() {
    for port in [0x21, 0xa1] {
        // SAFETY: masks the lines of a controller that nobody uses.
        unsafe { super::port::write_u8(port, 0xff) };
    }
    write(register::LINT0, 1 << 16);
    write(register::TIMER, 1 << 16);
    write(register::TIMER_DIVIDE, 0b1011); // by 1
    write(register::SPURIOUS, 0x100 | u32::from(SPURIOUS_VECTOR));
}

/// The interrupt in service is done.
pub fn end_of_interrupt() {
    write(register::EOI, 0);
}

/// Who is interrupted.
#[derive(Clone, Copy)]
enum Destination {
    /// The processor with this id.
    Id(u32),
    /// Whom a shorthand of the command says.
    Shorthand,
}

fn command(destination: Destination, low: u32) {
    // The two writes are one command: nothing of this processor may send another in between.
    let enabled = x86_64::instructions::interrupts::are_enabled();
    x86_64::instructions::interrupts::disable();
    while read(register::COMMAND_LOW) & (1 << 12) != 0 {
        core::hint::spin_loop();
    }
    // A shorthand needs no destination.
    if let Destination::Id(id) = destination {
        write(register::COMMAND_HIGH, id << 24);
    }
    write(register::COMMAND_LOW, low);
    if enabled {
        x86_64::instructions::interrupts::enable();
    }
}

/// Interrupts this processor, as soon as its IRQL allows.
pub fn interrupt_self(vector: u8) {
    command(Destination::Shorthand, (1 << 18) | u32::from(vector));
}

/// Interrupts another processor, by the id of its local APIC.
pub fn interrupt(apic: u32, vector: u8) {
    command(Destination::Id(apic), u32::from(vector));
}

/// Interrupts all processors but this.
pub fn interrupt_others(vector: u8) {
    command(Destination::Shorthand, (3 << 18) | u32::from(vector));
}

/// Starts another processor at a page below 1 MiB: the INIT and start-up sequence.
pub fn start_processor(apic: u32, page: u8) {
    command(Destination::Id(apic), 0x0000_4500);
    super::time::stall(200);
    for _ in 0..2 {
        command(Destination::Id(apic), 0x0000_4600 | u32::from(page));
        super::time::stall(50);
    }
}

/// Has the timer count down from the highest value, to be calibrated.
pub fn start_calibration() {
    write(register::TIMER_INITIAL, u32::MAX);
}

/// How far it has come.
#[must_use]
pub fn calibration_count() -> u32 {
    u32::MAX - read(register::TIMER_CURRENT)
}

/// The clock interrupts this processor every so many counts; never, if zero.
pub fn set_periodic_clock(counts: u32) {
    write(register::TIMER, (1 << 17) | u32::from(CLOCK_VECTOR));
    write(register::TIMER_INITIAL, counts);
}

/// The clock interrupts this processor once, after so many counts.
pub fn set_clock_once(counts: u32) {
    write(register::TIMER, u32::from(CLOCK_VECTOR));
    write(register::TIMER_INITIAL, counts);
}
