//! `UNICODE_STRING`s: counted UTF-16 text.
//!
//! Source: ns-wudfwdm-_unicode_string, "Using Unicode Strings".
//!
//! # Example
//!
//! ```
//! use wdm::unicode::UnicodeString;
//!
//! /// Widened by the compiler.
//! const NAME: UnicodeString<'static> = UnicodeString::new(wdm::utf16!("Parameters"));
//!
//! assert_eq!(NAME.characters().len(), 10);
//! ```

use core::marker::PhantomData;

use wdk_sys::UNICODE_STRING;

/// A `UNICODE_STRING` that borrows its characters.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct UnicodeString<'a> {
    raw: UNICODE_STRING,
    _characters: PhantomData<&'a [u16]>,
}

impl<'a> UnicodeString<'a> {
    /// The string of these characters, of which there are at most 32,767.
    ///
    /// # Panics
    ///
    /// Where there are more. All of this crate's callers pass literals, at compile time.
    #[must_use]
    pub const fn new(characters: &'a [u16]) -> Self {
        let bytes = size_of_val(characters);
        assert!(
            bytes <= u16::MAX as usize,
            "a UNICODE_STRING has at most 65535 bytes"
        );
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let length = bytes as u16;
        Self {
            raw: UNICODE_STRING {
                Length: length,
                MaximumLength: length,
                // The kernel takes it as writable and does not write through an input.
                Buffer: characters.as_ptr().cast_mut(),
            },
            _characters: PhantomData,
        }
    }

    /// What a kernel routine takes. It must not write through it.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut UNICODE_STRING {
        (&raw const self.raw).cast_mut()
    }

    /// The characters.
    #[must_use]
    pub const fn characters(&self) -> &'a [u16] {
        if self.raw.Buffer.is_null() {
            return &[];
        }
        // SAFETY: the buffer holds `Length` bytes for the lifetime, as `new` and `from_raw` ask.
        unsafe { core::slice::from_raw_parts(self.raw.Buffer, self.raw.Length as usize / 2) }
    }

    /// A string that the kernel owns.
    ///
    /// # Safety
    ///
    /// Its buffer is valid and unchanged for the lifetime.
    #[must_use]
    pub const unsafe fn from_raw(raw: UNICODE_STRING) -> Self {
        Self {
            raw,
            _characters: PhantomData,
        }
    }
}

/// The UTF-16 characters of an ASCII literal, made at compile time.
#[macro_export]
macro_rules! utf16 {
    ($text:literal) => {{
        const CHARACTERS: [u16; $text.len()] = $crate::unicode::widen($text);
        &CHARACTERS
    }};
}

/// For [`utf16!`]: widens ASCII.
///
/// # Panics
///
/// At compile time, if the text is not ASCII.
#[doc(hidden)]
#[must_use]
pub const fn widen<const N: usize>(text: &str) -> [u16; N] {
    let bytes = text.as_bytes();
    let mut characters = [0; N];
    let mut i = 0;
    while i < N {
        assert!(bytes[i].is_ascii(), "write ASCII here");
        characters[i] = bytes[i] as u16;
        i += 1;
    }
    characters
}
