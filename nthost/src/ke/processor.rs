//! Processors and groups as drivers see them.
//!
//! Sources: the pages of the routines, "Supporting Systems That Have More Than 64 Processors".
//! No processor is added while nthost runs: what can be and what is are the same.

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicI8, Ordering},
};

use alloc::{boxed::Box, collections::BTreeSet};

use nthost_nt::{
    ke::{KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT, PROCESSOR_NUMBER},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    bugcheck::{self, code},
    lock::SpinLock,
    pcr::{self, Pcr},
};

/// `ALL_PROCESSOR_GROUPS`.
const ALL_GROUPS: u16 = 0xffff;

/// How many groups there are.
pub(super) fn groups() -> u16 {
    pcr::all().map(|pcr| pcr.group + 1).max().unwrap_or(1)
}

/// The active processors of a group, a bit each.
pub(super) fn mask_of(group: u16) -> u64 {
    pcr::all()
        .filter(|pcr| pcr.group == group)
        .fold(0, |mask, pcr| mask | 1 << pcr.group_number)
}

/// A processor's group and number.
pub(super) const fn number_of(pcr: &Pcr) -> PROCESSOR_NUMBER {
    PROCESSOR_NUMBER {
        Group: pcr.group,
        Number: pcr.group_number,
        Reserved: 0,
    }
}

/// The processor with this group and number.
pub(super) fn find(number: PROCESSOR_NUMBER) -> Option<&'static Pcr> {
    let suits = |pcr: &&Pcr| (pcr.group, pcr.group_number) == (number.Group, number.Number);
    pcr::all().find(suits).filter(|_| number.Reserved == 0)
}

fn of_group(group: u16) -> impl Iterator<Item = &'static pcr::Pcr> {
    pcr::all().filter(move |pcr| group == ALL_GROUPS || pcr.group == group)
}

/// `KeNumberProcessors`, which old drivers read: the processors of group 0.
static NUMBER_PROCESSORS: AtomicI8 = AtomicI8::new(1);
nt_export_data!(KeNumberProcessors = NUMBER_PROCESSORS.as_ptr());

/// Tells old drivers how many processors there are. Called once all run.
pub fn publish_count() {
    NUMBER_PROCESSORS.store(of_group(0).count() as i8, Ordering::Relaxed);
    super::time::publish_processors(pcr::count(), groups() as u8);
}

/// The registrations of processor-change callbacks. A leaf.
static REGISTRATIONS: SpinLock<BTreeSet<usize>> = SpinLock::new(BTreeSet::new());
/// What bug check 0x139 says of an entry that is in no list: "a LIST_ENTRY has been corrupted".
const CORRUPT_LIST_ENTRY: u64 = 3;

/// A processor-change callback.
type ProcessorCallback = unsafe extern "win64" fn(
    context: *mut c_void,
    change: *mut KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT,
    status: *mut NTSTATUS,
);
/// `KE_PROCESSOR_CHANGE_ADD_EXISTING`.
const ADD_EXISTING: u32 = 1;
/// `KeProcessorAddStartNotify`, `KeProcessorAddCompleteNotify`, `KeProcessorAddFailureNotify`.
const ADD_START: i32 = 0;
const ADD_COMPLETE: i32 = 1;
const ADD_FAILURE: i32 = 2;

/// Tells a callback of a processor; gives the status that the callback leaves.
///
/// # Safety
///
/// It is a callback, with its context.
unsafe fn notify(
    callback: ProcessorCallback,
    context: *mut c_void,
    pcr: &Pcr,
    state: i32,
    why: NTSTATUS,
) -> NTSTATUS {
    let mut change = KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT {
        State: state,
        NtNumber: pcr.number,
        Status: why,
        ProcNumber: number_of(pcr),
    };
    let mut status = STATUS_SUCCESS;
    // SAFETY: the caller's promise.
    unsafe { callback(context, &raw mut change, &raw mut status) };
    status
}

nt_export! {
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
    pub unsafe fn KeGetCurrentProcessorNumberEx(number: *mut PROCESSOR_NUMBER) -> u32 {
        let pcr = pcr::current();
        if !number.is_null() {
            let value = number_of(pcr);
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
    pub unsafe fn KeGetProcessorIndexFromNumber(number: *const PROCESSOR_NUMBER) -> u32 {
        // SAFETY: the caller's promise.
        let number = unsafe { number.read() };
        find(number).map_or(u32::MAX, |pcr| pcr.number)
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
        number: *mut PROCESSOR_NUMBER,
    ) -> NTSTATUS {
        if index >= pcr::count() {
            return STATUS_INVALID_PARAMETER;
        }
        let pcr = pcr::of(index);
        let value = number_of(pcr);
        // SAFETY: the caller's promise.
        unsafe { number.write(value) };
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
        mask_of(group)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The active processors of group 0, a bit each.
    ///
    /// Source: KeQueryActiveProcessors.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryActiveProcessors() -> u64 {
        mask_of(0)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Active processors of group 0, and, if wanted, a bit for each.
    ///
    /// Source: KeQueryActiveProcessorCount.
    ///
    /// # Safety
    ///
    /// `active` is null or where the bits go.
    pub unsafe fn KeQueryActiveProcessorCount(active: *mut u64) -> u32 {
        let mask = mask_of(0);
        if !active.is_null() {
            // SAFETY: the caller's promise.
            unsafe { active.write(mask) };
        }
        mask.count_ones()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The most processors that group 0 can have.
    ///
    /// Source: KeQueryMaximumProcessorCount.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryMaximumProcessorCount() -> u32 {
        of_group(0).count() as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How structures that processors share are best aligned: to a cache line.
    ///
    /// Source: KeGetRecommendedSharedDataAlignment.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetRecommendedSharedDataAlignment() -> u32 {
        64
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: null_mut();
    /// Registers a callback for processors that are added. None are, but with
    /// KE_PROCESSOR_CHANGE_ADD_EXISTING it is called for those that are there: first that each
    /// is about to be added, and if one is refused, that those before it were not; then that
    /// they are added. Null if one was refused.
    ///
    /// Source: KeRegisterProcessorChangeCallback.
    ///
    /// # Safety
    ///
    /// It is a callback, with its context.
    pub unsafe fn KeRegisterProcessorChangeCallback(
        callback: ProcessorCallback,
        context: *mut c_void,
        flags: u32,
    ) -> *mut c_void {
        if flags & ADD_EXISTING != 0 {
            for (index, pcr) in pcr::all().enumerate() {
                // SAFETY: the caller's promise.
                let status = unsafe { notify(callback, context, pcr, ADD_START, STATUS_SUCCESS) };
                if status < 0 {
                    for pcr in pcr::all().take(index + 1) {
                        // SAFETY: the caller's promise.
                        unsafe { notify(callback, context, pcr, ADD_FAILURE, status) };
                    }
                    return null_mut();
                }
            }
            for pcr in pcr::all() {
                // SAFETY: the caller's promise.
                unsafe { notify(callback, context, pcr, ADD_COMPLETE, STATUS_SUCCESS) };
            }
        }
        // Nothing calls it again: the registration is but a handle.
        let handle = Box::into_raw(Box::new(callback));
        REGISTRATIONS.lock().insert(handle.addr());
        handle.cast()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a registration back.
    ///
    /// Source: KeDeregisterProcessorChangeCallback.
    ///
    /// # Safety
    ///
    /// KeRegisterProcessorChangeCallback gave the handle.
    pub unsafe fn KeDeregisterProcessorChangeCallback(handle: *mut c_void) {
        if !REGISTRATIONS.lock().remove(&handle.addr()) {
            // The entry is in no list.
            let parameters = [CORRUPT_LIST_ENTRY, handle.addr() as u64, 0, 0];
            bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, parameters);
        }
        // SAFETY: it was registered, and is nobody's any more.
        drop(unsafe { Box::from_raw(handle.cast::<ProcessorCallback>()) });
    }
}
