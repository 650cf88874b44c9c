//! What the machine's threads do at a moment: for whoever wants to know why nothing goes on.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Its id.
    pub id: u64,
    /// A name for people; of a driver's thread, the driver's.
    pub name: String,
    /// Its priority.
    pub priority: u32,
    /// What it does.
    pub activity: Activity,
    /// Special kernel APCs have come for it that its IRQL or a guarded region holds back: a
    /// request of its own is complete, and not finished.
    pub apc_pending: bool,
    /// Its stack, innermost first; empty if it runs.
    pub frames: Vec<Frame>,
}

/// What a thread does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Activity {
    /// It runs.
    Running {
        /// On this processor, by index over all groups.
        processor: u32,
    },
    /// It could run, and waits for a processor.
    Ready,
    /// It waits.
    Waiting {
        /// The IRQL at which it does.
        irql: u8,
        /// For all of the objects, not for any.
        all: bool,
        /// For a time only.
        timed: bool,
        /// What it waits for; nothing in a delay.
        objects: Vec<Object>,
    },
    /// It has ended.
    Ended,
}

/// An object that is waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Where it is.
    pub address: u64,
    /// The id of the thread that has it, of a mutex.
    pub owner: Option<u64>,
}

/// What kind of object is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// A notification or synchronization event.
    Event,
    /// A mutex.
    Mutex,
    /// A semaphore.
    Semaphore,
    /// A timer.
    Timer,
    /// A thread's end.
    Thread,
    /// A process's end.
    Process,
    /// Something else.
    Other,
}

/// A place on a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// The image's name, or `nthost`.
    pub module: String,
    /// The place in it; for nthost, the address.
    pub offset: u64,
}
