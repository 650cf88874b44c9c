//! Formatted output, with its arguments in registers and behind them on the stack.

use super::{Outcome, Test, ensure_eq};
use crate::rtl::crt::format::{_snprintf, _snprintf_s, _snwprintf, _vsnprintf, sprintf};

/// The tests.
pub const TESTS: &[Test] = &[
    ("format: arguments are taken in their order", order),
    ("format: a list of arguments is as good", list),
    ("format: UTF-16", wide),
];

/// A call with so many arguments is made as one with a variable number of them.
macro_rules! call {
    ($routine:ident: $($type:ty),*; $($argument:expr),*) => {{
        type Routine = unsafe extern "win64" fn($($type),*) -> i32;
        // SAFETY: integers are passed in the same places, however they are declared.
        let routine: Routine = unsafe { core::mem::transmute($routine as *const ()) };
        // SAFETY: there is room, and the format's arguments are there.
        unsafe { routine($($argument),*) }
    }};
}

type Out = *mut u8;
type Format = *const u8;

fn order() -> Outcome {
    let format = c"%d %d %d %d %s".as_ptr().cast();
    let text = c"end".as_ptr() as u64;
    let mut buffer = [b'#'; 16];
    let out = buffer.as_mut_ptr();
    let count = call!(sprintf: Out, Format, u64, u64, u64, u64, u64; out, format, 1, 2, 3, 4, text);
    ensure_eq!((count, &buffer[..12]), (11, &b"1 2 3 4 end\0"[..]));
    let mut buffer = [b'#'; 16];
    let out = buffer.as_mut_ptr();
    let count = call!(
        _snprintf: Out, usize, Format, u64, u64, u64, u64, u64; out, 11, format, 1, 2, 3, 4, text
    );
    ensure_eq!((count, &buffer[..12]), (11, &b"1 2 3 4 end#"[..]));
    let mut buffer = [b'#'; 16];
    let out = buffer.as_mut_ptr();
    let count = call!(
        _snprintf_s: Out, usize, usize, Format, u64, u64, u64, u64, u64;
        out, 8, usize::MAX, format, 1, 2, 3, 4, text
    );
    ensure_eq!((count, &buffer[..9]), (-1, &b"1 2 3 4\0#"[..]));
    Ok(())
}

fn list() -> Outcome {
    let arguments = [7_u64, 8];
    let mut buffer = [b'#'; 8];
    let (out, format) = (buffer.as_mut_ptr(), c"%u-%x".as_ptr().cast());
    // SAFETY: there is room, and the format's arguments are there.
    let count = unsafe { _vsnprintf(out, buffer.len(), format, arguments.as_ptr()) };
    ensure_eq!((count, &buffer[..4]), (3, &b"7-8\0"[..]));
    Ok(())
}

fn wide() -> Outcome {
    let format: [u16; 9] = core::array::from_fn(|index| u16::from(b"%s %S %d\0"[index]));
    let (first, second) = ([0x20ac_u16, 0], c"ab".as_ptr() as u64);
    let mut buffer = [0x5555_u16; 8];
    let count = call!(
        _snwprintf: *mut u16, usize, *const u16, u64, u64, u64;
        buffer.as_mut_ptr(), 8, format.as_ptr(), first.as_ptr() as u64, second, 9
    );
    let expected = [0x20ac, 0x20, 0x61, 0x62, 0x20, 0x39, 0, 0x5555];
    ensure_eq!((count, buffer), (6, expected));
    Ok(())
}
