//! Memory: physical pages by node, the kernel's address space, user address spaces, pool, MDLs.

#[cfg(target_os = "none")]
pub mod account;
#[cfg(target_os = "none")]
pub mod address_space;
#[cfg(target_os = "none")]
pub mod cache;
#[cfg(target_os = "none")]
pub mod commit;
#[cfg(target_os = "none")]
pub mod contiguous;
#[cfg(target_os = "none")]
pub mod copy;
pub mod free_pages;
#[cfg(target_os = "none")]
pub mod guarded;
#[cfg(target_os = "none")]
pub mod heap;
#[cfg(target_os = "none")]
pub mod io_mdl;
#[cfg(target_os = "none")]
pub mod io_space;
#[cfg(target_os = "none")]
mod limits;
#[cfg(target_os = "none")]
pub mod locked;
#[cfg(target_os = "none")]
pub mod map_mdl;
#[cfg(target_os = "none")]
pub mod mapping;
#[cfg(target_os = "none")]
pub mod mdl;
#[cfg(target_os = "none")]
mod memory_ranges;
#[cfg(target_os = "none")]
pub mod noncached;
#[cfg(target_os = "none")]
pub mod pageable;
#[cfg(target_os = "none")]
pub mod pages;
#[cfg(target_os = "none")]
pub mod paging;
#[cfg(target_os = "none")]
pub mod phys;
#[cfg(target_os = "none")]
pub mod pool;
#[cfg(target_os = "none")]
pub mod pool_routines;
pub mod region;
pub mod remembered;
#[cfg(target_os = "none")]
pub mod reserved;
#[cfg(target_os = "none")]
pub mod secure;
pub mod size_class;
pub mod start_info;
#[cfg(target_os = "none")]
pub mod user_view;
#[cfg(target_os = "none")]
mod virtual_for_physical;

pub use crate::hal::physical::{PAGE_SIZE, PhysicalRange};
