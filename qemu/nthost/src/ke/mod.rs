//! The kernel proper: IRQL, locks, processors, traps, DPCs, threads, waits, timers.
//!
//! Lock order: the dispatcher lock, then a processor's DPC queue lock, then the locks of nthost
//! that are taken at HIGH_LEVEL (page tables, heap, serial port), of which each is a leaf.

#[cfg(target_os = "none")]
pub mod bugcheck;
#[cfg(target_os = "none")]
pub mod clock;
#[cfg(target_os = "none")]
pub mod device_queue;
#[cfg(target_os = "none")]
pub mod dispatcher;
#[cfg(target_os = "none")]
pub mod dpc;
#[cfg(target_os = "none")]
pub mod event;
#[cfg(target_os = "none")]
pub mod exception;
#[cfg(target_os = "none")]
pub mod interrupt_lock;
#[cfg(target_os = "none")]
pub mod ipi;
#[cfg(target_os = "none")]
pub mod irql;
#[cfg(target_os = "none")]
pub mod ktimer;
#[cfg(target_os = "none")]
pub mod lock;
#[cfg(target_os = "none")]
pub mod once;
#[cfg(target_os = "none")]
pub mod pcr;
#[cfg(target_os = "none")]
pub mod processor;
pub mod ready;
#[cfg(target_os = "none")]
pub mod spinlock;
#[cfg(target_os = "none")]
pub mod thread;
#[cfg(target_os = "none")]
pub mod time;
#[cfg(target_os = "none")]
pub mod timer;
#[cfg(target_os = "none")]
pub mod trap;
#[cfg(target_os = "none")]
pub mod wait;
