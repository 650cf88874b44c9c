//! A value that is set once, at the start, and only read from then on.

use core::{
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

/// A value that is set once.
#[derive(Debug)]
pub struct Once<T> {
    set: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: the value is written once, before `set` says that others may read it.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// Not set yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            set: AtomicBool::new(false),
            value: UnsafeCell::new(None),
        }
    }

    /// Sets the value.
    ///
    /// # Panics
    ///
    /// If it is set already. Only one processor runs when values are set.
    pub fn set(&self, value: T) {
        assert!(!self.set.load(Ordering::Relaxed), "set twice");
        // SAFETY: nobody reads it before the store below, and nobody else writes.
        unsafe { *self.value.get() = Some(value) };
        // Release: whoever sees the flag sees the value.
        self.set.store(true, Ordering::Release);
    }

    /// The value, once it is set.
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        // Acquire: pairs with the store in `set`.
        if !self.set.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: it was written before, and is only read from now on.
        unsafe { (*self.value.get()).as_ref() }
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}
