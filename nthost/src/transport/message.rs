//! The console's interrupt: a message for its receive queue, which wakes the console's thread.
//!
//! Sources: Virtual I/O Device (VIRTIO) 1.1, 4.1.4 "Virtio Structure PCI Capabilities" and
//! 4.1.5.1.2 "MSI-X Vector Configuration"; PCI Local Bus 3.0, 6.8.2 "MSI-X Capability".

use core::{cell::UnsafeCell, ffi::c_void};

use nthost_nt::ke::{KDPC, SINGLE_LIST_ENTRY};
use virtio_drivers::transport::pci::bus::{BarInfo, ConfigurationAccess, DeviceFunction, PciRoot};

use crate::{
    ke::{
        dpc::{self, KeInitializeDpc},
        interrupt, pcr,
    },
    mm::{
        PAGE_SIZE,
        paging::{self, Access},
    },
};

/// Capabilities: one of the vendor's, of which virtio has several; the table of messages.
const VENDOR_CAPABILITY: u8 = 0x09;
const MSIX_CAPABILITY: u8 = 0x11;
/// `VIRTIO_PCI_CAP_COMMON_CFG`.
const COMMON: u16 = 1;
/// In the common configuration.
const QUEUE_SELECT: u64 = 22;
const QUEUE_MSIX_VECTOR: u64 = 26;
/// The first port's receive queue.
const RECEIVE: u16 = 0;
/// In the table's control register.
const ENABLE: u32 = 1 << 31;
const MASK_ALL: u32 = 1 << 30;

/// The registers that are written: where the device has them.
pub struct Registers {
    /// The capability of the table, in configuration space.
    capability: u8,
    /// The table's first entry.
    entry: u64,
    /// The common configuration.
    common: u64,
}

/// A DPC of nthost's own.
struct Dpc(UnsafeCell<KDPC>);

// SAFETY: a DPC is used through its queue's lock.
unsafe impl Sync for Dpc {}

static DPC: Dpc = Dpc(UnsafeCell::new(KDPC {
    Type: 0,
    Importance: 0,
    Number: 0,
    DpcListEntry: SINGLE_LIST_ENTRY {
        Next: core::ptr::null_mut(),
    },
    ProcessorHistory: 0,
    DeferredRoutine: None,
    DeferredContext: core::ptr::null_mut(),
    SystemArgument1: core::ptr::null_mut(),
    SystemArgument2: core::ptr::null_mut(),
    DpcData: core::ptr::null_mut(),
}));

/// The message has come. At the vector's IRQL, where no thread can be woken.
fn arrived() {
    // SAFETY: it was initialized before the message was enabled, and stays.
    unsafe { dpc::insert(DPC.0.get(), core::ptr::null_mut(), core::ptr::null_mut()) };
}

unsafe extern "win64" fn wake(
    _dpc: *mut KDPC,
    _context: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    super::queue::wake();
}

/// Where memory of a device is seen.
fn map(physical: u64) -> Option<u64> {
    let first = physical / PAGE_SIZE * PAGE_SIZE;
    // SAFETY: the registers of nthost's own device.
    let base =
        unsafe { paging::map_range(core::iter::once(first), Access::WRITE | Access::UNCACHED) };
    Some(base? + physical % PAGE_SIZE)
}

/// Looks for the registers; `None` if the device has no messages. Before the device is started:
/// its base addresses do not count meanwhile.
pub fn find(
    root: &mut PciRoot<impl ConfigurationAccess>,
    read: impl Fn(u8) -> u32,
    function: DeviceFunction,
) -> Option<Registers> {
    let mut capability = None;
    let mut common = None;
    for found in root.capabilities(function) {
        match found.id {
            MSIX_CAPABILITY => capability = Some(found.offset),
            VENDOR_CAPABILITY if found.private_header >> 8 == COMMON => {
                common.get_or_insert(found.offset);
            }
            _ => {}
        }
    }
    let (capability, common) = (capability?, common?);
    let mut place = |bar: u8, offset: u32| match root.bar_info(function, bar).ok()? {
        Some(BarInfo::Memory { address, .. }) => map(address + u64::from(offset)),
        _ => None,
    };
    let table = read(capability + 4);
    let entry = place((table & 7) as u8, table & !7)?;
    let common = place(read(common + 4) as u8, read(common + 8))?;
    Some(Registers {
        capability,
        entry,
        common,
    })
}

impl Registers {
    /// Has the device send its message to this processor when something has arrived; whether it
    /// does. The device is started. PASSIVE_LEVEL.
    #[must_use]
    pub fn enable(&self, read: impl Fn(u8) -> u32, write: impl Fn(u8, u32)) -> bool {
        // SAFETY: nobody uses it yet.
        unsafe { KeInitializeDpc(DPC.0.get(), Some(wake), core::ptr::null_mut()) };
        let Some(vector) = interrupt::connect_own(arrived) else {
            return false;
        };
        let (address, data) = interrupt::message(vector, pcr::current().number);
        let words = [address as u32, (address >> 32) as u32, data, 0];
        for (index, word) in (0_u64..).zip(words) {
            register::<u32, _>(self.entry + 4 * index, |at| {
                // SAFETY: the table's first entry.
                unsafe { at.write_volatile(word) };
            });
        }
        let control = read(self.capability);
        write(self.capability, control & !MASK_ALL | ENABLE);
        register::<u16, _>(self.common + QUEUE_SELECT, |at| {
            // SAFETY: a register of the common configuration.
            unsafe { at.write_volatile(RECEIVE) };
        });
        register::<u16, _>(self.common + QUEUE_MSIX_VECTOR, |at| {
            // SAFETY: as above.
            unsafe { at.write_volatile(0) };
            // The device answers with another number if it cannot.
            // SAFETY: as above.
            unsafe { at.read_volatile() == 0 }
        })
    }
}

fn register<T, R>(address: u64, access: impl FnOnce(*mut T) -> R) -> R {
    access(core::ptr::with_exposed_provenance_mut(address as usize))
}
