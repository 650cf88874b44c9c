//! Structured exceptions of drivers: raising, looking for a handler, unwinding to it.
//!
//! Drivers' frames are walked by the tables in their images, nthost's own by those that its
//! compiler left ([`own_frame`]): a fault in a routine of nthost's that a driver called is an
//! exception of the driver's.
//!
//! Sources: "x64 exception handling", "Handling Exceptions".

mod c_handler;
mod capture;
mod context;
mod dispatch;
mod handler;
mod own_frame;
mod raise;
mod stack_walk;
mod unwind;

pub use context::{Context, ExceptionRecord};
pub use dispatch::{Dispatch, handle_trap};
pub use raise::raise;
pub use stack_walk::{walk_stack, walk_stack_to};
