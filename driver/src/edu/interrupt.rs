//! The interrupt service routine.
//!
//! One vector carries everything that the device has to say. The ISR reads why, acknowledges
//! exactly that, saves it for the DPC, and returns: the rest is not worth the time at DIRQL.

use wdm::{
    dpc::Dpc,
    interrupt::{Claim, InterruptService},
    irql::Dirql,
    mmio::Registers,
    pool::Shared,
};

use super::{
    Edu,
    registers::{InterruptAcknowledge, InterruptBits, InterruptBlock, InterruptStatus, NO_ANSWER},
};

/// What the ISR shares with those who hold the interrupt spin lock.
pub struct Isr {
    registers: Registers<InterruptBlock>,
    edu: Shared<Edu>,
    dpc: Shared<Dpc<Edu>>,
    /// Whether the device may be asked. On a shared line, the interrupts of others come in
    /// while this device has no power, and it must not be touched then.
    powered: bool,
}

impl Isr {
    /// An ISR for a device that has power, and so may interrupt as soon as it is connected: a
    /// line that is asserted then has to be claimed and acknowledged, or it interrupts for ever.
    pub const fn new(
        registers: Registers<InterruptBlock>,
        edu: Shared<Edu>,
        dpc: Shared<Dpc<Edu>>,
    ) -> Self {
        Self {
            registers,
            edu,
            dpc,
            powered: true,
        }
    }

    /// The device works from now on: whatever it had to say before is of no interest.
    pub fn power_up(&mut self) {
        let _ = self.silence();
        self.powered = true;
    }

    /// Acknowledges whatever the device has to say, and gives it. When it has nothing new to say
    /// either, it asserts no line that nobody would claim.
    pub fn silence(&mut self) -> InterruptBits {
        let old = self.registers.read(InterruptStatus);
        if old.is_empty() || old == InterruptBits::from_bits_retain(NO_ANSWER) {
            return InterruptBits::empty();
        }
        self.registers.write(InterruptAcknowledge, old);
        old
    }

    /// The device must not be touched any more. It asserts no interrupt.
    pub const fn power_down(&mut self) {
        self.powered = false;
    }

    /// Whether the device may be touched.
    pub const fn is_powered(&self) -> bool {
        self.powered
    }
}

// ANCHOR: isr
impl InterruptService for Isr {
    fn service(&mut self, irql: &mut Dirql) -> Claim {
        let (here, processor) = self.edu.statistics.here();
        let status = if self.powered {
            self.registers.read(InterruptStatus)
        } else {
            InterruptBits::empty()
        };
        if status.is_empty() || status == InterruptBits::from_bits_retain(NO_ANSWER) {
            here.foreign_interrupts.increment();
            return Claim::NotOurs;
        }
        // Posted: it may be on its way when this returns. Nothing depends on that here, so no
        // register is read to push it; see the guide.
        self.registers.write(InterruptAcknowledge, status);
        here.interrupts.increment();
        self.edu.interrupt_bits.save(status.bits(), processor);
        // If it is queued already, the run that is coming takes these bits too.
        self.dpc.queue(irql);
        Claim::Ours
    }
}
// ANCHOR_END: isr
