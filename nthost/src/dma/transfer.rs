//! A transfer in pieces: ranges of a buffer go through map registers that were allocated by the
//! number, and are flushed before these are freed.
//!
//! Sources: nc-wdm-pmap_transfer, nc-wdm-pmap_transfer_ex, nc-wdm-pflush_adapter_buffers,
//! nc-wdm-pflush_adapter_buffers_ex; bug check 0xE6.

use alloc::vec::Vec;
use core::ffi::c_void;

use nthost_nt::{
    io::dma::{DMA_ADAPTER, SCATTER_GATHER_LIST},
    mm::MDL,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_SUCCESS,
    },
};

use super::{
    adapter::{self, Adapter},
    list,
    mapping::{self, Mapping},
    misuse,
    plan::{self, Fragment},
};
use crate::{
    export::DISPATCH_LEVEL,
    hook::{self, DmaMisuse},
    mm::PAGE_SIZE,
};

/// A range of an MDL chain, by the byte.
#[derive(Clone, Copy)]
struct Range {
    mdl: *mut MDL,
    offset: u64,
    length: u64,
}

impl Range {
    const fn end(self) -> u64 {
        self.offset + self.length
    }

    /// Where it begins, as drivers say it.
    fn address(self) -> u64 {
        // SAFETY: the driver's MDL.
        let fields = unsafe { &*self.mdl };
        let start = (fields.StartVa.addr() as u64).wrapping_add(fields.ByteOffset.into());
        start.wrapping_add(self.offset)
    }
}

/// Maps a range. What was kept of earlier transfers is given up if memory is short.
///
/// # Safety
///
/// The MDL chain is the driver's.
unsafe fn map(adapter: &Adapter, range: Range, write: bool) -> Result<Mapping, NTSTATUS> {
    let map = || {
        // SAFETY: the caller's promise.
        unsafe { Mapping::new(range.mdl, range.offset, range.length, write, adapter.reach) }
    };
    map().or_else(|_| {
        adapter.free_retired();
        map()
    })
}

/// Maps what lies together for the device at the beginning of a range; if memory is short, of
/// its first piece. MapTransfer has no way to say that it failed: bug check 0xE6 then.
///
/// # Safety
///
/// As [`map`].
unsafe fn map_first(
    adapter: &Adapter,
    mut range: Range,
    first: u64,
    write: bool,
) -> Result<(Range, Mapping), NTSTATUS> {
    loop {
        // SAFETY: the caller's promise.
        match unsafe { map(adapter, range, write) } {
            Ok(mapping) => {
                let together = mapping.elements.first();
                let together = together.map_or(0, |element| u64::from(element.length));
                if together == range.length {
                    return Ok((range, mapping));
                }
                adapter.end(mapping);
                range.length = together;
            }
            Err(_) if adapter.reach.scatter_gather && first < range.length => range.length = first,
            Err(status) => {
                misuse::exhausted(plan::span(range.address(), range.length));
                return Err(status);
            }
        }
    }
}

/// Has a mapped range go through registers that were allocated.
fn install(
    adapter: &Adapter,
    base: *mut c_void,
    range: Range,
    mapping: Mapping,
) -> Result<Vec<Fragment>, NTSTATUS> {
    let Range {
        mdl,
        offset,
        length,
    } = range;
    let elements = mapping.elements.clone();
    let count = mapping.count;
    let mut mapping = Some(mapping);
    let refused = adapter.with(|state| {
        let Some(base) = state.bases.get_mut(&base.addr()) else {
            return Some((DmaMisuse::TooManyRegisters, [0, 0, 0]));
        };
        let again = base
            .mappings
            .iter()
            .find(|old| old.overlaps(mdl, offset..range.end()));
        if let Some(old) = again {
            let both = range.address() + old.offset.saturating_sub(offset);
            let end = range.address() + length;
            return Some((DmaMisuse::MappedTwice, [range.address(), end, both]));
        }
        let used: u32 = base.mappings.iter().map(|mapping| mapping.count).sum();
        let bytes: u64 = base.mappings.iter().map(|mapping| mapping.length).sum();
        let most = base.count;
        if used + count > most && used > 0 {
            let most = u64::from(most) * PAGE_SIZE;
            return Some((DmaMisuse::NotFlushed, [bytes, most, 0]));
        } else if used + count > most {
            return Some((DmaMisuse::TooManyRegisters, [count.into(), most.into(), 0]));
        }
        base.mappings.extend(mapping.take());
        None
    });
    if let Some((misuse, details)) = refused {
        hook::dma_misuse(misuse, details);
        if let Some(mapping) = mapping {
            adapter.end(mapping);
        }
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    Ok(elements)
}

/// The pieces of a range that is to be mapped, which must not be empty and lie in its chain; for
/// MapTransfer, in the pages of its chain: a driver may round a length up.
fn pieces(range: Range, misuse: DmaMisuse) -> Result<Vec<Fragment>, NTSTATUS> {
    if range.length == 0 {
        hook::dma_misuse(DmaMisuse::NoLength, [0, 0, 0]);
    }
    // SAFETY: the driver's chain.
    let found = unsafe { mapping::fragments(range.mdl, range.offset, range.length) };
    if found.is_err() && misuse == DmaMisuse::BeyondMdl {
        // SAFETY: as above.
        let rounded = unsafe { mapping::fragments_of_pages(range.mdl, range.offset, range.length) };
        if rounded.is_ok() {
            return rounded;
        }
    }
    if found.is_err() {
        // SAFETY: as above.
        let beyond = range.end() - unsafe { mapping::length(range.mdl) }.min(range.end());
        if misuse == DmaMisuse::BeyondMdl {
            hook::dma_misuse(misuse, [3, range.mdl.addr() as u64, range.length]);
        } else {
            hook::dma_misuse(misuse, [beyond, 0, 0]);
        }
    }
    found
}

/// MapTransfer: the first piece that lies together for the device, and in `length` its bytes.
pub unsafe extern "win64" fn map_transfer(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    address: *mut c_void,
    length: *mut u32,
    write: u8,
) -> i64 {
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let mut range = Range {
        mdl,
        // SAFETY: the driver's MDL.
        offset: unsafe { list::offset_in(mdl, address) },
        // SAFETY: the driver's variable.
        length: u64::from(unsafe { length.read() }),
    };
    let Ok(pieces) = pieces(range, DmaMisuse::BeyondMdl) else {
        return 0;
    };
    let piece = pieces.first().map_or(0, |first| first.length);
    if this.reach.scatter_gather {
        let elements = plan::elements(pieces);
        let first = elements.first().map_or(0, |first| first.length);
        range.length = range.length.min(first.into());
    }
    // SAFETY: as above.
    let mapped = unsafe { map_first(this, range, piece.into(), write != 0) };
    let installed = mapped.and_then(|(range, mapping)| install(this, base, range, mapping));
    let elements = installed.unwrap_or_default();
    let Some(first) = elements.first() else {
        return 0;
    };
    // SAFETY: the driver's variable.
    unsafe { length.write(first.length) };
    first.address.cast_signed()
}

/// MapTransferEx.
pub unsafe extern "win64" fn map_transfer_ex(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    offset: u64,
    _device_offset: u32,
    length: *mut u32,
    write: u8,
    buffer: *mut SCATTER_GATHER_LIST,
    room: u32,
    _completion: *mut c_void,
    _completion_context: *mut c_void,
) -> NTSTATUS {
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if buffer.is_null() || (room as usize) < list::size(1) {
        return STATUS_INVALID_PARAMETER;
    }
    let mut range = Range {
        mdl,
        offset,
        // SAFETY: the driver's variable.
        length: u64::from(unsafe { length.read() }),
    };
    let Ok(pieces) = pieces(range, DmaMisuse::ShortBuffer) else {
        return STATUS_BUFFER_TOO_SMALL;
    };
    let (registers, mapped) = this.with(|state| {
        let base = state.bases.get(&base.addr());
        let mapped = |base: &adapter::Base| base.mappings.iter().map(|old| old.length).sum();
        base.map_or((0, 0), |base| (base.count, mapped(base)))
    });
    if mapped > 0 {
        // The flush that each call must be followed by comes before the next one.
        let most = u64::from(registers) * PAGE_SIZE;
        hook::dma_misuse(DmaMisuse::NotFlushed, [mapped, most, 0]);
    }
    // As much as there are registers and room for.
    let most =
        (registers as usize).min((room as usize - list::size(0)) / (list::size(1) - list::size(0)));
    range.length = pieces
        .iter()
        .take(most)
        .map(|piece| u64::from(piece.length))
        .sum();
    if range.length == 0 {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    // SAFETY: as above.
    let mapped = unsafe { map(this, range, write != 0) };
    match mapped.and_then(|mapping| install(this, base, range, mapping)) {
        Ok(elements) => {
            // SAFETY: the driver's memory, large enough for as many.
            unsafe { list::write(buffer, &elements) };
            // SAFETY: the driver's variable.
            unsafe { length.write(range.length as u32) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Flushes a range; whether any of it was mapped. What was mapped stays so until all of it was
/// flushed. `chain` is how many bytes there are to be flushed at the most.
fn flush(adapter: &Adapter, base: *mut c_void, range: Range, chain: u64, write: bool) -> bool {
    let left = chain.saturating_sub(range.offset);
    if range.length > left {
        hook::dma_misuse(DmaMisuse::Miscellaneous, [1, left, range.length]);
    }
    let mut any = false;
    let flushed = adapter.with(|state| {
        let base = state.bases.get_mut(&base.addr())?;
        let mappings = core::mem::take(&mut base.mappings);
        if mappings.is_empty() {
            return None;
        }
        let (mut ended, mut left) = (Vec::new(), Vec::new());
        for mut mapping in mappings {
            let touched = mapping.overlaps(range.mdl, range.offset..range.end());
            any |= touched;
            if touched && mapping.flush(range.offset..range.end(), write) {
                ended.push(mapping);
            } else {
                left.push(mapping);
            }
        }
        base.mappings = left;
        Some(ended)
    });
    let address = base.addr() as u64;
    match flushed {
        None => {
            let mdl = range.mdl.addr() as u64;
            hook::dma_misuse(DmaMisuse::FlushedFree, [address, range.address(), mdl]);
        }
        Some(_) if !any => hook::dma_misuse(DmaMisuse::FlushedUnmapped, [address, 0, 0]),
        Some(ended) => {
            for mapping in ended {
                adapter.end(mapping);
            }
        }
    }
    any
}

/// FlushAdapterBuffers.
pub unsafe extern "win64" fn flush_buffers(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    address: *mut c_void,
    length: u32,
    write: u8,
) -> u8 {
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let range = Range {
        mdl,
        // SAFETY: the driver's MDL.
        offset: unsafe { list::offset_in(mdl, address) },
        length: length.into(),
    };
    // As with MapTransfer: up to the end of the last page.
    // SAFETY: as above.
    let chain = unsafe { mapping::length_of_pages(mdl) };
    u8::from(flush(this, base, range, chain, write != 0))
}

/// FlushAdapterBuffersEx.
pub unsafe extern "win64" fn flush_buffers_ex(
    adapter: *mut DMA_ADAPTER,
    mdl: *mut MDL,
    base: *mut c_void,
    offset: u64,
    length: u32,
    write: u8,
) -> NTSTATUS {
    misuse::up_to(DISPATCH_LEVEL);
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    let range = Range {
        mdl,
        offset,
        length: length.into(),
    };
    // SAFETY: the driver's MDL.
    let chain = unsafe { mapping::length(mdl) };
    if flush(this, base, range, chain, write != 0) {
        STATUS_SUCCESS
    } else {
        STATUS_INVALID_PARAMETER
    }
}
