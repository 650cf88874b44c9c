//! Handles made of handles, in another process or with other rights.
//!
//! Source: ZwDuplicateObject.

use nthost_nt::{
    ob::OBJ_KERNEL_HANDLE,
    status::{NTSTATUS, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    handle::{self, HandleTable, KERNEL_HANDLES},
    handle_filter::{self, How},
    object, process,
};

/// `DUPLICATE_CLOSE_SOURCE`, `DUPLICATE_SAME_ACCESS`, `DUPLICATE_SAME_ATTRIBUTES`.
const CLOSE_SOURCE: u32 = 1;
const SAME_ACCESS: u32 = 2;
const SAME_ATTRIBUTES: u32 = 4;

/// Does something with the table of handles of the process that a handle stands for.
fn with_table<T>(
    process: u64,
    operation: impl FnOnce(&HandleTable) -> Result<T, NTSTATUS>,
) -> Result<T, NTSTATUS> {
    let object = process::reference(process)?;
    let done = operation(handle::of_process(object).unwrap_or(&handle::KERNEL));
    object::dereference(object);
    done
}

/// Does something between two processes, of which there are handles.
fn with_processes<T>(
    handles: (u64, u64),
    operation: impl FnOnce(How) -> Result<T, NTSTATUS>,
) -> Result<T, NTSTATUS> {
    let source = process::reference(handles.0)?;
    let target = process::reference(handles.1);
    let done = target.and_then(|target| {
        let done = operation(How::Duplicate(source, target));
        object::dereference(target);
        done
    });
    object::dereference(source);
    done
}

/// What is to become of a handle.
struct Wanted {
    access: u32,
    attributes: u32,
    options: u32,
}

fn duplicate(from: (u64, u64), to: u64, wanted: &Wanted) -> Result<Option<u64>, NTSTATUS> {
    let (process, source) = from;
    let is_kernels = source >= KERNEL_HANDLES;
    let (entry, closed) = with_table(process, |table| {
        let table = if is_kernels { &handle::KERNEL } else { table };
        let entry = table.reference(source).ok_or(STATUS_INVALID_HANDLE)?;
        Ok((
            entry,
            wanted.options & CLOSE_SOURCE != 0 && table.close(source),
        ))
    })?;
    // Without a process to give it to, a handle is only closed.
    if to == 0 {
        object::dereference(entry.object);
        return if closed {
            Ok(None)
        } else {
            Err(STATUS_INVALID_PARAMETER)
        };
    }
    let access = if wanted.options & SAME_ACCESS != 0 {
        entry.access
    } else {
        wanted.access
    };
    let same = wanted.options & SAME_ATTRIBUTES != 0;
    let kernel = if same {
        is_kernels
    } else {
        wanted.attributes & OBJ_KERNEL_HANDLE != 0
    };
    let opened = with_processes((process, to), |how| {
        handle_filter::make(entry.object, kernel, access, how, |access| {
            with_table(to, |table| {
                let table = if kernel { &handle::KERNEL } else { table };
                // The handle takes the reference over.
                Ok(table.insert(entry.object, access))
            })
        })
    });
    if opened.is_err() {
        object::dereference(entry.object);
    }
    opened.map(Some)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a handle to what another handle stands for, in a process or, with OBJ_KERNEL_HANDLE,
    /// for the kernel; or closes one. STATUS_INVALID_HANDLE for a handle that is none.
    ///
    /// Source: ZwDuplicateObject.
    ///
    /// # Safety
    ///
    /// `to` is null, or can be written.
    pub unsafe fn ZwDuplicateObject(
        source_process: u64,
        source: u64,
        target_process: u64,
        to: *mut u64,
        access: u32,
        attributes: u32,
        options: u32,
    ) -> NTSTATUS {
        let wanted = Wanted { access, attributes, options };
        match duplicate((source_process, source), target_process, &wanted) {
            Ok(opened) => {
                if let Some(opened) = opened.filter(|_| !to.is_null()) {
                    // SAFETY: the caller's promise.
                    unsafe { to.write(opened) };
                }
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
