//! Windows Management Instrumentation, as far as drivers see of it: they provide data blocks,
//! ask for those of others, and send events.

pub mod reginfo;
pub mod wnode;

#[cfg(target_os = "none")]
mod consumer;
#[cfg(target_os = "none")]
mod event;
#[cfg(target_os = "none")]
mod library;
#[cfg(target_os = "none")]
mod library_answer;
#[cfg(target_os = "none")]
mod name;
#[cfg(target_os = "none")]
mod provider;
