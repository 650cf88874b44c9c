//! A panic of nthost itself: told apart from a driver's fault, with the place and the stack.

use core::{fmt::Write, panic::PanicInfo};

use crate::{hal::serial, ke::bugcheck};

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // SAFETY: nothing runs after this; a line that another processor was writing is cut off.
    let mut port = unsafe { serial::seize() };
    let _ = writeln!(port, "\n*** nthost: {info}");
    bugcheck::internal()
}
