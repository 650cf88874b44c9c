//! The deferred routine: what the interrupt was about.
//!
//! It may run on several processors at once. It waits for no queue's lock: a queue whose lock is
//! held is left to the holder; see [`eduwdm_logic::handoff`].

use eduwdm_abi::statistics::QueueKind;
use wdm::{dpc::DeferredRoutine, irql::Dispatch};

use super::{Edu, events, queue::DEVICE_DONE, registers::InterruptBits};

// ANCHOR: dpc
impl DeferredRoutine for Edu {
    fn run(&self, irql: &mut Dispatch) {
        let (here, _) = self.statistics.here();
        here.dpcs.increment();
        let taken = self.interrupt_bits.take();
        let bits = InterruptBits::from_bits_retain(taken.bits);
        if bits.contains(InterruptBits::FACTORIAL) {
            self.factorial_interrupt.save(0, taken.processor);
            self.compute.post(self, DEVICE_DONE, irql);
        }
        if bits.contains(InterruptBits::DMA) {
            match self.dma.owner() {
                Some(QueueKind::Write) => self.write.post(self, DEVICE_DONE, irql),
                Some(QueueKind::Read) => self.read.post(self, DEVICE_DONE, irql),
                // Nobody's transfer: it was given up with the device unplugged.
                _ => {}
            }
        }
        let raised = bits.intersection(InterruptBits::RAISED);
        if !raised.is_empty() {
            self.raised.save(raised.bits(), taken.processor);
            self.events.post(self, events::RAISED, irql);
        }
    }
}
// ANCHOR_END: dpc
