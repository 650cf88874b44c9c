//! The processor's atomics, or those of `loom`, which runs every order that they allow.

#[cfg(not(feature = "loom"))]
pub use core::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(feature = "loom")]
pub use loom::sync::atomic::{AtomicU32, Ordering, fence};
