//! Requests of one processor to the others: forget translations, call a routine, stop.
//!
//! Source, for the call: KeIpiGenericCall.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::{
    irql::{self, Raised},
    pcr,
};
use crate::{
    export::{DISPATCH_LEVEL, IPI_LEVEL},
    hal::apic,
};

/// Raised by one for each flush that is asked for.
static TLB_GENERATION: AtomicU64 = AtomicU64::new(0);
/// The system comes down: all processors stop.
static STOP: AtomicBool = AtomicBool::new(false);
/// Bytes of a cache line.
const LINE: usize = 64;

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
    let raised = Raised::to(DISPATCH_LEVEL);
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

/// A routine that every processor calls.
type Broadcast = unsafe extern "win64" fn(argument: usize) -> usize;

/// A call on all processors, on the stack of the one that asks for it.
struct Call {
    routine: Broadcast,
    argument: usize,
    /// Processors that have not come yet.
    expected: AtomicU32,
    /// Processors that have not returned yet.
    running: AtomicU32,
}

/// The call that is being made. Only one is at a time.
static CALL: AtomicPtr<Call> = AtomicPtr::new(core::ptr::null_mut());
/// Raised by one with each call, so that a processor makes each once.
static CALL_GENERATION: AtomicU64 = AtomicU64::new(0);
/// A call is being made.
static CALLING: AtomicBool = AtomicBool::new(false);

impl Call {
    /// Waits for the other processors, makes the call, and says that this one is done.
    fn make(&self) -> usize {
        // Release and acquire: all processors see what each did before the barrier.
        self.expected.fetch_sub(1, Ordering::AcqRel);
        while self.expected.load(Ordering::Acquire) != 0 {
            core::hint::spin_loop();
        }
        // SAFETY: the caller of `call_all` vouches for the routine.
        let result = unsafe { (self.routine)(self.argument) };
        // Release: who asked for the call sees what the routine did.
        self.running.fetch_sub(1, Ordering::Release);
        result
    }
}

/// Calls a routine on all processors at once, at IPI_LEVEL; gives what it returned on this one.
/// IRQL below IPI_LEVEL.
///
/// # Safety
///
/// The routine may be called so.
unsafe fn call_all(routine: Broadcast, argument: usize) -> usize {
    // While another call is made, this processor takes part in it: interrupts are on here.
    while CALLING.swap(true, Ordering::Acquire) {
        core::hint::spin_loop();
    }
    let before = irql::raise(IPI_LEVEL);
    let count = pcr::count();
    let mut call = Call {
        routine,
        argument,
        expected: AtomicU32::new(count),
        running: AtomicU32::new(count),
    };
    CALL.store(&raw mut call, Ordering::Relaxed);
    // Release: who sees the generation sees the call. This processor makes it by itself.
    let generation = CALL_GENERATION.fetch_add(1, Ordering::Release) + 1;
    let own = &pcr::current().call_generation;
    own.store(generation, Ordering::Relaxed);
    if count > 1 {
        apic::interrupt_others(apic::IPI_VECTOR);
    }
    let result = call.make();
    // Acquire: what the others did is seen, and nobody uses the call any more.
    while call.running.load(Ordering::Acquire) != 0 {
        core::hint::spin_loop();
    }
    CALLING.store(false, Ordering::Release);
    irql::set(before);
    result
}

/// Takes part in a call that another processor has asked for, if there is one.
fn take_part() {
    let own = &pcr::current().call_generation;
    // Acquire: pairs with `call_all`.
    let generation = CALL_GENERATION.load(Ordering::Acquire);
    if own.swap(generation, Ordering::Relaxed) != generation {
        let call = CALL.load(Ordering::Relaxed);
        // SAFETY: the call stays until every processor has made it, and this one has not.
        unsafe { &*call }.make();
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=CLOCK_LEVEL;
    /// Calls a routine on all processors at once, at IPI_LEVEL; gives what it returned on this
    /// one.
    ///
    /// Source: KeIpiGenericCall.
    ///
    /// # Safety
    ///
    /// The routine is one for this.
    pub unsafe fn KeIpiGenericCall(routine: Broadcast, argument: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { call_all(routine, argument) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Writes the caches of all processors back to memory.
    ///
    /// Source: KeInvalidateAllCaches.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeInvalidateAllCaches() -> u8 {
        unsafe extern "win64" fn write_back(_argument: usize) -> usize {
            // SAFETY: the instruction changes nothing that a program sees.
            unsafe { core::arch::asm!("wbinvd", options(nostack, preserves_flags)) };
            0
        }
        // SAFETY: the routine may run anywhere.
        unsafe { call_all(write_back, 0) };
        1
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Writes a range back to memory from the caches of all processors, and has none of it left
    /// in them. Flushing a line does so on all processors, and for all mappings of the memory.
    ///
    /// Source: KeInvalidateRangeAllCaches.
    ///
    /// # Safety
    ///
    /// The range is mapped.
    pub unsafe fn KeInvalidateRangeAllCaches(address: *const u8, bytes: u32) {
        let first = address as usize & !(LINE - 1);
        let lines = (address as usize % LINE + bytes as usize).div_ceil(LINE);
        core::sync::atomic::fence(Ordering::SeqCst);
        for line in (0..lines).map(|index| first.wrapping_add(index * LINE)) {
            // SAFETY: the caller's promise; the instruction changes nothing that a program sees.
            unsafe {
                core::arch::asm!("clflush [{}]", in(reg) line, options(nostack, preserves_flags));
            };
        }
        core::sync::atomic::fence(Ordering::SeqCst);
    }
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
    take_part();
}
