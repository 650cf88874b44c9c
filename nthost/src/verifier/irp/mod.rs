//! "I/O Verification" of IRPs: a record is kept of each, from when it is made until it is freed,
//! and the rules look at both.
//!
//! | module | what it stands for |
//! |---|---|
//! | `record`, `records` | what is remembered of one, and the table of them |
//! | `sending`, `dispatch_rules` | who sends it, and the dispatch routine that gets it |
//! | `completing` | who completes it, and the completion routines |
//! | `pass_rules` | what is to be passed down, and how |
//! | `making` | who makes, uses again and frees it |
//! | `left` | which of them drivers leave behind |
//! | `code` | the codes of bug check 0xC9 |
//!
//! What the I/O manager itself needs to know of an IRP lies in the IRP: without the verifier there
//! are no records, and none of this runs.

pub mod dispatch_rules;
pub mod record;
pub mod records;

#[cfg(target_os = "none")]
mod code;
#[cfg(target_os = "none")]
mod completing;
#[cfg(target_os = "none")]
pub mod left;
#[cfg(target_os = "none")]
mod making;
#[cfg(target_os = "none")]
mod pass_rules;
#[cfg(target_os = "none")]
mod sending;

#[cfg(target_os = "none")]
pub use code::DISPATCH_CHANGED_IRQL;
#[cfg(target_os = "none")]
pub use watching::{RecordLock, for_each, forget_memory, record_of, watch};

#[cfg(target_os = "none")]
mod watching;
