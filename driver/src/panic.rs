//! A panic is a bugcheck: a driver that found itself wrong must not run on.

use core::panic::PanicInfo;

/// This driver's own: in a dump it leads here, and to no other driver's crash. It is `EDUW` in
/// characters.
const BUGCHECK: u32 = 0x4544_5557;

/// The parameters are where the file's name is, its length, the line and the column; the dump has
/// them as data too, with what the driver did last.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    wdm::bugcheck::panic(BUGCHECK, info)
}
