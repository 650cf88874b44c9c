//! Properties of the unified device property model.

use crate::guid::GUID;

/// What names a property (DEVPROPKEY).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DEVPROPKEY {
    /// The category.
    pub fmtid: GUID,
    /// The property within it, from 2 on.
    pub pid: u32,
}

/// Names no property, but says that there is none.
pub const DEVPROP_TYPE_EMPTY: u32 = 0x00;
/// A property without data.
pub const DEVPROP_TYPE_NULL: u32 = 0x01;
/// 16 bits.
pub const DEVPROP_TYPE_UINT16: u32 = 0x05;
/// 32 bits.
pub const DEVPROP_TYPE_UINT32: u32 = 0x07;
/// 128 bits.
pub const DEVPROP_TYPE_GUID: u32 = 0x0d;
/// A byte: all bits or none.
pub const DEVPROP_TYPE_BOOLEAN: u32 = 0x11;
/// UTF-16, ended by a NUL.
pub const DEVPROP_TYPE_STRING: u32 = 0x12;
/// Modifier: as many of a type with a fixed length as there are.
pub const DEVPROP_TYPEMOD_ARRAY: u32 = 0x1000;
/// Modifier: strings, each ended by a NUL, and another NUL.
pub const DEVPROP_TYPEMOD_LIST: u32 = 0x2000;
/// Bytes.
pub const DEVPROP_TYPE_BINARY: u32 = 0x1003;
/// Strings.
pub const DEVPROP_TYPE_STRING_LIST: u32 = 0x2012;
