//! Client processes: address spaces, handles and threads of the host's clients.

pub mod process;

pub use process::{Process, current};
