//! The driver's clients' library: devices found by their interfaces and opened, requests made
//! of them, many at a time, each of which completes, times out or is canceled.
//!
//! What differs between systems is behind [`IoSystem`]: on Windows it is Win32's overlapped
//! I/O, elsewhere a running nthost. Everything above it is the same code on both.

pub mod device;
pub mod edu;
pub mod error;
pub mod interrupt;
pub mod io;
#[cfg(unix)]
pub mod nthost;
pub mod overlapped;
pub mod status;
pub mod testdev;
#[cfg(windows)]
pub mod win32;

#[cfg(unix)]
pub mod demonstration;

pub use device::{Device, DeviceKind};
pub use edu::Edu;
pub use error::Error;
pub use interrupt::Interrupt;
pub use io::{File, IoStatus, IoSystem, Request};
pub use overlapped::Overlapped;
pub use status::Status;
pub use testdev::Testdev;
