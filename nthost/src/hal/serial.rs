//! The first serial port, which carries the log.

use core::fmt;

use super::lock::{HighGuard, HighLock};
use super::port;

/// Where the log goes.
pub(super) const COM1: u16 = 0x3f8;
const LINE_STATUS: u16 = COM1 + 5;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// The port. Whoever has it writes whole lines.
#[derive(Debug)]
pub struct Port(());

/// Protects the port, so that lines do not mix.
static PORT: HighLock<Port> = HighLock::new(Port(()));

/// Takes the port. Any IRQL.
pub fn lock() -> HighGuard<'static, Port> {
    PORT.lock()
}

/// Takes the port away from whoever has it.
///
/// # Safety
///
/// The system is coming down: no other line will be written.
#[must_use]
pub unsafe fn seize() -> Port {
    Port(())
}

/// 115200 baud, 8N1, FIFO on, no interrupts.
pub fn initialize() {
    for (register, value) in [(1, 0), (3, 0x80), (0, 1), (1, 0), (3, 3), (2, 7), (4, 3)] {
        // SAFETY: the port is a serial port and does no DMA.
        unsafe { port::write_u8(COM1 + register, value) };
    }
}

impl fmt::Write for Port {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: reading the line status has no effect.
            while unsafe { port::read_u8(LINE_STATUS) } & TRANSMITTER_EMPTY == 0 {
                core::hint::spin_loop();
            }
            // SAFETY: as in `initialize`.
            unsafe { port::write_u8(COM1, byte) };
        }
        Ok(())
    }
}
