//! Plug and play.

pub mod affinity;
pub mod arbiter;
pub mod claim;
pub mod id_text;
pub mod line;
pub mod pci;
pub mod requirements;
pub mod resource;

#[cfg(target_os = "none")]
pub mod add;
#[cfg(target_os = "none")]
pub mod assign;
#[cfg(target_os = "none")]
pub mod detect;
#[cfg(target_os = "none")]
mod eject;
#[cfg(target_os = "none")]
pub mod invalidate;
#[cfg(target_os = "none")]
pub mod keys;
#[cfg(target_os = "none")]
mod legacy;
#[cfg(target_os = "none")]
pub mod manager;
#[cfg(target_os = "none")]
pub mod node;
#[cfg(target_os = "none")]
mod open_key;
#[cfg(target_os = "none")]
pub mod poke;
#[cfg(target_os = "none")]
mod rebalance;
#[cfg(target_os = "none")]
pub mod relations;
#[cfg(target_os = "none")]
mod remove;
#[cfg(target_os = "none")]
pub mod report;
#[cfg(target_os = "none")]
mod root;
#[cfg(target_os = "none")]
mod send;
#[cfg(target_os = "none")]
mod supply;

#[cfg(target_os = "none")]
pub use {manager::file_closed, node::instance_of};
