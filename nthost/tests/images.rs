//! Images of other compilers, and images that somebody damaged: the loader refuses what is
//! wrong, says why, and never fails in any other way.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use nthost::pe::{Fault, Image, checksum, unwind};
use proptest::prelude::*;

/// A C driver of the repository's, built by mingw-w64.
fn driver() -> &'static [u8] {
    static DRIVER: OnceLock<Vec<u8>> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/drivers/c");
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("c");
        let status = Command::new(source.join("build.sh")).arg(&out).status();
        assert!(
            status.expect("build.sh runs").success(),
            "the C drivers do not build"
        );
        std::fs::read(out.join("csq.sys")).expect("csq.sys was built")
    })
}

fn header() -> usize {
    u32::from_le_bytes(driver()[60..64].try_into().unwrap()) as usize
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let field = header() + 24 + 64;
    let sum = checksum::compute(&bytes, field);
    bytes[field..field + 4].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn a_driver_of_another_compiler_is_accepted() {
    let image = Image::parse(driver()).expect("the image is good");
    assert_ne!(image.entry, 0);
    assert_ne!(image.exceptions.1, 0, "it has unwind tables");
    let imports = image.imports().expect("the import table is good");
    assert!(
        imports
            .iter()
            .all(|import| import.library == "ntoskrnl.exe")
    );
    assert!(
        imports
            .iter()
            .any(|import| import.name == "IoCsqInsertIrpEx"),
        "{imports:?}"
    );
}

#[test]
fn an_image_is_the_same_wherever_it_is_laid_out_but_for_its_relocations() {
    let image = Image::parse(driver()).unwrap();
    let lay_out = |base| {
        let mut memory = vec![0; image.size.next_multiple_of(4096) as usize];
        image.lay_out(&mut memory, base).unwrap();
        memory
    };
    let (first, second) = (
        lay_out(image.preferred_base),
        lay_out(image.preferred_base + 0x10000),
    );
    let moved = first
        .chunks(8)
        .zip(second.chunks(8))
        .filter(|(a, b)| a != b)
        .count();
    assert!(moved < 64, "{moved} words differ");
}

#[test]
fn a_truncated_image_is_refused_and_named_so_wherever_it_is_cut() {
    let bytes = driver();
    // What lies behind the sections (symbols) is not needed to run it, but is in the checksum.
    for length in (0..bytes.len()).step_by(61) {
        let fault = Image::parse(&bytes[..length]).expect_err("it is cut off");
        let named = matches!(fault, Fault::Truncated { .. } | Fault::Checksum { .. });
        assert!(named, "cut at {length}: {fault}");
    }
}

#[test]
fn a_flipped_bit_is_found_by_the_checksum() {
    let mut bytes = driver().to_vec();
    let last = bytes.len() - 1;
    bytes[last] ^= 4;
    assert!(matches!(Image::parse(&bytes), Err(Fault::Checksum { .. })));
}

#[test]
fn a_console_program_and_another_machine_are_refused() {
    let mut bytes = driver().to_vec();
    bytes[header() + 24 + 68] = 3;
    assert_eq!(
        Image::parse(&with_checksum(bytes)).unwrap_err(),
        Fault::Subsystem(3)
    );
    let mut bytes = driver().to_vec();
    bytes[header() + 4..header() + 6].copy_from_slice(&0x14c_u16.to_le_bytes());
    assert_eq!(
        Image::parse(&with_checksum(bytes)).unwrap_err(),
        Fault::Machine(0x14c)
    );
}

#[test]
fn a_table_of_imports_that_repeats_itself_is_refused_before_it_fills_the_memory() {
    let mut bytes = driver().to_vec();
    let sections = header() + 24 + usize::from(bytes[header() + 20]);
    let word = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
    };
    let directory = header() + 24 + 112 + 8;
    let count = usize::from(bytes[header() + 6]);
    let placed = (0..count).map(|index| {
        let at = sections + 40 * index;
        let word = |offset| word(&bytes, at + offset);
        (word(12), word(8).min(word(16)), word(20))
    });
    let (address, size, file) = placed.max_by_key(|(_, size, _)| *size).unwrap();
    let address = u32::try_from(address).unwrap();
    bytes[directory..directory + 4].copy_from_slice(&address.to_le_bytes());
    // In the largest section: descriptors, whose lists are all the same, which has the same
    // name over and over.
    let half = size / 2 / 20 * 20;
    let (descriptors, list) = bytes[file..file + size].split_at_mut(half);
    let list_address = address + u32::try_from(half).unwrap();
    for descriptor in descriptors.as_chunks_mut::<20>().0 {
        let words = [list_address + 16, 0, 0, list_address, list_address + 16];
        descriptor.copy_from_slice(words.map(u32::to_le_bytes).as_flattened());
    }
    list[..16].copy_from_slice(b"\0\0a.exe\0\0\0\0\0\0\0\0\0");
    let (names, _) = list[16..].as_chunks_mut::<8>();
    let (end, names) = names.split_last_mut().unwrap();
    end.fill(0);
    for thunk in names {
        thunk.copy_from_slice(&u64::from(list_address).to_le_bytes());
    }
    let bytes = with_checksum(bytes);
    let image = Image::parse(&bytes).expect("all but the imports is good");
    let fault = image.imports().expect_err("the table has no end");
    assert_eq!(fault, Fault::Header("it imports too much"));
}

/// A stack of words that follow from their addresses.
struct Memory<'a>(&'a [u8]);

impl unwind::Memory for Memory<'_> {
    fn image(&self) -> &[u8] {
        self.0
    }

    fn stack(&self, address: u64) -> Option<u64> {
        address.is_multiple_of(8).then(|| address.rotate_left(17))
    }
}

/// Everything that is read of an image once it has been accepted, as the loader and a bug check
/// read it.
fn read_all(image: &Image<'_>, base: u64) {
    let mut memory = vec![0; image.size.next_multiple_of(4096) as usize];
    let _ = image.imports();
    let _ = image.exports();
    let _ = image.lay_out(&mut memory, base);
    for offset in (0..image.size).step_by(97) {
        let function = unwind::lookup(&memory, image.exceptions, offset);
        let mut registers = unwind::Registers {
            rip: base + u64::from(offset),
            ..Default::default()
        };
        registers.general[4] = 0x1000;
        // Whether it describes a caller or not: it ends.
        let _ = unwind::unwind(&Memory(&memory), base, function, &mut registers);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn damage_anywhere_is_refused_or_harmless_but_never_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
        base in any::<u32>(),
    ) {
        let mut bytes = driver().to_vec();
        for (index, value) in damage {
            let offset = index.index(bytes.len());
            bytes[offset] = value;
        }
        if bytes[60..64] == driver()[60..64]
            && let Ok(image) = Image::parse(&with_checksum(bytes))
        {
            read_all(&image, u64::from(base) << 16);
        }
    }

    #[test]
    fn damage_to_the_unwind_tables_never_is_a_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        base in any::<u32>(),
    ) {
        let mut bytes = driver().to_vec();
        let image = Image::parse(driver()).unwrap();
        // The table and what it leads to lie in sections of their own, behind each other.
        let names = [".pdata", ".xdata"];
        let table = header() + 24 + usize::from(bytes[header() + 20]);
        let mut ranges = Vec::new();
        for index in 0..image.sections.len() {
            let at = table + 40 * index;
            let name = String::from_utf8_lossy(&bytes[at..at + 8]).to_string();
            if names.contains(&name.trim_end_matches('\0')) {
                let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
                ranges.push((word(at + 20) as usize, word(at + 16) as usize));
            }
        }
        prop_assert_eq!(ranges.len(), 2);
        for (which, (index, value)) in damage.into_iter().enumerate() {
            let (start, length) = ranges[which % 2];
            bytes[start + index.index(length)] = value;
        }
        let bytes = with_checksum(bytes);
        let image = Image::parse(&bytes).expect("all but the tables is good");
        read_all(&image, u64::from(base) << 16);
    }

    #[test]
    fn bytes_that_nobody_made_an_image_of_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..2000),
        magic in any::<bool>(),
    ) {
        let mut bytes = bytes;
        if magic && bytes.len() > 64 {
            bytes[..2].copy_from_slice(b"MZ");
            bytes[60..64].copy_from_slice(&[64, 0, 0, 0]);
            let end = bytes.len().min(68);
            bytes[64..end].copy_from_slice(&b"PE\0\0"[..end - 64]);
        }
        let fault = Image::parse(&bytes).expect_err("it is no image");
        prop_assert!(!fault.to_string().is_empty());
    }

    #[test]
    fn damage_is_refused_or_harmless_but_never_a_panic(
        damage in prop::collection::vec((0_usize..0x600, any::<u8>()), 1..12),
        base in any::<u32>(),
    ) {
        let mut bytes = driver().to_vec();
        for (offset, value) in damage {
            bytes[offset] = value;
        }
        if let Ok(image) = Image::parse(&with_checksum(bytes)) {
            let mut memory = vec![0; image.size.next_multiple_of(4096) as usize];
            let _ = image.imports();
            let _ = image.exports();
            let _ = image.lay_out(&mut memory, u64::from(base) << 16);
        }
    }
}
