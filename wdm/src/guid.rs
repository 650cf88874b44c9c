//! GUIDs.
//!
//! # Example
//!
//! ```
//! use wdm::guid::Guid;
//!
//! /// GUID_DEVINTERFACE_COMPORT
//! const COM_PORT: Guid = Guid::new(
//!     0x86e0_d1e0,
//!     0x8089,
//!     0x11d0,
//!     [0x9c, 0xe4, 0x08, 0x00, 0x3e, 0x30, 0x1f, 0x73],
//! );
//! ```

use wdk_sys::GUID;

/// A GUID.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Guid(GUID);

impl Guid {
    /// From its four parts, as they are written.
    #[must_use]
    pub const fn new(data1: u32, data2: u16, data3: u16, data4: [u8; 8]) -> Self {
        Self(GUID {
            Data1: data1,
            Data2: data2,
            Data3: data3,
            Data4: data4,
        })
    }

    /// From that of the bindings.
    #[must_use]
    pub const fn from_raw(raw: GUID) -> Self {
        Self(raw)
    }

    /// For a kernel routine that takes it.
    #[must_use]
    pub const fn as_ptr(&self) -> *const GUID {
        &raw const self.0
    }
}
