//! UTF-16 as UTF-8, and the other way. What is no character is replaced by U+FFFD.
//!
//! Sources: RtlUnicodeToUTF8N, RtlUTF8ToUnicodeN.

use nthost_nt::status::{
    NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_4,
    STATUS_INVALID_PARAMETER_5, STATUS_SOME_NOT_MAPPED, STATUS_SUCCESS,
};

/// The characters of a text, and whether one had to be replaced.
type Decoded = (char, bool);

/// UTF-16's characters.
pub fn decode_wide(units: &[u16]) -> impl Iterator<Item = Decoded> {
    char::decode_utf16(units.iter().copied())
        .map(|char| char.map_or((char::REPLACEMENT_CHARACTER, true), |char| (char, false)))
}

/// UTF-8's characters. A replacement stands for as many bytes as could have begun one.
pub fn decode_narrow(bytes: &[u8]) -> impl Iterator<Item = Decoded> {
    bytes.utf8_chunks().flat_map(|chunk| {
        let bad = (!chunk.invalid().is_empty()).then_some((char::REPLACEMENT_CHARACTER, true));
        chunk.valid().chars().map(|char| (char, false)).chain(bad)
    })
}

/// What a conversion came to: how many units were written, or are needed, and its status.
type Converted = (usize, NTSTATUS);

/// Encodes characters into a buffer, or counts the units that they need.
fn convert<U: Copy>(
    chars: impl Iterator<Item = Decoded>,
    encode: impl Fn(char, &mut [U; 4]) -> usize,
    empty: U,
    mut into: Option<&mut [U]>,
) -> Converted {
    let (mut done, mut status) = (0, STATUS_SUCCESS);
    for (char, replaced) in chars {
        let mut units = [empty; 4];
        let count = encode(char, &mut units);
        if let Some(into) = &mut into {
            // Whole characters alone.
            let Some(place) = into.get_mut(done..done + count) else {
                return (done, STATUS_BUFFER_TOO_SMALL);
            };
            place.copy_from_slice(&units[..count]);
        }
        done += count;
        if replaced {
            status = STATUS_SOME_NOT_MAPPED;
        }
    }
    (done, status)
}

/// UTF-16 as UTF-8; see [`Converted`].
#[must_use]
pub fn narrow(from: &[u16], into: Option<&mut [u8]>) -> Converted {
    let encode = |char: char, units: &mut [u8; 4]| char.encode_utf8(units).len();
    convert(decode_wide(from), encode, 0, into)
}

/// UTF-8 as UTF-16; see [`Converted`].
#[must_use]
pub fn widen(from: &[u8], into: Option<&mut [u16]>) -> Converted {
    let encode = |char: char, units: &mut [u16; 4]| char.encode_utf16(units).len();
    convert(decode_narrow(from), encode, 0, into)
}

/// A buffer, or none.
///
/// # Safety
///
/// It is null or has so many units, which nobody else uses.
unsafe fn buffer<'a, U>(start: *mut U, count: usize) -> Option<&'a mut [U]> {
    // SAFETY: the caller's promise.
    (!start.is_null()).then(|| unsafe { core::slice::from_raw_parts_mut(start, count) })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes a text of UTF-16 as UTF-8, or counts the bytes that it needs if there is no buffer.
    /// The count is of bytes, and may be left out if there is a buffer.
    ///
    /// Source: RtlUnicodeToUTF8N.
    ///
    /// # Safety
    ///
    /// The buffers are null or as large as said, and do not overlap; the count is null or can be
    /// written.
    pub unsafe fn RtlUnicodeToUTF8N(
        to: *mut u8,
        size: u32,
        count: *mut u32,
        from: *const u16,
        length: u32,
    ) -> NTSTATUS {
        if from.is_null() {
            return STATUS_INVALID_PARAMETER_4;
        }
        if !length.is_multiple_of(2) {
            return STATUS_INVALID_PARAMETER_5;
        }
        if to.is_null() && count.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let from = unsafe { core::slice::from_raw_parts(from, length as usize / 2) };
        // SAFETY: the caller's promise.
        let (done, status) = narrow(from, unsafe { buffer(to, size as usize) });
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write(done as u32) };
        }
        status
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes a text of UTF-8 as UTF-16, likewise. Size and count are of bytes.
    ///
    /// Source: RtlUTF8ToUnicodeN.
    ///
    /// # Safety
    ///
    /// As RtlUnicodeToUTF8N.
    pub unsafe fn RtlUTF8ToUnicodeN(
        to: *mut u16,
        size: u32,
        count: *mut u32,
        from: *const u8,
        length: u32,
    ) -> NTSTATUS {
        if from.is_null() {
            return STATUS_INVALID_PARAMETER_4;
        }
        if to.is_null() && count.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let from = unsafe { core::slice::from_raw_parts(from, length as usize) };
        // SAFETY: the caller's promise.
        let (done, status) = widen(from, unsafe { buffer(to, size as usize / 2) });
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write(2 * done as u32) };
        }
        status
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use core::ptr::{null, null_mut};

    use super::*;

    #[test]
    fn a_text_comes_back_as_it_was() {
        let text = "a\0ä€𝄞";
        let wide: Vec<u16> = text.encode_utf16().collect();
        let mut bytes = [0; 32];
        let (count, status) = narrow(&wide, Some(&mut bytes));
        assert_eq!((&bytes[..count], status), (text.as_bytes(), STATUS_SUCCESS));
        let mut units = [0; 32];
        let (count, status) = widen(&bytes[..count], Some(&mut units));
        assert_eq!((&units[..count], status), (&wide[..], STATUS_SUCCESS));
    }

    #[test]
    fn what_is_no_character_is_replaced_and_said() {
        let mut bytes = [0; 16];
        let (count, status) = narrow(&[0x61, 0xd834, 0x62, 0xdd1e], Some(&mut bytes));
        assert_eq!(
            (&bytes[..count], status),
            ("a\u{fffd}b\u{fffd}".as_bytes(), STATUS_SOME_NOT_MAPPED)
        );
        let mut units = [0; 16];
        let (count, status) = widen(b"a\xffb\xc3", Some(&mut units));
        assert_eq!(
            (&units[..count], status),
            (&[0x61, 0xfffd, 0x62, 0xfffd][..], STATUS_SOME_NOT_MAPPED)
        );
    }

    #[test]
    fn a_buffer_that_is_too_small_holds_whole_characters() {
        let wide: Vec<u16> = "ab€".encode_utf16().collect();
        let mut bytes = [0x55; 4];
        assert_eq!(
            narrow(&wide, Some(&mut bytes)),
            (2, STATUS_BUFFER_TOO_SMALL)
        );
        assert_eq!(bytes, [b'a', b'b', 0x55, 0x55]);
        let mut units = [0x5555; 2];
        assert_eq!(
            widen("a𝄞".as_bytes(), Some(&mut units)),
            (1, STATUS_BUFFER_TOO_SMALL)
        );
        assert_eq!(units, [0x61, 0x5555]);
    }

    #[test]
    fn without_a_buffer_the_bytes_are_counted() {
        let wide: Vec<u16> = "ab€".encode_utf16().collect();
        let mut count = 0;
        // SAFETY: no buffer, and the test's own count and text.
        let status = unsafe { RtlUnicodeToUTF8N(null_mut(), 0, &raw mut count, wide.as_ptr(), 6) };
        assert_eq!((status, count), (STATUS_SUCCESS, 5));
        // SAFETY: as above.
        let status =
            unsafe { RtlUTF8ToUnicodeN(null_mut(), 0, &raw mut count, "ab€".as_ptr(), 5) };
        assert_eq!((status, count), (STATUS_SUCCESS, 6));
    }

    #[test]
    fn parameters_are_refused_by_their_number() {
        let (mut byte, mut count, unit) = (0, 0, 0);
        let (byte, count, unit) = (&raw mut byte, &raw mut count, &raw const unit);
        for (to, count, from, length, status) in [
            (byte, count, null(), 2, STATUS_INVALID_PARAMETER_4),
            (byte, count, unit, 1, STATUS_INVALID_PARAMETER_5),
            (null_mut(), null_mut(), unit, 2, STATUS_INVALID_PARAMETER),
        ] {
            // SAFETY: null, or the test's own.
            let given = unsafe { RtlUnicodeToUTF8N(to, 1, count, from, length) };
            assert_eq!(given, status);
        }
    }
}
