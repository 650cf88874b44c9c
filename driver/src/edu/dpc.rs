//! The deferred routine: what the interrupt was about.
//!
//! It may run on several processors at once. It waits for no lock: a queue whose lock is held is
//! left to whoever holds it; see [`eduwdm_logic::handoff`].

use wdm::{dpc::DeferredRoutine, irql::Dispatch};

use super::{Edu, registers::InterruptStatusBits};

impl DeferredRoutine for Edu {
    fn run(&self, irql: &mut Dispatch) {
        let taken = self.interrupt_bits.take();
        let bits = InterruptStatusBits::from_bits_retain(taken.bits);
        if bits.contains(InterruptStatusBits::FACTORIAL) {
            self.compute.device_done(taken.processor, irql);
        }
    }
}
