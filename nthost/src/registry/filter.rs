//! Whom drivers have told to filter the operations on the registry: each is told before and after
//! an operation, and may block it, do it itself, or change how it ends.
//!
//! Those of higher altitudes come first. What a routine itself does with the registry is told only
//! to those below it. The routines of the run-time library for the registry, and what nthost does
//! with it, are not told.
//!
//! Sources: "Filtering Registry Calls" and the pages that it leads to, EX_CALLBACK_FUNCTION,
//! REG_NOTIFY_CLASS.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{cmp::Ordering, ffi::c_void, ops::Range, ptr::null_mut};

use nthost_nt::status::{
    NTSTATUS, STATUS_CALLBACK_BYPASS, STATUS_FLT_INSTANCE_ALTITUDE_COLLISION, STATUS_SUCCESS,
    nt_success,
};

use crate::{
    ke::{dispatcher, lock::SpinLock, thread},
    ob::altitude,
};

/// `REG_NOTIFY_CLASS`, of the operations that there are here: before and after.
pub mod class {
    /// A pair of notifications.
    pub type Classes = (usize, usize);
    /// A key is deleted.
    pub const DELETE_KEY: Classes = (0, 15);
    /// A value is set.
    pub const SET_VALUE: Classes = (1, 16);
    /// A value is deleted.
    pub const DELETE_VALUE: Classes = (2, 17);
    /// A subkey is enumerated.
    pub const ENUMERATE_KEY: Classes = (5, 20);
    /// A value is enumerated.
    pub const ENUMERATE_VALUE: Classes = (6, 21);
    /// A key is queried.
    pub const QUERY_KEY: Classes = (7, 22);
    /// A value is queried.
    pub const QUERY_VALUE: Classes = (8, 23);
    /// A key's object goes.
    pub const CLOSE: Classes = (14, 25);
    /// A key is made, or opened by who would make it.
    pub const CREATE: Classes = (26, 27);
    /// A key is opened.
    pub const OPEN: Classes = (28, 29);
    /// A key is flushed.
    pub const FLUSH: Classes = (30, 31);
    pub(super) const CONTEXT_CLEANUP: usize = 40;
}

/// A driver's routine (nc-wdm-ex_callback_function).
pub type Function = unsafe extern "win64" fn(*mut c_void, *mut c_void, *mut c_void) -> NTSTATUS;

/// What all structures for notifications before an operation end with.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Contexts {
    /// What the driver has given the operation.
    pub call: *mut c_void,
    /// What it has given the key.
    pub object: *mut c_void,
    /// The system's.
    pub reserved: *mut c_void,
}

impl Contexts {
    /// None yet.
    pub const NONE: Self = Self {
        call: null_mut(),
        object: null_mut(),
        reserved: null_mut(),
    };
}

/// `REG_POST_OPERATION_INFORMATION`.
#[repr(C)]
struct After {
    object: *mut c_void,
    status: NTSTATUS,
    information: *mut c_void,
    returned: NTSTATUS,
    contexts: Contexts,
}

/// `REG_CALLBACK_CONTEXT_CLEANUP_INFORMATION`.
#[repr(C)]
struct Cleanup {
    object: *mut c_void,
    context: *mut c_void,
    reserved: *mut c_void,
}

/// A routine that is registered.
#[derive(Clone)]
struct Filter {
    cookie: u64,
    /// None, for those who come before all that have one.
    altitude: Option<Vec<u16>>,
    function: Function,
    context: usize,
    removed: bool,
}

struct State {
    /// From the highest on.
    filters: Vec<Filter>,
    next: u64,
    /// Which routines run in which threads.
    running: Vec<(usize, u64)>,
    /// What drivers have given to keys: by the key's object and the routine.
    contexts: BTreeMap<(usize, u64), usize>,
}

/// Protects who is registered, who runs, and their contexts. Never held when a routine is called.
static STATE: SpinLock<State> = SpinLock::new(State {
    filters: Vec::new(),
    next: 1,
    running: Vec::new(),
    contexts: BTreeMap::new(),
});

/// Registers a routine; gives its cookie.
///
/// # Errors
///
/// `STATUS_FLT_INSTANCE_ALTITUDE_COLLISION`.
pub fn register(
    function: Function,
    context: *mut c_void,
    altitude: Option<Vec<u16>>,
) -> Result<u64, NTSTATUS> {
    let mut state = STATE.lock();
    let place = match &altitude {
        None => state
            .filters
            .iter()
            .filter(|f| f.altitude.is_none())
            .count(),
        Some(own) => {
            let above = |filter: &Filter| {
                let other = filter.altitude.as_ref();
                other.map_or(Ordering::Greater, |other| altitude::compare(other, own))
            };
            if state.filters.iter().any(|filter| above(filter).is_eq()) {
                return Err(STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
            }
            state
                .filters
                .iter()
                .filter(|filter| above(filter).is_gt())
                .count()
        }
    };
    let cookie = state.next;
    state.next += 1;
    let filter = Filter {
        cookie,
        altitude,
        function,
        context: context.expose_provenance(),
        removed: false,
    };
    state.filters.insert(place, filter);
    drop(state);
    Ok(cookie)
}

/// Takes a routine back, when nobody runs it any more, and has it clean up what it gave to keys;
/// whether there was one. IRQL below DISPATCH_LEVEL.
pub fn unregister(cookie: u64) -> bool {
    let mut state = STATE.lock();
    let found = state
        .filters
        .iter_mut()
        .find(|filter| filter.cookie == cookie && !filter.removed);
    let Some(filter) = found else {
        return false;
    };
    filter.removed = true;
    let filter = filter.clone();
    drop(state);
    loop {
        let state = STATE.lock();
        if !state.running.iter().any(|&(_, running)| running == cookie) {
            break;
        }
        drop(state);
        dispatcher::yield_now();
    }
    let given = take_contexts(|_, of| of == cookie);
    for (object, _, context) in given {
        clean_up(&filter, object, context);
    }
    STATE
        .lock()
        .filters
        .retain(|filter| filter.cookie != cookie);
    true
}

/// Whether a routine is registered by this cookie.
pub fn is_registered(cookie: u64) -> bool {
    let state = STATE.lock();
    let mut filters = state.filters.iter();
    filters.any(|filter| filter.cookie == cookie && !filter.removed)
}

/// A routine that is still registered and lies there.
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    let state = STATE.lock();
    let mut functions = state
        .filters
        .iter()
        .map(|filter| filter.function as usize as u64);
    functions.find(|function| image.contains(function))
}

/// Gives a key's object what a routine is to get with all notifications; gives what it had.
pub fn set_context(object: *mut c_void, cookie: u64, context: *mut c_void) -> *mut c_void {
    let mut state = STATE.lock();
    let place = (object.addr(), cookie);
    let before = if context.is_null() {
        state.contexts.remove(&place)
    } else {
        state.contexts.insert(place, context.expose_provenance())
    };
    drop(state);
    core::ptr::with_exposed_provenance_mut(before.unwrap_or(0))
}

fn take_contexts(suits: impl Fn(usize, u64) -> bool) -> Vec<(usize, u64, usize)> {
    let mut state = STATE.lock();
    let mut taken = Vec::new();
    state.contexts.retain(|&(object, cookie), &mut context| {
        let goes = suits(object, cookie);
        if goes {
            taken.push((object, cookie, context));
        }
        !goes
    });
    drop(state);
    taken
}

fn clean_up(filter: &Filter, object: usize, context: usize) {
    let mut information = Cleanup {
        object: core::ptr::with_exposed_provenance_mut(object),
        context: core::ptr::with_exposed_provenance_mut(context),
        reserved: null_mut(),
    };
    let information = (&raw mut information).cast();
    // What a routine says to this does not count.
    let _ = run(filter, class::CONTEXT_CLEANUP, information);
}

/// Calls a routine, which [`begin`] has entered among those that run, or whose end is waited for.
fn run(filter: &Filter, class: usize, information: *mut c_void) -> NTSTATUS {
    let context = core::ptr::with_exposed_provenance_mut(filter.context);
    let class = core::ptr::without_provenance_mut(class);
    // SAFETY: the driver's routine, with the arguments of its page.
    unsafe { (filter.function)(context, class, information) }
}

/// The routine behind another in the order, or the first that this thread's operations are told
/// to; it runs. With it, what it gave the key.
fn begin(behind: Option<u64>, object: *mut c_void) -> Option<(Filter, *mut c_void)> {
    let thread = thread::current().addr();
    let mut state = STATE.lock();
    let own = state.running.iter().rev().find(|(of, _)| *of == thread);
    let behind = behind.or_else(|| own.map(|&(_, cookie)| cookie));
    let from = behind.map_or(Some(0), |cookie| {
        let place = state
            .filters
            .iter()
            .position(|filter| filter.cookie == cookie);
        place.map(|place| place + 1)
    })?;
    let filter = state.filters[from..]
        .iter()
        .find(|filter| !filter.removed)?
        .clone();
    Some((filter.clone(), enter(&mut state, &filter, object)))
}

/// A routine runs in this thread from now on; gives what it gave the key.
fn enter(state: &mut State, filter: &Filter, object: *mut c_void) -> *mut c_void {
    state
        .running
        .push((thread::current().addr(), filter.cookie));
    let context = state.contexts.get(&(object.addr(), filter.cookie)).copied();
    core::ptr::with_exposed_provenance_mut(context.unwrap_or(0))
}

/// A routine has returned.
fn end(cookie: u64) {
    let entry = (thread::current().addr(), cookie);
    let mut state = STATE.lock();
    if let Some(place) = state.running.iter().rposition(|&other| other == entry) {
        state.running.remove(place);
    }
}

/// An operation that has been told of: to whom, and what each gave it.
#[derive(Debug)]
pub struct Told(Vec<(u64, *mut c_void)>);

/// Tells of an operation before it is done. `STATUS_CALLBACK_BYPASS` as an error says that a driver
/// has done it. PASSIVE_LEVEL.
///
/// # Errors
///
/// The status with which a driver blocks it.
///
/// # Safety
///
/// The information is that of the class, and the contexts are in it.
pub unsafe fn before(
    classes: class::Classes,
    object: *mut c_void,
    information: *mut c_void,
    contexts: *mut Contexts,
) -> Result<Told, NTSTATUS> {
    let mut told = Vec::new();
    let mut last = None;
    while let Some((filter, context)) = begin(last, object) {
        let values = Contexts {
            object: context,
            ..Contexts::NONE
        };
        // SAFETY: the caller's promise.
        unsafe { contexts.write(values) };
        let status = run(&filter, classes.0, information);
        end(filter.cookie);
        if !nt_success(status) {
            return Err(status);
        }
        // SAFETY: the caller's promise.
        told.push((filter.cookie, unsafe { (*contexts).call }));
        last = Some(filter.cookie);
    }
    Ok(Told(told))
}

/// Tells of an operation after it was done; gives the status that it ends with. The object of an
/// operation that failed is not told if it is the result. PASSIVE_LEVEL.
pub fn after(
    told: &Told,
    classes: class::Classes,
    object: *mut c_void,
    information: *mut c_void,
    mut status: NTSTATUS,
) -> NTSTATUS {
    for &(cookie, call) in &told.0 {
        let mut state = STATE.lock();
        let mut filters = state.filters.iter();
        let found = filters.find(|filter| filter.cookie == cookie && !filter.removed);
        let Some(filter) = found.cloned() else {
            continue;
        };
        let context = enter(&mut state, &filter, object);
        drop(state);
        let mut after = After {
            object,
            status,
            information,
            returned: status,
            contexts: Contexts {
                call,
                object: context,
                reserved: null_mut(),
            },
        };
        let answer = run(&filter, classes.1, (&raw mut after).cast());
        end(cookie);
        if answer == STATUS_CALLBACK_BYPASS {
            status = after.returned;
        }
    }
    status
}

/// What a routine is told of an operation on a key that is open.
#[derive(Debug)]
#[repr(C)]
pub struct Information<T> {
    object: *mut c_void,
    what: T,
    contexts: Contexts,
}

/// Does an operation on a key, and tells of it. PASSIVE_LEVEL.
pub fn operation<T>(
    classes: class::Classes,
    object: *mut c_void,
    what: T,
    work: impl FnOnce() -> NTSTATUS,
) -> NTSTATUS {
    let mut information = Information {
        object,
        what,
        contexts: Contexts::NONE,
    };
    let contexts = &raw mut information.contexts;
    let address = (&raw mut information).cast();
    // SAFETY: the structure of the class, as the callers say.
    match unsafe { before(classes, object, address, contexts) } {
        Ok(told) => after(&told, classes, object, address, work()),
        Err(STATUS_CALLBACK_BYPASS) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// A key's object is gone but for its memory: tells of it, and has cleaned up what was given to it.
/// PASSIVE_LEVEL.
pub fn closing(object: *mut c_void) {
    let _ = operation(class::CLOSE, object, (), || {
        for (object, cookie, context) in take_contexts(|of, _| of == object.addr()) {
            let state = STATE.lock();
            let filter = state
                .filters
                .iter()
                .find(|filter| filter.cookie == cookie)
                .cloned();
            drop(state);
            if let Some(filter) = filter {
                clean_up(&filter, object, context);
            }
        }
        STATUS_SUCCESS
    });
}
