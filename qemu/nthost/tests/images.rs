//! Images of other compilers, and images that somebody damaged: the loader refuses what is
//! wrong, says why, and never fails in any other way.

use std::{path::PathBuf, process::Command, sync::OnceLock};

use nthost::pe::{Fault, Image, checksum};
use proptest::prelude::*;

/// A C driver of the repository's, built by mingw-w64.
fn driver() -> &'static [u8] {
    static DRIVER: OnceLock<Vec<u8>> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/drivers/c");
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

proptest! {
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
