//! Events that drivers send, and those who want them.
//!
//! Sources: IoWMIWriteEvent, IoWMISetNotificationCallback, ns-wmistr-tagwnode_event_item.

use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
};

use super::{
    consumer::{self, Callback},
    provider,
    wnode::{EVENT_ITEM, TRACED_GUID, Wnode, header},
};
use crate::{
    ex::worker::{self, Queue},
    mm::pool,
    ob::object,
};

/// The most bytes of an event.
const MOST: usize = 0x1_0000;

/// Delivers an event to those who want it, from a system thread.
fn deliver(mut node: Wnode) {
    let guid = node.guid();
    let provider = provider::of_id(node.get(header::PROVIDER_ID));
    let names = provider.and_then(|provider| provider.block(guid)?.names);
    if let Some(names) = names {
        node.add_static_names(&names);
    }
    for (object, callback, context) in consumer::listeners(guid) {
        // Each may change what it gets.
        let mut copy = node.clone();
        let context = core::ptr::with_exposed_provenance_mut(context);
        // SAFETY: the consumer's own routine, with its context.
        unsafe { callback(copy.as_mut_ptr().cast(), context) };
        object::dereference(object);
    }
}

/// Takes an event of a driver's, which is in nonpaged pool, and has it delivered.
///
/// # Safety
///
/// The event is as long as it says.
pub unsafe fn write(event: *mut c_void) -> NTSTATUS {
    // SAFETY: the caller's promise: it begins with a header.
    let head = unsafe { core::slice::from_raw_parts(event.cast::<u8>(), header::SIZE) };
    let head = Wnode::of(head);
    let size = head.get(header::BUFFER_SIZE) as usize;
    if head.has(TRACED_GUID) {
        // There is no logger.
        return STATUS_UNSUCCESSFUL;
    }
    if !head.has(EVENT_ITEM) || size < header::SIZE {
        return STATUS_INVALID_PARAMETER;
    }
    if size > MOST {
        return STATUS_BUFFER_OVERFLOW;
    }
    // SAFETY: the caller's promise.
    let node = Wnode::of(unsafe { core::slice::from_raw_parts(event.cast::<u8>(), size) });
    pool::free(event.expose_provenance() as u64, None);
    worker::queue(Queue::Delayed, move || deliver(node));
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sends an event. It is in nonpaged pool, and the system's from now on unless this fails.
    /// Above APC_LEVEL for events that are traced alone, which nobody does here.
    ///
    /// Source: IoWMIWriteEvent.
    ///
    /// # Safety
    ///
    /// The event is as long as it says.
    pub unsafe fn IoWMIWriteEvent(event: *mut c_void) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { write(event) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Has a routine called for each event of a block that was opened for that. It is called by
    /// a system thread, until the block is closed.
    ///
    /// Source: IoWMISetNotificationCallback.
    ///
    /// # Safety
    ///
    /// The object was opened; the routine stays until it is closed.
    pub unsafe fn IoWMISetNotificationCallback(
        object: *mut c_void,
        callback: Option<Callback>,
        context: *mut c_void,
    ) -> NTSTATUS {
        let Some(callback) = callback else { return STATUS_INVALID_PARAMETER };
        let listening = consumer::listen(object, callback, context.expose_provenance());
        listening.err().unwrap_or(STATUS_SUCCESS)
    }
}
