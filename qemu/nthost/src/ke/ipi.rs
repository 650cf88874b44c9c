//! Requests of one processor to the others: forget translations, stop.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::pcr;
use crate::hal::apic;

/// Raised by one for each flush that is asked for.
static TLB_GENERATION: AtomicU64 = AtomicU64::new(0);
/// The system comes down: all processors stop.
static STOP: AtomicBool = AtomicBool::new(false);

fn flush_here() {
    // Acquire: page-table changes made before the request are seen by the flush.
    let generation = TLB_GENERATION.load(Ordering::Acquire);
    x86_64::instructions::tlb::flush_all();
    // Release: the requester that reads this knows the flush is done. The largest stays: the
    // interrupt may have come since the load above, for a later request, and whoever made that
    // would wait for ever if it were taken back.
    pcr::current()
        .tlb_generation
        .fetch_max(generation, Ordering::Release);
}

/// Has all processors forget translations of pages that were unmapped or protected. Returns
/// when all have. IRQL below IPI_LEVEL, interrupts on, no lock held that is taken by interrupts.
pub fn flush_tlb() {
    let raised = super::irql::Raised::to(crate::export::DISPATCH_LEVEL);
    // Release: the changes to the page tables come before.
    let generation = TLB_GENERATION.fetch_add(1, Ordering::Release) + 1;
    flush_here();
    if pcr::count() > 1 {
        apic::interrupt_others(apic::IPI_VECTOR);
        for processor in pcr::all() {
            // Acquire: pairs with the store in `flush_here`.
            while processor.tlb_generation.load(Ordering::Acquire) < generation {
                core::hint::spin_loop();
            }
        }
    }
    drop(raised);
}

/// Stops all other processors for good.
pub fn stop_others() {
    STOP.store(true, Ordering::SeqCst);
    if pcr::count() > 1 {
        apic::interrupt_others(apic::IPI_VECTOR);
    }
}

/// The interrupt between processors. IPI_LEVEL.
pub fn interrupt() {
    if STOP.load(Ordering::SeqCst) {
        loop {
            x86_64::instructions::interrupts::disable();
            x86_64::instructions::hlt();
        }
    }
    flush_here();
}
