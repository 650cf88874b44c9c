//! A device of the tests' own, with a driver that does at once what a request asks for, or
//! keeps it until the test wants it completed.

use alloc::{format, vec::Vec};
use core::{
    ffi::c_void,
    mem::size_of,
    ptr::null_mut,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_DEVICE_INITIALIZING},
        driver::DRIVER_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{
            IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL,
            IRP_MJ_FLUSH_BUFFERS, IRP_MJ_INTERNAL_DEVICE_CONTROL, IRP_MJ_POWER,
            IRP_MJ_QUERY_INFORMATION, IRP_MJ_READ, IRP_MJ_SET_INFORMATION, IRP_MJ_SHUTDOWN,
            IRP_MJ_WRITE,
        },
        stack::SL_PENDING_RETURNED,
    },
    status::{
        NTSTATUS, STATUS_CANCELLED, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS,
    },
};

use crate::{
    io::{
        cancel, complete, device,
        driver::{self},
        irp,
    },
    ke::{lock::SpinLock, once::Once},
    mm::mapping::MmMapLockedPagesSpecifyCache,
    ob::object,
};

/// Function codes of the device's requests: each byte is counted up, at once.
pub const COUNT_UP: u32 = 0x800;
/// As [`COUNT_UP`], but the request is kept until [`Target::release`].
pub const KEEP: u32 = 0x801;
/// Is kept until it is canceled.
pub const KEEP_UNTIL_CANCELLED: u32 = 0x803;
/// Fails at once.
pub const FAIL: u32 = 0x802;

/// A control code of this function and method, as `CTL_CODE` makes it.
pub const fn control_code(function: u32, method: u32) -> u32 {
    0x22 << 16 | function << 2 | method
}

/// What the driver knows of its device.
#[derive(Default)]
#[repr(C)]
struct Extension {
    /// Requests by major function.
    counts: [AtomicU32; 0x1c],
    /// The number of the last request among those of all devices.
    last: AtomicU32,
}

struct DriverPointer(*mut DRIVER_OBJECT);

// SAFETY: the driver object stays.
unsafe impl Send for DriverPointer {}
// SAFETY: likewise.
unsafe impl Sync for DriverPointer {}

static DRIVER: Once<DriverPointer> = Once::new();
static NEXT: AtomicU32 = AtomicU32::new(0);
static REQUESTS: AtomicU32 = AtomicU32::new(0);
/// The IRPs that are kept, by address. A leaf.
static KEPT: SpinLock<Vec<usize>> = SpinLock::new(Vec::new());

/// The driver of the tests' devices.
pub fn driver() -> *mut DRIVER_OBJECT {
    if DRIVER.get().is_none() {
        let majors = [
            IRP_MJ_CREATE,
            IRP_MJ_CLEANUP,
            IRP_MJ_CLOSE,
            IRP_MJ_READ,
            IRP_MJ_WRITE,
            IRP_MJ_FLUSH_BUFFERS,
            IRP_MJ_SHUTDOWN,
            IRP_MJ_POWER,
            IRP_MJ_QUERY_INFORMATION,
            IRP_MJ_SET_INFORMATION,
            IRP_MJ_DEVICE_CONTROL,
            IRP_MJ_INTERNAL_DEVICE_CONTROL,
        ];
        let routines = majors.map(|major| (major, dispatch as _));
        let object = driver::create_builtin("selftest", &routines);
        DRIVER.set(DriverPointer(object));
    }
    DRIVER.get().map_or(null_mut(), |driver| driver.0)
}

/// A device, deleted when this is dropped.
pub struct Target(*mut DEVICE_OBJECT);

impl Target {
    /// A device with these flags, and its name.
    pub fn new(flags: u32) -> (Self, Vec<u16>) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name: Vec<u16> = format!(r"\Device\Selftest{number}")
            .encode_utf16()
            .collect();
        let size = size_of::<Extension>() as u32;
        // SAFETY: the driver object exists.
        let made = unsafe { device::create(driver(), size, Some(&name), 0x22, 0, false) };
        let made = made.expect("memory for a device");
        // SAFETY: just made.
        let fields = unsafe { &mut *made };
        fields.Flags |= flags;
        fields.Flags &= !DO_DEVICE_INITIALIZING;
        (Self(made), name)
    }

    /// The device object.
    pub const fn get(&self) -> *mut DEVICE_OBJECT {
        self.0
    }

    /// How many requests with this major function there were.
    pub fn count(&self, major: u8) -> u32 {
        extension(self.0).counts[usize::from(major)].load(Ordering::Relaxed)
    }

    /// The number of its last request among those of all devices.
    pub fn order(&self) -> u32 {
        extension(self.0).last.load(Ordering::Relaxed)
    }

    /// How many references the device has.
    pub fn references(&self) -> u64 {
        object::references(self.0.cast())
    }

    /// Completes what was kept longest; whether anything was.
    pub fn release() -> bool {
        let Some(irp) = KEPT.lock().pop() else {
            return false;
        };
        let irp = core::ptr::with_exposed_provenance_mut::<IRP>(irp);
        // SAFETY: the IRP was kept, so it is the driver's.
        let (status, information) = unsafe { carry_out(irp) };
        // SAFETY: as above.
        unsafe { finish(irp, status, information) };
        true
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: the device is this value's, and is deleted once.
        unsafe { device::IoDeleteDevice(self.0) };
    }
}

fn extension(device: *mut DEVICE_OBJECT) -> &'static Extension {
    // SAFETY: the device exists while its requests do.
    let extension = unsafe { (*device).DeviceExtension };
    // SAFETY: zeroed memory, which is a value of it.
    unsafe { &*extension.cast::<Extension>() }
}

unsafe extern "win64" fn dispatch(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    // SAFETY: the IRP is this routine's.
    let location = unsafe { irp::current(irp) };
    let known = extension(device);
    known.counts[usize::from(location.MajorFunction)].fetch_add(1, Ordering::Relaxed);
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    known.last.store(number, Ordering::Relaxed);
    let function = location.Parameters.device_io_control().IoControlCode >> 2 & 0xfff;
    let is_control = matches!(
        location.MajorFunction,
        IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL
    );
    if is_control && function == KEEP {
        location.Control |= SL_PENDING_RETURNED;
        KEPT.lock().push(irp.expose_provenance());
        return STATUS_PENDING;
    }
    if is_control && function == KEEP_UNTIL_CANCELLED {
        location.Control |= SL_PENDING_RETURNED;
        // SAFETY: as above; a test does not cancel it before it is told that it is pending.
        unsafe { cancel::exchange_routine(irp, Some(canceled)) };
        return STATUS_PENDING;
    }
    let (status, information) = if is_control && function == FAIL {
        (STATUS_INVALID_PARAMETER, 0)
    } else {
        // SAFETY: the IRP is this routine's.
        unsafe { carry_out(irp) }
    };
    // SAFETY: as above.
    unsafe { finish(irp, status, information) };
    status
}

/// The cancel routine.
unsafe extern "win64" fn canceled(_device: *mut DEVICE_OBJECT, irp: *mut IRP) {
    // SAFETY: the IRP is this routine's.
    let level = unsafe { (*irp).CancelIrql };
    // SAFETY: cancel routines are called with it.
    unsafe { cancel::IoReleaseCancelSpinLock(level) };
    // SAFETY: as above.
    unsafe { finish(irp, STATUS_CANCELLED, 0) };
}

/// # Safety
///
/// The IRP is the caller's.
unsafe fn finish(irp: *mut IRP, status: NTSTATUS, information: usize) {
    // SAFETY: the caller's promise.
    unsafe { (*irp).IoStatus = IO_STATUS_BLOCK::new(status, information) };
    // SAFETY: as above.
    unsafe { complete::complete(irp, 0) };
}

/// Information of a file: its class, which is told, and which alone may be set.
///
/// # Safety
///
/// The IRP is the caller's.
unsafe fn inform(irp: *mut IRP) -> (NTSTATUS, usize) {
    // SAFETY: the caller's promise.
    let location = unsafe { irp::current(irp) };
    // SAFETY: as above.
    let data = unsafe { (*irp).AssociatedIrp.system_buffer() }.cast::<u32>();
    let parameters = location.Parameters.others();
    let class = parameters.Argument2.addr() as u32;
    if parameters.Argument1.addr() < 4 {
        return (STATUS_INVALID_PARAMETER, 0);
    }
    if location.MajorFunction == IRP_MJ_QUERY_INFORMATION {
        // SAFETY: the request's buffer, which is long enough.
        unsafe { data.write(class) };
        return (STATUS_SUCCESS, 4);
    }
    // SAFETY: as above.
    if unsafe { data.read() } == class {
        (STATUS_SUCCESS, 0)
    } else {
        (STATUS_INVALID_PARAMETER, 0)
    }
}

/// Does what a request asks for: a read gives the bytes from its offset on; a write wants them
/// so; a control request counts its input up.
///
/// # Safety
///
/// The IRP is the caller's.
unsafe fn carry_out(irp: *mut IRP) -> (NTSTATUS, usize) {
    // SAFETY: the caller's promise.
    let location = unsafe { irp::current(irp) };
    if matches!(
        location.MajorFunction,
        IRP_MJ_QUERY_INFORMATION | IRP_MJ_SET_INFORMATION
    ) {
        // SAFETY: the caller's promise.
        return unsafe { inform(irp) };
    }
    // SAFETY: as above.
    let packet = unsafe { &*irp };
    let system = packet.AssociatedIrp.system_buffer().cast::<u8>();
    let direct = if packet.MdlAddress.is_null() {
        null_mut()
    } else {
        // SAFETY: the request's own MDL.
        unsafe { MmMapLockedPagesSpecifyCache(packet.MdlAddress, 0, 1, null_mut(), 0, 0) }
            .cast::<u8>()
    };
    let data = [direct, system, packet.UserBuffer.cast()];
    let data = data.into_iter().find(|data| !data.is_null());
    match location.MajorFunction {
        major @ (IRP_MJ_READ | IRP_MJ_WRITE) => {
            let parameters = location.Parameters.read_write();
            let (length, offset) = (parameters.Length as usize, parameters.ByteOffset as u8);
            let Some(data) = data else {
                return (STATUS_INVALID_PARAMETER, 0);
            };
            // SAFETY: the request's buffer.
            let bytes = unsafe { core::slice::from_raw_parts_mut(data, length) };
            for (index, byte) in bytes.iter_mut().enumerate() {
                let expected = offset.wrapping_add(index as u8);
                if major == IRP_MJ_READ {
                    *byte = expected;
                } else if *byte != expected {
                    return (STATUS_INVALID_PARAMETER, index);
                }
            }
            (STATUS_SUCCESS, length)
        }
        IRP_MJ_DEVICE_CONTROL | IRP_MJ_INTERNAL_DEVICE_CONTROL => {
            let parameters = location.Parameters.device_io_control();
            let input: *mut c_void = if parameters.IoControlCode & 3 == 3 {
                parameters.Type3InputBuffer
            } else {
                system.cast()
            };
            let (input_length, output_length) = (
                parameters.InputBufferLength as usize,
                parameters.OutputBufferLength as usize,
            );
            let count = input_length.min(output_length);
            if let Some(output) = data.filter(|_| count != 0) {
                for index in 0..count {
                    // SAFETY: within the input.
                    let from = unsafe { input.cast::<u8>().add(index) };
                    // SAFETY: within the output.
                    let to = unsafe { output.add(index) };
                    // SAFETY: as above.
                    let byte = unsafe { from.read() };
                    // SAFETY: as above.
                    unsafe { to.write(byte.wrapping_add(1)) };
                }
            }
            (STATUS_SUCCESS, count)
        }
        _ => (STATUS_SUCCESS, 0),
    }
}
