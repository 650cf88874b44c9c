//! An image as it lies in its file: what is in it, whether it may be loaded, and how it lies
//! in memory.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use object::{
    LittleEndian as LE, Object,
    pe::{
        self, IMAGE_DIRECTORY_ENTRY_EXCEPTION, IMAGE_FILE_MACHINE_AMD64,
        IMAGE_FILE_RELOCS_STRIPPED, IMAGE_REL_BASED_DIR64, IMAGE_SCN_MEM_DISCARDABLE,
        IMAGE_SCN_MEM_EXECUTE, IMAGE_SCN_MEM_WRITE, IMAGE_SUBSYSTEM_NATIVE,
    },
    read::pe::{ImageNtHeaders, ImageOptionalHeader, ImageThunkData, PeFile64},
};

use super::{checksum, fault::Fault, guard};

/// The largest image that is loaded, in memory.
const MAXIMUM_SIZE: u32 = 64 << 20;
/// No driver imports so much, nor does the kernel have so much to import: a table in which descriptors share their lists could go on for
/// as long as the square of its size.
const MAXIMUM_IMPORTS: usize = 1 << 12;
/// `IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY`.
const FORCE_INTEGRITY: u16 = 0x80;
/// Where the checksum is in the optional header.
const CHECKSUM_OFFSET: usize = 64;

/// A routine or variable that an image imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The image that it comes from, such as `ntoskrnl.exe`.
    pub library: String,
    /// Its name.
    pub name: String,
    /// Where in the image its address is wanted.
    pub slot: u32,
}

/// A part of an image, with its protection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: String,
    /// Where it begins in memory.
    pub address: u32,
    /// Its bytes in memory.
    pub size: u32,
    /// Where its bytes are in the file.
    file: core::ops::Range<usize>,
    /// It may be written.
    pub write: bool,
    /// It may be executed.
    pub execute: bool,
    /// It is not needed once the driver is initialized.
    pub discardable: bool,
}

/// A checked image.
pub struct Image<'a> {
    file: PeFile64<'a>,
    bytes: &'a [u8],
    /// Its sections.
    pub sections: Vec<Section>,
    /// Its bytes in memory.
    pub size: u32,
    /// Bytes of its headers.
    headers: usize,
    /// The address that it was linked for.
    pub preferred_base: u64,
    /// Where its entry point is.
    pub entry: u32,
    /// Its table of functions, for unwinding: where, and how many bytes.
    pub exceptions: (u32, u32),
    /// It wants its integrity checked (`IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY`).
    pub force_integrity: bool,
    /// Where the address of its security cookie is, if it has one.
    pub security_cookie: Option<u32>,
    /// The functions that may be called by a pointer, in order, if it says which.
    pub guarded: Option<Vec<u32>>,
}

impl core::fmt::Debug for Image<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Image")
            .field("sections", &self.sections)
            .finish_non_exhaustive()
    }
}

impl<'a> Image<'a> {
    /// Checks an image: everything about it but whether its imports exist.
    ///
    /// # Errors
    ///
    /// A [`Fault`] that says what is wrong with it.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        check_length(bytes)?;
        let file = PeFile64::parse(bytes).map_err(|_| Fault::NotAnImage("a bad header"))?;
        let headers = file.nt_headers();
        let machine = headers.file_header().machine.get(LE);
        if machine != IMAGE_FILE_MACHINE_AMD64 {
            return Err(Fault::Machine(machine));
        }
        let optional = headers.optional_header();
        let size = optional.size_of_image();
        let header_bytes = optional.size_of_headers();
        if optional.section_alignment() != 4096 {
            return Err(Fault::Header("sections are not aligned to pages"));
        }
        if size == 0 || size > MAXIMUM_SIZE || header_bytes > size {
            return Err(Fault::Header("the size of the image"));
        }
        let sections = sections(&file, bytes, size)?;
        let field = file.dos_header().nt_headers_offset() as usize + 24 + CHECKSUM_OFFSET;
        let (stated, computed) = (optional.check_sum(), checksum::compute(bytes, field));
        if stated != computed {
            return Err(Fault::Checksum { stated, computed });
        }
        if optional.subsystem() != IMAGE_SUBSYSTEM_NATIVE {
            return Err(Fault::Subsystem(optional.subsystem()));
        }
        let entry = optional.address_of_entry_point();
        let executable = |section: &Section| {
            section.execute && (section.address..section.address + section.size).contains(&entry)
        };
        // An export driver may have no entry point.
        if entry != 0 && !sections.iter().any(executable) {
            return Err(Fault::Header("the entry point is not in code"));
        }
        let directory = |index| {
            file.data_directory(index).map_or((0, 0), |directory| {
                (directory.virtual_address.get(LE), directory.size.get(LE))
            })
        };
        let exceptions = directory(IMAGE_DIRECTORY_ENTRY_EXCEPTION);
        if u64::from(exceptions.0) + u64::from(exceptions.1) > u64::from(size) {
            return Err(Fault::Header("the exception directory"));
        }
        let preferred_base = optional.image_base();
        let mut image = Self {
            sections,
            size,
            headers: header_bytes as usize,
            preferred_base,
            entry,
            exceptions,
            force_integrity: optional.dll_characteristics() & FORCE_INTEGRITY != 0,
            security_cookie: None,
            guarded: None,
            bytes,
            file,
        };
        image.security_cookie = image.find_security_cookie();
        image.guarded = image.find_guarded();
        Ok(image)
    }

    /// A section whose code could be written: the system loads such an image, though not where
    /// the integrity of code is enforced.
    #[must_use]
    pub fn writable_code(&self) -> Option<&Section> {
        let both = |section: &&Section| section.write && section.execute;
        self.sections.iter().find(both)
    }

    /// The load configuration, to the end of its section.
    fn load_configuration(&self) -> Option<&'a [u8]> {
        let directory = self
            .file
            .data_directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG)?;
        directory.data(self.bytes, &self.file.section_table()).ok()
    }

    fn find_guarded(&self) -> Option<Vec<u32>> {
        let (address, count, stride) = guard::table(self.load_configuration()?)?;
        let offset = u32::try_from(address.checked_sub(self.preferred_base)?).ok()?;
        let sections = self.file.section_table();
        let table = sections.pe_data_at(self.bytes, offset)?;
        Some(guard::functions(table, count, stride))
    }

    /// The pointer to the cookie is at offset 0x58 of the load configuration.
    fn find_security_cookie(&self) -> Option<u32> {
        let data = self.load_configuration()?;
        let address = u64::from_le_bytes(*data.get(0x58..)?.first_chunk()?);
        let offset = u32::try_from(address.checked_sub(self.preferred_base)?).ok()?;
        (offset.checked_add(8)? <= self.size).then_some(offset)
    }

    /// What it imports.
    ///
    /// # Errors
    ///
    /// [`Fault::Header`] for tables that make no sense, [`Fault::Ordinal`].
    pub fn imports(&self) -> Result<Vec<Import>, Fault> {
        const BAD: Fault = Fault::Header("the import table");
        let mut imports = Vec::new();
        let Some(table) = self.file.import_table().map_err(|_| BAD)? else {
            return Ok(imports);
        };
        let mut descriptors = table.descriptors().map_err(|_| BAD)?;
        while let Some(descriptor) = descriptors.next().map_err(|_| BAD)? {
            let library = table.name(descriptor.name.get(LE)).map_err(|_| BAD)?;
            let library = String::from_utf8_lossy(library).to_ascii_lowercase();
            let mut slot = descriptor.first_thunk.get(LE);
            let names = match descriptor.original_first_thunk.get(LE) {
                0 => slot,
                names => names,
            };
            let mut thunks = table.thunks(names).map_err(|_| BAD)?;
            while let Some(thunk) = thunks.next::<pe::ImageNtHeaders64>().map_err(|_| BAD)? {
                if thunk.is_ordinal() {
                    return Err(Fault::Ordinal {
                        library,
                        ordinal: thunk.ordinal(),
                    });
                }
                let (_, name) = table.hint_name(thunk.address()).map_err(|_| BAD)?;
                if slot.checked_add(8).is_none_or(|end| end > self.size) {
                    return Err(BAD);
                }
                let name = String::from_utf8_lossy(name).to_string();
                if imports.len() == MAXIMUM_IMPORTS {
                    return Err(Fault::Header("it imports too much"));
                }
                imports.push(Import {
                    library: library.clone(),
                    name,
                    slot,
                });
                slot += 8;
            }
        }
        Ok(imports)
    }

    /// What it exports: names, and where they are.
    ///
    /// # Errors
    ///
    /// [`Fault::Header`].
    pub fn exports(&self) -> Result<Vec<(String, u32)>, Fault> {
        const BAD: Fault = Fault::Header("the export table");
        let exports = self.file.exports().map_err(|_| BAD)?;
        let mut found = Vec::new();
        for export in exports {
            let offset = export.address().wrapping_sub(self.preferred_base);
            let offset = u32::try_from(offset)
                .ok()
                .filter(|&offset| offset < self.size);
            found.push((
                String::from_utf8_lossy(export.name()).to_string(),
                offset.ok_or(BAD)?,
            ));
        }
        Ok(found)
    }

    /// Lays the image out in zeroed memory of its size, for it to run at `base`.
    ///
    /// # Errors
    ///
    /// [`Fault::Header`] for relocations that make no sense.
    ///
    /// # Panics
    ///
    /// If the memory is smaller than the image.
    pub fn lay_out(&self, memory: &mut [u8], base: u64) -> Result<(), Fault> {
        const BAD: Fault = Fault::Header("the relocations");
        let memory = &mut memory[..self.size as usize];
        let headers = self.headers.min(self.bytes.len());
        memory[..headers].copy_from_slice(&self.bytes[..headers]);
        for section in &self.sections {
            let data = &self.bytes[section.file.clone()];
            let start = section.address as usize;
            memory[start..start + data.len()].copy_from_slice(data);
        }
        let delta = base.wrapping_sub(self.preferred_base);
        let directories = self.file.data_directories();
        let blocks = directories.relocation_blocks(self.bytes, &self.file.section_table());
        let Some(mut blocks) = blocks.map_err(|_| BAD)? else {
            // An image without absolute addresses needs none; one that has lost them says so.
            let header = self.file.nt_headers().file_header();
            let lost = header.characteristics.get(LE) & IMAGE_FILE_RELOCS_STRIPPED != 0;
            return if delta == 0 || !lost {
                Ok(())
            } else {
                Err(Fault::Header("it cannot be relocated"))
            };
        };
        while let Some(block) = blocks.next().map_err(|_| BAD)? {
            for relocation in block {
                if relocation.typ == pe::IMAGE_REL_BASED_ABSOLUTE {
                    continue;
                }
                if relocation.typ != IMAGE_REL_BASED_DIR64 {
                    return Err(Fault::Header("a relocation of an unknown type"));
                }
                let at = relocation.virtual_address as usize;
                let word = memory.get_mut(at..at.saturating_add(8)).ok_or(BAD)?;
                let value = u64::from_le_bytes(*word.first_chunk().ok_or(BAD)?);
                word.copy_from_slice(&value.wrapping_add(delta).to_le_bytes());
            }
        }
        Ok(())
    }
}

/// What must be there before anything can be read from it, so that a file that ends early is
/// told apart from one that never was an image.
fn check_length(bytes: &[u8]) -> Result<(), Fault> {
    let length = bytes.len() as u64;
    let truncated = |what: &str, end| {
        Err(Fault::Truncated {
            what: what.to_string(),
            end,
            length,
        })
    };
    if bytes.is_empty() {
        return truncated("the DOS header", 64);
    }
    if !bytes.starts_with(b"MZ") {
        return Err(Fault::NotAnImage("it does not begin with MZ"));
    }
    let Some(offset) = bytes.get(60..).and_then(|rest| rest.first_chunk()) else {
        return truncated("the DOS header", 64);
    };
    let offset = u64::from(u32::from_le_bytes(*offset));
    // Signature and file header, and the magic number of the optional header.
    if length < offset + 26 {
        return truncated("the PE header", offset + 26);
    }
    let header = &bytes[offset as usize..];
    if !header.starts_with(b"PE\0\0") {
        return Err(Fault::NotAnImage(
            "there is no PE header where the DOS header says",
        ));
    }
    let machine = u16::from_le_bytes([header[4], header[5]]);
    if machine != IMAGE_FILE_MACHINE_AMD64 {
        return Err(Fault::Machine(machine));
    }
    let sections = u64::from(u16::from_le_bytes([header[6], header[7]]));
    let optional = u64::from(u16::from_le_bytes([header[20], header[21]]));
    let end = offset + 24 + optional + 40 * sections;
    if length < end {
        return truncated("the section table", end);
    }
    Ok(())
}

fn sections(file: &PeFile64<'_>, bytes: &[u8], size: u32) -> Result<Vec<Section>, Fault> {
    let mut sections = Vec::new();
    let mut behind = 0;
    for header in file.section_table().iter() {
        let name = String::from_utf8_lossy(header.raw_name()).to_string();
        let address = header.virtual_address.get(LE);
        let (offset, raw) = (
            header.pointer_to_raw_data.get(LE),
            header.size_of_raw_data.get(LE),
        );
        let size_in_memory = match header.virtual_size.get(LE) {
            0 => raw,
            size => size,
        };
        let end = u64::from(address) + u64::from(size_in_memory);
        if address % 4096 != 0 || u64::from(address) < behind || end > u64::from(size) {
            return Err(Fault::Header("sections overlap or leave the image"));
        }
        behind = end;
        let raw = raw.min(size_in_memory);
        let file_end = u64::from(offset) + u64::from(raw);
        if raw != 0 && file_end > bytes.len() as u64 {
            let (what, length) = (alloc::format!("section {name}"), bytes.len() as u64);
            return Err(Fault::Truncated {
                what,
                end: file_end,
                length,
            });
        }
        let file = if raw == 0 {
            0..0
        } else {
            offset as usize..file_end as usize
        };
        let characteristics = header.characteristics.get(LE);
        sections.push(Section {
            name,
            address,
            size: size_in_memory,
            file,
            write: characteristics & IMAGE_SCN_MEM_WRITE != 0,
            execute: characteristics & IMAGE_SCN_MEM_EXECUTE != 0,
            discardable: characteristics & IMAGE_SCN_MEM_DISCARDABLE != 0,
        });
    }
    Ok(sections)
}
