//! What drivers do wrong with adapters: bug check 0xE6 (DRIVER_VERIFIER_DMA_VIOLATION), by the
//! codes of its page.

use nthost_protocol::manifest::VerifierOption;

use crate::{
    export::DISPATCH_LEVEL,
    hook,
    ke::{bugcheck, irql},
};

const DMA_VIOLATION: u32 = 0xe6;

/// A flush beyond the end of the MDL, or no memory for map registers.
pub const MISCELLANEOUS: u64 = 0x00;
/// A common buffer was freed that is none.
pub const COMMON_BUFFER_FREED: u64 = 0x03;
/// A channel was freed that was not allocated.
pub const CHANNEL_FREED: u64 = 0x04;
/// Map registers were freed that were not allocated.
pub const REGISTERS_FREED: u64 = 0x05;
/// A scatter/gather list was freed that is none.
pub const LIST_FREED: u64 = 0x06;
/// The adapter was released with common buffers left.
pub const COMMON_BUFFERS_LEFT: u64 = 0x07;
/// … with its channel allocated.
pub const CHANNEL_LEFT: u64 = 0x08;
/// … with map registers left.
pub const REGISTERS_LEFT: u64 = 0x09;
/// … with scatter/gather lists left.
pub const LISTS_LEFT: u64 = 0x0a;
/// A second channel for a device.
pub const TOO_MANY_CHANNELS: u64 = 0x0b;
/// More map registers were asked for than the adapter has.
pub const ASKED_TOO_MANY: u64 = 0x0c;
/// What was mapped before is not flushed.
pub const NOT_FLUSHED: u64 = 0x0d;
/// A transfer of a buffer that is not locked.
pub const NOT_LOCKED: u64 = 0x0e;
/// Memory beside a buffer, or a free map register, was written.
pub const OVERRUN: u64 = 0x0f;
/// Map registers were freed while mapped.
pub const REGISTERS_MAPPED: u64 = 0x10;
/// The wrong IRQL.
pub const WRONG_IRQL: u64 = 0x13;
/// More map registers than were allocated.
pub const TOO_MANY_REGISTERS: u64 = 0x15;
/// A flush of a buffer that is not mapped, through registers that others are mapped through.
pub const FLUSHED_UNMAPPED: u64 = 0x16;
/// An adapter that was released.
pub const RELEASED_ADAPTER: u64 = 0x18;
/// No adapter.
pub const NO_ADAPTER: u64 = 0x19;
/// An address that is not in the MDL.
pub const OUTSIDE_MDL: u64 = 0x1b;
/// A range that is mapped already.
pub const MAPPED_TWICE: u64 = 0x1d;
/// A transfer that is longer than its MDL.
pub const BEYOND_MDL: u64 = 0x1f;
/// A flush through map registers that nothing is mapped through.
pub const FLUSHED_FREE: u64 = 0x20;
/// A transfer of no bytes.
pub const NO_LENGTH: u64 = 0x21;
/// A transfer that is longer than its MDL chain.
pub const SHORT_BUFFER: u64 = 0x24;
/// A device description of a version that does not exist.
pub const UNKNOWN_VERSION: u64 = 0x25;

/// The IOMMU refused what a device tried.
const REFUSED: u64 = 0x26;

/// Bug check 0xE6, unless DMA checking is off.
pub fn dma(code: u64, second: u64, third: u64, fourth: u64) {
    let parameters = [code, second, third, fourth];
    hook::violation(VerifierOption::DmaChecking, DMA_VIOLATION, parameters);
}

/// Bug check 0xE6: the IOMMU refused what a device tried. With or without the verifier.
pub fn refused(pdo: u64, page: u64, reason: u64) {
    bugcheck::bugcheck(DMA_VIOLATION, [REFUSED, pdo, page, reason]);
}

/// Bug check 0xE6: there is no memory for so many map registers, and the routine that was called
/// cannot say so. With or without the verifier: the driver would have its device use address 0.
pub fn exhausted(registers: u64) {
    bugcheck::bugcheck(DMA_VIOLATION, [MISCELLANEOUS, 2, registers, 0]);
}

/// The routine is called at DISPATCH_LEVEL alone.
pub fn at_dispatch() {
    let level = irql::current();
    if level != DISPATCH_LEVEL {
        dma(WRONG_IRQL, 1, DISPATCH_LEVEL.into(), level.into());
    }
}

/// The routine is called at `highest` at the most.
pub fn up_to(highest: u8) {
    let level = irql::current();
    if level > highest {
        dma(WRONG_IRQL, 2, highest.into(), level.into());
    }
}
