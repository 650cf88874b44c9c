//! What each thread does at this moment, with its stack: for the host, which asks when nothing
//! goes on.

use alloc::{string::ToString, vec::Vec};
use core::ops::Range;

use arrayvec::ArrayVec;
use nthost_nt::ke::{DISPATCHER_HEADER, KMUTANT};
use nthost_protocol::thread::{Activity, Frame, Object, ObjectKind, Thread as Description};

use super::{State, Thread};
use crate::{
    ke::{
        dispatcher::{self, SWITCH_FRAME},
        exception,
        wait::{MAXIMUM_WAIT_OBJECTS, object as kind},
    },
    ob::{
        client_id,
        object::{self, Kind},
    },
    pe::{
        module::module_of,
        unwind::{RBP, RSP, Registers},
    },
};

/// The most places of a stack that are told.
const MOST_FRAMES: usize = 32;
/// How often a stack is walked that does not hold still.
const TRIES: usize = 3;

/// All threads but the idle ones. PASSIVE_LEVEL.
#[must_use]
pub fn all() -> Vec<Description> {
    let mut threads = Vec::new();
    let _: Option<()> = client_id::find_map(Kind::Thread, |_, thread| {
        object::reference(thread);
        threads.push(thread.cast::<Thread>());
        None
    });
    let mut descriptions = Vec::new();
    for thread in threads {
        descriptions.push(describe(thread));
        object::dereference(thread.cast());
    }
    descriptions
}

/// What can be read under the dispatcher lock, which allocates nothing.
struct Snapshot {
    state: State,
    stack_pointer: u64,
    /// Where its own stack ends. Of a larger one that it runs on for a call nothing is told: that
    /// goes with the call.
    stack: Range<u64>,
    running_since: u64,
    priority: usize,
    processor: u32,
    apc_pending: bool,
    irql: u8,
    all: bool,
    timed: bool,
    objects: ArrayVec<Object, { MAXIMUM_WAIT_OBJECTS + 1 }>,
}

fn snapshot(thread: *mut Thread) -> Snapshot {
    let _guard = dispatcher::lock();
    // SAFETY: the caller has a reference; the lock is held.
    let fields = unsafe { &*thread };
    let blocks = &fields.wait_blocks[..fields.wait_count];
    Snapshot {
        state: fields.state,
        stack_pointer: fields.stack_pointer,
        stack: if fields.expansions == 0 {
            fields.stack_limit..fields.stack_base
        } else {
            0..0
        },
        running_since: fields.running_since,
        priority: fields.priority,
        processor: fields.last_processor,
        apc_pending: !fields.apcs.is_empty(),
        irql: fields.wait_level,
        all: fields.wait_all,
        timed: fields.wait_timer != (0, 0),
        objects: blocks
            .iter()
            .map(|block| waited_for(block.object()))
            .collect(),
    }
}

/// An object that somebody waits for, under the dispatcher lock.
fn waited_for(header: *mut DISPATCHER_HEADER) -> Object {
    // SAFETY: who waits for an object owns it.
    let kind = match unsafe { (*header).Type } {
        kind::NOTIFICATION_EVENT | kind::SYNCHRONIZATION_EVENT => ObjectKind::Event,
        kind::MUTANT => ObjectKind::Mutex,
        kind::SEMAPHORE => ObjectKind::Semaphore,
        kind::NOTIFICATION_TIMER | kind::SYNCHRONIZATION_TIMER => ObjectKind::Timer,
        kind::THREAD => ObjectKind::Thread,
        kind::PROCESS => ObjectKind::Process,
        _ => ObjectKind::Other,
    };
    let owner = if kind == ObjectKind::Mutex {
        // SAFETY: it is a mutex, of which the header is the beginning.
        let thread = unsafe { (*header.cast::<KMUTANT>()).OwnerThread }.cast::<Thread>();
        // SAFETY: a thread does not end that owns a mutex.
        unsafe { thread.as_ref() }.map(|thread| thread.id)
    } else {
        None
    };
    Object {
        kind,
        address: header as u64,
        owner,
    }
}

fn describe(thread: *mut Thread) -> Description {
    let mut seen = snapshot(thread);
    let mut frames = Vec::new();
    for _ in 0..TRIES {
        frames = walk(&seen);
        let now = snapshot(thread);
        let held_still =
            now.stack_pointer == seen.stack_pointer && now.running_since == seen.running_since;
        seen = now;
        if held_still {
            break;
        }
        frames.clear();
    }
    let activity = match seen.state {
        State::Running | State::Idle => Activity::Running {
            processor: seen.processor,
        },
        State::Waiting => Activity::Waiting {
            irql: seen.irql,
            all: seen.all,
            timed: seen.timed,
            objects: seen.objects.to_vec(),
        },
        State::Terminated => Activity::Ended,
        State::Initialized | State::Ready | State::Preempted => Activity::Ready,
    };
    // SAFETY: the caller has a reference; neither field that is read ever changes.
    let thread = unsafe { &*thread };
    Description {
        id: thread.id,
        name: thread.name.clone(),
        priority: seen.priority as u32,
        activity,
        apc_pending: seen.apc_pending,
        frames,
    }
}

/// The stack of a thread that does not run, from where it was switched away from. If it runs
/// meanwhile, what is read is wrong, but can be read.
fn walk(seen: &Snapshot) -> Vec<Frame> {
    let mut frames = Vec::new();
    let runs = matches!(seen.state, State::Running | State::Idle | State::Terminated);
    if runs || !seen.stack.contains(&seen.stack_pointer) {
        return frames;
    }
    let behind = seen.stack_pointer + SWITCH_FRAME as u64;
    // `swap_stacks` leaves the frame pointer and the return address at the end of its frame.
    let saved = |address: u64| {
        let word = core::ptr::with_exposed_provenance::<u64>(address as usize);
        // SAFETY: a thread's stack is mapped as long as the thread exists.
        unsafe { word.read_volatile() }
    };
    let (rbp, rip) = (saved(behind - 8), saved(behind));
    let mut registers = Registers {
        rip,
        ..Registers::default()
    };
    registers.general[RSP] = behind + 8;
    registers.general[RBP] = rbp;
    exception::walk_stack_to(seen.stack.end, registers, &mut |index, address| {
        if index < MOST_FRAMES {
            let (module, offset) = module_of(address);
            frames.push(Frame {
                module: module.to_string(),
                offset,
            });
        }
    });
    frames
}
