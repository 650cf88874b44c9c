//! Processors, groups and nodes as drivers see them; flushing DPCs; time; stalling.
//!
//! Sources: the pages of the routines, "Supporting Systems That Have More Than 64 Processors".

use core::sync::atomic::{AtomicU32, Ordering};

use nthost_nt::{
    ke::KDPC,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{dispatcher, dpc, pcr, thread};
use crate::{hal::time as counter, mm::phys};

/// `ALL_PROCESSOR_GROUPS`.
const ALL_GROUPS: u16 = 0xffff;

/// A processor by group and number (ns-wdm-_processor_number).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ProcessorNumber {
    group: u16,
    number: u8,
    reserved: u8,
}

/// Processors of a group (ns-wdm-_group_affinity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GroupAffinity {
    mask: u64,
    group: u16,
    reserved: [u16; 3],
}

fn groups() -> u16 {
    (pcr::count().div_ceil(pcr::GROUP_SIZE)) as u16
}

fn of_group(group: u16) -> impl Iterator<Item = &'static pcr::Pcr> {
    pcr::all().filter(move |pcr| group == ALL_GROUPS || pcr.group == group)
}

/// Waits until every DPC that is queued on any processor now has run. PASSIVE_LEVEL.
pub fn flush_queued_dpcs() {
    // A DPC of the lowest urgency on each processor runs after those that are queued there.
    static LEFT: AtomicU32 = AtomicU32::new(0);
    static FLUSHING: super::lock::HighLock<bool> = super::lock::HighLock::new(false);
    unsafe extern "win64" fn arrived(
        _dpc: *mut KDPC,
        _context: *mut core::ffi::c_void,
        _argument1: *mut core::ffi::c_void,
        _argument2: *mut core::ffi::c_void,
    ) {
        // Release: what the DPCs before this one did is seen by who waits.
        LEFT.fetch_sub(1, Ordering::Release);
    }
    while core::mem::replace(&mut *FLUSHING.lock(), true) {
        dispatcher::yield_now();
    }
    let count = pcr::count();
    LEFT.store(count, Ordering::Relaxed);
    let mut dpcs: alloc::vec::Vec<core::mem::MaybeUninit<KDPC>> = (0..count)
        .map(|_| core::mem::MaybeUninit::uninit())
        .collect();
    for (processor, place) in (0..count).zip(&mut dpcs) {
        let dpc = place.as_mut_ptr();
        // SAFETY: the place is memory for a DPC, and stays until all have run.
        unsafe { dpc::KeInitializeDpc(dpc, Some(arrived), core::ptr::null_mut()) };
        // SAFETY: it is initialized.
        unsafe { dpc::set_target(dpc, processor) };
        // SAFETY: it is initialized, and stays.
        unsafe { dpc::insert(dpc, core::ptr::null_mut(), core::ptr::null_mut()) };
        dispatcher::interrupt_processor(pcr::of(processor));
    }
    // Acquire: pairs with the DPCs.
    while LEFT.load(Ordering::Acquire) != 0 {
        dispatcher::yield_now();
    }
    *FLUSHING.lock() = false;
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Returns when the DPCs that were queued on any processor have run.
    ///
    /// Source: KeFlushQueuedDpcs.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeFlushQueuedDpcs() {
        flush_queued_dpcs();
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Active processors of a group, or of all (0xffff).
    ///
    /// Source: KeQueryActiveProcessorCountEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryActiveProcessorCountEx(group: u16) -> u32 {
        of_group(group).count() as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The most processors that a group, or all (0xffff), can have. None are added later.
    ///
    /// Source: KeQueryMaximumProcessorCountEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryMaximumProcessorCountEx(group: u16) -> u32 {
        of_group(group).count() as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Groups with active processors.
    ///
    /// Source: KeQueryActiveGroupCount.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryActiveGroupCount() -> u16 {
        groups()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Groups that there can be.
    ///
    /// Source: KeQueryMaximumGroupCount.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryMaximumGroupCount() -> u16 {
        groups()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// This processor's index over all groups, and, if wanted, its group and number.
    ///
    /// Source: KeGetCurrentProcessorNumberEx.
    ///
    /// # Safety
    ///
    /// `number` is null or where it goes.
    pub unsafe fn KeGetCurrentProcessorNumberEx(number: *mut ProcessorNumber) -> u32 {
        let pcr = pcr::current();
        if !number.is_null() {
            let value = ProcessorNumber { group: pcr.group, number: pcr.group_number, reserved: 0 };
            // SAFETY: the caller's promise.
            unsafe { number.write(value) };
        }
        pcr.number
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The index over all groups of a processor; 0xffffffff if there is none such.
    ///
    /// Source: KeGetProcessorIndexFromNumber.
    ///
    /// # Safety
    ///
    /// `number` is a processor's number.
    pub unsafe fn KeGetProcessorIndexFromNumber(number: *const ProcessorNumber) -> u32 {
        // SAFETY: the caller's promise.
        let number = unsafe { number.read() };
        pcr::all()
            .find(|pcr| (pcr.group, pcr.group_number) == (number.group, number.number))
            .map_or(u32::MAX, |pcr| pcr.number)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The group and number of a processor by its index; STATUS_INVALID_PARAMETER if there is
    /// none such.
    ///
    /// Source: KeGetProcessorNumberFromIndex.
    ///
    /// # Safety
    ///
    /// `number` is where it goes.
    pub unsafe fn KeGetProcessorNumberFromIndex(
        index: u32,
        number: *mut ProcessorNumber,
    ) -> NTSTATUS {
        if index >= pcr::count() {
            return STATUS_INVALID_PARAMETER;
        }
        let pcr = pcr::of(index);
        let value = ProcessorNumber { group: pcr.group, number: pcr.group_number, reserved: 0 };
        // SAFETY: the caller's promise.
        unsafe { number.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Has a DPC run on a processor; STATUS_INVALID_PARAMETER if there is none such.
    ///
    /// Source: KeSetTargetProcessorDpcEx.
    ///
    /// # Safety
    ///
    /// The DPC is initialized; `number` is a processor's number.
    pub unsafe fn KeSetTargetProcessorDpcEx(
        dpc: *mut KDPC,
        number: *const ProcessorNumber,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let index = unsafe { KeGetProcessorIndexFromNumber(number) };
        if index == u32::MAX {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        unsafe { dpc::set_target(dpc, index) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The active processors of a group, a bit each.
    ///
    /// Source: KeQueryGroupAffinity.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryGroupAffinity(group: u16) -> u64 {
        pcr::all()
            .filter(|pcr| pcr.group == group)
            .fold(0, |mask, pcr| mask | 1 << pcr.group_number)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The highest node's number.
    ///
    /// Source: KeQueryHighestNodeNumber.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryHighestNodeNumber() -> u16 {
        (phys::node_count() - 1) as u16
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The node of this processor.
    ///
    /// Source: KeGetCurrentNodeNumber.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetCurrentNodeNumber() -> u16 {
        pcr::current().node
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The processors of a node, in the group that has most of them.
    ///
    /// Source: KeQueryNodeActiveAffinity.
    ///
    /// # Safety
    ///
    /// Both are null or where the values go.
    pub unsafe fn KeQueryNodeActiveAffinity(
        node: u16,
        affinity: *mut GroupAffinity,
        count: *mut u16,
    ) {
        let of_node = |group| pcr::all().filter(move |pcr| pcr.node == node && pcr.group == group);
        let group = (0..groups()).max_by_key(|&group| of_node(group).count()).unwrap_or(0);
        let mask = of_node(group).fold(0, |mask, pcr| mask | 1 << pcr.group_number);
        if !affinity.is_null() {
            // SAFETY: the caller's promise.
            unsafe { affinity.write(GroupAffinity { mask, group, reserved: [0; 3] }) };
        }
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write(of_node(group).count() as u16) };
        }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The performance counter, and, if wanted, its counts in a second.
    ///
    /// Source: KeQueryPerformanceCounter.
    ///
    /// # Safety
    ///
    /// `frequency` is null or where it goes.
    pub unsafe fn KeQueryPerformanceCounter(frequency: *mut u64) -> u64 {
        // 10 MHz, as NT has it: the counter is scaled, not the processor's own.
        if !frequency.is_null() {
            // SAFETY: the caller's promise.
            unsafe { frequency.write(10_000_000) };
        }
        counter::interrupt_time()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Interrupt time at the last tick.
    ///
    /// Source: KeQueryInterruptTime.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryInterruptTime() -> u64 {
        super::time::interrupt_time()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Interrupt time now, and the performance counter at the same moment.
    ///
    /// Source: KeQueryInterruptTimePrecise.
    ///
    /// # Safety
    ///
    /// `counter_value` is where the counter goes.
    pub unsafe fn KeQueryInterruptTimePrecise(counter_value: *mut u64) -> u64 {
        let now = super::time::interrupt_time();
        // SAFETY: the caller's promise.
        unsafe { counter_value.write(now) };
        now
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Units of 100 ns in a clock tick.
    ///
    /// Source: KeQueryTimeIncrement.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryTimeIncrement() -> u32 {
        super::time::TICK as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// System time now.
    ///
    /// Source: KeQuerySystemTimePrecise.
    ///
    /// # Safety
    ///
    /// `time` is where it goes.
    pub unsafe fn KeQuerySystemTimePrecise(time: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { time.write(super::time::system_time()) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Keeps the processor for so many microseconds.
    ///
    /// Source: KeStallExecutionProcessor.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeStallExecutionProcessor(microseconds: u32) {
        counter::stall(u64::from(microseconds));
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The thread that runs.
    ///
    /// Source: KeGetCurrentThread.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetCurrentThread() -> *mut thread::Thread {
        thread::current()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Normal kernel APCs are held back from here on. There are none in nthost: the nesting is
    /// kept, and checked.
    ///
    /// Source: KeEnterCriticalRegion.
    ///
    /// # Safety
    ///
    /// The caller leaves the region again.
    pub unsafe fn KeEnterCriticalRegion() {
        // SAFETY: the thread that runs; only it uses this field.
        unsafe { (*thread::current()).kernel_apc_disable -= 1 };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The end of KeEnterCriticalRegion's region.
    ///
    /// Source: KeLeaveCriticalRegion.
    ///
    /// # Safety
    ///
    /// The caller has entered the region.
    pub unsafe fn KeLeaveCriticalRegion() {
        // SAFETY: the thread that runs; only it uses this field.
        unsafe { (*thread::current()).kernel_apc_disable += 1 };
    }
}
