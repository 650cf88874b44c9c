//! How often the clock ticks: drivers ask for it to do so more often, each of which takes that back.
//!
//! Sources: ExSetTimerResolution, ExQueryTimerResolution. Timers are looked at every millisecond
//! whatever was asked for: a driver learns what others see, and gets no more precise timers by it.

use crate::ke::{lock::SpinLock, time::TICK};

/// The shortest time between ticks, in units of 100 nanoseconds.
const SHORTEST: u32 = 10_000;
/// The longest, and that which nobody asks to change.
const LONGEST: u32 = TICK as u32;

/// What drivers have asked for.
#[derive(Debug)]
pub struct Resolution {
    requests: u32,
    current: u32,
}

impl Resolution {
    /// Nobody has asked.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            requests: 0,
            current: LONGEST,
        }
    }

    /// A driver asks for ticks at least so often; gives the time between them now.
    pub fn request(&mut self, desired: u32) -> u32 {
        self.requests += 1;
        self.current = self.current.min(desired.max(SHORTEST));
        self.current
    }

    /// A driver takes a request back: with the last one the clock is as it was.
    pub const fn release(&mut self) -> u32 {
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 {
            self.current = LONGEST;
        }
        self.current
    }
}

impl Default for Resolution {
    fn default() -> Self {
        Self::new()
    }
}

/// A leaf.
static RESOLUTION: SpinLock<Resolution> = SpinLock::new(Resolution::new());

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Asks for the clock to tick more often, or takes that back; gives the time between ticks
    /// now, in units of 100 nanoseconds.
    ///
    /// Source: ExSetTimerResolution.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExSetTimerResolution(desired: u32, set: u8) -> u32 {
        let mut resolution = RESOLUTION.lock();
        if set == 0 {
            resolution.release()
        } else {
            resolution.request(desired)
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The longest, the shortest and the present time between ticks.
    ///
    /// Source: ExQueryTimerResolution.
    ///
    /// # Safety
    ///
    /// All can be written.
    pub unsafe fn ExQueryTimerResolution(longest: *mut u32, shortest: *mut u32, current: *mut u32) {
        // SAFETY: the caller's promise.
        unsafe { longest.write(LONGEST) };
        // SAFETY: the caller's promise.
        unsafe { shortest.write(SHORTEST) };
        let now = RESOLUTION.lock().current;
        // SAFETY: the caller's promise.
        unsafe { current.write(now) };
    }
}
