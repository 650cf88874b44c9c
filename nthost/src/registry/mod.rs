//! The registry: an in-memory tree of keys, filled from the manifest and the buses.

#[cfg(target_os = "none")]
mod exports;
#[cfg(target_os = "none")]
pub mod filter;
#[cfg(target_os = "none")]
mod filter_exports;
pub mod hive;
pub mod information;
#[cfg(target_os = "none")]
pub mod key;
#[cfg(target_os = "none")]
mod notification;
pub mod value;
#[cfg(target_os = "none")]
pub mod values;

#[cfg(target_os = "none")]
pub use kernel::with;

#[cfg(target_os = "none")]
mod kernel {
    use super::hive::Hive;
    use crate::ke::lock::SpinLock;

    /// The one hive. A leaf.
    static HIVE: SpinLock<Option<Hive>> = SpinLock::new(None);

    /// Works with the registry. IRQL up to DISPATCH_LEVEL.
    pub fn with<T>(work: impl FnOnce(&mut Hive) -> T) -> T {
        work(HIVE.lock().get_or_insert_with(Hive::default))
    }
}
