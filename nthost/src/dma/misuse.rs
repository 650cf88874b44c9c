//! What is wrong with the use of adapters, apart from what each routine looks at itself: the IRQLs of
//! all, and what ends the system whoever looks (bug check 0xE6).

use crate::{
    export::DISPATCH_LEVEL,
    hook::{self, DmaMisuse},
    ke::{bugcheck, irql},
};

/// DRIVER_VERIFIER_DMA_VIOLATION, which ends the system also where nobody verifies.
const DMA_VIOLATION: u32 = 0xe6;
/// Its first parameter: there is no memory for map registers.
const MISCELLANEOUS: u64 = 0x00;
/// Its first parameter: the IOMMU refused what a device tried.
const REFUSED: u64 = 0x26;

/// Bug check 0xE6: the IOMMU refused what a device tried.
pub fn refused(pdo: u64, page: u64, reason: u64) {
    bugcheck::bugcheck(DMA_VIOLATION, [REFUSED, pdo, page, reason]);
}

/// Bug check 0xE6: there is no memory for so many map registers, and the routine that was called
/// cannot say so: the driver would have its device use address 0.
pub fn exhausted(registers: u64) {
    bugcheck::bugcheck(DMA_VIOLATION, [MISCELLANEOUS, 2, registers, 0]);
}

/// The routine is called at DISPATCH_LEVEL alone.
pub fn at_dispatch() {
    let level = irql::current();
    if level != DISPATCH_LEVEL {
        hook::dma_misuse(
            DmaMisuse::WrongIrql,
            [1, DISPATCH_LEVEL.into(), level.into()],
        );
    }
}

/// The routine is called at `highest` at the most.
pub fn up_to(highest: u8) {
    let level = irql::current();
    if level > highest {
        hook::dma_misuse(DmaMisuse::WrongIrql, [2, highest.into(), level.into()]);
    }
}
