//! What the finished drivers import is what a driver imports that was built with the WDK: no
//! routine that the genuine headers define inline. mingw-w64's import library has some of those,
//! for the kernel exports them; a driver that imported one would stand for no real one. Nor would
//! one that raises or lowers the IRQL by itself, as mingw-w64's headers have it: KfRaiseIrql and
//! KeLowerIrql are imported in every version of the WDK.
//!
//! Every image is looked at, whoever built it: ours, the test drivers in Rust and C, and those
//! that export to other drivers.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path};

use eduwdm_genuine::tables::Tables;
use eduwdm_tests::out;
use iced_x86::{Decoder, DecoderOptions, Mnemonic, Register};
use object::{
    Object, ObjectSection, SectionKind,
    read::pe::{Import, PeFile64},
};

/// What the tables leave out: what the kernel exports that is no routine, by its DDI page; and what
/// the headers declare for WPP alone (`RUN_WPP`). What the compiler calls for a frame of more than a
/// page (`__chkstk`) is not among it: no routine has one.
const OTHERS: [&str; 9] = [
    "ExEventObjectType",
    "IoDeviceObjectType",
    "IoFileObjectType",
    "MmSystemRangeStart",
    "PsInitialSystemProcess",
    "PsProcessType",
    "PsThreadType",
    "SeExports",
    "WmiTraceMessage",
];

/// The images that the build has made, by name.
fn images() -> Vec<(String, Vec<u8>)> {
    let mut images: Vec<_> = fs::read_dir(out())
        .expect("cargo xtask build makes it")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "sys"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    images.sort();
    images
}

/// What an image imports: from which image, and what.
fn imports(image: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Some(table) = PeFile64::parse(image).unwrap().import_table().unwrap() else {
        return found;
    };
    let mut descriptors = table.descriptors().unwrap();
    while let Some(descriptor) = descriptors.next().unwrap() {
        let from = table
            .name(descriptor.name.get(object::LittleEndian))
            .unwrap();
        let from = String::from_utf8_lossy(from).into_owned();
        let names = descriptor.original_first_thunk.get(object::LittleEndian);
        let mut thunks = table.thunks(names).unwrap();
        while let Some(thunk) = thunks.next::<object::pe::ImageNtHeaders64>().unwrap() {
            let name = match table.import::<object::pe::ImageNtHeaders64>(thunk).unwrap() {
                Import::Ordinal(number) => format!("#{number}"),
                Import::Name(_, name) => String::from_utf8_lossy(name).into_owned(),
            };
            found.push((from.clone(), name));
        }
    }
    found
}

/// How many instructions of an image write CR8, in which amd64 has the IRQL.
fn irql_writes(image: &[u8]) -> usize {
    let pe = PeFile64::parse(image).unwrap();
    let code = pe
        .sections()
        .filter(|section| section.kind() == SectionKind::Text);
    let code: Vec<_> = code.map(|section| section.data().unwrap()).collect();
    assert!(code.iter().any(|code| !code.is_empty()), "no code");
    code.into_iter().map(writes).sum()
}

fn writes(code: &[u8]) -> usize {
    let instructions = Decoder::new(64, code, DecoderOptions::NONE);
    instructions
        .into_iter()
        .filter(|instruction| {
            instruction.mnemonic() == Mnemonic::Mov && instruction.op0_register() == Register::CR8
        })
        .count()
}

/// Why a driver that was built with the WDK would not import this.
fn fault(tables: &Tables, own: &BTreeSet<String>, from: &str, name: &str) -> Option<&'static str> {
    if own.contains(from) || OTHERS.contains(&name) {
        return None;
    }
    match tables.functions.get(name) {
        Some(function) if function.is_inline => Some("is inline in the WDK's headers"),
        Some(_) => None,
        None => Some("is in no table of cross/genuine"),
    }
}

#[test]
fn no_image_changes_the_irql_without_the_kernel() {
    // mov cr8, rax; mov rax, cr8; ret
    assert_eq!(writes(b"\x44\x0f\x22\xc0\x44\x0f\x20\xc0\xc3"), 1);
    for (name, image) in images() {
        assert_eq!(irql_writes(&image), 0, "{name}");
    }
}

#[test]
fn no_image_imports_what_the_wdk_has_inline() {
    let tables =
        Tables::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../cross/genuine")).unwrap();
    let images = images();
    let own: BTreeSet<_> = images.iter().map(|(name, _)| name.clone()).collect();
    for name in [
        "eduwdm.sys",
        "waits.sys",
        "rules.sys",
        "library.sys",
        "exceptions.sys",
    ] {
        assert!(own.contains(name), "{name}: cargo xtask build makes it");
    }
    let (mut faults, mut needed, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for (image, content) in &images {
        let imports = imports(content);
        assert!(!imports.is_empty(), "{image}");
        for (from, name) in &imports {
            count += 1;
            needed.insert(name.clone());
            if let Some(why) = fault(&tables, &own, from, name) {
                faults.push(format!("{image}: {name} {why}"));
            }
        }
    }
    println!("{count} imports of {} images", images.len());
    assert!(faults.is_empty(), "{faults:#?}");
    for name in OTHERS {
        assert!(needed.contains(name), "nothing imports {name} any more");
    }

    // What it is there to find.
    for name in [
        "KeGetCurrentThread",
        "IoGetRemainingStackSize",
        "KeRaiseIrqlToDpcLevel",
    ] {
        assert!(
            fault(&tables, &own, "ntoskrnl.exe", name).is_some(),
            "{name}"
        );
    }
    assert!(fault(&tables, &own, "ntoskrnl.exe", "NoSuchRoutine").is_some());
}
