//! A device's own table: which pages it may read and write, and for how many transfers.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES},
};

use super::{
    table::{self, Depth, Fault, Rights},
    unit,
};
use crate::{
    dma, hook,
    ke::lock::{HighLock, SpinLock},
};

/// A device, as the IOMMU knows it.
pub struct Domain {
    source: u16,
    /// What the unit calls it.
    number: u16,
    depth: Depth,
    /// The address of its first table.
    root: u64,
    /// The physical device object, and who last got an adapter. Relaxed: for the bug check.
    pdo: AtomicU64,
    caller: AtomicU64,
    /// The pages that are mapped. Also protects the tables.
    pages: SpinLock<BTreeMap<u64, Uses>>,
}

/// For how many transfers a page is mapped.
#[derive(Clone, Copy, Default)]
struct Uses {
    read: u32,
    write: u32,
}

impl Uses {
    const fn rights(self) -> Rights {
        Rights {
            read: self.read > 0,
            write: self.write > 0,
        }
    }
}

/// The devices that have adapters. Taken also by the unit's interrupt.
static DOMAINS: HighLock<Vec<&'static Domain>> = HighLock::new(Vec::new());

/// A device's domain, which `caller` wants an adapter for; `None` without an IOMMU, or if no PCI
/// function is behind it. A device that a bus driver has reported reaches memory as its bus does.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub fn of(pdo: *mut DEVICE_OBJECT, caller: u64) -> Result<Option<&'static Domain>, NTSTATUS> {
    let Some(depth) = unit::depth() else {
        return Ok(None);
    };
    let Some((bus, device, function)) = hook::function_of(pdo) else {
        return Ok(None);
    };
    let source = table::source(bus, device, function);
    let root = unit::new_table().ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let mut domains = DOMAINS.lock();
    let known = domains
        .iter()
        .copied()
        .find(|domain| domain.source == source);
    let domain = if let Some(domain) = known {
        // SAFETY: the page was just allocated, and nobody has seen it.
        unsafe { crate::mm::phys::free(root, 1) };
        domain
    } else {
        let number = domains.len() as u16 + 1;
        if !unit::attach(source, root, number) {
            // SAFETY: as above.
            unsafe { crate::mm::phys::free(root, 1) };
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let domain: &'static Domain = Box::leak(Box::new(Domain {
            source,
            number,
            depth,
            root,
            pdo: AtomicU64::new(0),
            caller: AtomicU64::new(0),
            pages: SpinLock::new(BTreeMap::new()),
        }));
        domains.push(domain);
        domain
    };
    domain.pdo.store(pdo.addr() as u64, Ordering::Relaxed);
    domain.caller.store(caller, Ordering::Relaxed);
    Ok(Some(domain))
}

/// Bug check 0xE6, code 0x26: a device has tried what is not mapped for it.
pub fn refused(fault: Fault) {
    let known = DOMAINS.lock();
    let known = known.iter().find(|domain| domain.source == fault.source);
    let (pdo, caller) = known.map_or((0, 0), |domain| {
        (
            domain.pdo.load(Ordering::Relaxed),
            domain.caller.load(Ordering::Relaxed),
        )
    });
    let (module, _) = hook::image_of(caller);
    log!(
        "verifier",
        "the device {:02x}:{:02x}.{} of {module} {} page {:#x}, which is not mapped for that",
        fault.source >> 8,
        fault.source >> 3 & 0x1f,
        fault.source & 7,
        if fault.write { "wrote to" } else { "read" },
        fault.page
    );
    dma::refused(pdo, fault.page, fault.reason.into());
}

/// Rights to some pages, until it is dropped.
#[derive(Debug)]
pub struct Window {
    domain: &'static Domain,
    pages: Vec<u64>,
    rights: Rights,
}

impl Drop for Window {
    fn drop(&mut self) {
        for &page in &self.pages {
            self.domain.change(page, |uses| {
                uses.read -= u32::from(self.rights.read);
                uses.write -= u32::from(self.rights.write);
            });
        }
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Domain({:#06x})", self.source)
    }
}

impl Domain {
    /// Lets the device reach some ranges.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn open(
        &'static self,
        ranges: impl IntoIterator<Item = (u64, u64)>,
        rights: Rights,
    ) -> Result<Window, NTSTATUS> {
        let mut window = Window {
            domain: self,
            pages: Vec::new(),
            rights,
        };
        for (address, length) in ranges {
            for page in table::pages(address, length) {
                let mapped = self.change(page, |uses| {
                    uses.read += u32::from(rights.read);
                    uses.write += u32::from(rights.write);
                });
                if !mapped {
                    return Err(STATUS_INSUFFICIENT_RESOURCES);
                }
                window.pages.push(page);
            }
        }
        Ok(window)
    }

    /// Changes the uses of a page, and its entry with them. Says whether there was memory for
    /// the tables that lead to it; if not, nothing has changed.
    fn change(&self, page: u64, change: impl FnOnce(&mut Uses)) -> bool {
        let mut pages = self.pages.lock();
        let Some(entry) = self.entry(page) else {
            return false;
        };
        let uses = pages.entry(page).or_default();
        let before = uses.rights();
        change(uses);
        let after = uses.rights();
        if after == Rights::default() {
            pages.remove(&page);
        }
        if after != before {
            // SAFETY: an entry of this device's tables, which the lock protects.
            unsafe { entry.write_volatile(table::page_entry(page, after)) };
        }
        // The unit remembers no entry that gives no right.
        if after != before && before != Rights::default() {
            unit::forget(page, self.number);
        }
        true
    }

    /// The entry for a page. Its tables are made if they are not there.
    fn entry(&self, page: u64) -> Option<*mut u64> {
        let mut table = self.root;
        for level in (2..=self.depth.levels).rev() {
            let entry = unit::entry(table, table::index(page, level));
            // SAFETY: an entry of this device's tables, which the caller's lock protects.
            let found = table::target(unsafe { entry.read_volatile() });
            table = if let Some(table) = found {
                table
            } else {
                let new = unit::new_table()?;
                // SAFETY: as above.
                unsafe { entry.write_volatile(table::table_entry(new)) };
                new
            };
        }
        Some(unit::entry(table, table::index(page, 1)))
    }
}
