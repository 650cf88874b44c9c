//! The checksum of an image, which the kernel checks for every driver that it loads.
//!
//! It is the 16-bit one's-complement sum of the file, with the checksum's own field taken for
//! zero, plus the file's length.

/// The checksum of a file whose checksum field is at this offset.
#[must_use]
pub fn compute(bytes: &[u8], field: usize) -> u32 {
    let mut sum = 0_u64;
    for (index, pair) in bytes.chunks(2).enumerate() {
        let offset = 2 * index;
        if (field..field + 4).contains(&offset) {
            continue;
        }
        let low = pair[0];
        let high = pair.get(1).copied().unwrap_or(0);
        sum += u64::from(u16::from_le_bytes([low, high]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    // The length is added modulo 2^32, as the field has it.
    (sum + bytes.len() as u64) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_itself_does_not_count() {
        let mut bytes = alloc::vec![1_u8; 64];
        let before = compute(&bytes, 16);
        bytes[16..20].copy_from_slice(&[0xff; 4]);
        assert_eq!(compute(&bytes, 16), before);
        bytes[20] ^= 1;
        assert_ne!(compute(&bytes, 16), before);
    }

    #[test]
    fn carries_are_added_again() {
        // 0xffff + 0xffff = 0x1fffe, folded 0xffff; and the length of 4 bytes, behind the field.
        assert_eq!(compute(&[0xff; 4], 100), 0xffff + 4);
    }
}
