//! What the WMI library makes of the data that a driver gives it: the blocks that answer a
//! request, and events.
//!
//! Sources: WmiCompleteRequest, WmiFireEvent, ns-wmistr-tagwnode_all_data,
//! nc-wmilib-wmi_query_datablock_callback.

use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{IRP_MN_EXECUTE_METHOD, IRP_MN_QUERY_ALL_DATA, IRP_MN_QUERY_SINGLE_INSTANCE},
    },
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS,
        nt_success,
    },
};

use super::{
    event, provider,
    wnode::{
        EVENT_ITEM, FIXED_INSTANCE_SIZE, SINGLE_INSTANCE, SIZE_NEEDED, STATIC_INSTANCE_NAMES,
        Shape, TOO_SMALL, TOO_SMALL_SIZE, Wnode, all_data, header, single,
    },
};
use crate::{
    io::{complete, irp, verify},
    ke::time,
    mm::pool::{self, flags},
};

/// The tag of events.
const TAG: u32 = u32::from_le_bytes(*b"Wmie");

/// Where the parts of an answer with all instances lie.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// The data of the first instance.
    pub data: usize,
}

impl Layout {
    /// Where a driver writes the instances' lengths, which become offsets and lengths.
    pub const LENGTHS: usize = all_data::INSTANCES;

    /// Of an answer with this many instances.
    pub const fn of(instances: u32) -> Self {
        let data = (all_data::INSTANCES + instances as usize * 8).next_multiple_of(8);
        Self { data }
    }
}

/// The buffer of a request.
#[derive(Clone, Copy, Debug)]
pub struct Buffer {
    start: *mut u8,
    size: usize,
}

impl Buffer {
    /// Of this size.
    pub const fn new(start: *mut c_void, size: usize) -> Self {
        let start = start.cast();
        Self { start, size }
    }

    /// How large it is.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// A place in it.
    pub const fn place(&self, at: usize) -> *mut u8 {
        self.start.wrapping_add(at)
    }

    /// A field; 0 beyond its end.
    pub fn get(&self, at: usize) -> u32 {
        if at + 4 > self.size {
            return 0;
        }
        // SAFETY: the asker's buffer, as large as it says.
        unsafe { self.place(at).cast::<u32>().read_unaligned() }
    }

    /// Writes bytes, if there is room for all.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        if at + bytes.len() <= self.size {
            // SAFETY: as above.
            unsafe {
                self.place(at)
                    .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            };
        }
    }

    fn set(&self, at: usize, value: usize) {
        self.put(at, &(value as u32).to_le_bytes());
    }

    /// Remembers how many instances a driver is asked for.
    pub fn prepare(&self, instances: u32) {
        self.set(all_data::COUNT, instances as usize);
    }

    /// An answer of this size is there: its header, and the information of its request.
    fn finish(&self, size: usize, flags: u32) -> (NTSTATUS, usize) {
        self.set(header::BUFFER_SIZE, size);
        self.set(header::FLAGS, (self.get(header::FLAGS) | flags) as usize);
        self.put(header::TIME_STAMP, &time::system_time().to_le_bytes());
        (STATUS_SUCCESS, size)
    }

    /// It would take more.
    fn too_small(&self, needed: usize) -> (NTSTATUS, usize) {
        if self.size < TOO_SMALL_SIZE {
            return (STATUS_BUFFER_TOO_SMALL, 0);
        }
        self.set(SIZE_NEEDED, needed);
        self.finish(TOO_SMALL_SIZE, TOO_SMALL)
    }

    /// All instances are there.
    fn all(&self, used: usize) -> (NTSTATUS, usize) {
        let count = self.get(all_data::COUNT);
        let layout = Layout::of(count);
        self.set(all_data::DATA_OFFSET, layout.data);
        self.set(all_data::NAMES, 0);
        if count == 1 {
            self.set(all_data::INSTANCES, used);
            return self.finish(layout.data + used, FIXED_INSTANCE_SIZE);
        }
        let length = |index: usize| self.get(Layout::LENGTHS + index * 4) as usize;
        let count = count as usize;
        let mut end = layout.data;
        for index in 0..count {
            end = end.next_multiple_of(8) + length(index);
        }
        // From the last: what is written lies behind the lengths that are still to be read.
        let mut offset = end;
        for index in (0..count).rev() {
            let length = length(index);
            offset = (offset - length) / 8 * 8;
            let at = all_data::INSTANCES + index * 8;
            self.set(at + 4, length);
            self.set(at, offset);
        }
        self.finish(layout.data + used, 0)
    }

    /// Status and information of a request with whose data a driver is done.
    fn answer(&self, minor: u8, status: NTSTATUS, used: usize) -> (NTSTATUS, usize) {
        let (shape, start) = match minor {
            IRP_MN_QUERY_ALL_DATA => (None, Layout::of(self.get(all_data::COUNT)).data),
            IRP_MN_QUERY_SINGLE_INSTANCE | IRP_MN_EXECUTE_METHOD => {
                let shape = if minor == IRP_MN_EXECUTE_METHOD {
                    Shape::Item(0)
                } else {
                    Shape::Instance
                };
                (Some(shape), self.get(shape.data_offset()) as usize)
            }
            _ => return (status, 0),
        };
        if status == STATUS_BUFFER_TOO_SMALL {
            return self.too_small(start + used);
        }
        if !nt_success(status) {
            return (status, 0);
        }
        let Some(shape) = shape else {
            return self.all(used);
        };
        self.set(shape.data_offset() + 4, used);
        self.finish(start + used, 0)
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Completes a request that the WMI library has handed to a driver's routine, with this many
    /// bytes of data. A buffer that was too small is an answer, too.
    ///
    /// Source: WmiCompleteRequest.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's.
    pub unsafe fn WmiCompleteRequest(
        _device: *mut DEVICE_OBJECT,
        irp: *mut IRP,
        status: NTSTATUS,
        used: u32,
        _boost: i8,
    ) -> NTSTATUS {
        let caller = verify::caller();
        // SAFETY: the caller's promise.
        let location = unsafe { irp::current(irp) };
        let minor = location.MinorFunction;
        let wmi = location.Parameters.others();
        let buffer = Buffer::new(wmi.Argument4, wmi.Argument3.addr() & 0xffff_ffff);
        let (status, information) = buffer.answer(minor, status, used as usize);
        // SAFETY: as above.
        unsafe { (*irp).IoStatus = IO_STATUS_BLOCK::new(status, information) };
        // SAFETY: as above.
        unsafe { complete::complete(irp, caller) };
        status
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sends an event of a device, about one of its instances. Its data, in nonpaged pool, are
    /// freed whatever comes of it: "WMI frees the buffer without further intervention by the
    /// driver".
    ///
    /// Source: WmiFireEvent.
    ///
    /// # Safety
    ///
    /// `guid` is one; the data are null or as long as is said, and allocated.
    pub unsafe fn WmiFireEvent(
        device: *mut DEVICE_OBJECT,
        guid: *const GUID,
        instance: u32,
        size: u32,
        data: *mut c_void,
    ) -> NTSTATUS {
        const HEAD: usize = 64;
        // SAFETY: the caller's promise.
        let guid = unsafe { guid.read_unaligned() };
        let total = HEAD + size as usize;
        let kind = EVENT_ITEM | SINGLE_INSTANCE | STATIC_INSTANCE_NAMES;
        let Some(mut node) = Wnode::try_new(total, guid, kind) else {
            if !data.is_null() {
                pool::free(data.expose_provenance() as u64, None);
            }
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        node.set(header::PROVIDER_ID, provider::id_of(device));
        node.put(header::TIME_STAMP, &time::system_time().to_le_bytes());
        node.set(single::INDEX, instance);
        node.set(Shape::Instance.data_offset(), HEAD as u32);
        node.set(Shape::Instance.data_offset() + 4, size);
        if !data.is_null() {
            // SAFETY: the caller's promise.
            let bytes = unsafe { core::slice::from_raw_parts(data.cast::<u8>(), size as usize) };
            node.put(HEAD, bytes);
            pool::free(data.expose_provenance() as u64, None);
        }
        let bytes = node.contents();
        let Some(memory) = pool::allocate(flags::NON_PAGED, bytes.len() as u64, TAG, 0) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        let copy: *mut u8 = core::ptr::with_exposed_provenance_mut(memory as usize);
        // SAFETY: just allocated, and as large.
        unsafe { copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        // SAFETY: as above.
        let status = unsafe { event::write(copy.cast()) };
        if status != STATUS_SUCCESS {
            pool::free(memory, None);
        }
        status
    }
}
