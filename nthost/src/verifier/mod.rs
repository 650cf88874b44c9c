//! The verifier: what Driver Verifier checks, with its bug checks, and what is made to happen so
//! that drivers are tried. It stands at the kernel's two gates, and behind its hooks; nothing
//! below names it.
//!
//! | module | what it stands for |
//! |---|---|
//! | `gate` | the gate down: a driver calls a routine |
//! | `routine` | the gate up: a driver's routine is called, and what it must leave as it found it |
//! | `options`, `binding` | which options are on, for which drivers, and whose calls pass the gate |
//! | `found` | what becomes of a finding: the end, or a line in the log |
//! | `irql` | "Force IRQL Checking", and the rules `Irql…` of "DDI Compliance Checking" |
//! | `apcs` | the rules of routines before which APCs must be held back |
//! | `locks`, `lock_order` | "Deadlock Detection" |
//! | `freed` | "Miscellaneous Checks": what is in memory that is freed |
//! | `irp` | "I/O Verification": a record of each IRP, and the rules for it |
//! | `remove_lock` | "I/O Verification": the tags of remove locks |
//! | `unload` | "Pool Tracking", and what else a driver leaves behind |
//! | `rights` | "Security Checks": rights of handles |
//! | `verifying` | what drivers are told of the verifier |
//! | `fault`, `late_dpc` | faults on demand, as "Low Resources Simulation" and more |
//! | `noise` | scheduling noise |
//! | `breakpoint` | breakpoints at routines |
//! | `trace`, `history` | the fingerprint of a run, and what each processor did last |
//!
//! What "DMA Checking" is about, the adapters themselves see (`crate::dma`), and tell by
//! [`hook::dma_misuse`](crate::hook::dma_misuse), which is heard in `dma`; what the I/O and PnP
//! managers come upon themselves, they tell by [`hook::violation`](crate::hook::violation). Special pool is a pool of `mm`'s, and chosen here.

pub mod irp;
pub mod lock_order;

#[cfg(target_os = "none")]
pub mod apcs;
#[cfg(target_os = "none")]
pub mod binding;
#[cfg(target_os = "none")]
pub mod breakpoint;
#[cfg(target_os = "none")]
pub mod dma;
#[cfg(target_os = "none")]
pub mod explore;
#[cfg(target_os = "none")]
pub mod fault;
#[cfg(target_os = "none")]
pub mod found;
#[cfg(target_os = "none")]
pub mod freed;
#[cfg(target_os = "none")]
pub mod gate;
#[cfg(target_os = "none")]
pub mod history;
#[cfg(target_os = "none")]
pub mod irql;
#[cfg(target_os = "none")]
pub mod late_dpc;
#[cfg(target_os = "none")]
pub mod locks;
#[cfg(target_os = "none")]
pub mod noise;
#[cfg(target_os = "none")]
pub mod options;
#[cfg(target_os = "none")]
pub mod remove_lock;
#[cfg(target_os = "none")]
pub mod rights;
#[cfg(target_os = "none")]
pub mod routine;
#[cfg(target_os = "none")]
pub mod trace;
#[cfg(target_os = "none")]
pub mod unload;
#[cfg(target_os = "none")]
pub mod verifying;

#[cfg(target_os = "none")]
pub use options::is_on;
