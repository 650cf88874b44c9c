//! The hand-off from the ISR to the DPC: which interrupt bits were raised, and where.
//!
//! The ISR acknowledges what it read, so the device forgets it: what is saved here is all there
//! is. The DPC may run on several processors at once, and while further interrupts come in; each
//! bit is taken by exactly one of its runs.

use crate::atomic::{AtomicU32, Ordering};

/// Interrupt bits that no DPC has taken yet.
#[derive(Debug)]
pub struct InterruptBits {
    bits: AtomicU32,
    /// The processor of the last interrupt, for information only.
    processor: AtomicU32,
}

/// What a DPC took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The bits; several interrupts may have come together.
    pub bits: u32,
    /// The processor of the last of them.
    pub processor: u32,
}

impl Default for InterruptBits {
    fn default() -> Self {
        Self::new()
    }
}

impl InterruptBits {
    /// No bits.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bits: AtomicU32::new(0),
            processor: AtomicU32::new(0),
        }
    }

    /// For the ISR, before it queues the DPC.
    pub fn save(&self, bits: u32, processor: u32) {
        // Relaxed: published by the release below.
        self.processor.store(processor, Ordering::Relaxed);
        // Release: the DPC that takes the bits sees the processor, and all that the ISR did before.
        self.bits.fetch_or(bits, Ordering::Release);
    }

    /// For the DPC: all bits that nobody has taken.
    pub fn take(&self) -> Taken {
        // Acquire: pairs with `save`.
        let bits = self.bits.swap(0, Ordering::Acquire);
        Taken {
            bits,
            // Relaxed: ordered by the acquire above.
            processor: self.processor.load(Ordering::Relaxed),
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn bits_of_several_interrupts_are_taken_together_and_once() {
        let saved = InterruptBits::new();
        saved.save(0x1, 0);
        saved.save(0x100, 3);
        assert_eq!(
            saved.take(),
            Taken {
                bits: 0x101,
                processor: 3
            }
        );
        assert_eq!(saved.take().bits, 0);
    }
}
