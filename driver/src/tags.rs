//! The driver's pool tags, one for each kind of allocation, as `!poolused` and Driver Verifier
//! show them.

use wdm::pool::Tag;

/// What PnP and power need: device interfaces, states, hardware ids.
pub const PNP: Tag = Tag::new(*b"EduP");
/// The state of a device, shared by all of its routines.
pub const DEVICE: Tag = Tag::new(*b"EduD");
/// A queue: its cancel-safe queue and what it waits with.
pub const QUEUE: Tag = Tag::new(*b"EduQ");
/// The interrupt and its DPC.
pub const INTERRUPT: Tag = Tag::new(*b"EduI");
/// Mapped registers.
pub const REGISTERS: Tag = Tag::new(*b"EduR");
