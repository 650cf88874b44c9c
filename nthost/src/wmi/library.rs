//! The WMI library: it handles WMI requests for drivers that give it the routines that do the
//! work.
//!
//! Sources: WmiSystemControl, ns-wmilib-_wmilib_context, ns-wmilib-_wmiguidreginfo,
//! "Calling WmiSystemControl to Handle WMI IRPs". Its blocks have static instance names.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{
            IRP_MN_CHANGE_SINGLE_INSTANCE, IRP_MN_CHANGE_SINGLE_ITEM, IRP_MN_DISABLE_EVENTS,
            IRP_MN_ENABLE_COLLECTION, IRP_MN_ENABLE_EVENTS, IRP_MN_EXECUTE_METHOD,
            IRP_MN_QUERY_ALL_DATA, IRP_MN_QUERY_SINGLE_INSTANCE, IRP_MN_REGINFO, IRP_MN_REGINFO_EX,
        },
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_SUCCESS,
        STATUS_UNSUCCESSFUL, STATUS_WMI_GUID_NOT_FOUND, STATUS_WMI_INSTANCE_NOT_FOUND,
        STATUS_WMI_READ_ONLY, nt_success,
    },
};

use super::{
    library_answer::{Buffer, Layout},
    reginfo::{BLOCK_SIZE, BLOCKS, EXPENSIVE, INSTANCE_BASENAME, INSTANCE_PDO},
    wnode::{STATIC_INSTANCE_NAMES, Shape, header, single},
};
use crate::{io::irp, mm::pool, ob::object};

type QueryRegInfo = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    flags: *mut u32,
    name: *mut UNICODE_STRING,
    path: *mut *mut UNICODE_STRING,
    mof: *mut UNICODE_STRING,
    pdo: *mut *mut DEVICE_OBJECT,
) -> NTSTATUS;
type QueryDataBlock = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    guid: u32,
    instance: u32,
    count: u32,
    lengths: *mut u32,
    room: u32,
    buffer: *mut u8,
) -> NTSTATUS;
type SetDataBlock = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    guid: u32,
    instance: u32,
    size: u32,
    buffer: *mut u8,
) -> NTSTATUS;
type SetDataItem = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    guid: u32,
    instance: u32,
    item: u32,
    size: u32,
    buffer: *mut u8,
) -> NTSTATUS;
type ExecuteMethod = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    guid: u32,
    instance: u32,
    method: u32,
    input: u32,
    output: u32,
    buffer: *mut u8,
) -> NTSTATUS;
type FunctionControl = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    guid: u32,
    function: i32,
    enable: u8,
) -> NTSTATUS;

/// A block of a driver's (ns-wmilib-_wmiguidreginfo).
#[repr(C)]
#[derive(Debug)]
pub struct GuidRegInfo {
    guid: *const GUID,
    count: u32,
    flags: u32,
}

/// What the library knows of a driver (ns-wmilib-_wmilib_context).
#[repr(C)]
#[derive(Debug)]
pub struct WMILIB_CONTEXT {
    count: u32,
    list: *const GuidRegInfo,
    query_reginfo: Option<QueryRegInfo>,
    query_data: Option<QueryDataBlock>,
    set_data: Option<SetDataBlock>,
    set_item: Option<SetDataItem>,
    execute: Option<ExecuteMethod>,
    control: Option<FunctionControl>,
}

/// `SYSCTL_IRP_DISPOSITION`.
const IRP_PROCESSED: i32 = 0;
const IRP_NOT_COMPLETED: i32 = 1;
const IRP_NOT_WMI: i32 = 2;
const IRP_FORWARD: i32 = 3;

/// A request, and what it is about.
struct Request {
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    minor: u8,
    buffer: Buffer,
    index: u32,
    instances: u32,
    flags: u32,
}

impl Request {
    /// Which instance it is about, and where its data are.
    fn instance(&self) -> Result<u32, NTSTATUS> {
        let index = self.buffer.get(single::INDEX);
        let known = self.buffer.get(header::FLAGS) & STATIC_INSTANCE_NAMES != 0;
        if known && index < self.instances {
            Ok(index)
        } else {
            Err(STATUS_WMI_INSTANCE_NOT_FOUND)
        }
    }

    /// Has the driver's routine do it. Its status, or that of a request that it does not see.
    fn carry_out(&self, context: &WMILIB_CONTEXT) -> Result<NTSTATUS, NTSTATUS> {
        let Self {
            device,
            irp,
            index,
            buffer,
            ..
        } = self;
        let (device, irp, index) = (*device, *irp, *index);
        let data = |shape: Shape| {
            let at = buffer.get(shape.data_offset()) as usize;
            (at, buffer.get(shape.data_offset() + 4))
        };
        match self.minor {
            IRP_MN_QUERY_ALL_DATA => {
                let query = context.query_data.ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
                let layout = Layout::of(self.instances);
                buffer.prepare(self.instances);
                let room = buffer.size().saturating_sub(layout.data);
                let (lengths, place) = if room == 0 {
                    (null_mut(), null_mut())
                } else {
                    (
                        buffer.place(Layout::LENGTHS).cast(),
                        buffer.place(layout.data),
                    )
                };
                // SAFETY: the driver's own routine, with its device and its request.
                Ok(unsafe {
                    query(
                        device,
                        irp,
                        index,
                        0,
                        self.instances,
                        lengths,
                        room as u32,
                        place,
                    )
                })
            }
            IRP_MN_QUERY_SINGLE_INSTANCE => {
                let query = context.query_data.ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
                let instance = self.instance()?;
                let (at, _) = data(Shape::Instance);
                let room = buffer.size().saturating_sub(at);
                let (length, place) = if room == 0 {
                    (null_mut(), null_mut())
                } else {
                    let length = buffer.place(Shape::Instance.data_offset() + 4);
                    (length.cast(), buffer.place(at))
                };
                // SAFETY: as above.
                Ok(unsafe { query(device, irp, index, instance, 1, length, room as u32, place) })
            }
            IRP_MN_CHANGE_SINGLE_INSTANCE => {
                let set = context.set_data.ok_or(STATUS_WMI_READ_ONLY)?;
                let instance = self.instance()?;
                let (at, size) = data(Shape::Instance);
                // SAFETY: as above.
                Ok(unsafe { set(device, irp, index, instance, size, buffer.place(at)) })
            }
            IRP_MN_CHANGE_SINGLE_ITEM => {
                let set = context.set_item.ok_or(STATUS_WMI_READ_ONLY)?;
                let instance = self.instance()?;
                let item = buffer.get(single::ITEM);
                let (at, size) = data(Shape::Item(item));
                // SAFETY: as above.
                Ok(unsafe { set(device, irp, index, instance, item, size, buffer.place(at)) })
            }
            IRP_MN_EXECUTE_METHOD => {
                let execute = context.execute.ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
                let instance = self.instance()?;
                let method = buffer.get(single::ITEM);
                let (at, input) = data(Shape::Item(method));
                let room = buffer.size().saturating_sub(at) as u32;
                let place = buffer.place(at);
                // SAFETY: as above.
                Ok(unsafe { execute(device, irp, index, instance, method, input, room, place) })
            }
            minor => {
                let is_event = matches!(minor, IRP_MN_ENABLE_EVENTS | IRP_MN_DISABLE_EVENTS);
                let enable = matches!(minor, IRP_MN_ENABLE_EVENTS | IRP_MN_ENABLE_COLLECTION);
                let wanted = is_event || self.flags & EXPENSIVE != 0;
                // Nobody to be told: that is as well.
                let control = context.control.filter(|_| wanted).ok_or(STATUS_SUCCESS)?;
                let function = i32::from(!is_event);
                // SAFETY: as above.
                Ok(unsafe { control(device, irp, index, function, enable.into()) })
            }
        }
    }
}

/// The blocks of a driver.
///
/// # Safety
///
/// The context is a driver's.
unsafe fn blocks(context: &WMILIB_CONTEXT) -> &[GuidRegInfo] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(context.list, context.count as usize) }
}

/// A counted string, as it lies in registration information.
fn counted(string: &UNICODE_STRING) -> Vec<u8> {
    let length = usize::from(string.Length);
    let mut bytes = string.Length.to_le_bytes().to_vec();
    if !string.Buffer.is_null() {
        // SAFETY: the driver's string.
        bytes.extend(unsafe { core::slice::from_raw_parts(string.Buffer.cast::<u8>(), length) });
    }
    bytes
}

/// What the driver has, as `WMIREGINFO`: status and information.
fn register(
    context: &WMILIB_CONTEXT,
    device: *mut DEVICE_OBJECT,
    buffer: Buffer,
    with_reference: bool,
) -> (NTSTATUS, usize) {
    let Some(query) = context.query_reginfo else {
        return (STATUS_UNSUCCESSFUL, 0);
    };
    let empty = UNICODE_STRING {
        Length: 0,
        MaximumLength: 0,
        Buffer: null_mut(),
    };
    let (mut flags, mut name, mut mof) = (0, empty, empty);
    let (mut path, mut pdo) = (null_mut(), null_mut());
    // SAFETY: the driver's own routine, with places for its answers.
    let status = unsafe {
        query(
            device,
            &raw mut flags,
            &raw mut name,
            &raw mut path,
            &raw mut mof,
            &raw mut pdo,
        )
    };
    if !nt_success(status) {
        return (status, 0);
    }
    // SAFETY: the driver's context.
    let blocks = unsafe { blocks(context) };
    let strings = BLOCKS + blocks.len() * BLOCK_SIZE;
    let name_bytes = counted(&name);
    if flags & INSTANCE_BASENAME != 0 && !name.Buffer.is_null() {
        pool::free(name.Buffer.expose_provenance() as u64, None);
    }
    // SAFETY: null, or the driver's string.
    let path_bytes = unsafe { path.as_ref() }.map_or_else(Vec::new, counted);
    let path_at = strings + name_bytes.len();
    let mof_at = path_at + path_bytes.len();
    let mut info = alloc::vec![0; strings];
    let mut put = |at: usize, value: usize| {
        info[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    };
    put(8, if path_bytes.is_empty() { 0 } else { path_at });
    put(12, if mof.Length == 0 { 0 } else { mof_at });
    put(16, blocks.len());
    for (index, block) in blocks.iter().enumerate() {
        let at = BLOCKS + index * BLOCK_SIZE;
        put(at + 16, (block.flags | flags) as usize);
        put(at + 20, block.count as usize);
        if flags & INSTANCE_PDO != 0 {
            put(at + 24, pdo.addr() & 0xffff_ffff);
            put(at + 28, pdo.addr() >> 32);
        } else {
            put(at + 24, strings);
        }
    }
    for (index, block) in blocks.iter().enumerate() {
        let at = BLOCKS + index * BLOCK_SIZE;
        // SAFETY: the driver's GUID.
        let guid = unsafe { block.guid.read_unaligned() };
        info[at..at + 16].copy_from_slice(&guid.to_bytes());
    }
    info.extend(name_bytes);
    info.extend(path_bytes);
    info.extend(counted(&mof));
    let size = info.len();
    info[..4].copy_from_slice(&(size as u32).to_le_bytes());
    if size > buffer.size() {
        buffer.put(0, &(size as u32).to_le_bytes());
        return (STATUS_BUFFER_TOO_SMALL, 4);
    }
    buffer.put(0, &info);
    if with_reference && flags & INSTANCE_PDO != 0 {
        for _ in blocks {
            object::reference(pdo.cast::<c_void>());
        }
    }
    (STATUS_SUCCESS, size)
}

/// What becomes of a request: how it was disposed of, and its status.
///
/// # Safety
///
/// As WmiSystemControl.
unsafe fn handle(
    context: &WMILIB_CONTEXT,
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    disposition: &mut i32,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let location = unsafe { irp::current(irp) };
    // SAFETY: as above.
    let before = unsafe { (*irp).IoStatus };
    let minor = location.MinorFunction;
    if minor > IRP_MN_REGINFO_EX || minor == IRP_MN_EXECUTE_METHOD + 1 {
        *disposition = IRP_NOT_WMI;
        return before.status();
    }
    let wmi = location.Parameters.others();
    if wmi.Argument1 != device.cast() {
        *disposition = IRP_FORWARD;
        return before.status();
    }
    *disposition = IRP_NOT_COMPLETED;
    let not_completed = |status: NTSTATUS, information| {
        // SAFETY: the caller's promise.
        unsafe { (*irp).IoStatus = IO_STATUS_BLOCK::new(status, information) };
        status
    };
    let buffer = Buffer::new(wmi.Argument4, wmi.Argument3.addr() & 0xffff_ffff);
    if matches!(minor, IRP_MN_REGINFO | IRP_MN_REGINFO_EX) {
        let (status, information) = register(context, device, buffer, minor == IRP_MN_REGINFO_EX);
        return not_completed(status, information);
    }
    // SAFETY: who asks says which block it is about.
    let guid = unsafe { wmi.Argument2.cast::<GUID>().read_unaligned() };
    // SAFETY: the driver's context.
    let all = unsafe { blocks(context) };
    // SAFETY: the driver's GUIDs.
    let place = all
        .iter()
        .position(|block| unsafe { block.guid.read_unaligned() } == guid);
    let Some(place) = place else {
        return not_completed(STATUS_WMI_GUID_NOT_FOUND, 0);
    };
    let request = Request {
        device,
        irp,
        minor,
        buffer,
        index: place as u32,
        instances: all[place].count,
        flags: all[place].flags,
    };
    *disposition = IRP_PROCESSED;
    request.carry_out(context).unwrap_or_else(|status| {
        *disposition = IRP_NOT_COMPLETED;
        not_completed(status, 0)
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Handles a WMI request with the routines of the driver's context, and tells what is left
    /// to do with it: nothing, completing it, or passing it down.
    ///
    /// Source: WmiSystemControl.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's; the context stays as long as its device is registered.
    pub unsafe fn WmiSystemControl(
        context: *const WMILIB_CONTEXT,
        device: *mut DEVICE_OBJECT,
        irp: *mut IRP,
        disposition: *mut i32,
    ) -> NTSTATUS {
        let mut what = IRP_NOT_WMI;
        // SAFETY: the caller's promise.
        let context = unsafe { &*context };
        // SAFETY: the caller's promise.
        let status = unsafe { handle(context, device, irp, &mut what) };
        // SAFETY: the caller's promise.
        unsafe { disposition.write(what) };
        status
    }
}
