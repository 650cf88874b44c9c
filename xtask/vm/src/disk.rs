//! The disk that carries the driver package into the machine, and what it has found out of it:
//! one FAT partition.
//!
//! A partition table stands before it, because Windows takes a fixed disk without one for empty.

use std::io::{self, Cursor, Write};

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use mbrman::{BOOT_INACTIVE, CHS, MBR, MBRPartitionEntry};

const SECTOR: u32 = 512;
/// Where the partition begins, in sectors: at one MiB, as Windows' own partitioning does.
const START: u32 = 2048;
/// The smallest partition: FAT16 with room for a log or two.
const SMALLEST: usize = 32 << 20;
/// FAT16 with logical block addresses.
const FAT16_LBA: u8 = 0x0e;

/// Makes the disk's bytes. A name may have folders before slashes; the machine has so many bytes
/// for what it writes.
///
/// # Errors
/// Where a name is none that FAT can hold, or the files are too long for FAT16.
pub fn disk(label: &str, files: &[(String, Vec<u8>)], room: usize) -> io::Result<Vec<u8>> {
    let payload: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let length = (payload * 2 + room).max(SMALLEST).next_multiple_of(1 << 20);
    let partition = volume(label, length, files)?;
    let mut disk = Cursor::new(vec![0; START as usize * SECTOR as usize]);
    disk.get_mut().extend(&partition);
    let sectors = u32::try_from(partition.len() / SECTOR as usize).map_err(io::Error::other)?;
    // The signature by which Windows tells disks apart; two of these are never in one machine.
    let mut table = MBR::new_from(&mut disk, SECTOR, *b"edu1").map_err(io::Error::other)?;
    table[1] = MBRPartitionEntry {
        boot: BOOT_INACTIVE,
        first_chs: CHS::empty(),
        sys: FAT16_LBA,
        last_chs: CHS::empty(),
        starting_lba: START,
        sectors,
    };
    table.write_into(&mut disk).map_err(io::Error::other)?;
    Ok(disk.into_inner())
}

/// The bytes of the partition.
///
/// # Errors
/// Where the disk has none.
pub fn partition(disk: &[u8]) -> io::Result<&[u8]> {
    let table = MBR::read_from(&mut Cursor::new(disk), SECTOR).map_err(io::Error::other)?;
    let entry = &table[1];
    let bytes = |sectors: u32| sectors as usize * SECTOR as usize;
    let start = bytes(entry.starting_lba);
    disk.get(start..start + bytes(entry.sectors))
        .filter(|partition| !partition.is_empty())
        .ok_or_else(|| io::Error::other("the disk has no partition"))
}

/// Makes a volume of so many bytes, without a partition table.
///
/// # Errors
/// As [`disk`].
pub fn volume(label: &str, length: usize, files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut name = [b' '; 11];
    for (place, byte) in name.iter_mut().zip(label.bytes()) {
        *place = byte.to_ascii_uppercase();
    }
    let mut bytes = Cursor::new(vec![0; length]);
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat16)
        .volume_label(name);
    fatfs::format_volume(&mut bytes, options)?;
    {
        let volume = FileSystem::new(&mut bytes, FsOptions::new())?;
        let root = volume.root_dir();
        for (name, content) in files {
            for (end, _) in name.match_indices('/') {
                root.create_dir(&name[..end])?;
            }
            root.create_file(name)?.write_all(content)?;
        }
    }
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn files_are_on_the_partition_that_the_table_names() {
        let files = [
            ("eduwdm/eduwdm.inf".to_owned(), b"[Version]".to_vec()),
            ("eduwdm/a longer name.ps1".to_owned(), vec![7; 100_000]),
            ("guest/deeper/x.txt".to_owned(), vec![1]),
        ];
        let bytes = disk("eduwdm", &files, 0).unwrap();
        let mut cursor = Cursor::new(&bytes);
        let table = MBR::read_from(&mut cursor, SECTOR).unwrap();
        let entry = &table[1];
        assert_eq!((entry.sys, entry.starting_lba), (FAT16_LBA, START));
        let start = entry.starting_lba as usize * SECTOR as usize;
        let end = start + entry.sectors as usize * SECTOR as usize;
        assert_eq!(end, bytes.len());
        assert_eq!(partition(&bytes).unwrap(), &bytes[start..end]);
        let mut partition = Cursor::new(bytes[start..end].to_vec());
        let volume = FileSystem::new(&mut partition, FsOptions::new()).unwrap();
        assert_eq!(volume.volume_label(), "EDUWDM");
        for (name, content) in &files {
            let mut read = Vec::new();
            volume
                .root_dir()
                .open_file(name)
                .unwrap()
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(&read, content, "{name}");
        }
    }

    #[test]
    fn a_name_that_fat_cannot_hold_is_refused() {
        assert!(disk("x", &[("what?".to_owned(), Vec::new())], 0).is_err());
    }
}
