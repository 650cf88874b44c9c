//! Section objects: memory that is shared by mapping views of it. All are of the kind that the
//! paging file backs, and have their pages from the beginning; no file here supports sections.
//!
//! Sources: ZwCreateSection, ZwOpenSection, "Section Objects and Views". A section's name goes
//! with its last handle, its pages with the last handle, view and reference.

use alloc::{boxed::Box, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    ob::{OBJ_OPENIF, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_FILE_FOR_SECTION,
        STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_6,
        STATUS_NOT_SUPPORTED, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_EXISTS,
        STATUS_OBJECT_TYPE_MISMATCH, STATUS_SECTION_TOO_BIG, STATUS_SUCCESS,
    },
};

use crate::{
    mm::{PAGE_SIZE, cache::Cache, commit, locked, paging::Access},
    ob::{
        attributes::{self, Attributes},
        insert_name,
        namespace::Named,
        object::{self, Kind},
        reference_by_name, reference_handle,
    },
};

/// The most bytes of a section.
const MAXIMUM_SIZE: u64 = 1 << 30;
/// `SEC_COMMIT`, `SEC_NOCACHE`, `SEC_WRITECOMBINE`; other kinds are those of files, or reserve
/// what is committed later.
const COMMIT: u32 = 0x0800_0000;
const NO_CACHE: u32 = 0x1000_0000;
const WRITE_COMBINE: u32 = 0x4000_0000;
/// `SEC_RESERVE`, `SEC_IMAGE`, `SEC_LARGE_PAGES`.
const NOT_HERE: u32 = 0x0400_0000 | 0x0100_0000 | 0x8000_0000;

/// A section.
#[derive(Debug)]
pub struct Section {
    /// Its pages.
    pub frames: Vec<u64>,
    /// How it may be accessed at the most.
    pub access: Access,
}

fn delete(section: *mut c_void) {
    // SAFETY: it was made so, and nobody refers to it any more.
    let section = unsafe { Box::from_raw(section.cast::<Section>()) };
    for frame in section.frames {
        // SAFETY: no view is left.
        unsafe { locked::free(frame) };
    }
}

/// What a section is made of.
#[derive(Clone, Copy)]
struct Wanted {
    size: u64,
    protection: u32,
    attributes: u32,
    file: u64,
}

impl Wanted {
    /// A new section, with a reference for the caller.
    fn make(self) -> Result<*mut Section, NTSTATUS> {
        let mut access = match self.protection {
            0x02 => Access::empty(),
            0x04 => Access::WRITE,
            0x10 | 0x20 => Access::EXECUTE,
            0x40 => Access::WRITE | Access::EXECUTE,
            // Nothing copies pages when they are written.
            0x08 | 0x80 => return Err(STATUS_NOT_SUPPORTED),
            _ => return Err(STATUS_INVALID_PAGE_PROTECTION),
        };
        let uncached = self.attributes & (NO_CACHE | WRITE_COMBINE);
        if self.file != 0 {
            let file = reference_handle(self.file, Some(Kind::File), 0, 0)?;
            object::dereference(file.object);
            return Err(STATUS_INVALID_FILE_FOR_SECTION);
        }
        if self.attributes & NOT_HERE != 0 {
            return Err(STATUS_NOT_SUPPORTED);
        }
        if self.attributes & COMMIT == 0 || self.attributes & !(COMMIT | uncached) != 0 {
            return Err(STATUS_INVALID_PARAMETER_6);
        }
        if self.size == 0 {
            return Err(STATUS_INVALID_PARAMETER_4);
        }
        if self.size > MAXIMUM_SIZE {
            return Err(STATUS_SECTION_TOO_BIG);
        }
        access = match uncached {
            0 => access,
            NO_CACHE => Cache::NonCached.applied(access),
            WRITE_COMBINE => Cache::WriteCombined.applied(access),
            _ => return Err(STATUS_INVALID_PARAMETER_6),
        };
        let frames = commit::zeroed_pages(self.size.div_ceil(PAGE_SIZE) as usize)?;
        let section = Box::into_raw(Box::new(Section { frames, access }));
        object::insert(section.cast(), Kind::Section, delete);
        Ok(section)
    }
}

/// The section of this name, with a reference for the caller.
fn find(name: &[u16]) -> Result<*mut c_void, NTSTATUS> {
    let (object, rest) = reference_by_name(name)?;
    if rest.is_empty() && object::kind(object) == Some(Kind::Section) {
        return Ok(object);
    }
    object::dereference(object);
    Err(STATUS_OBJECT_TYPE_MISMATCH)
}

/// Makes a section by its attributes, or opens one: a handle to it, and what was done.
fn create(
    attributes: Option<Attributes>,
    wanted: Wanted,
    access: u32,
) -> Result<(u64, NTSTATUS), NTSTATUS> {
    let flags = attributes.as_ref().map_or(0, |attributes| attributes.flags);
    let section = wanted.make()?.cast::<c_void>();
    let named = attributes.filter(|attributes| !attributes.name.is_empty());
    let Some(attributes) = named else {
        return Ok((
            attributes::table(flags).insert(section, access),
            STATUS_SUCCESS,
        ));
    };
    let named = attributes.path().and_then(|path| {
        insert_name(&path, Named::Object(section.expose_provenance())).map_err(|status| {
            if status == STATUS_OBJECT_NAME_COLLISION && flags & OBJ_OPENIF != 0 {
                STATUS_OBJECT_NAME_EXISTS
            } else {
                status
            }
        })
    });
    if let Err(status) = named {
        object::dereference(section);
        if status != STATUS_OBJECT_NAME_EXISTS {
            return Err(status);
        }
        let present = find(&attributes.path()?)?;
        let handle = attributes::table(flags).insert(present, access);
        return Ok((handle, STATUS_OBJECT_NAME_EXISTS));
    }
    Ok((
        attributes::table(flags).insert(section, access),
        STATUS_SUCCESS,
    ))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a section of whole zeroed pages; a handle to it. With OBJ_OPENIF one of that name is
    /// opened, and the status is STATUS_OBJECT_NAME_EXISTS. STATUS_INVALID_FILE_FOR_SECTION for a
    /// file, STATUS_NOT_SUPPORTED for what is reserved, an image, in large pages or copied when
    /// written.
    ///
    /// Source: ZwCreateSection.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes are null or have a string; `size` is null or can be
    /// read.
    pub unsafe fn ZwCreateSection(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        size: *const u64,
        protection: u32,
        allocation: u32,
        file: u64,
    ) -> NTSTATUS {
        let attributes = if attributes.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            match unsafe { Attributes::read(attributes) } {
                Ok(attributes) => Some(attributes),
                Err(status) => return status,
            }
        };
        // SAFETY: the caller's promise.
        let size = unsafe { size.as_ref() }.copied().unwrap_or(0);
        let wanted = Wanted { size, protection, attributes: allocation, file };
        match create(attributes, wanted, access) {
            Ok((opened, status)) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                status
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens a section by its name.
    ///
    /// Source: ZwOpenSection.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes have a string.
    pub unsafe fn ZwOpenSection(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match attributes.path().and_then(|path| find(&path)) {
            Ok(section) => {
                let opened = attributes::table(attributes.flags).insert(section, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
