//! The C run-time library, as far as the kernel exports it: what compilers and drivers in C call.
//!
//! All may be called at any IRQL at which what they are given is resident. Characters are those of
//! the "C" locale: bytes stand for Latin 1, but only ASCII has letters, digits and blanks.
//!
//! Sources: "C runtime library reference"; "Run-Time Library Routines" of the driver reference,
//! which says that the kernel has it.

pub mod character;
pub mod checked;
#[cfg(target_os = "none")]
pub mod format;
pub mod number;
pub mod sort;
pub mod string;
pub mod write;

/// Defines routines of C's that drivers can import, under C's names.
macro_rules! c_export {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $return:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        ///
        /// # Safety
        ///
        /// As C's routine of this name.
        pub unsafe extern "win64" fn $name($($argument: $type),*) $(-> $return)? $body
        $crate::nt_export_data!($name = $name);
    )* };
}
use c_export;

/// A unit of a text: a byte, or one of UTF-16.
pub trait Unit: Copy + Eq + Ord + From<u8> {
    /// Its number.
    fn code(self) -> u32;
    /// A unit of this number, cut to its size.
    fn of(code: u32) -> Self;

    /// A letter of ASCII in lower case; anything else as it is.
    #[must_use]
    fn lower(self) -> Self {
        match self.code() {
            code @ 0x41..=0x5a => Self::of(code + 0x20),
            _ => self,
        }
    }

    /// A letter of ASCII in upper case; anything else as it is.
    #[must_use]
    fn upper(self) -> Self {
        match self.code() {
            code @ 0x61..=0x7a => Self::of(code - 0x20),
            _ => self,
        }
    }
}

impl Unit for u8 {
    fn code(self) -> u32 {
        self.into()
    }
    fn of(code: u32) -> Self {
        code as Self
    }
}

impl Unit for u16 {
    fn code(self) -> u32 {
        self.into()
    }
    fn of(code: u32) -> Self {
        code as Self
    }
}

/// The units of a text before its NUL, at most so many.
///
/// # Safety
///
/// It goes on up to its NUL, or has so many units.
pub unsafe fn length<U: Unit>(text: *const U, most: usize) -> usize {
    let mut count = 0;
    while count < most {
        // SAFETY: the caller's promise.
        let place = unsafe { text.add(count) };
        // SAFETY: as above.
        if unsafe { place.read() } == U::from(0) {
            break;
        }
        count += 1;
    }
    count
}

/// A text up to its NUL.
///
/// # Safety
///
/// It goes on up to its NUL, and stays as it is while the result is used.
pub unsafe fn text<'a, U: Unit>(text: *const U) -> &'a [U] {
    // SAFETY: the caller's promise.
    let count = unsafe { length(text, usize::MAX) };
    // SAFETY: as above.
    unsafe { core::slice::from_raw_parts(text, count) }
}

/// A text up to its NUL, or so many units.
///
/// # Safety
///
/// As [`length`], and it stays as it is while the result is used.
pub unsafe fn part<'a, U: Unit>(text: *const U, most: usize) -> &'a [U] {
    // SAFETY: the caller's promise.
    let count = unsafe { length(text, most) };
    // SAFETY: as above.
    unsafe { core::slice::from_raw_parts(text, count) }
}
