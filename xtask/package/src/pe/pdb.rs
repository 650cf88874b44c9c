//! Whether a PDB belongs to an image: both hold the same GUID and age.
//!
//! Source: the PDB file format as LLVM documents it (the MSF container, the PDB info stream),
//! and "Debug Directory" in the PE format's documentation (the CodeView entry).

use object::read::Object;
use object::read::pe::PeFile64;

/// The first bytes of a PDB.
const MAGIC: &[u8] = b"Microsoft C/C++ MSF 7.00\r\n\x1aDS\0\0\0";
/// The number of the stream that holds GUID and age.
const INFO_STREAM: usize = 1;

/// What both files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The GUID's bytes.
    pub guid: [u8; 16],
    /// How often the PDB was written.
    pub age: u32,
}

/// What an image says of its PDB, and the name it gives it.
///
/// # Errors
/// Where the debug directory cannot be read, in words.
pub fn of_image(pe: &PeFile64<'_>) -> Result<Option<(Identity, String)>, String> {
    let info = pe.pdb_info().map_err(|error| error.to_string())?;
    Ok(info.map(|info| {
        let path = String::from_utf8_lossy(info.path());
        let name = path.rsplit(['\\', '/']).next().unwrap_or_default();
        (
            Identity {
                guid: info.guid(),
                age: info.age(),
            },
            name.to_owned(),
        )
    }))
}

/// What a PDB says of itself.
///
/// # Errors
/// Where the file is no PDB, in words.
pub fn of_pdb(file: &[u8]) -> Result<Identity, String> {
    let cut = || "it is cut short".to_owned();
    if !file.starts_with(MAGIC) {
        return Err("it is no PDB".to_owned());
    }
    let word = |bytes: &[u8], at: usize| -> Result<u32, String> {
        let bytes = bytes.get(at..at + 4).ok_or_else(cut)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| cut())?))
    };
    let block_size = word(file, 32)? as usize;
    if !block_size.is_power_of_two() {
        return Err("its blocks have no possible size".to_owned());
    }
    let directory_length = word(file, 44)? as usize;
    let block = |number: u32| -> Result<&[u8], String> {
        let start = number as usize * block_size;
        file.get(start..start + block_size).ok_or_else(cut)
    };
    // The block map lists the blocks of the stream directory.
    let map = block(word(file, 52)?)?;
    let mut directory = Vec::new();
    for index in 0..directory_length.div_ceil(block_size) {
        directory.extend(block(word(map, index * 4)?)?);
    }
    // Number of streams, their lengths, and then the blocks of each.
    let count = word(&directory, 0)? as usize;
    let mut at = 4 + count * 4;
    for stream in 0..INFO_STREAM {
        let length = word(&directory, 4 + stream * 4)?;
        let length = if length == u32::MAX {
            0
        } else {
            length as usize
        };
        at += length.div_ceil(block_size) * 4;
    }
    let info = block(word(&directory, at)?)?;
    // Version, time stamp, age, GUID.
    Ok(Identity {
        age: word(info, 8)?,
        guid: info
            .get(12..28)
            .ok_or_else(cut)?
            .try_into()
            .map_err(|_| cut())?,
    })
}

/// Whether the PDB is that of the image. An image's age is never less than its PDB's.
#[must_use]
pub fn matches(image: &Identity, pdb: &Identity) -> bool {
    image.guid == pdb.guid
}
