//! DMA checking: the codes of bug check 0xE6 (DRIVER_VERIFIER_DMA_VIOLATION), by which it tells what
//! drivers do wrong with adapters. What that is, the adapters see themselves (`crate::dma`).
//!
//! Sources: "Bug Check 0xE6"; "DMA Verification".

use nthost_protocol::manifest::VerifierOption;

use super::{found, is_on};
use crate::hook::{DmaMisuse, register};

const DMA_VIOLATION: u32 = 0xe6;

/// Has what adapters see reported, while the option is on.
pub fn watch() {
    register::dma_misuse(|misuse, [second, third, fourth]| {
        if is_on(VerifierOption::DmaChecking) {
            found::report(DMA_VIOLATION, [code(misuse), second, third, fourth]);
        }
    });
}

/// The first parameter of the bug check.
const fn code(misuse: DmaMisuse) -> u64 {
    match misuse {
        DmaMisuse::Miscellaneous => 0x00,
        DmaMisuse::CommonBufferFreed => 0x03,
        DmaMisuse::ChannelFreed => 0x04,
        DmaMisuse::RegistersFreed => 0x05,
        DmaMisuse::ListFreed => 0x06,
        DmaMisuse::CommonBuffersLeft => 0x07,
        DmaMisuse::ChannelLeft => 0x08,
        DmaMisuse::RegistersLeft => 0x09,
        DmaMisuse::ListsLeft => 0x0a,
        DmaMisuse::TooManyChannels => 0x0b,
        DmaMisuse::AskedTooMany => 0x0c,
        DmaMisuse::NotFlushed => 0x0d,
        DmaMisuse::NotLocked => 0x0e,
        DmaMisuse::Overrun => 0x0f,
        DmaMisuse::RegistersMapped => 0x10,
        DmaMisuse::WrongIrql => 0x13,
        DmaMisuse::TooManyRegisters => 0x15,
        DmaMisuse::FlushedUnmapped => 0x16,
        DmaMisuse::ReleasedAdapter => 0x18,
        DmaMisuse::NoAdapter => 0x19,
        DmaMisuse::OutsideMdl => 0x1b,
        DmaMisuse::MappedTwice => 0x1d,
        DmaMisuse::BeyondMdl => 0x1f,
        DmaMisuse::FlushedFree => 0x20,
        DmaMisuse::NoLength => 0x21,
        DmaMisuse::ShortBuffer => 0x24,
        DmaMisuse::UnknownVersion => 0x25,
    }
}
