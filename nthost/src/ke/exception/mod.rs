//! Structured exceptions of drivers: raising, looking for a handler, unwinding to it.
//!
//! Drivers' frames are walked by the tables in their images. nthost's own frames have no such
//! tables: the routines that may raise note the registers of their caller on entry (see
//! [`raising_export!`](crate::raising_export)), and the walk begins there.
//!
//! Sources: "x64 exception handling", "Handling Exceptions".

mod c_handler;
mod caller;
mod capture;
mod context;
mod dispatch;
mod handler;
mod raise;
mod stack_walk;
mod unwind;

pub use caller::CallerFrame;
pub use context::{Context, ExceptionRecord};
pub use dispatch::{Dispatch, handle_trap};
pub use raise::raise_from;
pub use stack_walk::{walk_stack, walk_stack_to};
