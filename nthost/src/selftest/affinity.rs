//! Where threads and calls run.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use nthost_nt::ke::{GROUP_AFFINITY, PROCESSOR_NUMBER};

use super::{Outcome, Test, ensure, ensure_eq};
use crate::{
    export::{DISPATCH_LEVEL, IPI_LEVEL},
    ke::{
        affinity::{
            KeRevertToUserAffinityThreadEx, KeRevertToUserGroupAffinityThread,
            KeSetSystemAffinityThreadEx, KeSetSystemGroupAffinityThread,
        },
        group::GROUP_SIZE,
        ipi::KeIpiGenericCall,
        irql::{self, Raised},
        node::{KeQueryHighestNodeNumber, KeQueryNodeActiveProcessorCount},
        pcr,
        processor::{
            KeGetCurrentProcessorNumberEx, KeGetProcessorIndexFromNumber,
            KeGetProcessorNumberFromIndex, KeQueryActiveGroupCount, KeQueryActiveProcessorCountEx,
            KeQueryGroupAffinity,
        },
        thread,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "affinity: a thread moves to each processor, and back",
        moves,
    ),
    (
        "affinity: at DISPATCH_LEVEL it moves when the IRQL is lowered",
        moves_later,
    ),
    (
        "affinity: processors that are not there change nothing",
        refused,
    ),
    (
        "affinity: indices, numbers, groups and nodes agree",
        numbers,
    ),
    (
        "affinity: a broadcast runs on all processors at once, at IPI_LEVEL",
        broadcast,
    ),
];

static NOBODY: GROUP_AFFINITY = GROUP_AFFINITY {
    Mask: 0,
    Group: 0,
    Reserved: [0; 3],
};

fn number(index: u32) -> PROCESSOR_NUMBER {
    let mut number = PROCESSOR_NUMBER {
        Group: 0,
        Number: 0,
        Reserved: 0,
    };
    // SAFETY: it can be written.
    unsafe { KeGetProcessorNumberFromIndex(index, &raw mut number) };
    number
}

fn affinity_of(index: u32) -> GROUP_AFFINITY {
    let number = number(index);
    GROUP_AFFINITY {
        Mask: 1 << number.Number,
        Group: number.Group,
        Reserved: [0; 3],
    }
}

fn here() -> u32 {
    // SAFETY: the number is not wanted.
    unsafe { KeGetCurrentProcessorNumberEx(core::ptr::null_mut()) }
}

fn own_affinity() -> thread::Affinity {
    // SAFETY: the thread that runs, which alone changes it.
    unsafe { (*thread::current()).affinity }
}

fn moves() -> Outcome {
    let mut first = NOBODY;
    for index in 0..pcr::count() {
        let mut previous = NOBODY;
        // SAFETY: both are affinities.
        unsafe {
            KeSetSystemGroupAffinityThread(&affinity_of(index), &raw mut previous);
        };
        let arrived = here();
        if index == 0 {
            first = previous;
        } else {
            ensure_eq!(previous, affinity_of(index - 1));
        }
        ensure_eq!(arrived, index);
    }
    ensure_eq!(first, NOBODY);
    // SAFETY: an affinity.
    unsafe { KeRevertToUserGroupAffinityThread(&raw const first) };
    ensure_eq!(own_affinity(), thread::Affinity::ANY);
    Ok(())
}

fn moves_later() -> Outcome {
    let target = pcr::count() - 1;
    // SAFETY: an affinity; the previous one is not wanted.
    unsafe {
        KeSetSystemGroupAffinityThread(&affinity_of(0), core::ptr::null_mut());
    };
    let raised = Raised::to(DISPATCH_LEVEL);
    // SAFETY: as above.
    unsafe {
        KeSetSystemGroupAffinityThread(&affinity_of(target), core::ptr::null_mut());
    };
    let before = here();
    drop(raised);
    let after = here();
    // SAFETY: an affinity.
    unsafe { KeRevertToUserGroupAffinityThread(&raw const NOBODY) };
    ensure_eq!((before, after), (0, target));
    Ok(())
}

fn refused() -> Outcome {
    let none = GROUP_AFFINITY {
        Mask: 1,
        Group: 77,
        Reserved: [0; 3],
    };
    let mut previous = affinity_of(0);
    // SAFETY: both are affinities.
    unsafe { KeSetSystemGroupAffinityThread(&raw const none, &raw mut previous) };
    ensure_eq!(previous, NOBODY);
    // SAFETY: no processor is meant.
    ensure_eq!(unsafe { KeSetSystemAffinityThreadEx(0) }, 0);
    ensure_eq!(own_affinity(), thread::Affinity::ANY);
    // SAFETY: nothing was set.
    unsafe { KeRevertToUserAffinityThreadEx(1) };
    ensure_eq!(own_affinity(), thread::Affinity::ANY);
    Ok(())
}

fn numbers() -> Outcome {
    let mut by_group = 0;
    // SAFETY: queries.
    let groups = unsafe { KeQueryActiveGroupCount() };
    for group in 0..groups {
        // SAFETY: a query.
        let count = unsafe { KeQueryActiveProcessorCountEx(group) };
        // SAFETY: a query.
        let mask = unsafe { KeQueryGroupAffinity(group) };
        ensure_eq!(mask.count_ones(), count);
        ensure!(
            count > 0 && count <= GROUP_SIZE,
            "group {group} has {count}"
        );
        by_group += count;
    }
    ensure_eq!(by_group, pcr::count());
    for index in 0..pcr::count() {
        // SAFETY: a number.
        let found = unsafe { KeGetProcessorIndexFromNumber(&number(index)) };
        ensure_eq!(found, index);
    }
    // SAFETY: queries.
    let nodes = 0..=unsafe { KeQueryHighestNodeNumber() };
    // SAFETY: queries.
    let by_node: u32 = nodes
        .map(|node| unsafe { KeQueryNodeActiveProcessorCount(node) })
        .sum();
    ensure_eq!(by_node, pcr::count());
    Ok(())
}

fn broadcast() -> Outcome {
    /// Processors that have come, and the most that were there at one time.
    static PRESENT: AtomicU32 = AtomicU32::new(0);
    static CAME: AtomicU32 = AtomicU32::new(0);
    static LEVELS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "win64" fn routine(argument: usize) -> usize {
        LEVELS.fetch_add(usize::from(irql::current()), Ordering::AcqRel);
        CAME.fetch_add(1, Ordering::AcqRel);
        PRESENT.fetch_add(1, Ordering::AcqRel);
        // All are here at once: nobody goes on before the last has come.
        while (PRESENT.load(Ordering::Acquire) as usize) < argument {
            core::hint::spin_loop();
        }
        here() as usize + 1
    }
    let count = pcr::count() as usize;
    // SAFETY: an affinity; so that the test knows where it is.
    unsafe {
        KeSetSystemGroupAffinityThread(&affinity_of(0), core::ptr::null_mut());
    };
    let mut results = [0; 3];
    for result in &mut results {
        PRESENT.store(0, Ordering::Release);
        CAME.store(0, Ordering::Release);
        LEVELS.store(0, Ordering::Release);
        // SAFETY: the routine is one for this.
        *result = unsafe { KeIpiGenericCall(routine, count) };
        let came = CAME.load(Ordering::Acquire) as usize;
        let levels = LEVELS.load(Ordering::Acquire);
        if came != count || levels != count * usize::from(IPI_LEVEL) {
            *result = usize::MAX;
        }
    }
    // SAFETY: an affinity.
    unsafe { KeRevertToUserGroupAffinityThread(&raw const NOBODY) };
    ensure_eq!(results, [1; 3]);
    Ok(())
}
