//! The executive: what the rest of the kernel and drivers share.

#[cfg(target_os = "none")]
pub mod cache_aware;
#[cfg(target_os = "none")]
pub mod event;
#[cfg(target_os = "none")]
pub mod fast_mutex;
pub mod firmware;
#[cfg(target_os = "none")]
pub mod interlocked;
#[cfg(target_os = "none")]
pub mod lookaside;
pub mod luid;
#[cfg(target_os = "none")]
pub mod push_lock;
#[cfg(target_os = "none")]
pub mod resource;
#[cfg(target_os = "none")]
mod resource_region;
#[cfg(target_os = "none")]
mod resource_state;
#[cfg(target_os = "none")]
pub mod rundown;
#[cfg(target_os = "none")]
pub mod slist;
#[cfg(target_os = "none")]
pub mod spin_lock;
#[cfg(target_os = "none")]
pub mod timer;
#[cfg(target_os = "none")]
pub mod timer_resolution;
pub mod uuid;
#[cfg(target_os = "none")]
pub mod worker;
#[cfg(target_os = "none")]
pub mod workitem;
