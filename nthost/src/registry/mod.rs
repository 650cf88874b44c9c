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
pub mod roots;
pub mod value;
#[cfg(target_os = "none")]
pub mod value_table;
#[cfg(target_os = "none")]
pub mod values;

#[cfg(target_os = "none")]
pub use kernel::with;

#[cfg(target_os = "none")]
mod kernel {
    use super::{
        hive::Hive,
        roots::{self, Version},
    };
    use crate::ke::{lock::SpinLock, time, version};

    /// The one hive. A leaf.
    static HIVE: SpinLock<Option<Hive>> = SpinLock::new(None);

    /// Works with the registry. IRQL up to DISPATCH_LEVEL.
    pub fn with<T>(work: impl FnOnce(&mut Hive) -> T) -> T {
        work(HIVE.lock().get_or_insert_with(first))
    }

    /// The registry before anything is written to it.
    fn first() -> Hive {
        let mut hive = Hive::default();
        let system = version::system(0);
        let version = Version {
            major: system.dwMajorVersion,
            minor: system.dwMinorVersion,
            build: system.dwBuildNumber,
        };
        let now = i64::try_from(time::system_time()).unwrap_or(i64::MAX);
        let made = roots::make(&mut hive, version, now);
        debug_assert!(made.is_ok());
        hive
    }
}
