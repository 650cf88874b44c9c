//! Ranges of memory or ports in resource descriptors, also those that 32 bits cannot say: their
//! lengths and alignments are kept without the bits that must be zero, as a flag tells.
//!
//! Sources: RtlCmDecodeMemIoResource, RtlCmEncodeMemIoResource, RtlIoDecodeMemIoResource,
//! RtlIoEncodeMemIoResource, ns-wdm-_cm_partial_resource_descriptor.

use nthost_nt::{
    io::resource::{
        CM_PARTIAL_RESOURCE_DESCRIPTOR, CM_PARTIAL_RESOURCE_DESCRIPTOR_u, CM_RANGE,
        CmResourceTypeMemory, CmResourceTypeMemoryLarge, CmResourceTypePort, IO_RANGE,
        IO_RESOURCE_DESCRIPTOR, IO_RESOURCE_DESCRIPTOR_u,
    },
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, STATUS_UNSUCCESSFUL},
};

/// `CM_RESOURCE_MEMORY_LARGE_40`, `…_48`, `…_64`, and how many bits each leaves out.
const LARGE: [(u16, u32); 3] = [(0x200, 8), (0x400, 16), (0x800, 32)];
/// `CM_RESOURCE_MEMORY_LARGE`: all of them.
const ANY_LARGE: u16 = 0xe00;

/// How many bits are left out of a descriptor's numbers.
fn shift_of(kind: u8, flags: u16) -> u32 {
    let large = LARGE.iter().find(|(flag, _)| flags & flag != 0);
    match large {
        Some(&(_, shift)) if kind == CmResourceTypeMemoryLarge => shift,
        _ => 0,
    }
}

/// The flag and the bits left out by which all of these numbers can be kept.
fn encoding(kind: u8, numbers: &[u64]) -> Result<(u16, u32), NTSTATUS> {
    let fits = |shift: u32| {
        numbers.iter().all(|&number| {
            number & ((1 << shift) - 1) == 0 && u32::try_from(number >> shift).is_ok()
        })
    };
    if kind == CmResourceTypeMemoryLarge {
        let mut large = LARGE.into_iter();
        large
            .find(|&(_, shift)| fits(shift))
            .ok_or(STATUS_UNSUCCESSFUL)
    } else if kind != CmResourceTypePort && kind != CmResourceTypeMemory {
        Err(STATUS_INVALID_PARAMETER)
    } else if fits(0) {
        Ok((0, 0))
    } else {
        Err(STATUS_UNSUCCESSFUL)
    }
}

/// Writes something, if there is a place for it.
///
/// # Safety
///
/// Null, or it can be written.
unsafe fn give(place: *mut u64, value: u64) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(value) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The length and the start of a range that a device has.
    ///
    /// Source: RtlCmDecodeMemIoResource.
    ///
    /// # Safety
    ///
    /// It is a descriptor of memory or ports; the start is null, or can be written.
    pub unsafe fn RtlCmDecodeMemIoResource(
        descriptor: *const CM_PARTIAL_RESOURCE_DESCRIPTOR,
        start: *mut u64,
    ) -> u64 {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { descriptor.read_unaligned() };
        // SAFETY: ports and memory have a range.
        let range = unsafe { descriptor.u.Memory };
        // SAFETY: the caller's promise.
        unsafe { give(start, range.Start.cast_unsigned()) };
        u64::from(range.Length) << shift_of(descriptor.Type, descriptor.Flags)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Says a range that a device has. STATUS_UNSUCCESSFUL for a length that cannot be said.
    ///
    /// Source: RtlCmEncodeMemIoResource.
    ///
    /// # Safety
    ///
    /// It is a descriptor.
    pub unsafe fn RtlCmEncodeMemIoResource(
        descriptor: *mut CM_PARTIAL_RESOURCE_DESCRIPTOR,
        kind: u8,
        length: u64,
        start: u64,
    ) -> NTSTATUS {
        let (flag, shift) = match encoding(kind, &[length]) {
            Ok(encoding) => encoding,
            Err(status) => return status,
        };
        // SAFETY: the caller's promise.
        let mut value = unsafe { descriptor.read_unaligned() };
        value.Type = kind;
        value.Flags = value.Flags & !ANY_LARGE | flag;
        value.u = CM_PARTIAL_RESOURCE_DESCRIPTOR_u {
            Memory: CM_RANGE {
                Start: start.cast_signed(),
                Length: (length >> shift) as u32,
            },
        };
        // SAFETY: the caller's promise.
        unsafe { descriptor.write_unaligned(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The length of a range that a device needs, its alignment and where it may be.
    ///
    /// Source: RtlIoDecodeMemIoResource.
    ///
    /// # Safety
    ///
    /// It is a descriptor of memory or ports; the others are null, or can be written.
    pub unsafe fn RtlIoDecodeMemIoResource(
        descriptor: *const IO_RESOURCE_DESCRIPTOR,
        alignment: *mut u64,
        lowest: *mut u64,
        highest: *mut u64,
    ) -> u64 {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { descriptor.read() };
        // SAFETY: ports and memory have a range.
        let range = unsafe { descriptor.u.Range };
        let shift = shift_of(descriptor.Type, descriptor.Flags);
        // SAFETY: the caller's promise.
        unsafe { give(alignment, u64::from(range.Alignment) << shift) };
        // SAFETY: as above.
        unsafe { give(lowest, range.MinimumAddress.cast_unsigned()) };
        // SAFETY: as above.
        unsafe { give(highest, range.MaximumAddress.cast_unsigned()) };
        u64::from(range.Length) << shift
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Says a range that a device needs. STATUS_UNSUCCESSFUL for a length or an alignment that
    /// cannot be said.
    ///
    /// Source: RtlIoEncodeMemIoResource.
    ///
    /// # Safety
    ///
    /// It is a descriptor.
    pub unsafe fn RtlIoEncodeMemIoResource(
        descriptor: *mut IO_RESOURCE_DESCRIPTOR,
        kind: u8,
        length: u64,
        alignment: u64,
        lowest: u64,
        highest: u64,
    ) -> NTSTATUS {
        let (flag, shift) = match encoding(kind, &[length, alignment]) {
            Ok(encoding) => encoding,
            Err(status) => return status,
        };
        // SAFETY: the caller's promise.
        let mut value = unsafe { descriptor.read() };
        value.Type = kind;
        value.Flags = value.Flags & !ANY_LARGE | flag;
        value.u = IO_RESOURCE_DESCRIPTOR_u {
            Range: IO_RANGE {
                Length: (length >> shift) as u32,
                Alignment: (alignment >> shift) as u32,
                MinimumAddress: lowest.cast_signed(),
                MaximumAddress: highest.cast_signed(),
            },
        };
        // SAFETY: the caller's promise.
        unsafe { descriptor.write(value) };
        STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_back_as_it_was_said() {
        for (kind, length, status) in [
            (CmResourceTypeMemory, 0x1000, STATUS_SUCCESS),
            (CmResourceTypePort, 8, STATUS_SUCCESS),
            (CmResourceTypeMemory, 1 << 32, STATUS_UNSUCCESSFUL),
            (CmResourceTypeMemoryLarge, 0x100, STATUS_SUCCESS),
            (CmResourceTypeMemoryLarge, 0xff, STATUS_UNSUCCESSFUL),
            (CmResourceTypeMemoryLarge, 0xff_ffff_ff00, STATUS_SUCCESS),
            (CmResourceTypeMemoryLarge, 0xffff_ffff_0000, STATUS_SUCCESS),
            (
                CmResourceTypeMemoryLarge,
                0xffff_ffff_ff00,
                STATUS_UNSUCCESSFUL,
            ),
            (CmResourceTypeMemoryLarge, 7 << 50, STATUS_SUCCESS),
            (2, 8, STATUS_INVALID_PARAMETER),
        ] {
            let mut descriptor = CM_PARTIAL_RESOURCE_DESCRIPTOR {
                Type: 99,
                ShareDisposition: 1,
                Flags: 0xe01,
                u: CM_PARTIAL_RESOURCE_DESCRIPTOR_u {
                    DevicePrivate: [0; 3],
                },
            };
            let (start, mut found) = (0x1234_5678_9abc_d000, 0);
            // SAFETY: the test's own.
            let given =
                unsafe { RtlCmEncodeMemIoResource(&raw mut descriptor, kind, length, start) };
            assert_eq!(given, status, "{kind}, {length:#x}");
            if status == STATUS_SUCCESS {
                // SAFETY: the test's own.
                let read =
                    unsafe { RtlCmDecodeMemIoResource(&raw const descriptor, &raw mut found) };
                assert_eq!((read, found), (length, start), "{kind}");
                let flags = descriptor.Flags;
                assert_eq!(flags & 1, 1, "other flags stay");
            }
        }
    }

    #[test]
    fn a_need_reads_back_as_it_was_said() {
        let mut descriptor = IO_RESOURCE_DESCRIPTOR {
            Option: 0,
            Type: 0,
            ShareDisposition: 1,
            Spare1: 0,
            Flags: 0,
            Spare2: 0,
            u: IO_RESOURCE_DESCRIPTOR_u {
                Range: IO_RANGE {
                    Length: 0,
                    Alignment: 0,
                    MinimumAddress: 0,
                    MaximumAddress: 0,
                },
            },
        };
        let place = &raw mut descriptor;
        let (length, alignment) = (3 << 40, 1 << 20);
        let kind = CmResourceTypeMemoryLarge;
        // SAFETY: the test's own.
        let given = unsafe { RtlIoEncodeMemIoResource(place, kind, length, alignment, 5, 6) };
        assert_eq!(given, STATUS_SUCCESS);
        let [mut aligned, mut low, mut high] = [0; 3];
        // SAFETY: the test's own.
        let read = unsafe {
            RtlIoDecodeMemIoResource(place, &raw mut aligned, &raw mut low, &raw mut high)
        };
        assert_eq!([read, aligned, low, high], [length, alignment, 5, 6]);
        // SAFETY: the test's own. No one encoding has both.
        let given = unsafe { RtlIoEncodeMemIoResource(place, kind, 1 << 60, 0x100, 0, 0) };
        assert_eq!(given, STATUS_UNSUCCESSFUL);
    }
}
