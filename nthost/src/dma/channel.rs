//! The channel: a driver has its device's adapter to itself, with map registers by the number.
//!
//! Sources: nc-wdm-pallocate_adapter_channel, nc-wdm-pallocate_adapter_channel_ex,
//! nc-wdm-pfree_map_registers, nc-wdm-pfree_adapter_channel, nc-wdm-pfree_adapter_object,
//! nc-wdm-pcancel_adapter_channel, nc-wdm-driver_control.

use alloc::{boxed::Box, vec::Vec};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        dma::{
            DMA_ADAPTER, DMA_SYNCHRONOUS_CALLBACK, DRIVER_CONTROL, DeallocateObject,
            DeallocateObjectKeepRegisters, KeepObject,
        },
    },
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS,
    },
};

use super::{
    adapter::{self, Adapter, Base, Held, Outcome, Waiting},
    list, misuse,
};
use crate::{
    driver_routine::{self, Kind},
    export::{self, DISPATCH_LEVEL},
    hook::{self, DmaMisuse},
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
        return hook::dma_misuse(DmaMisuse::RegistersFreed, [1, base.addr() as u64, 0]);
    };
    if count.is_some_and(|count| count != freed.count) {
        hook::dma_misuse(DmaMisuse::RegistersFreed, [1, base.addr() as u64, 0]);
    }
    let mapped: u32 = freed.mappings.iter().map(|mapping| mapping.count).sum();
    if mapped > 0 {
        hook::dma_misuse(DmaMisuse::RegistersMapped, [mapped.into(), 0, 0]);
    }
    adapter.release(freed.count, channel);
}

/// No more map registers are asked for than the adapter has.
fn at_most(adapter: &Adapter, count: u32) {
    let most = adapter.registers;
    if count > most {
        hook::dma_misuse(DmaMisuse::AskedTooMany, [count.into(), most.into(), 0]);
    }
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
        adapter.with(|state| state.within = self.device.addr());
        let address = routine as usize;
        let action = driver_routine::call(Kind::Callback, address, self.device.addr(), || {
            // SAFETY: the driver's own routine, with its context.
            unsafe { routine(self.device, irp, base, self.context) }
        });
        adapter.with(|state| state.within = 0);
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
    let caller = export::caller();
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if hook::call_fails("AllocateAdapterChannel", caller) {
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
            Ok(Outcome::Done)
        }),
    };
    if this.is_waiting(key) || this.with(|state| state.within == key) {
        hook::dma_misuse(DmaMisuse::TooManyChannels, [2, 0, 0]);
    }
    at_most(this, count);
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
    let caller = export::caller();
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let synchronous = flags & DMA_SYNCHRONOUS_CALLBACK != 0;
    if routine.is_none() && tell.is_null() || !tell.is_null() && !synchronous {
        return STATUS_INVALID_PARAMETER;
    }
    if hook::call_fails("AllocateAdapterChannelEx", caller) {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    at_most(this, count);
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
            Ok(Outcome::Done)
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
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    u8::from(this.cancel(transfer_context.addr()))
}

/// FreeMapRegisters.
pub unsafe extern "win64" fn free_registers(
    adapter: *mut DMA_ADAPTER,
    base: *mut c_void,
    count: u32,
) {
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    free_base(this, base, Some(count), false);
}

/// FreeAdapterChannel: as FreeAdapterObject with DeallocateObject.
pub unsafe extern "win64" fn free(adapter: *mut DMA_ADAPTER) {
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    free_held(this, DeallocateObject);
}

/// FreeAdapterObject.
pub unsafe extern "win64" fn free_object(adapter: *mut DMA_ADAPTER, action: i32) {
    misuse::up_to(DISPATCH_LEVEL);
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
        return hook::dma_misuse(DmaMisuse::ChannelFreed, [1, 0, 0]);
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
