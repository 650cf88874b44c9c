//! Threaded DPCs: each processor has a thread for them, of the highest priority, that runs them
//! at PASSIVE_LEVEL. It is made when there is a first one.
//!
//! Source: "Introduction to Threaded DPCs".

use alloc::format;
use core::sync::atomic::Ordering;

use super::{
    dpc,
    pcr::{self, Pcr},
    thread::{self, Affinity, Attributes, HIGH_PRIORITY},
    wait,
};

/// Has the processor's thread run the threaded DPCs that wait. Runs on the processor itself, at
/// DISPATCH_LEVEL, outside of any DPC.
pub fn wake(pcr: &Pcr) {
    if !dpc::has_threaded(pcr) {
        return;
    }
    let thread = pcr.dpc_thread.load(Ordering::Relaxed);
    if thread.is_null() {
        start(pcr);
    } else {
        // SAFETY: the thread never ends.
        unsafe { wait::alert(thread, false) };
    }
}

/// Starts the processor's thread.
///
/// # Panics
///
/// If there is no memory for it.
fn start(pcr: &Pcr) {
    let attributes = Attributes {
        priority: HIGH_PRIORITY,
        affinity: Affinity {
            group: Some(pcr.group),
            mask: 1 << pcr.group_number,
        },
        ..Attributes::default()
    };
    let name = format!("threaded DPCs {}", pcr.number);
    let number = pcr.number;
    let thread = thread::spawn_with(&name, &attributes, move || serve(pcr::of(number)))
        .expect("memory for a thread's stack");
    pcr.dpc_thread.store(thread, Ordering::Relaxed);
}

/// What the thread does: it runs DPCs, and else waits to be alerted.
fn serve(pcr: &Pcr) {
    loop {
        while dpc::run_threaded(pcr) {}
        wait::wait_for_alert();
    }
}
