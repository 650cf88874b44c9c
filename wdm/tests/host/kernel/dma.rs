//! A DMA adapter that maps what it is given as one element, at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use wdk_sys::{
    BOOLEAN, DEVICE_DESCRIPTION, DMA_ADAPTER, DMA_OPERATIONS, NTSTATUS, PDEVICE_OBJECT, PMDL,
    PVOID, SCATTER_GATHER_LIST, STATUS_SUCCESS, ULONG,
};

use super::{DISPATCH_LEVEL, irql, pool};

/// Lists that have not been given back.
pub static MAPPED: AtomicUsize = AtomicUsize::new(0);

#[repr(C)]
struct Adapter {
    adapter: DMA_ADAPTER,
    operations: DMA_OPERATIONS,
}

#[unsafe(no_mangle)]
extern "C" fn IoGetDmaAdapter(
    _physical: PDEVICE_OBJECT,
    _description: *mut DEVICE_DESCRIPTION,
    map_registers: *mut ULONG,
) -> *mut DMA_ADAPTER {
    let mut operations = DMA_OPERATIONS::default();
    operations.PutDmaAdapter = Some(put_adapter);
    operations.GetScatterGatherList = Some(get_list);
    operations.PutScatterGatherList = Some(put_list);
    let adapter = Box::into_raw(Box::new(Adapter {
        adapter: DMA_ADAPTER::default(),
        operations,
    }));
    // SAFETY: just made; and the caller's place for a number.
    unsafe {
        (*adapter).adapter.DmaOperations = &raw mut (*adapter).operations;
        map_registers.write(64);
    }
    adapter.cast()
}

unsafe extern "C" fn put_adapter(adapter: *mut DMA_ADAPTER) {
    // SAFETY: from `IoGetDmaAdapter`, given back once.
    drop(unsafe { Box::from_raw(adapter.cast::<Adapter>()) });
}

unsafe extern "C" fn get_list(
    _adapter: *mut DMA_ADAPTER,
    device: PDEVICE_OBJECT,
    _mdl: PMDL,
    _start: PVOID,
    length: ULONG,
    routine: wdk_sys::PDRIVER_LIST_CONTROL,
    context: PVOID,
    _to_device: BOOLEAN,
) -> NTSTATUS {
    assert_eq!(irql(), DISPATCH_LEVEL);
    let list = pool::allocate(size_of::<SCATTER_GATHER_LIST>() + 24).cast::<SCATTER_GATHER_LIST>();
    // SAFETY: just made, with room for an element.
    unsafe {
        (*list).NumberOfElements = 1;
        let element = (&raw mut (*list).Elements).cast::<wdk_sys::SCATTER_GATHER_ELEMENT>();
        (*element).Address.QuadPart = 0x1000;
        (*element).Length = length;
        MAPPED.fetch_add(1, Ordering::Relaxed);
        routine.unwrap()(device, core::ptr::null_mut(), list, context);
    }
    STATUS_SUCCESS
}

unsafe extern "C" fn put_list(
    _adapter: *mut DMA_ADAPTER,
    list: *mut SCATTER_GATHER_LIST,
    _to_device: BOOLEAN,
) {
    assert_eq!(irql(), DISPATCH_LEVEL);
    MAPPED.fetch_sub(1, Ordering::Relaxed);
    pool::free(list.cast());
}
