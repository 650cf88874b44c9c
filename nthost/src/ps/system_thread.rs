//! Threads that drivers make and end.
//!
//! Sources: PsCreateSystemThread, IoCreateSystemThread, PsTerminateSystemThread, the KSTART_ROUTINE page, and bug check
//! 0x20 (KERNEL_APC_PENDING_DURING_EXIT) for a thread that ends in a region that it has entered.

use alloc::{collections::BTreeMap, sync::Arc};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    ob::{CLIENT_ID, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_PROCESS_IS_TERMINATING, STATUS_SUCCESS,
    },
};

use super::{
    attach,
    identity::{self, Identity},
    notify,
    process::Process,
};
use crate::{
    driver_routine,
    ke::{
        bugcheck::{self, code},
        irql,
        lock::SpinLock,
        owned_event::Event,
        thread::{self, Attributes, Thread},
    },
    ob::{self, handle, object},
    pe::module::module_of,
};

/// The drivers and devices of the threads that were made for one, by the thread. A leaf.
static OWNED: SpinLock<BTreeMap<usize, usize>> = SpinLock::new(BTreeMap::new());

/// What a driver's thread runs (nc-wdm-kstart_routine).
type StartRoutine = unsafe extern "win64" fn(context: *mut c_void);

/// What a thread is started with.
struct Start {
    routine: StartRoutine,
    context: *mut c_void,
    /// The driver or device whose thread it is, with a reference; or null.
    object: *mut c_void,
}

// SAFETY: the driver gives them to the thread.
unsafe impl Send for Start {}

impl Start {
    fn run(self) {
        driver_routine::call(
            driver_routine::Kind::Thread,
            self.routine as usize,
            0,
            || {
                // SAFETY: the driver's routine, with what was given for it.
                unsafe { (self.routine)(self.context) };
            },
        );
    }
}

/// Ends a driver's thread. It must have left every region but the one in which it began.
fn terminate(status: NTSTATUS) -> ! {
    // SAFETY: the thread that runs; only it changes these fields.
    let thread = unsafe { &mut *thread::current() };
    let disabled = thread.kernel_apc_disable + thread.special_apc_disable;
    if disabled != -1 || thread.expansions != 0 {
        let count = u64::from(disabled.cast_unsigned());
        let parameters = [0, count, u64::from(irql::current()), 0];
        bugcheck::bugcheck(code::KERNEL_APC_PENDING_DURING_EXIT, parameters)
    }
    attach::check_own();
    // The thread's own region is not the routine's.
    notify::thread_deleted();
    thread.kernel_apc_disable = 0;
    let owner = OWNED.lock().remove(&core::ptr::from_mut(thread).addr());
    if let Some(owner) = owner {
        // The driver's code is behind the thread.
        object::dereference(core::ptr::with_exposed_provenance_mut(owner));
    }
    thread::exit(status)
}

/// The process that a handle, or none, stands for; with a reference.
fn process_of(handle: u64) -> Result<*mut c_void, NTSTATUS> {
    if handle != 0 {
        return ob::process::reference(handle);
    }
    let process = identity::system();
    object::reference(process);
    Ok(process)
}

/// Makes a thread in a process, of which there is a reference; gives the thread with one.
fn create(process: *mut c_void, start: Start) -> Result<*mut Thread, NTSTATUS> {
    let object = start.object;
    // SAFETY: the caller's reference.
    let exited = unsafe { &*process.cast::<Identity>() }.exit_time() != 0;
    if exited {
        object::dereference(process);
        return Err(STATUS_PROCESS_IS_TERMINATING);
    }
    let (driver, _) = module_of(start.routine as usize as u64);
    let mut attributes = Attributes {
        driver_routine: start.routine as usize as u64,
        ..Attributes::default()
    };
    if process == identity::system() {
        object::dereference(process);
    } else {
        attributes.process = process.cast();
        // SAFETY: it is no system process, and so a client's.
        attributes.address_space = unsafe { &raw const (*process.cast::<Process>()).space };
    }
    // The thread is told of before it runs.
    let told = Arc::new(Event::notification());
    let may_run = told.clone();
    let run = move || {
        may_run.wait();
        notify::thread_begins();
        start.run();
        // A routine that returns ends its thread as PsTerminateSystemThread does.
        terminate(STATUS_SUCCESS)
    };
    let thread = thread::spawn_with(driver, &attributes, run).ok_or_else(|| {
        if !attributes.process.is_null() {
            object::dereference(process);
        }
        STATUS_INSUFFICIENT_RESOURCES
    })?;
    // SAFETY: there is a reference to the thread, to be given to the caller.
    unsafe { notify::thread_created(thread) };
    if !object.is_null() {
        OWNED
            .lock()
            .insert(thread.addr(), object.expose_provenance());
    }
    told.set();
    Ok(thread)
}

/// Makes a thread, and gives a handle of it.
///
/// # Safety
///
/// As PsCreateSystemThread.
unsafe fn open_new(
    start: Start,
    process: u64,
    opened: *mut u64,
    access: u32,
    client_id: *mut CLIENT_ID,
) -> NTSTATUS {
    let object = start.object;
    if !object.is_null() {
        object::reference(object);
    }
    match process_of(process).and_then(|process| create(process, start)) {
        Ok(thread) => {
            if !client_id.is_null() {
                // SAFETY: there is a reference to the thread.
                let process = unsafe { identity::of_thread(thread) };
                // SAFETY: the thread's process exists.
                let process = unsafe { (*process.cast::<Identity>()).id };
                // SAFETY: there is a reference to the thread.
                let thread = unsafe { (*thread).id };
                let ids = CLIENT_ID {
                    UniqueProcess: process,
                    UniqueThread: thread,
                };
                // SAFETY: the caller's promise.
                unsafe { client_id.write(ids) };
            }
            // The handle takes the reference over.
            let handle = handle::KERNEL.insert(thread.cast(), access);
            // SAFETY: the caller's promise.
            unsafe { opened.write(handle) };
            STATUS_SUCCESS
        }
        Err(status) => {
            if !object.is_null() {
                object::dereference(object);
            }
            status
        }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a thread that runs in kernel mode, in the system's process or another, within a
    /// critical region. The handle is a kernel handle, to be closed by ZwClose.
    ///
    /// Source: PsCreateSystemThread.
    ///
    /// # Safety
    ///
    /// `opened` can be written; `client_id` is null or can be; the routine may be called so.
    pub unsafe fn PsCreateSystemThread(
        opened: *mut u64,
        access: u32,
        _attributes: *const OBJECT_ATTRIBUTES,
        process: u64,
        client_id: *mut CLIENT_ID,
        routine: StartRoutine,
        context: *mut c_void,
    ) -> NTSTATUS {
        let start = Start { routine, context, object: null_mut() };
        // SAFETY: the caller's promise.
        unsafe { open_new(start, process, opened, access, client_id) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// As PsCreateSystemThread, for a thread of a driver's or a device's: the object is kept
    /// until the thread has ended, and with it the driver's image.
    ///
    /// Source: IoCreateSystemThread.
    ///
    /// # Safety
    ///
    /// As PsCreateSystemThread; the object is a driver's or a device's.
    pub unsafe fn IoCreateSystemThread(
        object: *mut c_void,
        opened: *mut u64,
        access: u32,
        _attributes: *const OBJECT_ATTRIBUTES,
        process: u64,
        client_id: *mut CLIENT_ID,
        routine: StartRoutine,
        context: *mut c_void,
    ) -> NTSTATUS {
        let start = Start { routine, context, object };
        // SAFETY: the caller's promise.
        unsafe { open_new(start, process, opened, access, client_id) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Ends the thread that runs, if a driver made it; else STATUS_INVALID_PARAMETER.
    ///
    /// Source: PsTerminateSystemThread.
    ///
    /// # Safety
    ///
    /// Nobody needs what is on the thread's stack.
    pub unsafe fn PsTerminateSystemThread(status: NTSTATUS) -> NTSTATUS {
        // SAFETY: the thread that runs exists.
        if unsafe { (*thread::current()).driver_routine } != 0 {
            terminate(status)
        }
        STATUS_INVALID_PARAMETER
    }
}
