//! Device interfaces: how clients find a device.
//!
//! The rule of the kernel this stands for: AddDevice registers the interface, a successful start
//! enables it, a removal disables it. ("Registering a Device Interface Class".)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result, device::PhysicalDevice, guid::Guid, interface::DeviceInterface, irql::Passive,
//! };
//!
//! /// Lets clients find the device.
//! fn show(
//!     physical: PhysicalDevice<'_>,
//!     class: &Guid,
//!     irql: &mut Passive,
//! ) -> Result<DeviceInterface> {
//!     let interface = DeviceInterface::register(physical, class, irql)?;
//!     interface.set_enabled(true, irql)?;
//!     Ok(interface)
//! }
//! ```

use wdk_sys::{
    UNICODE_STRING,
    ntddk::{IoRegisterDeviceInterface, IoSetDeviceInterfaceState, RtlFreeUnicodeString},
};

use crate::{
    Result, Status,
    device::PhysicalDevice,
    guid::Guid,
    irql::{self, AtOrBelowApc, Limit, Passive},
};

/// A registered instance of a device interface class. Its name is freed at IRQL <= APC_LEVEL
/// ([`Self::close`], or dropped). Dropped above, it stops the system.
pub struct DeviceInterface {
    symbolic_link: UNICODE_STRING,
}

// SAFETY: it owns its string, and the kernel's routines synchronise themselves.
unsafe impl Send for DeviceInterface {}
// SAFETY: likewise.
unsafe impl Sync for DeviceInterface {}

impl DeviceInterface {
    /// Registers the device as an instance of the class.
    ///
    /// Source: nf-wdm-ioregisterdeviceinterface.
    ///
    /// # Errors
    ///
    /// Those of `IoRegisterDeviceInterface`.
    pub fn register(
        physical: PhysicalDevice<'_>,
        class: &Guid,
        _irql: &mut Passive,
    ) -> Result<Self> {
        let mut symbolic_link = UNICODE_STRING::default();
        // SAFETY: a PDO that the PnP manager has named, at PASSIVE_LEVEL.
        let status = unsafe {
            IoRegisterDeviceInterface(
                physical.as_ptr(),
                class.as_ptr(),
                core::ptr::null_mut(),
                &raw mut symbolic_link,
            )
        };
        Status::check(status)?;
        Ok(Self { symbolic_link })
    }

    /// Frees its name.
    pub fn close<I: AtOrBelowApc>(self, _irql: &mut I) {}

    /// Lets clients find the device, or no longer. Open handles are not touched.
    ///
    /// Source: nf-wdm-iosetdeviceinterfacestate.
    ///
    /// # Errors
    ///
    /// Those of `IoSetDeviceInterfaceState`: to disable what is not enabled is one.
    pub fn set_enabled(&self, enabled: bool, _irql: &mut Passive) -> Result<()> {
        let mut symbolic_link = self.symbolic_link;
        // SAFETY: from `IoRegisterDeviceInterface`, at PASSIVE_LEVEL.
        let status =
            unsafe { IoSetDeviceInterfaceState(&raw mut symbolic_link, u8::from(enabled)) };
        Status::check(status)
    }
}

impl Drop for DeviceInterface {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Apc, self.symbolic_link.Buffer);
        // SAFETY: allocated by `IoRegisterDeviceInterface`; at IRQL <= APC_LEVEL, as checked.
        unsafe { RtlFreeUnicodeString(&raw mut self.symbolic_link) };
    }
}
