//! What the system and its processes tell of themselves.
//!
//! Sources: NtQuerySystemInformation, NtQueryInformationProcess and `winternl.h` of the Win32 API,
//! for ZwQuerySystemInformation and ZwQueryInformationProcess. Of the classes that are documented
//! there are those that something here stands behind; of memory and times that nobody counts,
//! nothing is told: they are zero. Others are refused with STATUS_INVALID_INFO_CLASS.

use alloc::vec::Vec;
use core::ffi::c_void;

use super::{
    identity::{self, Identity},
    notify::CLIENT_IMAGE,
    process::Process,
};
use crate::{
    hook,
    ke::{pcr, thread::Thread},
    mm::{
        PAGE_SIZE, phys,
        region::{GRANULARITY, LOWEST_USER_ADDRESS, USER_PROBE_ADDRESS},
    },
    ob::{
        client_id, handle,
        object::{self, Kind},
        process::reference,
    },
};
use nthost_nt::status::{
    NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_INFO_CLASS, STATUS_SUCCESS,
};

/// `SystemBasicInformation`, `SystemProcessInformation`, `SystemCodeIntegrityInformation`.
const BASIC: i32 = 0;
const PROCESSES: i32 = 5;
const CODE_INTEGRITY: i32 = 103;
/// `ProcessBasicInformation`, `ProcessDebugPort`, `ProcessWow64Information`,
/// `ProcessImageFileName`.
const PROCESS_BASIC: i32 = 0;
const DEBUG_PORT: i32 = 7;
const WOW64: i32 = 26;
const IMAGE_NAME: i32 = 27;

/// A tick of the clock, in units of 100 ns.
const TICK: u32 = 156_250;
/// The priority of a process's threads unless they say otherwise.
const PRIORITY: u32 = 8;
/// Bytes of `SYSTEM_PROCESS_INFORMATION` and of `SYSTEM_THREAD_INFORMATION`.
const PROCESS_LENGTH: usize = 256;
const THREAD_LENGTH: usize = 80;
/// `CODEINTEGRITY_OPTION_ENABLED`.
const INTEGRITY_ENABLED: u32 = 1;

/// A structure, filled field by field.
struct Fields(Vec<u8>);

impl Fields {
    fn new(length: usize) -> Self {
        Self(alloc::vec![0; length])
    }

    fn word(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }

    /// A `UNICODE_STRING` whose text lies at an address.
    fn string(&mut self, at: usize, bytes: usize, address: u64) {
        self.0[at..at + 2].copy_from_slice(&(bytes as u16).to_le_bytes());
        self.0[at + 2..at + 4].copy_from_slice(&(bytes as u16 + 2).to_le_bytes());
        self.long(at + 8, address);
    }
}

fn text(text: &str) -> Vec<u8> {
    text.encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn basic() -> Vec<u8> {
    let mut fields = Fields::new(64);
    let pages = (phys::total_bytes() / PAGE_SIZE) as u32;
    for (index, value) in [
        0,
        TICK,
        PAGE_SIZE as u32,
        pages,
        1,
        pages,
        GRANULARITY as u32,
    ]
    .into_iter()
    .enumerate()
    {
        fields.word(4 * index, value);
    }
    let count = pcr::count();
    fields.long(32, LOWEST_USER_ADDRESS);
    fields.long(40, USER_PROBE_ADDRESS - 1);
    // Those of the first group, of which a mask is.
    fields.long(48, u64::MAX >> (64 - count.min(64)));
    fields.0[56] = count.min(64) as u8;
    fields.0
}

/// A thread as the list of processes has it.
struct ThreadEntry {
    process: u64,
    id: u64,
    routine: u64,
    priority: u32,
    base: u32,
}

fn threads() -> Vec<ThreadEntry> {
    let mut found = Vec::new();
    let _: Option<()> = client_id::find_map(Kind::Thread, |id, object| {
        let thread: *mut Thread = object.cast();
        // SAFETY: the thread exists as long as it is looked at.
        let process = unsafe { identity::of_thread(thread) };
        // SAFETY: as above.
        let fields = unsafe { &*thread };
        found.push(ThreadEntry {
            // SAFETY: a process outlives its threads.
            process: unsafe { (*process.cast::<Identity>()).id },
            id,
            routine: fields.driver_routine,
            priority: fields.priority as u32,
            base: fields.base_priority as u32,
        });
        None
    });
    found
}

/// The processes that there are: ids, when they were made, and how many handles they have.
fn processes() -> Vec<(u64, u64, u32)> {
    let mut found = Vec::new();
    let _: Option<()> = client_id::find_map(Kind::Process, |id, object| {
        object::reference(object);
        found.push((id, object));
        None
    });
    let tell = |(id, object): (u64, *mut c_void)| {
        // SAFETY: the reference keeps it.
        let created = unsafe { (*object.cast::<Identity>()).created };
        let handles = if object == identity::system() {
            handle::KERNEL.kinds().len()
        } else {
            // SAFETY: all processes but the system's are these.
            unsafe { &(*object.cast::<Process>()).handles }
                .kinds()
                .len()
        };
        object::dereference(object);
        (id, created, handles as u32)
    };
    found.into_iter().map(tell).collect()
}

/// The list of processes in a buffer at `base`, each with its threads and its image's name.
fn list(base: u64) -> Vec<u8> {
    let (processes, threads) = (processes(), threads());
    let mut bytes = Vec::new();
    for (index, &(id, created, handles)) in processes.iter().enumerate() {
        let own: Vec<_> = threads
            .iter()
            .filter(|thread| thread.process == id)
            .collect();
        let name = if id == client_id::SYSTEM {
            "System"
        } else {
            "client.exe"
        };
        let name = text(name);
        let place = PROCESS_LENGTH + own.len() * THREAD_LENGTH;
        let whole = (place + name.len()).next_multiple_of(8);
        let mut fields = Fields::new(whole);
        if index + 1 < processes.len() {
            fields.word(0, whole as u32);
        }
        fields.word(4, own.len() as u32);
        fields.long(32, created);
        fields.string(56, name.len() - 2, base + (bytes.len() + place) as u64);
        fields.word(72, PRIORITY);
        fields.long(80, id);
        fields.word(96, handles);
        for (index, thread) in own.into_iter().enumerate() {
            let at = PROCESS_LENGTH + index * THREAD_LENGTH;
            fields.long(at + 32, thread.routine);
            fields.long(at + 40, thread.process);
            fields.long(at + 48, thread.id);
            fields.word(at + 56, thread.priority);
            fields.word(at + 60, thread.base);
        }
        fields.0[place..place + name.len()].copy_from_slice(&name);
        bytes.extend_from_slice(&fields.0);
    }
    bytes
}

fn of_system(class: i32, base: u64) -> Result<Vec<u8>, NTSTATUS> {
    match class {
        BASIC => Ok(basic()),
        PROCESSES => Ok(list(base)),
        CODE_INTEGRITY => {
            let mut fields = Fields::new(8);
            fields.word(0, 8);
            let on = hook::enforces_code_integrity();
            fields.word(4, if on { INTEGRITY_ENABLED } else { 0 });
            Ok(fields.0)
        }
        _ => Err(STATUS_INVALID_INFO_CLASS),
    }
}

fn of_process(process: *mut c_void, class: i32, base: u64) -> Result<Vec<u8>, NTSTATUS> {
    // SAFETY: a process, which the caller keeps.
    let identity = unsafe { &*process.cast::<Identity>() };
    match class {
        PROCESS_BASIC => {
            let mut fields = Fields::new(48);
            fields.word(0, identity.exit_status().cast_unsigned());
            fields.long(16, u64::MAX >> (64 - pcr::count().min(64)));
            fields.word(24, PRIORITY);
            fields.long(32, identity.id);
            Ok(fields.0)
        }
        // Nobody debugs it, and it is no process of 32 bits.
        DEBUG_PORT | WOW64 => Ok(alloc::vec![0; 8]),
        IMAGE_NAME => {
            let system = process == identity::system();
            let name = text(if system { "" } else { CLIENT_IMAGE });
            let mut fields = Fields::new(16);
            fields.string(0, name.len() - 2, base + 16);
            fields.0.extend_from_slice(&name);
            Ok(fields.0)
        }
        _ => Err(STATUS_INVALID_INFO_CLASS),
    }
}

/// Puts what is told into a buffer, and says how much that is.
///
/// # Safety
///
/// There are so many bytes; `needed` is null or can be written.
unsafe fn answer(
    told: Result<Vec<u8>, NTSTATUS>,
    buffer: *mut u8,
    length: u32,
    needed: *mut u32,
) -> NTSTATUS {
    let bytes = match told {
        Ok(bytes) => bytes,
        Err(status) => return status,
    };
    if !needed.is_null() {
        // SAFETY: the caller's promise.
        unsafe { needed.write(bytes.len() as u32) };
    }
    if bytes.len() > length as usize {
        return STATUS_INFO_LENGTH_MISMATCH;
    }
    // SAFETY: there is room.
    unsafe { buffer.copy_from(bytes.as_ptr(), bytes.len()) };
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of the system. STATUS_INFO_LENGTH_MISMATCH, with the bytes that it takes, if there are
    /// fewer; STATUS_INVALID_INFO_CLASS.
    ///
    /// Source: ZwQuerySystemInformation.
    ///
    /// # Safety
    ///
    /// There are so many bytes; `needed` is null or can be written.
    pub unsafe fn ZwQuerySystemInformation(
        class: i32,
        information: *mut u8,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { answer(of_system(class, information as u64), information, length, needed) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of the process that a handle stands for, as ZwQuerySystemInformation of the system.
    ///
    /// Source: ZwQueryInformationProcess.
    ///
    /// # Safety
    ///
    /// As ZwQuerySystemInformation.
    pub unsafe fn ZwQueryInformationProcess(
        handle: u64,
        class: i32,
        information: *mut u8,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let process = match reference(handle) {
            Ok(process) => process,
            Err(status) => return status,
        };
        let told = of_process(process, class, information as u64);
        object::dereference(process);
        // SAFETY: the caller's promise.
        unsafe { answer(told, information, length, needed) }
    }
}
