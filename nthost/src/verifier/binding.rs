//! Which drivers' calls pass the gate down, and whether anything is looked at besides.
//!
//! As Driver Verifier does, nthost replaces the imports of the drivers that are verified. What is
//! made to happen at calls (faults, noise, breakpoints, the trace of a run) needs the calls of all
//! drivers. With neither, no import is replaced, and nothing is looked at.

use nthost_protocol::manifest::VerifierOption;

use super::{
    breakpoint, dma, explore, fault, found, freed, irp, irql, is_on, late_dpc, locks, noise,
    options, remove_lock, rights, routine,
    trace::{self, Event},
    unload,
};
use crate::{
    driver_routine,
    hook::{forget, register},
    ke::bugcheck::{self, code},
    pe::module::{self, LoadOptions},
};

/// Whether the calls of all drivers pass the gate, verified or not.
fn is_for_all() -> bool {
    noise::seed().is_some()
        || explore::is_on()
        || fault::any()
        || breakpoint::are_enabled()
        || trace::is_on()
}

/// How the image of this name is to be loaded.
#[must_use]
pub fn load_options(image: &str) -> LoadOptions {
    LoadOptions {
        checked: is_for_all() || options::is_any_on_for(image),
        code_integrity: is_on(VerifierOption::CodeIntegrity),
    }
}

/// Opens the gate up, and has the kernel tell of what the gates do not see, if anything is on that
/// looks at it. Once open, they stay open. PASSIVE_LEVEL.
pub fn open() {
    if !is_for_all() && !options::is_any_on() {
        forget::interrupt();
        forget::thread_runs();
        return;
    }
    driver_routine::watch(&routine::GATE);
    watch_processors();
    register::timer_delay(noise::timer_delay);
    register::kernel_timer_delay(|routine| {
        noise::timer_delay().saturating_add(u64::from(fault::late_timer(routine)) * 10_000)
    });
    register::first_processor(noise::first_processor);
    register::postpones_dpcs(|| noise::postpones_dpcs() || late_dpc::waits());
    register::spin_lock_taking(locks::taking);
    register::spin_lock_waiting(|| {
        noise::before_lock();
        explore::at_lock();
    });
    register::spin_lock_taken(locks::taken);
    register::spin_lock_releasing(locks::releasing);
    register::mutex_taking(locks::taking_mutex);
    register::mutex_taken(locks::taken_mutex);
    register::mutex_releasing(locks::releasing_mutex);
    register::recursive_mutex_taken(locks::taken_recursive_mutex);
    register::recursive_mutex_free(locks::released_recursive_mutex);
    register::memory_freed(|address, size| {
        freed::check(address, size);
        irp::forget_memory(address as usize, size as usize);
        remove_lock::forget_memory(address as usize, size as usize);
    });
    if options::is_any_on() {
        irp::watch();
        remove_lock::watch();
    }
    register::call_fails(fault::strikes);
    register::fewer_pages(fault::fewer_pages);
    register::watches(is_on);
    register::violation(|option, code, parameters| {
        if is_on(option) {
            found::report(code, parameters);
        }
    });
    register::misuse(|parameters| {
        if options::is_any_on() {
            found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
        }
    });
    register::misuse_by(|code, parameters| {
        if options::is_any_on() {
            found::report(code, parameters);
        }
    });
    register::fatal_misuse(|parameters| {
        if options::is_any_on() {
            bugcheck::bugcheck(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
        }
    });
    register::wrong_irql(|routine, arguments| {
        if options::is_any_on() {
            irql::violated(routine, arguments);
        }
    });
    dma::watch();
    register::guards_transfers(|| is_on(VerifierOption::DmaChecking));
    register::enforces_code_integrity(|| is_on(VerifierOption::CodeIntegrity));
    register::takes_pageable_away(|| is_on(VerifierOption::ForceIrqlChecking));
    register::pageable_touched(|parameters| {
        let code = code::DRIVER_IRQL_NOT_LESS_OR_EQUAL;
        found::lets_retry(parameters[3], code, parameters)
    });
    register::handle_used(rights::check);
    register::image_unloading(|base| module::find(base).is_some_and(unload::check));
    register::irp_sent(fault::irp);
    register::interrupt_lost(fault::lost_interrupt);
    register::list_out_of_reach(fault::far_list);
    register::device_exchanged(fault::other_device);
    register::fixes_interrupts(breakpoint::are_enabled);
}

/// Has the kernel tell of interrupts and changes of threads. That begins when the system does, before
/// anybody knows whether it is wanted: a bug check in the first driver tells what all processors did
/// last, and most of them have done nothing since.
pub fn watch_processors() {
    register::interrupt(|vector| {
        trace::record(Event::Interrupt, vector.into(), 0);
        noise::at_interrupt();
        explore::at_interrupt(vector);
    });
    register::thread_runs(|thread| trace::record(Event::Thread, thread, 0));
}

/// What passes the gate may have changed: drivers in memory are bound anew. PASSIVE_LEVEL.
pub fn renew() {
    open();
    let for_all = is_for_all();
    module::bind_all(|module| for_all || options::is_any_on_for(&module.name));
}
