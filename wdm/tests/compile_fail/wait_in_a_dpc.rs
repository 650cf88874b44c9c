//! A deferred routine runs at DISPATCH_LEVEL, where a thread must not wait.
#![no_std]

use wdm::{dpc::DeferredRoutine, event::Event, irql::Dispatch};

struct Context {
    event: Event,
}

impl DeferredRoutine for Context {
    fn run(&self, irql: &mut Dispatch) {
        self.event.wait(irql); //~ ERROR: IRQL <= APC_LEVEL only
    }
}
