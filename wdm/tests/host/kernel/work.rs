//! Work items. A queued one is run when a test says so.

use std::sync::Mutex;

use wdk_sys::{_IO_WORKITEM, PDEVICE_OBJECT, PIO_WORKITEM_ROUTINE, PVOID, WORK_QUEUE_TYPE};

/// What the address of a work item stands for.
struct Item {
    device: PDEVICE_OBJECT,
}

struct Queued {
    device: PDEVICE_OBJECT,
    routine: PIO_WORKITEM_ROUTINE,
    context: PVOID,
}

// SAFETY: addresses that are passed on.
unsafe impl Send for Queued {}

static QUEUE: Mutex<Vec<Queued>> = Mutex::new(Vec::new());

/// Runs the oldest queued work item. Whether there was one.
pub fn run_next() -> bool {
    let mut queue = QUEUE.lock().unwrap();
    if queue.is_empty() {
        return false;
    }
    let queued = queue.remove(0);
    drop(queue);
    // SAFETY: as the driver has queued it.
    unsafe { queued.routine.unwrap()(queued.device, queued.context) };
    true
}

#[unsafe(no_mangle)]
extern "C" fn IoAllocateWorkItem(device: PDEVICE_OBJECT) -> *mut _IO_WORKITEM {
    Box::into_raw(Box::new(Item { device })).cast()
}

#[unsafe(no_mangle)]
extern "C" fn IoFreeWorkItem(item: *mut _IO_WORKITEM) {
    // SAFETY: from `IoAllocateWorkItem`, freed once.
    drop(unsafe { Box::from_raw(item.cast::<Item>()) });
}

#[unsafe(no_mangle)]
extern "C" fn IoQueueWorkItem(
    item: *mut _IO_WORKITEM,
    routine: PIO_WORKITEM_ROUTINE,
    _queue: WORK_QUEUE_TYPE,
    context: PVOID,
) {
    // SAFETY: from `IoAllocateWorkItem`.
    let device = unsafe { (*item.cast::<Item>()).device };
    QUEUE.lock().unwrap().push(Queued {
        device,
        routine,
        context,
    });
}
