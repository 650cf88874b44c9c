//! Images changed on purpose.
//!
//! Source: "PE Format", the optional header, and `CheckSumMappedFile`.

/// Where the header's checksum is, from its signature on.
const CHECKSUM: usize = 4 + 20 + 64;

/// Where the checksum is in an image.
///
/// # Panics
///
/// For what is no image.
#[must_use]
pub fn checksum_offset(image: &[u8]) -> usize {
    let header = u32::from_le_bytes(image[0x3c..0x40].try_into().expect("four bytes"));
    let header = header as usize;
    assert_eq!(&image[header..header + 4], b"PE\0\0", "no image");
    header + CHECKSUM
}

/// Gives an image the checksum that it should have.
///
/// # Panics
///
/// For what is no image.
pub fn checksum(image: &mut [u8]) {
    let at = checksum_offset(image);
    image[at..at + 4].fill(0);
    let mut sum = 0_u32;
    for word in image.chunks(2) {
        sum += u32::from(word[0]) | u32::from(*word.get(1).unwrap_or(&0)) << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let length = u32::try_from(image.len()).expect("an image of less than 4 GiB");
    image[at..at + 4].copy_from_slice(&(sum + length).to_le_bytes());
}

/// Gives an imported routine another name of the same length, wherever it stands in the image,
/// and the image the checksum that goes with it.
///
/// # Panics
///
/// If the name is not there, or the lengths differ.
pub fn rename_import(image: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let pattern = [b"\0", from.as_bytes(), b"\0"].concat();
    let places: Vec<_> = image
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, window)| *window == pattern)
        .map(|(at, _)| at + 1)
        .collect();
    assert!(!places.is_empty(), "{from} is not imported");
    for at in places {
        image[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    checksum(image);
}

/// Makes a section's memory writable whatever it was, and gives the image the checksum that goes
/// with it.
///
/// # Panics
///
/// If there is no such section.
pub fn make_writable(image: &mut [u8], section: &str) {
    let header = checksum_offset(image) - CHECKSUM;
    let count = usize::from(u16::from_le_bytes([image[header + 6], image[header + 7]]));
    let optional = usize::from(u16::from_le_bytes([image[header + 20], image[header + 21]]));
    let table = header + 24 + optional;
    let mut headers = (0..count).map(|index| table + 40 * index);
    let named = |&at: &usize| image[at..at + 8].starts_with(section.as_bytes());
    let at = headers.find(named).expect("the section is there");
    // IMAGE_SCN_MEM_WRITE, in the last byte of its characteristics.
    image[at + 39] |= 0x80;
    checksum(image);
}

/// Takes all functions out of the table of those that may be called by a pointer (Control Flow
/// Guard's), and gives the image the checksum that goes with it.
///
/// # Panics
///
/// If the image has no load configuration.
pub fn empty_guard_table(image: &mut [u8]) {
    let long = |at: usize| {
        let bytes = image[at..at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    };
    let header = checksum_offset(image) - CHECKSUM;
    let count = usize::from(u16::from_le_bytes([image[header + 6], image[header + 7]]));
    let optional = usize::from(u16::from_le_bytes([image[header + 20], image[header + 21]]));
    // IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG, the tenth behind the fields of the optional header.
    let configuration = long(header + 24 + 112 + 10 * 8);
    assert_ne!(configuration, 0, "no load configuration");
    let section = (0..count)
        .map(|index| header + 24 + optional + 40 * index)
        .find(|&at| (long(at + 12)..long(at + 12) + long(at + 16)).contains(&configuration))
        .expect("it lies in a section");
    // GuardCFFunctionCount.
    let at = configuration - long(section + 12) + long(section + 20) + 0x88;
    assert!(image[at..at + 8] != [0; 8], "the table is empty");
    image[at..at + 8].fill(0);
    checksum(image);
}
