//! Writes to a device's registers that its driver knows nothing of: what the device does then, it
//! seems to do of its own accord.

use nthost_nt::status::{
    NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE,
    STATUS_SUCCESS,
};

use super::{node, pci::config::Space};
use crate::mm::{
    PAGE_SIZE,
    paging::{self, Access},
};

/// Writes 32 bits to a register of a device with resources. PASSIVE_LEVEL.
#[must_use]
pub fn write_register(device: &str, bar: u8, offset: u32, value: u32) -> NTSTATUS {
    let Some(node) = node::find(device) else {
        return STATUS_NO_SUCH_DEVICE;
    };
    let Some(resources) = node.state().resources else {
        return STATUS_NO_SUCH_DEVICE;
    };
    let found = resources.bars.iter().find(|found| {
        found.index == bar
            && !matches!(found.space, Space::Io)
            && offset.is_multiple_of(4)
            && u64::from(offset) + 4 <= found.size
    });
    let Some(found) = found else {
        return STATUS_INVALID_PARAMETER;
    };
    let address = found.address + u64::from(offset);
    let page = address / PAGE_SIZE * PAGE_SIZE;
    // SAFETY: the device's own registers; what comes of writing to them is the host's wish.
    let mapped =
        unsafe { paging::map_range(core::iter::once(page), Access::WRITE | Access::UNCACHED) };
    let Some(mapped) = mapped else {
        return STATUS_INSUFFICIENT_RESOURCES;
    };
    let register =
        core::ptr::with_exposed_provenance_mut::<u32>((mapped + address % PAGE_SIZE) as usize);
    // SAFETY: mapped above, and aligned.
    unsafe { register.write_volatile(value) };
    // SAFETY: mapped above, and used by nobody else.
    unsafe { paging::unmap_range(mapped, 1) };
    STATUS_SUCCESS
}
