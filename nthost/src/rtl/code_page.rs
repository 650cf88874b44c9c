//! What the system's code page is.
//!
//! Source: NlsMbCodePageTag, beside the macros RtlUnicodeStringToAnsiSize and its siblings in the
//! headers, which look at it. Each character of Latin 1 has one byte.

/// Whether characters may have several bytes.
static MULTI_BYTE: u8 = 0;

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(NlsMbCodePageTag = (&raw const MULTI_BYTE).cast::<()>());
};
