//! The channel: a driver has its device's adapter to itself, with map registers by the number,
//! and maps a transfer in pieces.
//!
//! Sources: nc-wdm-pallocate_adapter_channel, nc-wdm-pallocate_adapter_channel_ex,
//! nc-wdm-pmap_transfer, nc-wdm-pmap_transfer_ex, nc-wdm-pflush_adapter_buffers,
//! nc-wdm-pflush_adapter_buffers_ex, nc-wdm-pfree_map_registers, nc-wdm-pfree_adapter_channel,
//! nc-wdm-pfree_adapter_object, nc-wdm-pcancel_adapter_channel, nc-wdm-driver_control.

use alloc::{boxed::Box, vec::Vec};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        dma::{
            DMA_ADAPTER, DMA_SYNCHRONOUS_CALLBACK, DRIVER_CONTROL, DeallocateObject,
            DeallocateObjectKeepRegisters, KeepObject, SCATTER_GATHER_LIST,
        },
    },
    mm::MDL,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
    },
};

use super::{
    adapter::{self, Adapter, Base, Held, Waiting},
    list,
    mapping::{self, Mapping},
    violation,
};
use crate::{
    export::DISPATCH_LEVEL,
    verifier::{call, fault},
};

/// Map registers by the number: what the driver gets for them is no address.
fn new_base(adapter: &Adapter, count: u32) -> *mut c_void {
    let key = adapter.with(|state| {
        let key = state.next_base << 4;
        state.next_base += 1;
        let base = Base {
            count,
            mappings: Vec::new(),
        };
        state.bases.insert(key, base);
        state.held = Held::Base(key);
        key
    });
    core::ptr::without_provenance_mut(key)
}

/// Gives registers back; they must not be mapped any more.
fn free_base(adapter: &Adapter, base: *mut c_void, count: Option<u32>, channel: bool) {
    let freed = adapter.with(|state| {
        if state.held == Held::Base(base.addr()) {
            state.held = Held::Nothing;
        }
        state.bases.remove(&base.addr())
    });
    let Some(freed) = freed else {
        return violation::dma(violation::REGISTERS_FREED, 1, base.addr() as u64, 0);
    };
    if count.is_some_and(|count| count != freed.count) {
        violation::dma(violation::REGISTERS_FREED, 1, base.addr() as u64, 0);
    }
    let mapped: u32 = freed.mappings.iter().map(|mapping| mapping.count).sum();
    if mapped > 0 {
        violation::dma(violation::REGISTERS_MAPPED, mapped.into(), 0, 0);
    }
    adapter.release(freed.count, channel);
}

/// What is done when the channel and the registers are there.
struct Grant {
    device: *mut DEVICE_OBJECT,
    routine: Option<DRIVER_CONTROL>,
    context: *mut c_void,
    /// Where the registers are to be told, if there is no routine.
    tell: *mut *mut c_void,
    count: u32,
}

// SAFETY: what it points to is the driver's, which keeps it until it is called.
unsafe impl Send for Grant {}

impl Grant {
    fn go(self, adapter: &Adapter) {
        let base = new_base(adapter, self.count);
        let Some(routine) = self.routine else {
            // SAFETY: the driver's variable.
            unsafe { self.tell.write(base) };
            return;
        };
        // SAFETY: the driver's device.
        let irp = unsafe { (*self.device).CurrentIrp };
        // SAFETY: the driver's own routine, with its context.
        let action = unsafe { routine(self.device, irp, base, self.context) };
        end(adapter, action, base);
    }
}

/// What becomes of channel and registers when the driver's routine returns.
#[expect(non_upper_case_globals, reason = "the reference's own names")]
fn end(adapter: &Adapter, action: i32, base: *mut c_void) {
    match action {
        KeepObject => {}
        DeallocateObjectKeepRegisters => adapter.release(0, true),
        // DeallocateObject.
        _ => free_base(adapter, base, None, true),
    }
}

/// AllocateAdapterChannel.
pub unsafe extern "win64" fn allocate(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    count: u32,
    routine: Option<DRIVER_CONTROL>,
    context: *mut c_void,
) -> NTSTATUS {
    let caller = call::caller();
    violation::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if fault::strikes("AllocateAdapterChannel", caller) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let grant = Grant {
        device,
        routine,
        context,
        tell: null_mut(),
        count,
    };
    let key = device.addr();
    let waiting = Waiting {
        registers: count,
        channel: true,
        key,
        go: Box::new(move |adapter, _| {
            grant.go(adapter);
            Ok(())
        }),
    };
    if this.is_waiting(key) {
        violation::dma(violation::TOO_MANY_CHANNELS, 2, 0, 0);
    }
    match this.acquire(waiting, true) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// AllocateAdapterChannelEx.
pub unsafe extern "win64" fn allocate_ex(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    transfer_context: *mut c_void,
    count: u32,
    flags: u32,
    routine: Option<DRIVER_CONTROL>,
    context: *mut c_void,
    tell: *mut *mut c_void,
) -> NTSTATUS {
    let caller = call::caller();
    violation::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let synchronous = flags & DMA_SYNCHRONOUS_CALLBACK != 0;
    if routine.is_none() && tell.is_null() || !tell.is_null() && !synchronous {
        return STATUS_INVALID_PARAMETER;
    }
    if fault::strikes("AllocateAdapterChannelEx", caller) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    let grant = Grant {
        device,
        routine,
        context,
        tell,
        count,
    };
    let waiting = Waiting {
        registers: count,
        channel: true,
        key: transfer_context.addr(),
        go: Box::new(move |adapter, _| {
            grant.go(adapter);
            Ok(())
        }),
    };
    match this.acquire(waiting, !synchronous) {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// CancelAdapterChannel: whether the request had not been granted yet.
pub unsafe extern "win64" fn cancel(
    adapter: *mut DMA_ADAPTER,
    _device: *mut DEVICE_OBJECT,
    transfer_context: *mut c_void,
) -> u8 {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    u8::from(this.cancel(transfer_context.addr()))
}

/// Maps a range with registers that were allocated.
///
/// # Safety
///
/// The MDL chain is the driver's.
unsafe fn map(
    adapter: &Adapter,
    mdl: *mut MDL,
    base: *mut c_void,
    offset: u64,
    length: u64,
    write: bool,
) -> Result<Vec<super::plan::Fragment>, NTSTATUS> {
    // SAFETY: the caller's promise.
    let mapping = unsafe { Mapping::new(mdl, offset, length, write, adapter.reach)? };
    let elements = mapping.elements.clone();
    let count = mapping.count;
    adapter
        .with(|state| {
            let Some(base) = state.bases.get_mut(&base.addr()) else {
                return Err(STATUS_INVALID_PARAMETER);
            };
            let used: u32 = base.mappings.iter().map(|mapping| mapping.count).sum();
            if used + count > base.count {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            base.mappings.push(mapping);
            Ok(())
        })
        .inspect_err(|_| {
            let address = base.addr() as u64;
            violation::dma(violation::TOO_MANY_REGISTERS, count.into(), address, 0);
        })?;
    Ok(elements)
}

/// MapTransfer: the first piece that lies together for the device, and in `length` its bytes.
pub unsafe extern "win64" fn map_transfer(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    address: *mut c_void,
    length: *mut u32,
    write: u8,
) -> i64 {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    // SAFETY: the driver's MDL.
    let offset = unsafe { list::offset_in(mdl, address) };
    // SAFETY: the driver's variable.
    let wanted = u64::from(unsafe { length.read() });
    let bytes = if this.reach.scatter_gather {
        // SAFETY: the driver's MDL.
        let pieces = unsafe { mapping::fragments(mdl, offset, wanted) }.unwrap_or_default();
        let first = super::plan::elements(pieces)
            .first()
            .map(|first| first.length);
        wanted.min(first.map_or(wanted, u64::from))
    } else {
        wanted
    };
    // SAFETY: as above.
    match unsafe { map(this, mdl, base, offset, bytes, write != 0) } {
        Ok(elements) => {
            let Some(first) = elements.first() else {
                return 0;
            };
            // SAFETY: the driver's variable.
            unsafe { length.write(first.length) };
            first.address.cast_signed()
        }
        Err(_) => 0,
    }
}

/// MapTransferEx.
pub unsafe extern "win64" fn map_transfer_ex(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    offset: u64,
    _device_offset: u32,
    length: *mut u32,
    write: u8,
    buffer: *mut SCATTER_GATHER_LIST,
    room: u32,
    _completion: *mut c_void,
    _completion_context: *mut c_void,
) -> NTSTATUS {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if buffer.is_null() || (room as usize) < list::size(1) {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the driver's variable.
    let wanted = unsafe { length.read() };
    // SAFETY: the driver's chain.
    let pieces = unsafe { mapping::fragments(mdl, offset, wanted.into()) };
    let Ok(pieces) = pieces else {
        return STATUS_BUFFER_TOO_SMALL;
    };
    // As much as there are registers and room for.
    let registers = this.with(|state| state.bases.get(&base.addr()).map_or(0, |base| base.count));
    let most =
        (registers as usize).min((room as usize - list::size(0)) / (list::size(1) - list::size(0)));
    let bytes: u64 = pieces
        .iter()
        .take(most)
        .map(|piece| u64::from(piece.length))
        .sum();
    if bytes == 0 {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: as above.
    match unsafe { map(this, mdl, base, offset, bytes, write != 0) } {
        Ok(elements) => {
            // SAFETY: the driver's memory, large enough for as many.
            unsafe { list::write(buffer, &elements) };
            // SAFETY: the driver's variable.
            unsafe { length.write(bytes as u32) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Ends the mappings of a range; how many there were.
fn flush(adapter: &Adapter, base: *mut c_void, offset: u64, length: u64, write: bool) -> usize {
    let range = offset..offset + length;
    let ended = adapter.with(|state| {
        let Some(base) = state.bases.get_mut(&base.addr()) else {
            return Vec::new();
        };
        let mappings = core::mem::take(&mut base.mappings);
        let (ended, left): (Vec<_>, Vec<_>) = mappings
            .into_iter()
            .partition(|mapping| range.contains(&mapping.offset));
        base.mappings = left;
        ended
    });
    let count = ended.len();
    for mapping in ended {
        adapter.flush(mapping, write);
    }
    count
}

/// FlushAdapterBuffers.
pub unsafe extern "win64" fn flush_buffers(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    address: *mut c_void,
    length: u32,
    write: u8,
) -> u8 {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    // SAFETY: the driver's MDL.
    let offset = unsafe { list::offset_in(mdl, address) };
    let count = flush(this, base, offset, length.into(), write != 0);
    if count == 0 {
        violation::dma(violation::FLUSHED_UNMAPPED, base.addr() as u64, 0, 0);
    }
    u8::from(count > 0)
}

/// FlushAdapterBuffersEx.
pub unsafe extern "win64" fn flush_buffers_ex(
    adapter: *mut DMA_ADAPTER,
    _mdl: *mut MDL,
    base: *mut c_void,
    offset: u64,
    length: u32,
    write: u8,
) -> NTSTATUS {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if flush(this, base, offset, length.into(), write != 0) == 0 {
        violation::dma(violation::FLUSHED_UNMAPPED, base.addr() as u64, 0, 0);
        return STATUS_INVALID_PARAMETER;
    }
    STATUS_SUCCESS
}

/// FreeMapRegisters.
pub unsafe extern "win64" fn free_registers(
    adapter: *mut DMA_ADAPTER,
    base: *mut c_void,
    count: u32,
) {
    violation::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    free_base(this, base, Some(count), false);
}

/// FreeAdapterChannel: as FreeAdapterObject with DeallocateObject.
pub unsafe extern "win64" fn free(adapter: *mut DMA_ADAPTER) {
    violation::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    free_held(this, DeallocateObject);
}

/// FreeAdapterObject.
pub unsafe extern "win64" fn free_object(adapter: *mut DMA_ADAPTER, action: i32) {
    violation::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if action != KeepObject {
        free_held(this, action);
    }
}

/// Gives the channel back, with what was allocated along with it unless that is to be kept.
/// Registers and lists that were kept earlier without the channel stay.
fn free_held(adapter: &Adapter, action: i32) {
    let held = adapter.with(|state| state.channel.then_some(state.held));
    let Some(held) = held else {
        return violation::dma(violation::CHANNEL_FREED, 1, 0, 0);
    };
    match held {
        Held::Base(base) if action == DeallocateObject => {
            free_base(adapter, core::ptr::without_provenance_mut(base), None, true);
        }
        Held::List(address) if action == DeallocateObject => {
            let list = adapter.with(|state| state.lists.remove(&address));
            let registers = list.map_or(0, |list| list::end(adapter, list, None));
            adapter.release(registers, true);
        }
        _ => adapter.release(0, true),
    }
}

/// CancelMappedTransfer, ConfigureAdapterChannel: for system DMA controllers alone.
pub unsafe extern "win64" fn cancel_mapped(
    _adapter: *mut DMA_ADAPTER,
    _transfer_context: *mut c_void,
) -> NTSTATUS {
    STATUS_NOT_SUPPORTED
}

/// See [`cancel_mapped`].
pub unsafe extern "win64" fn configure(
    _adapter: *mut DMA_ADAPTER,
    _function: u32,
    _context: *mut c_void,
) -> NTSTATUS {
    STATUS_NOT_SUPPORTED
}
