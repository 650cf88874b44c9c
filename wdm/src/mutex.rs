//! Mutexes: data that threads share at PASSIVE_LEVEL, for as long as it takes.
//!
//! The rule of the kernel this stands for: what waits, sends IRPs down or touches pageable memory
//! while it holds a lock cannot hold a spin lock. A kernel mutex leaves IRQL at PASSIVE_LEVEL, so
//! its guard gives the proof back. ("Introduction to Mutex Objects".)

use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
};

use wdk_sys::{
    _KWAIT_REASON::Executive,
    KMUTEX,
    ntddk::{KeInitializeMutex, KeReleaseMutex, KeWaitForSingleObject},
};

use crate::{Result, constants::KERNEL_MODE, irql::Passive, object::KernelObject, pool::Tag};

/// Data that only the holder of its mutex can reach.
pub struct Mutex<T> {
    mutex: KernelObject<KMUTEX>,
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
    pub fn new(tag: Tag, data: T) -> Result<Self> {
        let mutex = KernelObject::<KMUTEX>::new(tag)?;
        // SAFETY: in pool, where it stays until it is dropped. The level is not used any more.
        unsafe { KeInitializeMutex(mutex.get(), 0) };
        Ok(Self {
            mutex,
            data: UnsafeCell::new(data),
        })
    }

    /// Waits for the mutex.
    ///
    /// Source: nf-wdm-kewaitforsingleobject.
    pub fn acquire<'a>(&'a self, irql: &'a mut Passive) -> MutexGuard<'a, T> {
        // SAFETY: initialised; at PASSIVE_LEVEL. Without a time-out, in kernel mode and not
        // alertable, the wait ends with the mutex acquired. A thread that has it already would
        // get it again, but its guard borrows the thread's token.
        let _ = unsafe {
            KeWaitForSingleObject(
                self.mutex.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                core::ptr::null_mut(),
            )
        };
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
        // SAFETY: held by this thread; no wait follows at once.
        unsafe { KeReleaseMutex(self.mutex.mutex.get(), 0) };
    }
}
