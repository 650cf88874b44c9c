//! Makes the driver package: what `stampinf`, `infverif`, `inf2cat`, `signtool` and `makecert`
//! do on Windows, on any system.
//!
//! The formats are Microsoft's; each module names the documentation it was written from.

pub mod assemble;
pub mod command;
pub mod inf;
pub mod lint;
pub mod pe;
pub mod publish;
pub mod scripts;
pub mod sign;
