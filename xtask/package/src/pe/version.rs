//! The version resource of an image.
//!
//! Source: "VS_VERSIONINFO structure", "VS_FIXEDFILEINFO structure".

use object::LittleEndian;
use object::read::pe::PeFile64;

use crate::inf::driver_version::Version;

/// `RT_VERSION`
const RESOURCE_TYPE: u16 = 16;
/// `VS_FFI_SIGNATURE`
const SIGNATURE: u32 = 0xfeef_04bd;
/// `VFT_DRV`
const DRIVER: u32 = 3;

/// What the fixed part of a version resource says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedInfo {
    /// `FILEVERSION`
    pub file_version: Version,
    /// Whether the file says that it is a driver.
    pub is_driver: bool,
}

/// Reads it from an image.
///
/// # Errors
/// Where the image has a resource that cannot be read, in words.
pub fn of(pe: &PeFile64<'_>) -> Result<Option<FixedInfo>, String> {
    let words = |error: object::Error| error.to_string();
    let directory = pe
        .data_directories()
        .resource_directory(pe.data(), &pe.section_table())
        .map_err(words)?;
    let Some(directory) = directory else {
        return Ok(None);
    };
    let root = directory.root().map_err(words)?;
    let Some(kind) = root
        .entries
        .iter()
        .find(|entry| entry.name_or_id().id() == Some(RESOURCE_TYPE))
    else {
        return Ok(None);
    };
    // Type, name, language: the first of each.
    let mut entry = *kind;
    let data = loop {
        match entry.data(directory).map_err(words)? {
            object::read::pe::ResourceDirectoryEntryData::Table(table) => {
                entry = *table.entries.first().ok_or("an empty resource table")?;
            }
            object::read::pe::ResourceDirectoryEntryData::Data(data) => break data,
        }
    };
    let bytes = pe
        .section_table()
        .pe_data_at(pe.data(), data.offset_to_data.get(LittleEndian))
        .and_then(|bytes| bytes.get(..data.size.get(LittleEndian) as usize))
        .ok_or("a resource outside of the image")?;
    fixed_info(bytes).map(Some)
}

fn fixed_info(resource: &[u8]) -> Result<FixedInfo, String> {
    // Lengths and type, "VS_VERSION_INFO" with its NUL, and what fills up to four bytes.
    let word = |index: usize| -> Option<u32> {
        let at = 40 + index * 4;
        Some(u32::from_le_bytes(
            resource.get(at..at + 4)?.try_into().ok()?,
        ))
    };
    let cut = "a version resource that is cut short";
    if word(0).ok_or(cut)? != SIGNATURE {
        return Err("a version resource without its signature".to_owned());
    }
    let (high, low) = (word(2).ok_or(cut)?, word(3).ok_or(cut)?);
    let half = |word: u32| -> [u16; 2] {
        let [a, b, c, d] = word.to_le_bytes();
        [u16::from_le_bytes([c, d]), u16::from_le_bytes([a, b])]
    };
    let ([first, second], [third, fourth]) = (half(high), half(low));
    Ok(FixedInfo {
        file_version: Version([first, second, third, fourth]),
        is_driver: word(9).ok_or(cut)? == DRIVER,
    })
}
