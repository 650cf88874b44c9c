//! The kernel's log, on the first serial port, for people and for the host's tools.
//!
//! A line is `[seconds.microseconds cpuN] component: text`.

use core::fmt::{self, Write};

use crate::{hal::serial, hal::time, ke};

/// Writes a line to the log. Any IRQL.
#[macro_export]
macro_rules! log {
    ($component:literal, $($argument:tt)*) => {
        $crate::log::line($component, format_args!($($argument)*))
    };
}

/// See [`log!`].
pub fn line(component: &str, text: fmt::Arguments<'_>) {
    let microseconds = time::microseconds_since_reset();
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let processor = ke::pcr::number_or_zero();
    let mut port = serial::lock();
    // Writing to the port cannot fail; only a `Display` of the text could.
    let _ = writeln!(
        port,
        "[{seconds:3}.{rest:06} cpu{processor}] {component}: {text}"
    );
}
