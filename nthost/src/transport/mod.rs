//! The host: what it asks and what it is told, over the virtio console.
//!
//! One thread has the console. It sends what others queue, and hands on what arrives, message
//! by message, in the order of arrival. It is woken by whoever queues something, and by the
//! console's interrupt; without one, it looks for what has arrived every millisecond.

pub mod arrival;
#[cfg(target_os = "none")]
pub mod console;
#[cfg(target_os = "none")]
mod message;
#[cfg(target_os = "none")]
mod queue;

#[cfg(target_os = "none")]
pub use queue::{is_sent, send, serve};
