//! How long a device has been idle, and how long it may be.
//!
//! Sources: PoRegisterDeviceForIdleDetection, PoSetDeviceBusyEx, PoStartDeviceBusy,
//! PoEndDeviceBusy.

use core::sync::atomic::{AtomicU32, Ordering};

/// The time-out that stands for the policy of the device's class.
const OF_CLASS: u32 = u32::MAX;
/// That policy, in seconds: what Windows sets for disks at first when it is plugged in.
const CLASS_TIME: u32 = 20 * 60;

/// What the driver gets a pointer to. PoSetDeviceBusy, a macro, writes zero to the first field.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Counter {
    /// Seconds since the device was last busy.
    idle: AtomicU32,
    /// How often it was said to be busy until further notice.
    busy: AtomicU32,
}

impl Counter {
    /// Another second is over. Says whether the device has now been idle for so many: once,
    /// until it is busy again. Zero is never.
    pub fn count(&self, limit: u32) -> bool {
        // Relaxed: a counter that is a moment old makes no difference.
        if self.busy.load(Ordering::Relaxed) != 0 {
            self.idle.store(0, Ordering::Relaxed);
            return false;
        }
        self.idle.fetch_add(1, Ordering::Relaxed) + 1 == limit
    }

    /// The device is busy at this moment.
    pub fn set_busy(&self) {
        self.idle.store(0, Ordering::Relaxed);
    }

    /// The device is busy until [`Counter::end`].
    pub fn start(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.idle.store(0, Ordering::Relaxed);
    }

    /// One reason less for the device to be busy; without any, it begins to be idle.
    pub fn end(&self) {
        self.idle.store(0, Ordering::Relaxed);
        // Release: whoever sees that it is busy no more sees it idle for no time.
        self.busy.fetch_sub(1, Ordering::Release);
    }
}

/// Seconds of a time-out for a device; none for one that cannot be: that of a class which has
/// none.
#[must_use]
pub const fn seconds(time: u32, has_class: bool) -> Option<u32> {
    match (time, has_class) {
        (OF_CLASS, true) => Some(CLASS_TIME),
        (OF_CLASS, false) => None,
        _ => Some(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds_until_idle(counter: &Counter, limit: u32) -> Option<u32> {
        (1..=20).find(|_| counter.count(limit))
    }

    #[test]
    fn a_device_is_idle_once_until_it_is_busy_again() {
        let counter = Counter::default();
        assert_eq!(seconds_until_idle(&counter, 3), Some(3));
        assert_eq!(seconds_until_idle(&counter, 3), None);
        counter.set_busy();
        assert_eq!(seconds_until_idle(&counter, 3), Some(3));
    }

    #[test]
    fn without_a_limit_a_device_is_never_idle() {
        assert_eq!(seconds_until_idle(&Counter::default(), 0), None);
    }

    #[test]
    fn a_device_is_busy_until_every_start_has_its_end() {
        let counter = Counter::default();
        counter.start();
        counter.start();
        counter.end();
        assert_eq!(seconds_until_idle(&counter, 3), None);
        counter.end();
        assert_eq!(seconds_until_idle(&counter, 3), Some(3));
    }

    #[test]
    fn only_some_classes_have_a_policy() {
        assert_eq!(seconds(7, false), Some(7));
        assert_eq!(seconds(OF_CLASS, true), Some(1200));
        assert_eq!(seconds(OF_CLASS, false), None);
    }

    #[test]
    fn the_macro_that_writes_the_first_word_sets_the_device_busy() {
        assert_eq!(core::mem::offset_of!(Counter, idle), 0);
    }
}
