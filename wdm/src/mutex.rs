//! Mutexes: data that threads share at PASSIVE_LEVEL, for as long as it takes.
//!
//! The rule of the kernel this stands for: what waits, sends IRPs down or touches pageable memory
//! while it holds a lock cannot hold a spin lock. A kernel mutex leaves IRQL at PASSIVE_LEVEL, so
//! its guard gives the proof back. ("Introduction to Mutex Objects".)
//!
//! # Example
//!
//! ```
//! use wdm::{irql::Passive, mutex::Mutex, time};
//!
//! /// Unlike a spin lock's, its owner may wait.
//! fn slowly(counter: &Mutex<u32>, irql: &mut Passive) {
//!     let mut guard = counter.acquire(irql);
//!     let (counter, irql) = guard.parts();
//!     *counter += 1;
//!     time::delay(10, irql);
//! }
//! ```

use core::{
    cell::{Cell, UnsafeCell},
    ops::{Deref, DerefMut},
};

use wdk_sys::{
    _KWAIT_REASON::Executive,
    KMUTEX,
    ntddk::{KeBugCheckEx, KeInitializeMutex, KeReleaseMutex, KeWaitForSingleObject},
};

use crate::{
    Result,
    constants::KERNEL_MODE,
    irql::{self, Limit, Passive},
    object::KernelObject,
    pool::Tag,
};

/// A thread acquired a mutex that it has.
const MUTEX_ALREADY_OWNED: u32 = 0xbf;

/// Data that only the holder of its mutex can reach.
pub struct Mutex<T> {
    object: KernelObject<KMUTEX>,
    /// Whether there is a guard. Protected by the mutex.
    held: Cell<bool>,
    data: UnsafeCell<T>,
}

// SAFETY: the mutex lets one thread at a time reach the data, which may move between them.
unsafe impl<T: Send> Sync for Mutex<T> {}

/// A held mutex.
#[must_use = "the mutex is released when the guard is dropped"]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    irql: &'a mut Passive,
}

impl<T> Mutex<T> {
    /// A free mutex around `data`.
    ///
    /// Source: nf-wdm-keinitializemutex.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(tag: Tag, data: T, irql: &Passive) -> Result<Self> {
        let mutex = KernelObject::<KMUTEX>::new(tag, irql)?;
        // SAFETY: in pool, where it stays until it is dropped. The level is not used any more.
        unsafe { KeInitializeMutex(mutex.get(), 0) };
        Ok(Self {
            object: mutex,
            held: Cell::new(false),
            data: UnsafeCell::new(data),
        })
    }

    /// Waits for the mutex. A kernel mutex lets in the thread that has it already, as it might
    /// come here again from a dispatch routine that it called with the mutex held: that ends in
    /// bug check MUTEX_ALREADY_OWNED.
    ///
    /// Source: nf-wdm-kewaitforsingleobject, "Bug Check 0xBF: MUTEX_ALREADY_OWNED".
    pub fn acquire<'a>(&'a self, irql: &'a mut Passive) -> MutexGuard<'a, T> {
        irql::expect_at_most(Limit::Passive, self.object.get());
        // SAFETY: initialised; at PASSIVE_LEVEL. Without a time-out, in kernel mode and not
        // alertable, the wait ends with the mutex acquired.
        let _ = unsafe {
            KeWaitForSingleObject(
                self.object.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                core::ptr::null_mut(),
            )
        };
        if self.held.replace(true) {
            // SAFETY: callable at any IRQL; it does not return.
            unsafe { KeBugCheckEx(MUTEX_ALREADY_OWNED, self.object.get() as u64, 0, 0, 0) };
        }
        MutexGuard { mutex: self, irql }
    }
}

impl<T> MutexGuard<'_, T> {
    /// The data, and the proof of PASSIVE_LEVEL to use while working on it.
    pub fn parts(&mut self) -> (&mut T, &mut Passive) {
        // SAFETY: the mutex is held, and `&mut self` makes this the only reference.
        let data = unsafe { &mut *self.mutex.data.get() };
        (data, self.irql)
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mutex is held.
        unsafe { &*self.mutex.data.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.parts().0
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.held.set(false);
        // SAFETY: held by this thread; no wait follows at once.
        unsafe { KeReleaseMutex(self.mutex.object.get(), 0) };
    }
}
