//! The executive's locks and lists.

use core::ffi::c_void;

use crate::ke::{KEVENT, LIST_ENTRY, SLIST_HEADER};

/// A fast or guarded mutex (ns-wdm-_fast_mutex); drivers initialize fast ones by inlined code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FAST_MUTEX {
    /// 1 when free, less by one for each thread that has it or waits for it.
    pub Count: i32,
    /// The thread that has it.
    pub Owner: *mut c_void,
    /// How often a thread waited for it.
    pub Contention: u32,
    /// What those who wait for it wait for.
    pub Event: KEVENT,
    /// The IRQL of its owner before.
    pub OldIrql: u32,
}

/// Run-down protection (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EX_RUNDOWN_REF {
    /// Twice the number of those who are protected; odd once the run-down has begun.
    pub Count: usize,
}

/// An executive resource (opaque in the reference): 104 bytes of the caller's.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ERESOURCE {
    /// The place among all resources.
    pub SystemResourcesList: LIST_ENTRY,
    /// The kernel's.
    pub reserved: [usize; 11],
}

/// The routine that allocates an entry of a lookaside list; with the extended form's arguments.
pub type ALLOCATE_FUNCTION_EX = unsafe extern "win64" fn(
    kind: i32,
    bytes: usize,
    tag: u32,
    lookaside: *mut c_void,
) -> *mut c_void;
/// The routine that frees an entry of a lookaside list; with the extended form's arguments.
pub type FREE_FUNCTION_EX = unsafe extern "win64" fn(entry: *mut c_void, lookaside: *mut c_void);

/// A lookaside list (opaque in the reference, but allocating and freeing are inlined in
/// drivers, which so rely on every member).
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct GENERAL_LOOKASIDE_POOL {
    /// The entries.
    pub ListHead: SLIST_HEADER,
    /// How many entries it holds at the most.
    pub Depth: u16,
    /// The limit that the system adjusts the depth up to.
    pub MaximumDepth: u16,
    /// How often an entry was asked for.
    pub TotalAllocates: u32,
    /// How often the list was empty then.
    pub AllocateMisses: u32,
    /// How often an entry was given back.
    pub TotalFrees: u32,
    /// How often the list was full then.
    pub FreeMisses: u32,
    /// `POOL_TYPE`.
    pub Type: i32,
    /// The entries' tag.
    pub Tag: u32,
    /// Bytes of an entry.
    pub Size: u32,
    /// Allocates an entry when the list is empty.
    pub Allocate: Option<ALLOCATE_FUNCTION_EX>,
    /// Frees an entry when the list is full.
    pub Free: Option<FREE_FUNCTION_EX>,
    /// The place among all lookaside lists.
    pub ListEntry: LIST_ENTRY,
    /// The system's.
    pub LastTotalAllocates: u32,
    /// The system's.
    pub LastAllocateMisses: u32,
    /// The system's.
    pub Future: [u32; 2],
}

/// The same, as paged and non-paged lookaside lists have it: in cache lines of its own.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
pub struct GENERAL_LOOKASIDE {
    /// All there is to it.
    pub pool: GENERAL_LOOKASIDE_POOL,
}

/// A work item (ns-wdm-_work_queue_item); drivers initialize it by inlined code.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WORK_QUEUE_ITEM {
    /// The place in a queue; its first link is null when it is in none.
    pub List: LIST_ENTRY,
    /// What is to be called.
    pub WorkerRoutine: Option<unsafe extern "win64" fn(parameter: *mut c_void)>,
    /// Its parameter.
    pub Parameter: *mut c_void,
}

/// What a timer is set with (ns-wdm-_ext_set_parameters_v0).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EXT_SET_PARAMETERS {
    /// Zero.
    pub Version: u32,
    /// The system's.
    pub Reserved: u32,
    /// How late a no-wake timer may be, in steps of 100 nanoseconds.
    pub NoWakeTolerance: i64,
}

/// A driver's routine for a timer that is deleted (nc-wdm-ext_delete_callback).
pub type EXT_DELETE_CALLBACK = unsafe extern "win64" fn(context: *mut c_void);

/// What a timer is deleted with (ns-wdm-_ext_delete_parameters).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EXT_DELETE_PARAMETERS {
    /// Zero.
    pub Version: u32,
    /// The system's.
    pub Reserved: u32,
    /// Called once the timer is deleted.
    pub DeleteCallback: Option<EXT_DELETE_CALLBACK>,
    /// Its context.
    pub DeleteContext: *mut c_void,
}
