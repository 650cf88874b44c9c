//! Scatter/gather lists: a whole transfer mapped at once.
//!
//! Sources: nc-wdm-pget_scatter_gather_list, nc-wdm-pget_scatter_gather_list_ex,
//! nc-wdm-pput_scatter_gather_list, nc-wdm-pcalculate_scatter_gather_list_size,
//! nc-wdm-pbuild_scatter_gather_list, nc-wdm-pbuild_scatter_gather_list_ex,
//! nc-wdm-pget_dma_transfer_info.

use alloc::boxed::Box;
use core::{ffi::c_void, mem::size_of};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        dma::{
            DMA_ADAPTER, DMA_SYNCHRONOUS_CALLBACK, DMA_TRANSFER_INFO, DRIVER_LIST_CONTROL,
            SCATTER_GATHER_ELEMENT, SCATTER_GATHER_LIST,
        },
    },
    mm::MDL,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
    },
};

use super::{
    adapter::{self, Adapter, Held, List, Outcome, Waiting},
    mapping::{self, Mapping},
    misuse, plan,
};
use crate::{
    driver_routine::{self, Kind},
    export::{self, DISPATCH_LEVEL},
    hook::{self, DmaMisuse},
};

/// Bytes of a list with so many elements.
pub const fn size(elements: usize) -> usize {
    size_of::<SCATTER_GATHER_LIST>() + elements * size_of::<SCATTER_GATHER_ELEMENT>()
}

/// Writes a list.
///
/// # Safety
///
/// The memory is as large as [`size`] says.
pub unsafe fn write(list: *mut SCATTER_GATHER_LIST, elements: &[plan::Fragment]) {
    let head = SCATTER_GATHER_LIST {
        NumberOfElements: elements.len() as u32,
        Reserved: 0,
        Elements: [],
    };
    // SAFETY: the caller's promise.
    unsafe { list.write(head) };
    // SAFETY: the elements lie behind the head.
    let first = unsafe { list.add(1) }.cast::<SCATTER_GATHER_ELEMENT>();
    for (index, element) in elements.iter().enumerate() {
        let element = SCATTER_GATHER_ELEMENT {
            Address: element.address.cast_signed(),
            Length: element.length,
            Reserved: 0,
        };
        // SAFETY: as above.
        let place = unsafe { first.add(index) };
        // SAFETY: as above.
        unsafe { place.write(element) };
    }
}

/// Where in its MDL chain a transfer begins, by an address in the first MDL.
///
/// # Safety
///
/// It is an MDL.
pub unsafe fn offset_in(mdl: *mut MDL, address: *mut c_void) -> u64 {
    // SAFETY: the caller's promise.
    let fields = unsafe { &*mdl };
    let start = (fields.StartVa.addr() as u64).wrapping_add(fields.ByteOffset.into());
    let address = address.addr() as u64;
    let offset = address.wrapping_sub(start);
    if offset >= u64::from(fields.ByteCount) {
        hook::dma_misuse(DmaMisuse::OutsideMdl, [address, mdl.addr() as u64, 0]);
    }
    offset
}

/// A transfer that is to be mapped, and what is done then.
struct Transfer {
    device: *mut DEVICE_OBJECT,
    mdl: *mut MDL,
    offset: u64,
    length: u64,
    write: bool,
    routine: Option<DRIVER_LIST_CONTROL>,
    context: *mut c_void,
    /// The driver's memory for the list, and its size.
    buffer: Option<(*mut SCATTER_GATHER_LIST, usize)>,
    /// Where the list is to be told.
    tell: *mut *mut SCATTER_GATHER_LIST,
    /// Names the request among those that wait.
    key: usize,
    /// It is to lie where the device does not reach.
    far: bool,
}

// SAFETY: what it points to is the driver's, which keeps it until the list is given back.
unsafe impl Send for Transfer {}

impl Transfer {
    /// Maps it once there are map registers and the channel, which is the driver's until its
    /// routine returns, or, if it has none, until it frees the adapter object.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if the chain or the driver's memory for the list is too small,
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    fn start(
        mut self,
        adapter: &Adapter,
        wait: bool,
        (routine, caller): (&'static str, u64),
    ) -> Result<(), NTSTATUS> {
        if self.length == 0 {
            hook::dma_misuse(DmaMisuse::NoLength, [0, 0, 0]);
        }
        // SAFETY: the driver's chain.
        let pieces = unsafe { mapping::fragments(self.mdl, self.offset, self.length)? };
        if let Some((_, room)) = self.buffer
            && room < size(pieces.len())
        {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        if hook::call_fails(routine, caller) {
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        self.far = hook::list_out_of_reach(caller);
        adapter.acquire(self.waiting(pieces.len() as u32, wait), wait)
    }

    /// It waits for so many registers.
    fn waiting(self, registers: u32, wait: bool) -> Waiting {
        Waiting {
            registers,
            channel: true,
            key: self.key,
            go: Box::new(move |adapter, within| self.go(adapter, registers, (wait, within))),
        }
    }

    /// Maps it, makes the list and calls the driver's routine. DISPATCH_LEVEL.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if memory that the device reaches is short and the
    /// transfer may not wait, or nobody would wake it.
    fn go(
        self,
        adapter: &Adapter,
        registers: u32,
        (wait, within): (bool, bool),
    ) -> Result<Outcome, NTSTATUS> {
        let reach = if self.far {
            adapter.reach.beyond()
        } else {
            adapter.reach
        };
        let map = || {
            // SAFETY: the driver's chain, which it keeps until the list is given back.
            unsafe { Mapping::new(self.mdl, self.offset, self.length, self.write, reach) }
        };
        let mapped = map().or_else(|_| {
            adapter.free_retired();
            map()
        });
        let mapping = match mapped {
            Ok(mapping) => mapping,
            Err(_) if wait => {
                let again = self.waiting(registers, wait);
                return adapter.with(|state| state.wait(again, within));
            }
            Err(_) => {
                adapter.release(registers, true);
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
        };
        let mut memory = None;
        let list = self.buffer.map_or_else(
            || {
                let words = size(mapping.elements.len()).div_ceil(8);
                let mut own: Box<[u64]> = core::iter::repeat_n(0, words).collect();
                let list = own.as_mut_ptr().cast::<SCATTER_GATHER_LIST>();
                memory = Some(own);
                list
            },
            |(buffer, _)| buffer,
        );
        // SAFETY: the memory is large enough: a list has at most as many elements as pieces.
        unsafe { write(list, &mapping.elements) };
        adapter.with(|state| {
            state.held = Held::List(list.addr());
            state.lists_given += 1;
            state.lists.insert(list.addr(), List { mapping, memory });
        });
        if !self.tell.is_null() {
            // SAFETY: the driver's variable.
            unsafe { self.tell.write(list) };
        }
        if let Some(routine) = self.routine {
            // SAFETY: the driver's device.
            let irp = unsafe { (*self.device).CurrentIrp };
            let address = routine as usize;
            driver_routine::call(Kind::Callback, address, self.device.addr(), || {
                // SAFETY: the driver's own routine, with its context.
                unsafe { routine(self.device, irp, list, self.context) };
            });
            adapter.release(0, true);
        }
        Ok(Outcome::Done)
    }
}

/// Ends a list that is none any more: the direction is that of its mapping unless the driver
/// says one. How many registers it had, which are still counted.
pub fn end(adapter: &Adapter, list: List, write: Option<bool>) -> u32 {
    let List {
        mut mapping,
        memory,
    } = list;
    let (count, write) = (mapping.count, write.unwrap_or(mapping.write));
    mapping.flush(mapping.offset..mapping.offset + mapping.length, write);
    adapter.end(mapping);
    adapter.with(|state| state.lists_freed += 1);
    drop(memory);
    count
}

fn status(result: Result<(), NTSTATUS>) -> NTSTATUS {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}

/// GetScatterGatherList.
pub unsafe extern "win64" fn get(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    mdl: *mut MDL,
    address: *mut c_void,
    length: u32,
    routine: Option<DRIVER_LIST_CONTROL>,
    context: *mut c_void,
    write: u8,
) -> NTSTATUS {
    let caller = export::caller();
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let transfer = Transfer {
        device,
        mdl,
        // SAFETY: the driver's MDL.
        offset: unsafe { offset_in(mdl, address) },
        length: length.into(),
        write: write != 0,
        routine,
        context,
        buffer: None,
        tell: core::ptr::null_mut(),
        key: 0,
        far: false,
    };
    status(transfer.start(this, true, ("GetScatterGatherList", caller)))
}

/// BuildScatterGatherList.
pub unsafe extern "win64" fn build(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    mdl: *mut MDL,
    address: *mut c_void,
    length: u32,
    routine: Option<DRIVER_LIST_CONTROL>,
    context: *mut c_void,
    write: u8,
    buffer: *mut c_void,
    room: u32,
) -> NTSTATUS {
    let caller = export::caller();
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let transfer = Transfer {
        device,
        mdl,
        // SAFETY: the driver's MDL.
        offset: unsafe { offset_in(mdl, address) },
        length: length.into(),
        write: write != 0,
        routine,
        context,
        buffer: Some((buffer.cast(), room as usize)),
        tell: core::ptr::null_mut(),
        key: 0,
        far: false,
    };
    status(transfer.start(this, true, ("BuildScatterGatherList", caller)))
}

/// The rules that both of the later routines have for their arguments.
const fn is_valid(
    flags: u32,
    routine: Option<DRIVER_LIST_CONTROL>,
    tell: *mut *mut SCATTER_GATHER_LIST,
    length: u32,
) -> bool {
    let synchronous = flags & DMA_SYNCHRONOUS_CALLBACK != 0;
    length > 0 && (routine.is_some() || synchronous && !tell.is_null())
}

/// GetScatterGatherListEx.
pub unsafe extern "win64" fn get_ex(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    transfer_context: *mut c_void,
    mdl: *mut MDL,
    offset: u64,
    length: u32,
    flags: u32,
    routine: Option<DRIVER_LIST_CONTROL>,
    context: *mut c_void,
    write: u8,
    _completion: *mut c_void,
    _completion_context: *mut c_void,
    tell: *mut *mut SCATTER_GATHER_LIST,
) -> NTSTATUS {
    let caller = export::caller();
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if !is_valid(flags, routine, tell, length) {
        return STATUS_INVALID_PARAMETER;
    }
    let transfer = Transfer {
        device,
        mdl,
        offset,
        length: length.into(),
        write: write != 0,
        routine,
        context,
        buffer: None,
        tell,
        key: transfer_context.addr(),
        far: false,
    };
    status(transfer.start(
        this,
        flags & DMA_SYNCHRONOUS_CALLBACK == 0,
        ("GetScatterGatherListEx", caller),
    ))
}

/// BuildScatterGatherListEx.
pub unsafe extern "win64" fn build_ex(
    adapter: *mut DMA_ADAPTER,
    device: *mut DEVICE_OBJECT,
    transfer_context: *mut c_void,
    mdl: *mut MDL,
    offset: u64,
    length: u32,
    flags: u32,
    routine: Option<DRIVER_LIST_CONTROL>,
    context: *mut c_void,
    write: u8,
    buffer: *mut c_void,
    room: u32,
    _completion: *mut c_void,
    _completion_context: *mut c_void,
    tell: *mut *mut SCATTER_GATHER_LIST,
) -> NTSTATUS {
    let caller = export::caller();
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if !is_valid(flags, routine, tell, length) || buffer.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    let transfer = Transfer {
        device,
        mdl,
        offset,
        length: length.into(),
        write: write != 0,
        routine,
        context,
        buffer: Some((buffer.cast(), room as usize)),
        tell,
        key: transfer_context.addr(),
        far: false,
    };
    status(transfer.start(
        this,
        flags & DMA_SYNCHRONOUS_CALLBACK == 0,
        ("BuildScatterGatherListEx", caller),
    ))
}

/// PutScatterGatherList.
pub unsafe extern "win64" fn put(
    adapter: *mut DMA_ADAPTER,
    list: *mut SCATTER_GATHER_LIST,
    write: u8,
) {
    misuse::at_dispatch();
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let found = this.with(|state| {
        if state.held == Held::List(list.addr()) {
            state.held = Held::Nothing;
        }
        state.lists.remove(&list.addr())
    });
    let Some(found) = found else {
        let (given, freed) = this.with(|state| (state.lists_given, state.lists_freed));
        return hook::dma_misuse(DmaMisuse::ListFreed, [given, freed + 1, 0]);
    };
    let count = end(this, found, Some(write != 0));
    this.release(count, false);
}

/// CalculateScatterGatherList.
pub unsafe extern "win64" fn calculate(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    address: *mut c_void,
    length: u32,
    bytes: *mut u32,
    registers: *mut u32,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let count = if mdl.is_null() {
        plan::span(address.addr() as u64, length.into())
    } else {
        // SAFETY: the driver's MDL.
        let offset = unsafe { offset_in(mdl, address) };
        // SAFETY: as above.
        match unsafe { mapping::fragments(mdl, offset, length.into()) } {
            Ok(pieces) => pieces.len() as u64,
            Err(status) => return status,
        }
    };
    if count > this.registers.into() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: the driver's variable.
    unsafe { bytes.write(size(count as usize) as u32) };
    if !registers.is_null() {
        // SAFETY: as above.
        unsafe { registers.write(count as u32) };
    }
    STATUS_SUCCESS
}

/// GetDmaTransferInfo.
pub unsafe extern "win64" fn transfer_info(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    offset: u64,
    length: u32,
    _write_only: u8,
    info: *mut DMA_TRANSFER_INFO,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let _this = unsafe { adapter::of(adapter) };
    // SAFETY: the driver's structure.
    let version = unsafe { (*info).Version };
    if !matches!(version, 1 | 2) {
        return STATUS_NOT_SUPPORTED;
    }
    // SAFETY: the driver's chain.
    let pieces = match unsafe { mapping::fragments(mdl, offset, length.into()) } {
        Ok(pieces) => pieces.len(),
        Err(status) => return status,
    };
    // SAFETY: the driver's structure, of which version 1 has all but the last field.
    let fields = unsafe { &raw mut (*info).V2 }.cast::<u32>();
    let values = [pieces, pieces, size(pieces), pieces];
    for (index, value) in values.into_iter().take(2 + version as usize).enumerate() {
        // SAFETY: as above.
        let place = unsafe { fields.add(index) };
        // SAFETY: as above.
        unsafe { place.write(value as u32) };
    }
    STATUS_SUCCESS
}
