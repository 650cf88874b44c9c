//! Strings.

/// A counted string of UTF-16 (ns-ntdef-_unicode_string).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UNICODE_STRING {
    /// Bytes in use.
    pub Length: u16,
    /// Bytes there are.
    pub MaximumLength: u16,
    /// The characters; no NUL ends them.
    pub Buffer: *mut u16,
}
