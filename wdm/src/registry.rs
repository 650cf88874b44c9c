//! The driver's parameters in the registry.
//!
//! Source: nf-wdm-zwopenkey, nf-wdm-zwqueryvaluekey; "Registry Trees and Keys for Devices and
//! Drivers".
//!
//! # Example
//!
//! ```
//! use wdm::{Result, irql::Passive, registry::Key, unicode::UnicodeString};
//!
//! /// `HKR,Parameters,Depth`, as the INF file writes it. The path is DriverEntry's.
//! fn depth(path: UnicodeString<'_>, irql: &Passive) -> Result<u32> {
//!     let service = Key::open(path, irql)?;
//!     let parameters = service.open_subkey(UnicodeString::new(wdm::utf16!("Parameters")), irql)?;
//!     parameters.query_dword(UnicodeString::new(wdm::utf16!("Depth")), irql)
//! }
//! ```

use wdk_sys::{
    _KEY_VALUE_INFORMATION_CLASS::KeyValuePartialInformation,
    HANDLE, KEY_READ, KEY_VALUE_PARTIAL_INFORMATION, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE,
    OBJECT_ATTRIBUTES, REG_DWORD,
    ntddk::{ZwClose, ZwOpenKey, ZwQueryValueKey},
};

use crate::{
    Result, Status,
    irql::{self, Limit, Passive},
    unicode::UnicodeString,
};

/// An open key. It is closed at PASSIVE_LEVEL ([`Self::close`], or dropped). Dropped above, it stops
/// the system.
pub struct Key(HANDLE);

impl Key {
    /// Opens a key to read it, by its full path.
    ///
    /// # Errors
    ///
    /// Those of `ZwOpenKey`.
    pub fn open(path: UnicodeString<'_>, _irql: &Passive) -> Result<Self> {
        Self::open_below(core::ptr::null_mut(), path)
    }

    /// Opens a key below this one to read it.
    ///
    /// # Errors
    ///
    /// Those of `ZwOpenKey`: `STATUS_OBJECT_NAME_NOT_FOUND` if there is none.
    pub fn open_subkey(&self, name: UnicodeString<'_>, _irql: &Passive) -> Result<Self> {
        Self::open_below(self.0, name)
    }

    /// The handle, for a kernel routine that takes it.
    #[must_use]
    pub const fn as_raw(&self) -> HANDLE {
        self.0
    }

    /// Closes it.
    pub fn close(self, _irql: &mut Passive) {}

    fn open_below(root: HANDLE, name: UnicodeString<'_>) -> Result<Self> {
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: crate::constants::OBJECT_ATTRIBUTES_SIZE,
            RootDirectory: root,
            ObjectName: name.as_ptr(),
            Attributes: OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE,
            ..Default::default()
        };
        let mut handle = core::ptr::null_mut();
        // SAFETY: at PASSIVE_LEVEL, as the callers' tokens prove; all of it is valid meanwhile.
        let status = unsafe { ZwOpenKey(&raw mut handle, KEY_READ, &raw mut attributes) };
        Status::check(status)?;
        Ok(Self(handle))
    }

    /// Reads a REG_DWORD.
    ///
    /// # Errors
    ///
    /// Those of `ZwQueryValueKey`; `STATUS_INVALID_PARAMETER` if it is of another type.
    pub fn query_dword(&self, name: UnicodeString<'_>, _irql: &Passive) -> Result<u32> {
        /// The structure with room for a REG_DWORD, from `Data` on.
        #[repr(C)]
        #[derive(Default)]
        struct Value {
            title_index: u32,
            kind: u32,
            data_length: u32,
            data: u32,
        }
        const _: () = {
            use core::mem::offset_of;
            assert!(
                offset_of!(Value, data) == offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data)
                    && offset_of!(Value, kind) == offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Type)
            );
        };
        const BYTES: u32 = 16;
        const _: () = assert!(BYTES as usize == size_of::<Value>());
        let mut value = Value::default();
        let mut length = 0;
        // SAFETY: at PASSIVE_LEVEL; the buffer has the length that is said.
        let status = unsafe {
            ZwQueryValueKey(
                self.0,
                name.as_ptr(),
                KeyValuePartialInformation,
                (&raw mut value).cast(),
                BYTES,
                &raw mut length,
            )
        };
        Status::check(status)?;
        if value.kind == REG_DWORD && value.data_length == 4 {
            Ok(value.data)
        } else {
            Err(Status::INVALID_PARAMETER)
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.0);
        // SAFETY: opened by this type, closed once; at PASSIVE_LEVEL, as checked.
        let _ = unsafe { ZwClose(self.0) };
    }
}
