//! What a driver imports, and since when Windows has it.

use object::LittleEndian;
use object::read::pe::{Import, PeFile64};

/// The Windows that the driver is for: Windows 10, version 2004.
pub const LOWEST_BUILD: u32 = 19041;
/// The images that a WDM driver may import from.
pub const LIBRARIES: [&str; 2] = ["ntoskrnl.exe", "hal.dll"];

/// A routine of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// The image that exports it.
    pub library: &'static str,
    /// The build that brought it; 0 for what is older than Windows 10.
    pub since: u32,
    /// The page of the DDI reference, or what it is if it has none.
    pub source: &'static str,
}

/// The routines whose source is known.
pub fn known() -> impl Iterator<Item = Known> {
    include_str!("imports.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (name, library) = (fields.next()?, fields.next()?);
            let since = fields.next()?;
            let page = fields.next()?;
            Some(Known {
                name,
                library,
                since: since.parse().unwrap_or(0),
                source: if since == "runtime" { since } else { page },
            })
        })
}

/// A routine that an image imports.
struct Entry {
    library: String,
    name: String,
    /// Where the loader puts its address.
    slot: u32,
}

fn entries(pe: &PeFile64<'_>) -> Result<Vec<Entry>, String> {
    let words = |error: object::Error| error.to_string();
    let mut entries = Vec::new();
    let Some(table) = pe.import_table().map_err(words)? else {
        return Ok(entries);
    };
    let mut descriptors = table.descriptors().map_err(words)?;
    while let Some(descriptor) = descriptors.next().map_err(words)? {
        let name = table
            .name(descriptor.name.get(LittleEndian))
            .map_err(words)?;
        let library = String::from_utf8_lossy(name).into_owned();
        let mut slot = descriptor.first_thunk.get(LittleEndian);
        let mut thunks = table
            .thunks(descriptor.original_first_thunk.get(LittleEndian))
            .map_err(words)?;
        while let Some(thunk) = thunks
            .next::<object::pe::ImageNtHeaders64>()
            .map_err(words)?
        {
            let import = table
                .import::<object::pe::ImageNtHeaders64>(thunk)
                .map_err(words)?;
            let name = match import {
                Import::Ordinal(number) => format!("#{number}"),
                Import::Name(_, name) => String::from_utf8_lossy(name).into_owned(),
            };
            entries.push(Entry {
                library: library.clone(),
                name,
                slot,
            });
            slot = slot.wrapping_add(8);
        }
    }
    Ok(entries)
}

/// The names that an image imports, with the images it has them from.
///
/// # Errors
/// Where its import table cannot be read, in words.
pub fn of(pe: &PeFile64<'_>) -> Result<Vec<(String, String)>, String> {
    let entries = entries(pe)?.into_iter();
    Ok(entries.map(|entry| (entry.library, entry.name)).collect())
}

/// Where the loader puts the routines' addresses, relative to the image, and their names.
///
/// # Errors
/// As [`of`].
pub fn slots(pe: &PeFile64<'_>) -> Result<Vec<(u32, String)>, String> {
    let entries = entries(pe)?.into_iter();
    Ok(entries.map(|entry| (entry.slot, entry.name)).collect())
}

/// What is wrong with an image's imports.
#[must_use]
pub fn faults(imports: &[(String, String)]) -> Vec<String> {
    let known: Vec<Known> = known().collect();
    let mut faults = Vec::new();
    for (library, name) in imports {
        if !LIBRARIES.iter().any(|l| l.eq_ignore_ascii_case(library)) {
            faults.push(format!(
                "{name} from {library}, which no WDM driver may import from"
            ));
            continue;
        }
        match known.iter().find(|known| known.name == name) {
            None => faults.push(format!(
                "{name}: no source says which Windows has it (add it to pe/imports.txt)"
            )),
            Some(known) if known.since > LOWEST_BUILD => faults.push(format!(
                "{name} came with build {}, later than {LOWEST_BUILD} ({})",
                known.since, known.source
            )),
            Some(_) => {}
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_whole_and_every_name_is_there_once() {
        let lines = include_str!("imports.txt")
            .lines()
            .filter(|line| !line.starts_with('#'));
        for line in lines.clone() {
            let fields: Vec<&str> = line.split_whitespace().collect();
            assert_eq!(fields.len(), 4, "{line}");
            let since = fields[2];
            assert!(
                since == "-" || since == "runtime" || since.parse::<u32>().is_ok(),
                "{line}"
            );
            assert!(since == "runtime" || fields[3].contains("/nf-"), "{line}");
            assert!(LIBRARIES.contains(&fields[1]), "{line}");
        }
        let mut names: Vec<&str> = known().map(|known| known.name).collect();
        assert_eq!(names.len(), lines.count());
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), known().count());
    }

    /// The lists that drivers are linked with hold nothing that the lowest Windows lacks.
    #[test]
    fn what_drivers_can_be_linked_with_is_known() {
        let list = include_str!("../../../../cross/exports/ntoskrnl.def");
        let (_, exports) = list.split_once("EXPORTS").unwrap();
        let imports: Vec<(String, String)> = exports
            .split_whitespace()
            .filter(|word| !word.starts_with("DATA"))
            .map(|name| ("ntoskrnl.exe".to_owned(), name.to_owned()))
            .collect();
        assert!(imports.len() > 100);
        assert_eq!(faults(&imports), [""; 0]);
    }

    #[test]
    fn what_is_too_new_unknown_or_from_elsewhere_is_named() {
        let import = |library: &str, name: &str| vec![(library.to_owned(), name.to_owned())];
        assert_eq!(faults(&import("ntoskrnl.exe", "ExAllocatePool2")), [""; 0]);
        assert_eq!(faults(&import("NTOSKRNL.EXE", "memcpy")), [""; 0]);
        for (library, name, part) in [
            ("ntoskrnl.exe", "KeQueryNodeActiveAffinity2", "build 20348"),
            ("ntoskrnl.exe", "PsLookupSecrets", "no source"),
            ("ntoskrnl.exe", "#12", "no source"),
            ("kernel32.dll", "CreateFileW", "kernel32.dll"),
        ] {
            let faults = faults(&import(library, name));
            assert!(faults.len() == 1 && faults[0].contains(part), "{faults:?}");
        }
    }
}
