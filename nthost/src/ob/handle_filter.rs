//! Whom drivers have told to filter handles to processes and threads: each is told before a handle is
//! opened or duplicated, when it may take rights away, and after.
//!
//! Those of higher altitudes come first before an operation, and last behind it. Nobody is told with
//! a lock held, and a registration is taken back when none of its routines runs.
//!
//! Sources: ObRegisterCallbacks, ObUnRegisterCallbacks, OB_CALLBACK_REGISTRATION,
//! OB_OPERATION_REGISTRATION, OB_PRE_OPERATION_INFORMATION, OB_POST_OPERATION_INFORMATION,
//! OB_PRE_CREATE_HANDLE_INFORMATION (which rights can be taken away).

use alloc::{sync::Arc, vec::Vec};
use core::{ffi::c_void, ops::Range, ptr::null_mut};

use nthost_nt::status::{
    NTSTATUS, STATUS_ACCESS_DENIED, STATUS_FLT_INSTANCE_ALTITUDE_COLLISION,
    STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

use super::{
    altitude,
    exports::{ObjectType, kind_of},
    handle_operation::{
        After, Before, CallbackRegistration, OperationRegistration, PostOperation, PreOperation,
        Wanted,
    },
    object::{self, Kind},
    units,
};
use crate::{
    driver_routine::{self, Kind as Routine},
    ke::{dispatcher, lock::SpinLock, thread},
    pe::module,
};

/// `OB_FLT_REGISTRATION_VERSION`.
const VERSION: u16 = 0x0100;
/// `OB_OPERATION_HANDLE_CREATE`, `OB_OPERATION_HANDLE_DUPLICATE`.
const CREATE: u32 = 1;
const DUPLICATE: u32 = 2;

/// The rights that can be taken away from a handle to a process: PROCESS_TERMINATE, CREATE_THREAD,
/// VM_OPERATION, VM_WRITE, DUP_HANDLE, CREATE_PROCESS, SET_QUOTA, SET_INFORMATION, SUSPEND_RESUME.
const OF_PROCESS: u32 = 0x0beb;
/// As above, to a thread: THREAD_TERMINATE, SUSPEND_RESUME, SET_CONTEXT, SET_INFORMATION,
/// IMPERSONATE, DIRECT_IMPERSONATION, SET_LIMITED_INFORMATION.
const OF_THREAD: u32 = 0x0733;

/// The routines of a registration for one kind of objects.
#[derive(Debug)]
struct Operation {
    kind: Kind,
    object_type: *const ObjectType,
    operations: u32,
    before: Option<PreOperation>,
    after: Option<PostOperation>,
}

#[derive(Debug)]
struct Registration {
    altitude: Vec<u16>,
    context: *mut c_void,
    operations: Vec<Operation>,
}

// SAFETY: the type is a constant.
unsafe impl Send for Operation {}
// SAFETY: as above.
unsafe impl Sync for Operation {}
// SAFETY: the context is the driver's, to which it is given back.
unsafe impl Send for Registration {}
// SAFETY: as above.
unsafe impl Sync for Registration {}

/// From the highest altitude on. A leaf.
static REGISTRATIONS: SpinLock<Vec<Arc<Registration>>> = SpinLock::new(Vec::new());

/// A routine that is still registered and lies there.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    let registrations = REGISTRATIONS.lock();
    let mut operations = registrations.iter().flat_map(|it| &it.operations);
    operations.find_map(|operation| {
        let before = operation.before.map(|it| it as usize as u64);
        let after = operation.after.map(|it| it as usize as u64);
        before
            .into_iter()
            .chain(after)
            .find(|at| image.contains(at))
    })
}

/// What is done with a handle.
#[derive(Clone, Copy, Debug)]
pub enum How {
    /// It is opened.
    Open,
    /// It is made of one of the first process's, for the second.
    Duplicate(*mut c_void, *mut c_void),
}

/// A registration whose routines were called before an operation, and what they keep for the other.
struct Told {
    registration: Arc<Registration>,
    index: usize,
    context: *mut c_void,
}

/// Calls a driver's routine with normal kernel APCs held back.
fn call(routine: usize, object: *mut c_void, call: impl FnOnce()) {
    let thread = thread::current();
    // SAFETY: the thread that runs; only it changes the field.
    unsafe { (*thread).kernel_apc_disable -= 1 };
    driver_routine::call(Routine::Callback, routine, object.addr(), call);
    // SAFETY: as above.
    unsafe { (*thread).kernel_apc_disable += 1 };
}

/// Makes a handle to an object, by `insert`, with these rights or those that drivers leave of them; the
/// caller has a reference to the object. What is no process and no thread is not told. PASSIVE_LEVEL.
///
/// # Errors
///
/// As `insert`.
pub fn make(
    object: *mut c_void,
    kernel: bool,
    wanted: u32,
    how: How,
    insert: impl FnOnce(u32) -> Result<u64, NTSTATUS>,
) -> Result<u64, NTSTATUS> {
    let Some(kind @ (Kind::Process | Kind::Thread)) = object::kind(object) else {
        return insert(wanted);
    };
    let all = REGISTRATIONS.lock().clone();
    let (operation, source, target) = match how {
        How::Open => (CREATE, null_mut(), null_mut()),
        How::Duplicate(source, target) => (DUPLICATE, source, target),
    };
    let can_go = if kind == Kind::Process {
        OF_PROCESS
    } else {
        OF_THREAD
    };
    let mut access = wanted;
    let mut told = Vec::new();
    for registration in all {
        let mut operations = registration.operations.iter();
        let suits = |it: &Operation| it.kind == kind && it.operations & operation != 0;
        let Some(index) = operations.position(suits) else {
            continue;
        };
        let routines = &registration.operations[index];
        let mut parameters = Wanted {
            access,
            original: wanted,
            source,
            target,
        };
        let mut before = Before {
            operation,
            flags: kernel.into(),
            object,
            object_type: routines.object_type,
            context: null_mut(),
            parameters: &raw mut parameters,
        };
        if let Some(routine) = routines.before {
            call(routine as usize, object, || {
                // SAFETY: the driver's routine, with the arguments of its page. It can answer one
                // thing alone.
                unsafe { routine(registration.context, &raw mut before) };
            });
        }
        // Nothing can be added, and not everything be taken away.
        access &= parameters.access | !can_go;
        told.push(Told {
            index,
            context: before.context,
            registration,
        });
    }
    let made = insert(access);
    for told in told.into_iter().rev() {
        after(
            &told,
            operation,
            kernel,
            object,
            access,
            made.as_ref().err(),
        );
    }
    made
}

/// Tells a registration of an operation that is done.
fn after(
    told: &Told,
    operation: u32,
    kernel: bool,
    object: *mut c_void,
    granted: u32,
    failed: Option<&NTSTATUS>,
) {
    let routines = &told.registration.operations[told.index];
    let Some(routine) = routines.after else {
        return;
    };
    let parameters = match failed {
        None => &raw const granted,
        Some(_) => core::ptr::null(),
    };
    let after = After {
        operation,
        flags: kernel.into(),
        object,
        object_type: routines.object_type,
        context: told.context,
        status: failed.copied().unwrap_or(STATUS_SUCCESS),
        parameters,
    };
    call(routine as usize, object, || {
        // SAFETY: the driver's routine, with the arguments of its page.
        unsafe { routine(told.registration.context, &raw const after) };
    });
}

impl Operation {
    /// What a driver has registered.
    ///
    /// # Safety
    ///
    /// Its type is null, or an exported variable.
    unsafe fn read(registered: &OperationRegistration) -> Result<Self, NTSTATUS> {
        // SAFETY: the caller's promise.
        let object_type = unsafe { registered.object_type.as_ref() };
        let object_type = *object_type.ok_or(STATUS_INVALID_PARAMETER)?;
        let OperationRegistration {
            operations,
            before,
            after,
            ..
        } = *registered;
        // SAFETY: the caller's promise.
        let kind = unsafe { kind_of(object_type) }.filter(|kind| {
            let known = operations != 0 && operations & !(CREATE | DUPLICATE) == 0;
            matches!(kind, Kind::Process | Kind::Thread)
                && known
                && (before.is_some() || after.is_some())
        });
        let kind = kind.ok_or(STATUS_INVALID_PARAMETER)?;
        let mut routines = [before.map(|it| it as usize), after.map(|it| it as usize)]
            .into_iter()
            .flatten();
        if routines.any(|routine| module::find(routine as u64).is_none()) {
            return Err(STATUS_ACCESS_DENIED);
        }
        Ok(Self {
            kind,
            object_type,
            operations,
            before,
            after,
        })
    }
}

/// Registers what a driver says; gives what it takes it back by.
///
/// # Safety
///
/// As ObRegisterCallbacks.
unsafe fn register(registered: &CallbackRegistration) -> Result<*const c_void, NTSTATUS> {
    // SAFETY: the caller's promise.
    let altitude = unsafe { units(&raw const registered.altitude) };
    let altitude = altitude.filter(|it| !it.is_empty());
    let altitude = altitude.ok_or(STATUS_INVALID_PARAMETER)?;
    if registered.version & 0xff00 != VERSION || registered.count == 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let mut operations = Vec::new();
    for index in 0..usize::from(registered.count) {
        // SAFETY: the caller's promise: there are so many.
        let place = unsafe { registered.operations.add(index) };
        // SAFETY: as above.
        let operation = unsafe { place.read_unaligned() };
        // SAFETY: the caller's promise.
        operations.push(unsafe { Operation::read(&operation) }?);
    }
    let new = Arc::new(Registration {
        altitude,
        context: registered.context,
        operations,
    });
    let mut all = REGISTRATIONS.lock();
    let stands = |other: &Arc<Registration>| altitude::compare(&other.altitude, &new.altitude);
    if all.iter().any(|other| stands(other).is_eq()) {
        return Err(STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
    }
    let place = all.iter().filter(|other| stands(other).is_gt()).count();
    let handle = Arc::as_ptr(&new).cast();
    all.insert(place, new);
    Ok(handle)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Has routines of a driver told of the handles to processes and threads that are opened or
    /// duplicated. STATUS_INVALID_PARAMETER for what is no registration,
    /// STATUS_FLT_INSTANCE_ALTITUDE_COLLISION for an altitude that another has, STATUS_ACCESS_DENIED
    /// for a routine that is in no image.
    ///
    /// Source: ObRegisterCallbacks.
    ///
    /// # Safety
    ///
    /// The registration and what it names can be read; the handle can be written.
    pub unsafe fn ObRegisterCallbacks(
        registration: *const CallbackRegistration,
        handle: *mut *const c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let registration = unsafe { registration.read_unaligned() };
        // SAFETY: as above.
        match unsafe { register(&registration) } {
            Ok(registered) => {
                // SAFETY: as above.
                unsafe { handle.write_unaligned(registered) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a registration back, when none of its routines runs any more.
    ///
    /// Source: ObUnRegisterCallbacks.
    ///
    /// # Safety
    ///
    /// ObRegisterCallbacks gave the handle, and it was not taken back.
    pub unsafe fn ObUnRegisterCallbacks(handle: *const c_void) {
        let mut all = REGISTRATIONS.lock();
        let place = all.iter().position(|it| Arc::as_ptr(it).cast() == handle);
        let taken = place.map(|place| all.remove(place));
        drop(all);
        if let Some(taken) = taken {
            // Whoever calls its routines has it, too.
            while Arc::strong_count(&taken) > 1 {
                dispatcher::yield_now();
            }
        }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The version of registrations that there is: OB_FLT_REGISTRATION_VERSION.
    ///
    /// Source: wdm.h, OB_FLT_REGISTRATION_VERSION.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ObGetFilterVersion() -> u16 {
        VERSION
    }
}
