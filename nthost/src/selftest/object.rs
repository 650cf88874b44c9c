//! The kernel's objects for the tests: each in memory that does not move, given to the routines
//! that drivers import.

use alloc::{boxed::Box, string::ToString};
use core::{
    cell::UnsafeCell,
    ffi::c_void,
    mem::MaybeUninit,
    ptr::{null, null_mut},
};

use nthost_nt::{
    ke::{KDEFERRED_ROUTINE, KDPC, KEVENT, KMUTANT, KSEMAPHORE, KTIMER},
    status::NTSTATUS,
};

use crate::ke::{
    dpc::{KeInitializeDpc, KeInitializeThreadedDpc, KeInsertQueueDpc, KeRemoveQueueDpc},
    event::{KeInitializeEvent, KePulseEvent, KeReadStateEvent, KeSetEvent},
    ktimer::{KeCancelTimer, KeInitializeTimerEx, KeSetTimerEx},
    mutex::{KeInitializeMutex, KeReadStateMutex, KeReleaseMutex},
    semaphore::{KeInitializeSemaphore, KeReleaseSemaphore},
    thread::{self, Attributes, Thread},
    wait::WaitMode,
    wait_for::{KeWaitForMultipleObjects, KeWaitForSingleObject},
};

/// Units of 100 ns in a millisecond.
pub const MILLISECOND: i64 = 10_000;

/// An object in memory that does not move.
pub struct Object<T>(Box<UnsafeCell<MaybeUninit<T>>>);

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "the kernel's objects have pointers within"
)]
// SAFETY: the objects are used through the kernel's routines alone, which lock them.
unsafe impl<T> Send for Object<T> {}
// SAFETY: likewise.
unsafe impl<T> Sync for Object<T> {}

impl<T> Object<T> {
    fn new(initialize: impl FnOnce(*mut T)) -> Self {
        let object = Self(Box::new(UnsafeCell::new(MaybeUninit::uninit())));
        initialize(object.get());
        object
    }

    /// Its address.
    pub fn get(&self) -> *mut T {
        self.0.get().cast()
    }

    /// Waits for it: for a relative time, or for ever.
    pub fn wait(&self, milliseconds: Option<i64>) -> NTSTATUS {
        self.wait_in(milliseconds, WaitMode::default())
    }

    /// As [`Self::wait`], in this mode.
    pub fn wait_in(&self, milliseconds: Option<i64>, mode: WaitMode) -> NTSTATUS {
        let timeout = milliseconds.map(|milliseconds| -milliseconds * MILLISECOND);
        let timeout = timeout.as_ref().map_or_else(null, core::ptr::from_ref);
        let (user, alertable) = (i8::from(mode.user), u8::from(mode.alertable));
        // SAFETY: an initialized object.
        unsafe { KeWaitForSingleObject(self.get().cast(), 0, user, alertable, timeout) }
    }
}

/// Waits for all or any of several objects, for a time.
pub fn wait_for(objects: &[*mut c_void], all: bool, milliseconds: Option<i64>) -> NTSTATUS {
    let timeout = milliseconds.map(|milliseconds| -milliseconds * MILLISECOND);
    let timeout = timeout.as_ref().map_or_else(null, core::ptr::from_ref);
    let (count, kind) = (objects.len() as u32, i32::from(!all));
    // SAFETY: initialized objects, at most three.
    unsafe { KeWaitForMultipleObjects(count, objects.as_ptr(), kind, 0, 0, 0, timeout, null_mut()) }
}

/// An event.
pub type Event = Object<KEVENT>;

impl Event {
    /// One that stays set.
    pub fn notification() -> Self {
        // SAFETY: memory for an event.
        Self::new(|event| unsafe { KeInitializeEvent(event, 0, 0) })
    }

    /// One that ends a single wait.
    pub fn synchronization() -> Self {
        // SAFETY: memory for an event.
        Self::new(|event| unsafe { KeInitializeEvent(event, 1, 0) })
    }

    /// Sets it.
    pub fn set(&self) -> i32 {
        self.set_with(0, false)
    }

    /// Sets it, with a boost, and perhaps with a wait to follow.
    pub fn set_with(&self, increment: i32, wait: bool) -> i32 {
        // SAFETY: an initialized event.
        unsafe { KeSetEvent(self.get(), increment, u8::from(wait)) }
    }

    /// Sets and clears it in one.
    pub fn pulse(&self) -> i32 {
        // SAFETY: an initialized event.
        unsafe { KePulseEvent(self.get(), 0, 0) }
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        // SAFETY: an initialized event.
        unsafe { KeReadStateEvent(self.get()) != 0 }
    }
}

/// A semaphore.
pub type Semaphore = Object<KSEMAPHORE>;

impl Semaphore {
    /// One with this count and limit.
    pub fn semaphore(count: i32, limit: i32) -> Self {
        // SAFETY: memory for a semaphore.
        Self::new(|semaphore| unsafe { KeInitializeSemaphore(semaphore, count, limit) })
    }

    /// Raises its count; gives the one before.
    pub fn release(&self, adjustment: i32) -> i32 {
        // SAFETY: an initialized semaphore.
        unsafe { KeReleaseSemaphore(self.get(), 0, adjustment, 0) }
    }
}

/// A mutex.
pub type Mutex = Object<KMUTANT>;

impl Mutex {
    /// A free one.
    pub fn mutex() -> Self {
        // SAFETY: memory for a mutex.
        Self::new(|mutex| unsafe { KeInitializeMutex(mutex, 0) })
    }

    /// Releases it once; gives its state before.
    pub fn release(&self) -> i32 {
        // SAFETY: an initialized mutex, which the thread owns.
        unsafe { KeReleaseMutex(self.get(), 0) }
    }

    /// Its state.
    pub fn state(&self) -> i32 {
        // SAFETY: an initialized mutex.
        unsafe { KeReadStateMutex(self.get()) }
    }
}

/// A DPC.
pub type Dpc = Object<KDPC>;

impl Dpc {
    /// An ordinary one.
    pub fn ordinary<T>(routine: KDEFERRED_ROUTINE, context: &T) -> Self {
        let context = core::ptr::from_ref(context).cast_mut().cast();
        // SAFETY: memory for a DPC.
        Self::new(|dpc| unsafe { KeInitializeDpc(dpc, Some(routine), context) })
    }

    /// A threaded one.
    pub fn threaded<T>(routine: KDEFERRED_ROUTINE, context: &T) -> Self {
        let context = core::ptr::from_ref(context).cast_mut().cast();
        // SAFETY: memory for a DPC.
        Self::new(|dpc| unsafe { KeInitializeThreadedDpc(dpc, Some(routine), context) })
    }

    /// Queues it; whether it was in no queue.
    pub fn queue(&self) -> bool {
        // SAFETY: an initialized DPC, that the test waits for.
        unsafe { KeInsertQueueDpc(self.get(), null_mut(), null_mut()) != 0 }
    }

    /// Takes it out of its queue; whether it was in one.
    pub fn remove(&self) -> bool {
        // SAFETY: an initialized DPC.
        unsafe { KeRemoveQueueDpc(self.get()) != 0 }
    }
}

/// A timer.
pub type Timer = Object<KTIMER>;

impl Timer {
    /// One that stays signalled, or one that ends a single wait.
    pub fn timer(synchronization: bool) -> Self {
        // SAFETY: memory for a timer.
        Self::new(|timer| unsafe { KeInitializeTimerEx(timer, i32::from(synchronization)) })
    }

    /// Sets it; whether it was set.
    pub fn start(&self, milliseconds: i64, period: i32, dpc: Option<&Dpc>) -> bool {
        let dpc = dpc.map_or_else(null_mut, Object::get);
        // SAFETY: an initialized timer and DPC, that the test waits for.
        unsafe { KeSetTimerEx(self.get(), -milliseconds * MILLISECOND, period, dpc) != 0 }
    }

    /// Takes it back; whether it was set.
    pub fn cancel(&self) -> bool {
        // SAFETY: an initialized timer.
        unsafe { KeCancelTimer(self.get()) != 0 }
    }
}

/// A thread of a test's, which is waited for when this is dropped.
pub struct Worker(*mut Thread);

impl Worker {
    /// Starts one.
    pub fn new(entry: impl FnOnce() + Send + 'static) -> Self {
        Self::with(&Attributes::default(), entry)
    }

    /// Starts one with these attributes.
    pub fn with(attributes: &Attributes, entry: impl FnOnce() + Send + 'static) -> Self {
        let name = "selftest".to_string();
        Self(thread::spawn_with(&name, attributes, entry).expect("memory for a thread's stack"))
    }

    /// The thread object.
    pub const fn thread(&self) -> *mut Thread {
        self.0
    }

    /// Waits for its end.
    pub fn join(self) {
        drop(self);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SAFETY: a thread is an object that can be waited for.
        unsafe { KeWaitForSingleObject(self.0.cast(), 0, 0, 0, null()) };
        // SAFETY: the reference that came with the thread.
        unsafe { thread::release(self.0) };
    }
}
