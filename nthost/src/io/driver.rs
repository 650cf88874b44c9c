//! Driver objects: made for an image, and entered. How one is unloaded is in [`super::unload`].
//!
//! Sources: nc-wdm-driver_initialize, ns-wdm-_driver_object,
//! IoAllocateDriverObjectExtension, IoRegisterDriverReinitialization.

use alloc::{boxed::Box, format, string::String, string::ToString, sync::Arc, vec::Vec};
use core::{ffi::c_void, mem::size_of, ptr::null_mut};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        driver::{
            DRIVER_DISPATCH, DRIVER_EXTENSION, DRIVER_INITIALIZE, DRIVER_OBJECT,
            DRVO_BUILTIN_DRIVER, DRVO_INITIALIZED, IO_TYPE_DRIVER, MAJOR_FUNCTIONS,
        },
        irp::{IO_STATUS_BLOCK, IRP},
    },
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_NOT_FOUND, nt_success},
};
use nthost_protocol::manifest::{DriverImage, Role};

use super::{complete, device, driver_extension, export_driver, reinitialize};
use crate::{
    export::PASSIVE_LEVEL,
    hook,
    ke::{bugcheck, irql, lock::SpinLock},
    ob::{
        self,
        namespace::Named,
        object::{self, Kind},
    },
    pe::module::{self, LoadOptions, Module},
};

/// Where the services' keys are.
pub const SERVICES: &str = r"\Registry\Machine\System\CurrentControlSet\Services";

/// A driver of the manifest.
#[derive(Debug)]
pub struct Driver {
    /// What the manifest says of it.
    pub image: DriverImage,
    /// Its object; null for an export driver, and if loading failed.
    pub object: *mut DRIVER_OBJECT,
    /// Its image in memory, as long as it is loaded.
    module: SpinLock<Option<&'static Module>>,
    /// What `DriverEntry` returned, or why the image was refused.
    pub status: NTSTATUS,
    /// Why it was refused, in words.
    pub fault: String,
}

// SAFETY: the driver object is reached through the object manager's rules.
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

/// Protects the list of drivers. A leaf.
static DRIVERS: SpinLock<Vec<Arc<Driver>>> = SpinLock::new(Vec::new());

impl Driver {
    /// Its image in memory: base, size, number of imports.
    #[must_use]
    pub fn placement(&self) -> Option<(u64, u32, usize)> {
        let module = *self.module.lock();
        module.map(|module| (module.base, module.size, module.imports.len()))
    }

    /// Its image, as long as it is in memory.
    pub(super) fn module(&self) -> Option<&'static Module> {
        *self.module.lock()
    }

    /// Its unload routine has returned: its image goes, unless something can still call into it,
    /// and with it the export drivers that nobody else imports from.
    pub(super) fn finish_unload(&self, module: &'static Module, stays: bool) {
        let stays = hook::image_unloading(module.base) || stays;
        crate::pnp::detect::forget(&self.image.service);
        let libraries = export_driver::libraries(module);
        *self.module.lock() = None;
        if stays {
            log!(
                "driver",
                "{} is unloaded, and its image stays",
                self.image.service
            );
            return;
        }
        // SAFETY: the driver has returned from its unload routine and has left nothing behind.
        unsafe { module.unload() };
        log!("driver", "{} is unloaded", self.image.service);
        export_driver::unload_unused(&libraries);
    }

    /// Whether it is loaded and was initialized.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.module.lock().is_some() && nt_success(self.status)
    }
}

/// All drivers of the manifest that were tried.
#[must_use]
pub fn all() -> Vec<Arc<Driver>> {
    DRIVERS.lock().clone()
}

/// The driver of this service.
#[must_use]
pub fn of_service(service: &str) -> Option<Arc<Driver>> {
    let drivers = DRIVERS.lock();
    let found = drivers
        .iter()
        .find(|driver| driver.image.service.eq_ignore_ascii_case(service));
    found.cloned()
}

/// The service of a driver object; empty for one of nthost's own.
#[must_use]
pub fn service_of(object: *mut DRIVER_OBJECT) -> String {
    let drivers = DRIVERS.lock();
    let found = drivers.iter().find(|driver| driver.object == object);
    found.map_or_else(String::new, |driver| driver.image.service.clone())
}

/// The service of a driver object, by its name: also while its `DriverEntry` runs.
#[must_use]
pub fn service_name(object: *mut DRIVER_OBJECT) -> String {
    // SAFETY: a driver object exists as long as its driver, and its name as long as the system.
    let name = unsafe { &(*object).DriverName };
    let length = usize::from(name.Length) / 2;
    // SAFETY: as above.
    let units = unsafe { core::slice::from_raw_parts(name.Buffer, length) };
    let name = String::from_utf16_lossy(units);
    name.rsplit('\\').next().unwrap_or_default().into()
}

/// What a driver does with requests that it has no routine for.
unsafe extern "win64" fn invalid_request(_device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let status = STATUS_INVALID_DEVICE_REQUEST;
    // SAFETY: the IRP is this routine's.
    unsafe { (*irp).IoStatus = IO_STATUS_BLOCK::new(status, 0) };
    // SAFETY: as above.
    unsafe { complete::complete(irp, 0) };
    status
}

/// Whether it is the routine that every major function has that a driver gives none.
#[must_use]
pub fn is_default(routine: usize) -> bool {
    routine == invalid_request as *const () as usize
}

/// A string that stays as long as the system does.
fn leak(text: &str) -> UNICODE_STRING {
    let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
    let bytes = u16::try_from(units.len() * 2).unwrap_or(!1);
    UNICODE_STRING {
        Length: bytes - 2,
        MaximumLength: bytes,
        Buffer: Vec::leak(units).as_mut_ptr(),
    }
}

/// Makes a driver object. It stays until it is dereferenced; its names stay.
fn create_object(service: &str, module: Option<&Module>) -> *mut DRIVER_OBJECT {
    let extension = Box::into_raw(Box::new(DRIVER_EXTENSION {
        DriverObject: null_mut(),
        AddDevice: None,
        Count: 0,
        ServiceKeyName: leak(service),
    }));
    let hardware = Box::new(leak(r"\Registry\Machine\Hardware\Description\System"));
    let (base, size) = module.map_or((0, 0), |module| (module.base, module.size));
    let entry = module.and_then(|module| module.entry);
    let object = Box::into_raw(Box::new(DRIVER_OBJECT {
        Type: IO_TYPE_DRIVER,
        Size: size_of::<DRIVER_OBJECT>() as i16,
        DeviceObject: null_mut(),
        Flags: if module.is_some() {
            0
        } else {
            DRVO_BUILTIN_DRIVER
        },
        DriverStart: core::ptr::with_exposed_provenance_mut(base as usize),
        DriverSize: size,
        DriverSection: null_mut(),
        DriverExtension: extension,
        DriverName: leak(&format!(r"\Driver\{service}")),
        HardwareDatabase: Box::into_raw(hardware),
        FastIoDispatch: null_mut(),
        DriverInit: entry.map(entry_routine),
        DriverStartIo: None,
        DriverUnload: None,
        MajorFunction: [Some(invalid_request); MAJOR_FUNCTIONS],
    }));
    // SAFETY: just made.
    unsafe { (*extension).DriverObject = object };
    object::insert(object.cast(), Kind::Driver, delete_object);
    let name: Vec<u16> = format!(r"\Driver\{service}").encode_utf16().collect();
    // The manifest's services have different names; a second load of one comes after its end.
    let named = ob::insert_name(&name, Named::Object(object.expose_provenance()));
    assert!(named.is_ok());
    object
}

fn entry_routine(address: u64) -> DRIVER_INITIALIZE {
    let address = core::ptr::with_exposed_provenance::<()>(address as usize);
    // SAFETY: the entry point of a driver's image has this type.
    unsafe { core::mem::transmute::<*const (), DRIVER_INITIALIZE>(address) }
}

fn delete_object(object: *mut c_void) {
    let object: *mut DRIVER_OBJECT = object.cast();
    driver_extension::free_all(object);
    // SAFETY: made by `create_object`, and nobody refers to it any more.
    let object = unsafe { Box::from_raw(object) };
    // SAFETY: as above.
    drop(unsafe { Box::from_raw(object.DriverExtension) });
}

/// Makes the driver object of one of nthost's own drivers, with the dispatch routines given by
/// major function.
#[must_use]
pub fn create_builtin(service: &str, routines: &[(u8, DRIVER_DISPATCH)]) -> *mut DRIVER_OBJECT {
    let object = create_object(service, None);
    // SAFETY: just made.
    let fields = unsafe { &mut *object };
    for &(major, routine) in routines {
        fields.MajorFunction[usize::from(major)] = Some(routine);
    }
    object
}

/// Loads a driver of the manifest and has it initialize itself. PASSIVE_LEVEL. What came of it
/// is in the list, whether it succeeded or not.
pub fn load(image: &DriverImage, bytes: &[u8], options: LoadOptions) -> Arc<Driver> {
    let driver = Arc::new(try_load(image, bytes, options));
    let (service, status) = (&driver.image.service, driver.status);
    if !driver.fault.is_empty() {
        log!(
            "driver",
            "{} ({service}) is refused: {}",
            image.image,
            driver.fault
        );
    } else if !nt_success(status) {
        log!(
            "driver",
            "DriverEntry of {service} returned {:#010x}",
            status
        );
    }
    let mut drivers = DRIVERS.lock();
    drivers.retain(|other| !other.image.service.eq_ignore_ascii_case(service));
    drivers.push(driver.clone());
    driver
}

fn try_load(image: &DriverImage, bytes: &[u8], options: LoadOptions) -> Driver {
    let failed = |status, fault| Driver {
        image: image.clone(),
        object: null_mut(),
        module: SpinLock::new(None),
        status,
        fault,
    };
    let module = match module::load(&image.image, bytes, options) {
        Ok(module) => module,
        Err(fault) => return failed(fault.status(), fault.to_string()),
    };
    log!(
        "driver",
        "{} at {:#x}, {} bytes, {} imports resolved",
        image.image,
        module.base,
        module.size,
        module.imports.len()
    );
    hook::image_loaded(module.base);
    let loaded = |object, status| Driver {
        image: image.clone(),
        object,
        module: SpinLock::new(Some(module)),
        status,
        fault: String::new(),
    };
    if image.role == Role::Export {
        let status = export_driver::initialize(&image.service, module);
        if nt_success(status) {
            // SAFETY: its initialization is over; an export driver's own entry is never called.
            unsafe { module.discard_initialization() };
            return loaded(null_mut(), status);
        }
        // SAFETY: the driver has said that it does not run.
        unsafe { module.unload() };
        return failed(status, String::new());
    }
    let object = create_object(&image.service, Some(module));
    let status = enter(&image.service, object);
    if nt_success(status) {
        // SAFETY: `DriverEntry` has returned.
        unsafe { module.discard_initialization() };
        return loaded(object, status);
    }
    reinitialize::forget(object);
    hook::driver_leaving(object, module.base);
    let stays = super::leak::has_devices(object);
    ob::remove_name_of(object.addr());
    object::dereference(object.cast());
    if hook::image_unloading(module.base) || stays {
        return failed(status, String::new());
    }
    let libraries = export_driver::libraries(module);
    // SAFETY: the driver has said that it does not run.
    unsafe { module.unload() };
    export_driver::unload_unused(&libraries);
    failed(status, String::new())
}

/// Calls `DriverEntry`.
fn enter(service: &str, object: *mut DRIVER_OBJECT) -> NTSTATUS {
    // SAFETY: just made.
    let Some(entry) = (unsafe { (*object).DriverInit }) else {
        return STATUS_NOT_FOUND;
    };
    let mut path = leak(&format!(r"{SERVICES}\{service}"));
    // SAFETY: the driver's own entry point, with its object and its registry path.
    let status = unsafe { entry(object, &raw mut path) };
    let level = irql::current();
    if level != PASSIVE_LEVEL {
        // IRQL_UNEXPECTED_VALUE.
        bugcheck::bugcheck(0xc8, [u64::from(level) << 16, entry as usize as u64, 0, 0]);
    }
    log!(
        "driver",
        "DriverEntry of {service} returned {:#010x}",
        status
    );
    if nt_success(status) {
        // SAFETY: the object exists.
        unsafe { (*object).Flags |= DRVO_INITIALIZED };
        device::finish_initializing(object);
        reinitialize::run(object);
    }
    status
}
