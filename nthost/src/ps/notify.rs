//! Whom drivers have told to tell them of processes, threads and images that come and go.
//!
//! A client of the host is a process; the one that makes it is the thread of the system's process
//! that listens to the host. It has no image of its own: the name that drivers see is one that no
//! file has.
//!
//! Sources: PsSetCreateProcessNotifyRoutine, PsSetCreateProcessNotifyRoutineEx,
//! PsSetCreateProcessNotifyRoutineEx2, PsSetCreateThreadNotifyRoutine,
//! PsSetCreateThreadNotifyRoutineEx, PsRemoveCreateThreadNotifyRoutine,
//! PsSetLoadImageNotifyRoutine, PsSetLoadImageNotifyRoutineEx, PsRemoveLoadImageNotifyRoutine,
//! PS_CREATE_NOTIFY_INFO, IMAGE_INFO.

use alloc::{format, vec::Vec};
use core::{
    ffi::c_void,
    mem::{size_of, transmute},
    ops::Range,
    ptr::null_mut,
};

use nthost_nt::{
    io::file::FILE_OBJECT,
    ob::CLIENT_ID,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_INVALID_PARAMETER_2, STATUS_PROCEDURE_NOT_FOUND, STATUS_SUCCESS, nt_success,
    },
};

use super::{
    identity::{self, Identity},
    query::PsIsSystemThread,
    registered::{Refused, Registered},
};
use crate::{
    ke::thread::{self, Thread},
    ob::client_id,
    pe::module::{self, Module},
};

/// `PS_CREATE_NOTIFY_INFO`.
#[derive(Debug)]
#[repr(C)]
struct CreateInfo {
    size: usize,
    flags: u32,
    parent: u64,
    creator: CLIENT_ID,
    file: *mut FILE_OBJECT,
    image: *const UNICODE_STRING,
    command_line: *const UNICODE_STRING,
    status: NTSTATUS,
}

const _: () = assert!(size_of::<CreateInfo>() == 0x48);

/// `IMAGE_INFO`.
#[derive(Debug)]
#[repr(C)]
struct ImageInfo {
    properties: u32,
    base: u64,
    selector: u32,
    size: usize,
    section: u32,
}

const _: () = assert!(size_of::<ImageInfo>() == 0x28);

/// `IMAGE_ADDRESSING_MODE_32BIT`, for an image in system mode.
const SYSTEM_IMAGE: u32 = 3 | 1 << 8;
/// `PS_IMAGE_NOTIFY_CONFLICTING_ARCHITECTURE`.
const CONFLICTING_ARCHITECTURE: u64 = 1;
/// The name of the image of every client.
pub(super) const CLIENT_IMAGE: &str = r"\Device\Host\client.exe";

type ProcessRoutine = unsafe extern "win64" fn(u64, u64, u8);
type ProcessRoutineEx = unsafe extern "win64" fn(*mut c_void, u64, *mut CreateInfo);
type ThreadRoutine = unsafe extern "win64" fn(u64, u64, u8);
type ImageRoutine = unsafe extern "win64" fn(*const UNICODE_STRING, u64, *const ImageInfo);

/// How a routine for processes is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForProcess {
    Plain,
    Extended,
    /// Also for subsystems other than Win32, of which there is none.
    Subsystems,
}

/// When a routine for threads is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ForThread {
    /// In the thread that makes a thread.
    ByCreator,
    /// In the new thread, unless it is the system's.
    InThread,
}

static PROCESS: Registered<ForProcess> = Registered::new();
static THREAD: Registered<ForThread> = Registered::new();
static IMAGE: Registered<()> = Registered::new();

/// A string of characters that outlives its use.
fn string(text: &mut [u16]) -> UNICODE_STRING {
    let bytes = u16::try_from(text.len() * 2).unwrap_or(0);
    UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: text.as_mut_ptr(),
    }
}

fn id_of(process: *mut c_void) -> u64 {
    // SAFETY: the caller has a reference to the process.
    unsafe { (*process.cast::<Identity>()).id }
}

/// The thread that runs makes a process, whose first thread has been made and does not run yet.
/// PASSIVE_LEVEL.
///
/// # Errors
///
/// The status with which a driver refuses the process.
pub fn process_created(process: *mut c_void) -> Result<(), NTSTATUS> {
    let mut name: Vec<u16> = CLIENT_IMAGE.encode_utf16().collect();
    let name = string(&mut name);
    let mut info = CreateInfo {
        size: size_of::<CreateInfo>(),
        flags: 0,
        parent: client_id::SYSTEM,
        creator: CLIENT_ID {
            UniqueProcess: id_of(identity::system()),
            // SAFETY: the thread that runs exists.
            UniqueThread: unsafe { (*thread::current()).id },
        },
        file: null_mut(),
        image: &raw const name,
        command_line: null_mut(),
        status: STATUS_SUCCESS,
    };
    PROCESS.call(
        |_| true,
        |routine, kind| {
            call_for_process(routine, kind, process, &raw mut info);
        },
    );
    if nt_success(info.status) {
        Ok(())
    } else {
        Err(info.status)
    }
}

/// The last thread of a process ends, and runs this. PASSIVE_LEVEL.
pub fn process_deleted(process: *mut c_void) {
    PROCESS.call(
        |_| true,
        |routine, kind| call_for_process(routine, kind, process, null_mut()),
    );
}

fn call_for_process(routine: usize, kind: ForProcess, process: *mut c_void, info: *mut CreateInfo) {
    let id = id_of(process);
    let routine = core::ptr::with_exposed_provenance::<()>(routine);
    if kind == ForProcess::Plain {
        let created = u8::from(!info.is_null());
        // SAFETY: it was registered as such a routine.
        let routine = unsafe { transmute::<*const (), ProcessRoutine>(routine) };
        // SAFETY: the driver's routine, with the arguments of its page.
        unsafe { routine(client_id::SYSTEM, id, created) };
    } else {
        // SAFETY: it was registered as such a routine.
        let routine = unsafe { transmute::<*const (), ProcessRoutineEx>(routine) };
        // SAFETY: as above.
        unsafe { routine(process, id, info) };
    }
}

/// The thread that runs has made a thread, which does not run yet. PASSIVE_LEVEL.
///
/// # Safety
///
/// The caller has a reference to the thread.
pub unsafe fn thread_created(thread: *mut Thread) {
    // SAFETY: the caller's promise.
    unsafe { tell_of_thread(thread, true, |kind| kind == ForThread::ByCreator) };
}

/// Whether the thread that runs is a system thread: those that drivers make are, in whatever
/// process they run.
fn is_system() -> bool {
    // SAFETY: the thread that runs exists.
    unsafe { PsIsSystemThread(thread::current()) != 0 }
}

/// The thread that runs begins. PASSIVE_LEVEL.
pub fn thread_begins() {
    if !is_system() {
        // SAFETY: the thread that runs exists.
        unsafe { tell_of_thread(thread::current(), true, |kind| kind == ForThread::InThread) };
    }
}

/// The thread that runs ends. PASSIVE_LEVEL.
pub fn thread_deleted() {
    let current = thread::current();
    let of_system = is_system();
    let suits = |kind| kind == ForThread::ByCreator || !of_system;
    // SAFETY: the thread that runs exists.
    unsafe { tell_of_thread(current, false, suits) };
}

/// # Safety
///
/// The thread exists.
unsafe fn tell_of_thread(thread: *mut Thread, created: bool, suits: impl Fn(ForThread) -> bool) {
    // SAFETY: the caller's promise.
    let process = id_of(unsafe { identity::of_thread(thread) });
    // SAFETY: the caller's promise.
    let id = unsafe { (*thread).id };
    THREAD.call(suits, |routine, _| {
        let routine = core::ptr::with_exposed_provenance::<()>(routine);
        // SAFETY: it was registered as such a routine.
        let routine = unsafe { transmute::<*const (), ThreadRoutine>(routine) };
        // SAFETY: the driver's routine, with the arguments of its page.
        unsafe { routine(process, id, u8::from(created)) };
    });
}

/// A driver's image is in memory, and has not run yet. PASSIVE_LEVEL.
pub fn image_loaded(module: &Module) {
    let path = format!(r"\SystemRoot\System32\drivers\{}", module.name);
    let mut path: Vec<u16> = path.encode_utf16().collect();
    let path = string(&mut path);
    let info = ImageInfo {
        properties: SYSTEM_IMAGE,
        base: module.base,
        selector: 0,
        size: module.size as usize,
        section: 0,
    };
    IMAGE.call(
        |()| true,
        |routine, ()| {
            let routine = core::ptr::with_exposed_provenance::<()>(routine);
            // SAFETY: it was registered as such a routine.
            let routine = unsafe { transmute::<*const (), ImageRoutine>(routine) };
            // SAFETY: the driver's routine, with the arguments of its page.
            unsafe { routine(&raw const path, 0, &raw const info) };
        },
    );
}

/// A routine in an image that is still registered.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    PROCESS
        .calling_into(image)
        .or_else(|| THREAD.calling_into(image))
        .or_else(|| IMAGE.calling_into(image))
}

fn set_for_process(kind: ForProcess, routine: usize, remove: bool) -> NTSTATUS {
    if remove {
        return if_found(PROCESS.remove(routine, |other| other == kind));
    }
    let signed = module::find(routine as u64).is_some_and(|module| module.force_integrity);
    if kind != ForProcess::Plain && !signed {
        return STATUS_ACCESS_DENIED;
    }
    match PROCESS.add(kind, routine, true) {
        Ok(()) => STATUS_SUCCESS,
        Err(Refused::Twice | Refused::Full) => STATUS_INVALID_PARAMETER,
    }
}

const fn unless_full(added: Result<(), Refused>) -> NTSTATUS {
    match added {
        Ok(()) => STATUS_SUCCESS,
        Err(_) => STATUS_INSUFFICIENT_RESOURCES,
    }
}

const fn if_found(removed: bool) -> NTSTATUS {
    if removed {
        STATUS_SUCCESS
    } else {
        STATUS_PROCEDURE_NOT_FOUND
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Registers a routine for processes that come and go, or removes it.
    /// STATUS_INVALID_PARAMETER if it is registered already, or there are too many;
    /// STATUS_PROCEDURE_NOT_FOUND if it is to be removed and is not registered.
    ///
    /// Source: PsSetCreateProcessNotifyRoutine.
    ///
    /// # Safety
    ///
    /// It is such a routine, and stays until it is removed.
    pub unsafe fn PsSetCreateProcessNotifyRoutine(routine: usize, remove: u8) -> NTSTATUS {
        set_for_process(ForProcess::Plain, routine, remove != 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As PsSetCreateProcessNotifyRoutine, for a routine that is told more and may refuse a
    /// process. STATUS_ACCESS_DENIED if its image does not ask for integrity checks.
    ///
    /// Source: PsSetCreateProcessNotifyRoutineEx.
    ///
    /// # Safety
    ///
    /// As PsSetCreateProcessNotifyRoutine.
    pub unsafe fn PsSetCreateProcessNotifyRoutineEx(routine: usize, remove: u8) -> NTSTATUS {
        set_for_process(ForProcess::Extended, routine, remove != 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As PsSetCreateProcessNotifyRoutineEx, for processes of all subsystems (kind 0).
    /// STATUS_INVALID_PARAMETER for other kinds.
    ///
    /// Source: PsSetCreateProcessNotifyRoutineEx2.
    ///
    /// # Safety
    ///
    /// As PsSetCreateProcessNotifyRoutine.
    pub unsafe fn PsSetCreateProcessNotifyRoutineEx2(
        kind: i32,
        routine: usize,
        remove: u8,
    ) -> NTSTATUS {
        if kind != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        set_for_process(ForProcess::Subsystems, routine, remove != 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Registers a routine for threads that come and go: called by the thread that makes one, and
    /// by the one that ends. STATUS_INSUFFICIENT_RESOURCES if there are too many.
    ///
    /// Source: PsSetCreateThreadNotifyRoutine.
    ///
    /// # Safety
    ///
    /// It is such a routine, and stays until it is removed.
    pub unsafe fn PsSetCreateThreadNotifyRoutine(routine: usize) -> NTSTATUS {
        unless_full(THREAD.add(ForThread::ByCreator, routine, false))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As PsSetCreateThreadNotifyRoutine; of kind 0 it is called by the new thread, and not for
    /// the system's. STATUS_INVALID_PARAMETER for a kind that is none.
    ///
    /// Source: PsSetCreateThreadNotifyRoutineEx.
    ///
    /// # Safety
    ///
    /// As PsSetCreateThreadNotifyRoutine.
    pub unsafe fn PsSetCreateThreadNotifyRoutineEx(kind: i32, routine: usize) -> NTSTATUS {
        let kind = match kind {
            0 => ForThread::InThread,
            1 => ForThread::ByCreator,
            _ => return STATUS_INVALID_PARAMETER,
        };
        unless_full(THREAD.add(kind, routine, false))
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Removes a routine for threads, once nobody runs it. STATUS_PROCEDURE_NOT_FOUND if it is
    /// not registered.
    ///
    /// Source: PsRemoveCreateThreadNotifyRoutine.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsRemoveCreateThreadNotifyRoutine(routine: usize) -> NTSTATUS {
        if_found(THREAD.remove(routine, |_| true))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Registers a routine for images that are loaded. STATUS_INSUFFICIENT_RESOURCES if there are
    /// too many.
    ///
    /// Source: PsSetLoadImageNotifyRoutine.
    ///
    /// # Safety
    ///
    /// It is such a routine, and stays until it is removed.
    pub unsafe fn PsSetLoadImageNotifyRoutine(routine: usize) -> NTSTATUS {
        unless_full(IMAGE.add((), routine, false))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As PsSetLoadImageNotifyRoutine, with flags; images of other architectures, for which there
    /// is one, are never loaded. STATUS_INVALID_PARAMETER_2 for a flag that is none.
    ///
    /// Source: PsSetLoadImageNotifyRoutineEx.
    ///
    /// # Safety
    ///
    /// As PsSetLoadImageNotifyRoutine.
    pub unsafe fn PsSetLoadImageNotifyRoutineEx(routine: usize, flags: u64) -> NTSTATUS {
        if flags & !CONFLICTING_ARCHITECTURE != 0 {
            return STATUS_INVALID_PARAMETER_2;
        }
        unless_full(IMAGE.add((), routine, false))
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Removes a routine for images, once nobody runs it. STATUS_PROCEDURE_NOT_FOUND if it is not
    /// registered.
    ///
    /// Source: PsRemoveLoadImageNotifyRoutine.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsRemoveLoadImageNotifyRoutine(routine: usize) -> NTSTATUS {
        if_found(IMAGE.remove(routine, |()| true))
    }
}
