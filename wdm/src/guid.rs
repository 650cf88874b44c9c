//! GUIDs.

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
