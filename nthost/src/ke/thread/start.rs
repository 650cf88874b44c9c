//! Starting a thread: what it is made with, and what its stack looks like before it runs.

use alloc::boxed::Box;
use core::ptr::null_mut;

use nthost_nt::status::STATUS_SUCCESS;

use super::{
    Affinity, NORMAL_PRIORITY, STACK_SIZE, Thread, current,
    end::{delete, exit},
    stack::allocate_stack,
};
use crate::{
    ke::dispatcher::{self, SWITCH_FRAME},
    mm::address_space::AddressSpace,
    ob::{
        client_id,
        object::{self, Kind},
    },
};

/// How a thread is made.
#[derive(Debug)]
pub struct Attributes {
    /// How urgent it is.
    pub priority: usize,
    /// Where it may run.
    pub affinity: Affinity,
    /// The process whose addresses it uses.
    pub address_space: *const AddressSpace,
    /// Whom it works for. The thread takes over a reference to the process, if there is one: it
    /// runs in the process's addresses until it has ended.
    pub process: *mut u8,
    /// What it runs for the driver that makes it; else zero.
    pub driver_routine: u64,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            priority: NORMAL_PRIORITY,
            affinity: Affinity::ANY,
            address_space: core::ptr::null(),
            process: null_mut(),
            driver_routine: 0,
        }
    }
}

/// Starts a system thread. IRQL below DISPATCH_LEVEL.
///
/// # Panics
///
/// If there is no memory for its stack.
pub fn spawn(name: &str, entry: impl FnOnce() + Send + 'static) -> *mut Thread {
    spawn_with(name, &Attributes::default(), entry).expect("memory for a thread's stack")
}

/// Starts a thread; `None` if there is no memory for its stack. The caller has a reference to
/// the thread object, to be given back by [`release`]; another goes when the thread ends.
pub fn spawn_with(
    name: &str,
    attributes: &Attributes,
    entry: impl FnOnce() + Send + 'static,
) -> Option<*mut Thread> {
    let limit = allocate_stack()?;
    let base = limit + STACK_SIZE;
    let mut thread = Thread::new(name, limit, base);
    (thread.priority, thread.base_priority) = (attributes.priority, attributes.priority);
    thread.affinity = attributes.affinity;
    thread.address_space = attributes.address_space;
    thread.process = attributes.process;
    thread.driver_routine = attributes.driver_routine;
    // A driver's thread begins in a critical region (PsCreateSystemThread).
    thread.kernel_apc_disable = -i32::from(attributes.driver_routine != 0);
    thread.id = client_id::allocate();
    let id = thread.id;
    thread.entry = Some(Box::new(entry));
    // The registers that `swap_stacks` restores are zero but for the floating-point control,
    // and it returns to `thread_start`, with the stack aligned as after a call: drivers rely on
    // it. The return address of that is zero, so that a stack walk ends there.
    // SAFETY: within the new stack.
    unsafe { ((base - 8) as *mut u64).write(0) };
    let entry = base - 16;
    // SAFETY: within the new stack.
    unsafe { (entry as *mut u64).write(thread_start as *const () as u64) };
    let saved = entry - SWITCH_FRAME as u64;
    // SAFETY: within the new stack.
    unsafe { (saved as *mut u8).write_bytes(0, SWITCH_FRAME) };
    // SAFETY: within the new stack.
    unsafe { ((saved + 160) as *mut u32).write(0x1f80) };
    thread.stack_pointer = saved;
    let thread = Box::into_raw(thread);
    object::insert(thread.cast(), Kind::Thread, delete);
    // The thread's own, until it ends.
    object::reference(thread.cast());
    client_id::insert(id, thread.cast());
    dispatcher::lock().make_ready(thread, false);
    Some(thread)
}

extern "C" fn thread_start() -> ! {
    dispatcher::begin_thread();
    let thread = current();
    // SAFETY: the thread's own entry, which nobody else takes.
    let entry = unsafe { (*thread).entry.take() };
    if let Some(entry) = entry {
        entry();
    }
    exit(STATUS_SUCCESS)
}
