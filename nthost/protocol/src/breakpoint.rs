//! Breakpoints: a processor stops where a driver calls a kernel routine, and goes on when it is
//! told to. So a test can hold a driver at any point of its code, do something else meanwhile on
//! the other processors, and get one order of events rather than hope for it.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// What is done about breakpoints. A stopped processor keeps its IRQL: what it holds back there,
/// such as its DPCs, stays held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BreakpointRequest {
    /// A processor is to stop once, before it does what a driver calls a routine for.
    ///
    /// `STATUS_PROCEDURE_NOT_FOUND` if no routine has this name; `STATUS_NOT_SUPPORTED` unless
    /// the manifest allows breakpoints and the machine has the processors for it;
    /// `STATUS_INSUFFICIENT_RESOURCES` if there are too many.
    Set {
        /// The routine's name, as drivers import it.
        routine: String,
        /// How many calls are let pass before.
        skip: u32,
        /// Only calls on this processor count; by index over all groups.
        processor: Option<u32>,
    },
    /// Which processors are stopped; answered by `HostAnswer::Stops`.
    List,
    /// Has a stopped processor go on. `STATUS_NOT_FOUND` if there is no such stop.
    Continue {
        /// Which stop.
        id: u32,
    },
    /// Takes all breakpoints away, and has all processors go on.
    Clear,
}

/// A stopped processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Of this stop.
    pub id: u32,
    /// Its index over all groups.
    pub processor: u32,
    /// Its IRQL.
    pub irql: u8,
    /// The routine that was called.
    pub routine: String,
    /// The driver's image, and the offset in it that the routine returns to.
    pub module: String,
    /// See [`Self::module`].
    pub offset: u64,
}
