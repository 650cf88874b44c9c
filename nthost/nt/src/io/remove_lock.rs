//! Remove locks.

use crate::ke::{KEVENT, LIST_ENTRY};

/// What every remove lock has (opaque in the reference; its size is that of the header).
#[repr(C)]
pub struct IO_REMOVE_LOCK_COMMON_BLOCK {
    /// `IoReleaseRemoveLockAndWaitEx` was called.
    pub Removed: u8,
    /// Unused.
    pub Reserved: [u8; 3],
    /// Acquisitions, and one for the lock itself.
    pub IoCount: i32,
    /// Set when the count reaches zero.
    pub RemoveEvent: KEVENT,
}

/// What follows it in a driver built with `DBG`.
#[repr(C)]
pub struct IO_REMOVE_LOCK_DBG_BLOCK {
    /// Marks the block.
    pub Signature: i32,
    /// The most acquisitions allowed at once; no limit if zero.
    pub HighWatermark: u32,
    /// The longest that it may be held.
    pub MaxLockedTicks: i64,
    /// The tag of the tracking blocks.
    pub AllocateTag: i32,
    /// Unused.
    pub LockList: LIST_ENTRY,
    /// Protects the blocks.
    pub Spin: usize,
    /// Acquisitions without a block.
    pub LowMemoryCount: i32,
    /// Unused.
    pub Reserved1: [u32; 4],
    /// Unused.
    pub Reserved2: usize,
    /// The tracking blocks.
    pub Blocks: usize,
}

/// A remove lock of a driver built without `DBG`.
#[repr(C)]
pub struct IO_REMOVE_LOCK {
    /// What every driver has.
    pub Common: IO_REMOVE_LOCK_COMMON_BLOCK,
}

/// A remove lock of a driver built with `DBG`, where the header gives it two blocks.
#[repr(C)]
pub struct CHECKED_REMOVE_LOCK {
    /// What every driver has.
    pub Common: IO_REMOVE_LOCK_COMMON_BLOCK,
    /// What a checked build adds.
    pub Dbg: IO_REMOVE_LOCK_DBG_BLOCK,
}
