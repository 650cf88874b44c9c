//! The structures of the kernel proper: lists, dispatcher objects, DPCs, device queues.

use core::ffi::c_void;

use crate::guid::GUID;

/// An IRQL.
pub type KIRQL = u8;
/// A spin lock; zero when free.
pub type KSPIN_LOCK = usize;

/// A link of a circular list (ns-ntdef-list_entry).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LIST_ENTRY {
    /// The next.
    pub Flink: *mut Self,
    /// The one before.
    pub Blink: *mut Self,
}

/// A link of a list in one direction.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SINGLE_LIST_ENTRY {
    /// The next.
    pub Next: *mut Self,
}

/// The head of a sequenced singly linked list (ns-ntdef-_slist_header).
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct SLIST_HEADER {
    /// The depth in the low 16 bits, the number of changes above.
    pub Alignment: u64,
    /// The first entry; the low 4 bits are the kernel's.
    pub Region: u64,
}

/// What every object that can be waited for begins with (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DISPATCHER_HEADER {
    /// The kind of object.
    pub Type: u8,
    /// By kind.
    pub Signalling: u8,
    /// Its size in 32-bit words.
    pub Size: u8,
    /// By kind.
    pub Reserved1: u8,
    /// Positive when signalled.
    pub SignalState: i32,
    /// The wait blocks of those who wait.
    pub WaitListHead: LIST_ENTRY,
}

/// An event (ns-wdm-kevent).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KEVENT {
    /// All there is to it.
    pub Header: DISPATCHER_HEADER,
}

/// A deferred procedure (nc-wdm-kdeferred_routine).
pub type KDEFERRED_ROUTINE = unsafe extern "win64" fn(
    dpc: *mut KDPC,
    context: *mut c_void,
    argument1: *mut c_void,
    argument2: *mut c_void,
);

/// A DPC object (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KDPC {
    /// A normal (0x13) or a threaded (0x1a) DPC.
    pub Type: u8,
    /// `KDPC_IMPORTANCE`.
    pub Importance: u8,
    /// The target processor, counted from `MAXIMUM_PROCESSORS`; none if zero.
    pub Number: u16,
    /// The place in a processor's queue.
    pub DpcListEntry: SINGLE_LIST_ENTRY,
    /// The kernel's.
    pub ProcessorHistory: usize,
    /// The routine.
    pub DeferredRoutine: Option<KDEFERRED_ROUTINE>,
    /// Its context.
    pub DeferredContext: *mut c_void,
    /// Its first argument, from `KeInsertQueueDpc`.
    pub SystemArgument1: *mut c_void,
    /// Its second.
    pub SystemArgument2: *mut c_void,
    /// The queue that it is in; null when it is in none.
    pub DpcData: *mut c_void,
}

/// An asynchronous procedure call (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KAPC {
    /// The kernel's.
    pub reserved: [usize; 11],
}

/// A device queue (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KDEVICE_QUEUE {
    /// The kind of object.
    pub Type: i16,
    /// Bytes of this structure.
    pub Size: i16,
    /// The entries.
    pub DeviceListHead: LIST_ENTRY,
    /// Protects them.
    pub Lock: KSPIN_LOCK,
    /// The device is at work on an entry.
    pub Busy: u8,
}

/// An entry of a device queue (ns-wdm-_kdevice_queue_entry).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KDEVICE_QUEUE_ENTRY {
    /// Its place.
    pub DeviceListEntry: LIST_ENTRY,
    /// Orders the queue.
    pub SortKey: u32,
    /// It is in a queue.
    pub Inserted: u8,
}

/// An interrupt object (opaque in the reference).
#[repr(C)]
pub struct KINTERRUPT {
    reserved: [u8; 0],
}

/// A timer (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KTIMER {
    /// What can be waited for.
    pub Header: DISPATCHER_HEADER,
    /// When it is due, in interrupt time.
    pub DueTime: u64,
    /// The kernel's.
    pub TimerListEntry: LIST_ENTRY,
    /// The DPC that is queued when it is due.
    pub Dpc: *mut KDPC,
    /// The kernel's.
    pub Processor: u32,
    /// Milliseconds between signals; zero for a timer that is due once.
    pub Period: u32,
}

/// A semaphore (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KSEMAPHORE {
    /// What can be waited for.
    pub Header: DISPATCHER_HEADER,
    /// The highest count.
    pub Limit: i32,
}

/// A mutex (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KMUTANT {
    /// What can be waited for.
    pub Header: DISPATCHER_HEADER,
    /// The kernel's.
    pub MutantListEntry: LIST_ENTRY,
    /// Who has it.
    pub OwnerThread: *mut c_void,
    /// It was left by its owner.
    pub Abandoned: u8,
    /// Its owner gets no normal kernel APCs.
    pub ApcDisable: u8,
}

/// A queue that threads wait on for entries (on the page of KeInitializeQueue).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KQUEUE {
    /// What can be waited for; the state is the number of entries.
    pub Header: DISPATCHER_HEADER,
    /// The entries.
    pub EntryListHead: LIST_ENTRY,
    /// The threads that belong to the queue and do not wait.
    pub CurrentCount: u32,
    /// How many of them there may be.
    pub MaximumCount: u32,
    /// The threads that belong to the queue.
    pub ThreadListHead: LIST_ENTRY,
}

/// A processor by its group and its number in the group (ns-miniport-_processor_number).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PROCESSOR_NUMBER {
    /// The group.
    pub Group: u16,
    /// The number in the group.
    pub Number: u8,
    /// Zero.
    pub Reserved: u8,
}

/// Processors of a group (ns-miniport-_group_affinity).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GROUP_AFFINITY {
    /// A bit for each processor.
    pub Mask: u64,
    /// The group.
    pub Group: u16,
    /// Zero.
    pub Reserved: [u16; 3],
}

/// A processor's place in the queue for a spin lock (opaque in the reference).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KSPIN_LOCK_QUEUE {
    /// Who comes next.
    pub Next: *mut Self,
    /// The lock; its lowest bit is set as long as the processor waits.
    pub Lock: usize,
}

/// What the holder of a queued spin lock has on its stack (ns-wdm-klock_queue_handle).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KLOCK_QUEUE_HANDLE {
    /// The place in the queue.
    pub LockQueue: KSPIN_LOCK_QUEUE,
    /// The IRQL before the lock was taken.
    pub OldIrql: KIRQL,
}

/// A routine that is called at a bug check (nc-wdm-kbugcheck_callback_routine).
pub type KBUGCHECK_CALLBACK_ROUTINE = unsafe extern "win64" fn(buffer: *mut c_void, length: u32);

/// The registration of such a routine (ns-wdm-_kbugcheck_callback_record).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KBUGCHECK_CALLBACK_RECORD {
    /// Its place among the registrations.
    pub Entry: LIST_ENTRY,
    /// The routine.
    pub CallbackRoutine: Option<KBUGCHECK_CALLBACK_ROUTINE>,
    /// The buffer.
    pub Buffer: *mut c_void,
    /// Bytes of the buffer.
    pub Length: u32,
    /// Whose it is: a string of bytes.
    pub Component: *const u8,
    /// The sum of what was registered.
    pub Checksum: usize,
    /// `KBUGCHECK_BUFFER_DUMP_STATE`.
    pub State: u8,
}

/// As [`KBUGCHECK_CALLBACK_RECORD`], for one reason (ns-wdm-_kbugcheck_reason_callback_record).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KBUGCHECK_REASON_CALLBACK_RECORD {
    /// Its place among the registrations.
    pub Entry: LIST_ENTRY,
    /// The routine.
    pub CallbackRoutine: *mut c_void,
    /// Whose it is: a string of bytes.
    pub Component: *const u8,
    /// The sum of what was registered.
    pub Checksum: usize,
    /// `KBUGCHECK_CALLBACK_REASON`.
    pub Reason: i32,
    /// `KBUGCHECK_BUFFER_DUMP_STATE`.
    pub State: u8,
}

/// What a routine for secondary dump data is given, and gives
/// (ns-wdm-_kbugcheck_secondary_dump_data).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct KBUGCHECK_SECONDARY_DUMP_DATA {
    /// Memory of the system's, for the data.
    pub InBuffer: *mut c_void,
    /// Its length.
    pub InBufferLength: u32,
    /// The most that the data may have.
    pub MaximumAllowed: u32,
    /// What the data is known by.
    pub Guid: GUID,
    /// The data, in that memory or in the driver's own.
    pub OutBuffer: *mut c_void,
    /// Its length.
    pub OutBufferLength: u32,
}

impl Default for KBUGCHECK_SECONDARY_DUMP_DATA {
    fn default() -> Self {
        Self {
            InBuffer: core::ptr::null_mut(),
            InBufferLength: 0,
            MaximumAllowed: 0,
            Guid: GUID::default(),
            OutBuffer: core::ptr::null_mut(),
            OutBufferLength: 0,
        }
    }
}

/// How long DPCs may run on (ns-wdm-_kdpc_watchdog_information).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KDPC_WATCHDOG_INFORMATION {
    /// The limit for a single one; zero if there is none.
    pub DpcTimeLimit: u32,
    /// What is left of it.
    pub DpcTimeCount: u32,
    /// The limit for several in a row; zero if there is none.
    pub DpcWatchdogLimit: u32,
    /// What is left of it.
    pub DpcWatchdogCount: u32,
    /// The system's.
    pub Reserved: u32,
}

/// What a processor-change callback is told (ns-wdm-_ke_processor_change_notify_context).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct KE_PROCESSOR_CHANGE_NOTIFY_CONTEXT {
    /// `KE_PROCESSOR_CHANGE_NOTIFY_STATE`.
    pub State: i32,
    /// The processor's index over all groups.
    pub NtNumber: u32,
    /// Why the processor could not be added.
    pub Status: i32,
    /// The processor's number.
    pub ProcNumber: PROCESSOR_NUMBER,
}
