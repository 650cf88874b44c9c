//! Pool: each allocation one of the host's, of the size that was asked for.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    cell::Cell,
    collections::HashMap,
    sync::Mutex,
};

use wdk_sys::{POOL_FLAGS, PVOID, SIZE_T, ULONG};

/// Of each allocation its size, by its address.
static ALLOCATED: Mutex<Option<HashMap<usize, usize>>> = Mutex::new(None);

thread_local! {
    /// How many allocations succeed before one fails.
    static LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The next so many allocations of this thread succeed, and those after that fail.
pub fn fail_after(count: Option<usize>) {
    LEFT.set(count);
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 64).unwrap()
}

pub fn allocate(bytes: usize) -> PVOID {
    // SAFETY: the callers ask for something.
    let memory = unsafe { alloc_zeroed(layout(bytes)) };
    let mut allocated = ALLOCATED.lock().unwrap();
    allocated
        .get_or_insert_default()
        .insert(memory.addr(), bytes);
    memory.cast()
}

pub fn free(memory: PVOID) {
    let bytes = ALLOCATED
        .lock()
        .unwrap()
        .as_mut()
        .and_then(|all| all.remove(&memory.addr()));
    let bytes = bytes.expect("freed once");
    // SAFETY: from `allocate`, of this size, and not freed before.
    unsafe { dealloc(memory.cast(), layout(bytes)) };
}

#[unsafe(no_mangle)]
extern "C" fn ExAllocatePool2(_flags: POOL_FLAGS, bytes: SIZE_T, _tag: ULONG) -> PVOID {
    super::assert_at_most_dispatch();
    match LEFT.get() {
        Some(0) => return core::ptr::null_mut(),
        left => LEFT.set(left.map(|left| left - 1)),
    }
    allocate(bytes as usize)
}

#[unsafe(no_mangle)]
extern "C" fn ExFreePoolWithTag(memory: PVOID, _tag: ULONG) {
    super::assert_at_most_dispatch();
    free(memory);
}
