//! What each processor has of its own: the processor control region, which GS points at.
//!
//! The offsets up to 0x1a8 are those that code compiled against the WDK's headers uses inline
//! (`KeGetCurrentProcessorNumber` reads gs:0x184, `KeGetCurrentThread` gs:0x188); behind them
//! comes what is nthost's own.

use alloc::boxed::Box;
use core::{
    mem::offset_of,
    ptr::null_mut,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use x86_64::{VirtAddr, registers::model_specific::GsBase};

use super::{
    dpc_queue::DpcQueue,
    group::Place,
    lock::HighLock,
    thread::{Affinity, Thread},
    trap::Tables,
    watchdog::Watchdog,
};

/// The most processors that nthost starts.
pub const MAXIMUM_PROCESSORS: usize = 256;

/// A processor control region.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Pcr {
    reserved0: [u8; 0x18],
    /// The region itself (0x18).
    this: *mut Self,
    /// Its second part (0x20).
    prcb: *mut u8,
    reserved1: [u8; 0x158],
    /// The initial value of the floating-point control register (0x180).
    mxcsr: u32,
    /// The processor's number, for old drivers (0x184).
    legacy_number: u8,
    reserved2: [u8; 3],
    /// The thread that runs (0x188).
    pub current_thread: AtomicPtr<Thread>,
    /// The thread that is to run next (0x190); not used.
    next_thread: *mut Thread,
    /// The thread that runs when no other can (0x198).
    pub idle_thread: AtomicPtr<Thread>,
    reserved3: u32,
    /// The processor's index over all groups (0x1a4).
    pub number: u32,
    /// The id of its local APIC.
    pub apic_id: u32,
    /// Its node.
    pub node: u16,
    /// Its group.
    pub group: u16,
    /// Its number in the group.
    pub group_number: u8,
    /// The DPCs that wait for it.
    pub dpcs: HighLock<DpcQueue>,
    /// The threaded DPCs that wait for it.
    pub threaded_dpcs: HighLock<DpcQueue>,
    /// The thread that runs those; null before there were any.
    pub dpc_thread: AtomicPtr<Thread>,
    /// A DPC runs: the stack must not be left.
    pub in_dpc: AtomicBool,
    /// The dispatcher is to choose again.
    pub reschedule: AtomicBool,
    /// It runs no threads but those that may run nowhere else.
    pub reserved: AtomicBool,
    /// It is stopped at a breakpoint, at DISPATCH_LEVEL or above: no thread and no timer of
    /// others is to wait for it.
    pub stopped: AtomicBool,
    /// The TLB was flushed at this generation.
    pub tlb_generation: AtomicU64,
    /// The last call on all processors that was made here.
    pub call_generation: AtomicU64,
    /// Where the stack of the DPC or interrupt that runs begins; zero if none runs.
    pub routine_stack: AtomicU64,
    /// How long it has been at DISPATCH_LEVEL or above.
    pub watchdog: Watchdog,
    /// Ticks of the clock here.
    pub clock_ticks: AtomicU32,
    /// When it halted until something interrupts it, in counts; zero while it runs.
    pub halted: AtomicU64,
    /// How long it was halted, in counts.
    pub idle_counts: AtomicU64,
    /// Descriptor tables and stacks.
    pub tables: Tables,
}

const _: () = {
    assert!(offset_of!(Pcr, this) == 0x18);
    assert!(offset_of!(Pcr, legacy_number) == 0x184);
    assert!(offset_of!(Pcr, current_thread) == 0x188);
    assert!(offset_of!(Pcr, number) == 0x1a4);
};

impl Pcr {
    /// Whether a thread with this affinity may run here.
    #[must_use]
    pub fn suits(&self, affinity: Affinity) -> bool {
        let here_alone = Affinity {
            group: Some(self.group),
            mask: 1 << self.group_number,
        };
        affinity.contains(self.group, self.group_number)
            && (!self.reserved.load(Ordering::Relaxed) || affinity == here_alone)
    }

    /// Lets no thread run here any more, but those that may run nowhere else.
    pub fn reserve(&self) {
        self.reserved.store(true, Ordering::Relaxed);
    }

    const fn new(number: u32) -> Self {
        Self {
            reserved0: [0; 0x18],
            this: null_mut(),
            prcb: null_mut(),
            reserved1: [0; 0x158],
            mxcsr: 0x1f80,
            legacy_number: number as u8,
            reserved2: [0; 3],
            current_thread: AtomicPtr::new(null_mut()),
            next_thread: null_mut(),
            idle_thread: AtomicPtr::new(null_mut()),
            reserved3: 0,
            number,
            apic_id: 0,
            node: 0,
            group: 0,
            group_number: 0,
            dpcs: HighLock::new(DpcQueue::new()),
            threaded_dpcs: HighLock::new(DpcQueue::new()),
            dpc_thread: AtomicPtr::new(null_mut()),
            in_dpc: AtomicBool::new(false),
            reschedule: AtomicBool::new(false),
            reserved: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            tlb_generation: AtomicU64::new(0),
            call_generation: AtomicU64::new(0),
            routine_stack: AtomicU64::new(0),
            watchdog: Watchdog::new(),
            clock_ticks: AtomicU32::new(1),
            halted: AtomicU64::new(0),
            idle_counts: AtomicU64::new(0),
            tables: Tables::new(),
        }
    }
}

// SAFETY: the fields that change are atomic, locked, or set before the processor runs.
unsafe impl Sync for Pcr {}

static mut BOOT_PCR: Pcr = Pcr::new(0);
/// By index; the first is set when the boot processor has its region.
static ALL: [AtomicPtr<Pcr>; MAXIMUM_PROCESSORS] =
    [const { AtomicPtr::new(null_mut()) }; MAXIMUM_PROCESSORS];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Gives the boot processor its region.
pub fn initialize_boot_processor() {
    install(&raw mut BOOT_PCR);
    register(&raw mut BOOT_PCR);
}

/// Makes the region of another processor; it is seen by others after [`register`].
#[must_use]
pub fn create(number: u32, apic_id: u32, node: u16, place: Place) -> *mut Pcr {
    let mut pcr = Box::new(Pcr::new(number));
    (pcr.apic_id, pcr.node) = (apic_id, node);
    (pcr.group, pcr.group_number) = (place.group, place.number);
    Box::into_raw(pcr)
}

/// States what was not known of the boot processor when it got its region.
pub fn describe_boot_processor(apic_id: u32, node: u16) {
    let pcr = &raw mut BOOT_PCR;
    // SAFETY: no other processor runs yet.
    unsafe { (*pcr).apic_id = apic_id };
    // SAFETY: as above.
    unsafe { (*pcr).node = node };
}

/// Has GS point at the region. Runs on the processor itself.
pub fn install(pcr: *mut Pcr) {
    // SAFETY: the region is the processor's own, and nobody else uses it yet.
    let region = unsafe { &mut *pcr };
    region.this = pcr;
    // SAFETY: the second part lies within the region.
    region.prcb = unsafe { pcr.cast::<u8>().add(0x180) };
    GsBase::write(VirtAddr::new(pcr as u64));
}

/// Lets other processors see the region.
pub fn register(pcr: *mut Pcr) {
    // SAFETY: the region lives for ever.
    let number = unsafe { (*pcr).number };
    // Release: whoever finds the region sees what is in it.
    ALL[number as usize].store(pcr, Ordering::Release);
    COUNT.fetch_add(1, Ordering::Release);
}

/// How many processors run.
#[must_use]
pub fn count() -> u32 {
    // Acquire: pairs with `register`.
    COUNT.load(Ordering::Acquire) as u32
}

/// The region of this processor. Meaningful as long as the thread cannot move to another: at
/// DISPATCH_LEVEL or above, or with interrupts off.
#[inline]
#[must_use]
pub fn current() -> &'static Pcr {
    let pcr: *const Pcr;
    // SAFETY: GS points at the region, whose address is in it.
    unsafe {
        core::arch::asm!("mov {}, gs:[0x18]", out(reg) pcr,
            options(nostack, readonly, preserves_flags));
    };
    // SAFETY: regions live for ever.
    unsafe { &*pcr }
}

/// The number of this processor, or zero as long as it has no region.
#[must_use]
pub fn number_or_zero() -> u32 {
    if GsBase::read().is_null() {
        0
    } else {
        current().number
    }
}

/// The region of a processor.
///
/// # Panics
///
/// If there is none with this number.
#[must_use]
pub fn of(number: u32) -> &'static Pcr {
    // Acquire: pairs with `register`.
    let pcr = ALL[number as usize].load(Ordering::Acquire);
    assert!(!pcr.is_null(), "there is no processor {number}");
    // SAFETY: regions live for ever.
    unsafe { &*pcr }
}

/// The regions of all processors.
pub fn all() -> impl Iterator<Item = &'static Pcr> {
    (0..count()).map(of)
}

/// The regions of all processors, from one on, round to the one before it.
pub fn all_from(first: u32) -> impl Iterator<Item = &'static Pcr> {
    let count = count();
    (0..count).map(move |index| of((first + index) % count))
}
