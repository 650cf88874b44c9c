//! A safe layer for WDM drivers, with IRQL in its types.
//!
//! One module for each concept of the kernel, under the kernel's own name. Three ideas carry
//! all of them:
//!
//! - **IRQL is a value.** Code that runs at a known IRQL holds a zero-sized token that proves
//!   it ([`irql`]). A routine with an IRQL requirement takes the token as a parameter, and
//!   whatever raises IRQL borrows the token mutably for as long as it is raised: so a wait
//!   inside a spin lock does not compile, nor does releasing two locks in the wrong order.
//! - **An IRP is owned.** The owner of an [`irp::Irp`] must complete it, queue it or pass it
//!   down, each of which consumes it: so it cannot be completed twice, or touched after it was
//!   queued. A dispatch routine returns an [`irp::Dispatched`], which it can get in no other way.
//! - **Access is a value too.** Registers, a mapped buffer, the request on the device: each is
//!   owned by the code that may use it, inside the lock that protects it, and what is still owned
//!   somewhere cannot be unmapped or freed.
//!
//! Why not the published crate `irql`, which checks IRQL at compile time as well: it infers
//! requirements from attributes on functions, which suits calls into a given API, but its
//! levels are not tied to what raises IRQL. Here the guard of a spin lock *is* the proof of
//! DISPATCH_LEVEL and its end takes the proof away; that needs the tokens to be values with
//! lifetimes, and a second system beside them would only be able to disagree.
//!
//! Everything allocates from tagged pool and can fail ([`pool`]); no global allocator is needed.
#![no_std]

pub mod bugcheck;
pub mod bus;
mod constants;
pub mod contiguous;
pub mod control;
pub mod csq;
pub mod device;
pub mod device_queue;
pub mod dma;
pub mod dpc;
pub mod driver;
pub mod errorlog;
pub mod event;
pub mod function;
pub mod guid;
pub mod interface;
pub mod interrupt;
pub mod irp;
pub mod irql;
mod list;
pub mod mdl;
pub mod mmio;
pub mod mutex;
pub mod numa;
mod object;
pub mod per_processor;
pub mod pnp;
pub mod pofx;
pub mod pool;
pub mod ports;
pub mod power;
mod presence;
pub mod probe;
mod raw;
pub mod registry;
mod removelock;
mod rundown;
pub mod spinlock;
pub mod status;
pub mod time;
pub mod timeout;
pub mod timer;
pub mod unicode;
pub mod workitem;

pub use status::{Result, Status};

/// The bindings that this crate stands on, for a routine that it has nothing for: its types give out
/// what such a routine takes (`as_ptr`, `into_raw`) and take it back (`from_raw`).
pub use wdk_sys;
