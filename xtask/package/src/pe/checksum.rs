//! The checksum of a PE image, which Windows checks of every driver that it loads.
//!
//! Source: `CheckSumMappedFile`: the 16-bit words of the file but the checksum are added with
//! end-around carry, and the length is added to the sum.

/// Where the checksum is in the optional header.
const CHECKSUM: usize = 64;

/// Where the optional header begins.
///
/// # Errors
/// Where the bytes are no PE image, in words.
pub fn optional_header(image: &[u8]) -> Result<usize, String> {
    let word = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(image.get(at..at + 4)?.try_into().ok()?))
    };
    let header = word(0x3c).ok_or("it is cut short")? as usize;
    if word(header) != Some(u32::from_le_bytes(*b"PE\0\0")) {
        return Err("it has no PE signature".to_owned());
    }
    let at = header + 24;
    if image.len() < at + 240 {
        return Err("its headers are cut short".to_owned());
    }
    Ok(at)
}

/// What the checksum should be.
///
/// # Errors
/// Where the bytes are no PE image, in words.
pub fn compute(image: &[u8]) -> Result<u32, String> {
    let field = optional_header(image)? + CHECKSUM;
    let mut sum: u32 = 0;
    for (index, pair) in image.chunks(2).enumerate() {
        if (field..field + 4).contains(&(index * 2)) {
            continue;
        }
        let word = u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        sum += u32::from(word);
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let length = u32::try_from(image.len()).map_err(|_| "it is longer than 4 GiB")?;
    Ok(sum + length)
}

/// The checksum that the header holds.
///
/// # Errors
/// Where the bytes are no PE image, in words.
pub fn stored(image: &[u8]) -> Result<u32, String> {
    let at = optional_header(image)? + CHECKSUM;
    let bytes = image[at..at + 4]
        .try_into()
        .map_err(|_| "it is cut short")?;
    Ok(u32::from_le_bytes(bytes))
}

/// Writes the checksum into the header.
///
/// # Errors
/// Where the bytes are no PE image, in words.
pub fn set(image: &mut [u8]) -> Result<(), String> {
    let at = optional_header(image)? + CHECKSUM;
    let sum = compute(image)?;
    image[at..at + 4].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}
