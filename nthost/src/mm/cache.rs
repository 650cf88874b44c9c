//! How pages are cached: not at all, as usual, or with writes combined.
//!
//! "Only one caching behavior is allowed for any given physical address translation." A page has
//! its type from when it is allocated; one of MmAllocatePagesForMdl from when it is first mapped;
//! a device's as long as it is mapped. A mapping of an MDL takes on the type that its pages have,
//! whatever is asked for; MmMapIoSpace with another type than the range has is refused.
//!
//! Sources: MEMORY_CACHING_TYPE, MmMapLockedPagesSpecifyCache, MmAllocatePagesForMdlEx, and Intel's
//! manual, volume 3, "Page Attribute Table (PAT)".

use alloc::collections::BTreeMap;

use x86_64::{instructions::tlb, registers::model_specific::Msr};

use super::{paging::Access, phys};
use crate::ke::lock::HighLock;

/// `IA32_PAT`, and what NT has there: write-back, write-combining, uncached (but for MTRRs that
/// combine), uncached; twice. A page table entry's PWT and PCD choose one.
const PAT: u32 = 0x277;
const PAT_VALUE: u64 = 0x0007_0106_0007_0106;

/// A type of caching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// `MmNonCached`.
    NonCached,
    /// `MmCached`.
    Cached,
    /// `MmWriteCombined`.
    WriteCombined,
}

impl Cache {
    /// A `MEMORY_CACHING_TYPE`; `None` for those that are reserved for the system.
    #[must_use]
    pub const fn of_type(value: i32) -> Option<Self> {
        match value {
            0 => Some(Self::NonCached),
            1 => Some(Self::Cached),
            2 => Some(Self::WriteCombined),
            _ => None,
        }
    }

    /// What `PAGE_NOCACHE` and `PAGE_WRITECOMBINE` say; `None` for both.
    #[must_use]
    pub const fn of_protection(value: u32) -> Option<Self> {
        match value & 0x600 {
            0 => Some(Self::Cached),
            0x200 => Some(Self::NonCached),
            0x400 => Some(Self::WriteCombined),
            _ => None,
        }
    }

    /// The type of a mapping with this access.
    #[must_use]
    pub const fn of_access(access: Access) -> Self {
        if access.contains(Access::COMBINED) {
            Self::WriteCombined
        } else if access.contains(Access::UNCACHED) {
            Self::NonCached
        } else {
            Self::Cached
        }
    }

    /// An access with this type.
    #[must_use]
    pub const fn applied(self, access: Access) -> Access {
        let access = access.difference(Access::CACHE);
        match self {
            Self::NonCached => access.union(Access::UNCACHED),
            Self::Cached => access,
            Self::WriteCombined => access.union(Access::COMBINED),
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Page {
    /// None yet.
    cache: Option<Cache>,
    mappings: u32,
}

/// By physical address: the pages that are not simply cached memory. A leaf.
static PAGES: HighLock<BTreeMap<u64, Page>> = HighLock::new(BTreeMap::new());

/// Has the processor that runs know all types.
pub fn initialize_processor() {
    let mut register = Msr::new(PAT);
    // SAFETY: no mapping has the entry yet that changes its meaning, from write-through.
    unsafe { register.write(PAT_VALUE) };
    tlb::flush_all();
}

/// Pages of memory were allocated, to be cached so; `None` for pages whose first mapping says.
pub fn allocated(frames: impl Iterator<Item = u64>, cache: Option<Cache>) {
    if cache == Some(Cache::Cached) {
        return;
    }
    let mut pages = PAGES.lock();
    for frame in frames {
        pages.insert(frame, Page { cache, mappings: 0 });
    }
}

/// Pages of memory are about to be freed.
pub fn freed(frames: impl Iterator<Item = u64>) {
    let mut pages = PAGES.lock();
    for frame in frames {
        pages.remove(&frame);
    }
}

/// Pages are about to be mapped: gives the type, which is what is wanted only if they have none.
/// `None` if they differ among themselves.
#[must_use]
pub fn map(frames: impl Iterator<Item = u64> + Clone, wanted: Cache) -> Option<Cache> {
    let mut pages = PAGES.lock();
    let mut agreed = None;
    for frame in frames.clone() {
        let present = match pages.get(&frame) {
            Some(page) => page.cache,
            None if phys::is_memory(frame) => Some(Cache::Cached),
            None => None,
        };
        if present.is_some() && agreed.is_some() && present != agreed {
            return None;
        }
        agreed = agreed.or(present);
    }
    let agreed = agreed.unwrap_or(wanted);
    for frame in frames {
        if !pages.contains_key(&frame) && phys::is_memory(frame) {
            continue;
        }
        let page = pages.entry(frame).or_default();
        page.cache = Some(agreed);
        page.mappings += 1;
    }
    Some(agreed)
}

/// Pages are not mapped any more, once less.
pub fn unmap(frames: impl Iterator<Item = u64>) {
    let mut pages = PAGES.lock();
    for frame in frames {
        let Some(page) = pages.get_mut(&frame) else {
            continue;
        };
        page.mappings = page.mappings.saturating_sub(1);
        if page.mappings == 0 && !phys::is_memory(frame) {
            pages.remove(&frame);
        }
    }
}
