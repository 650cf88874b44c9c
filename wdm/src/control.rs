//! Control codes of IRP_MJ_DEVICE_CONTROL.
//!
//! The rule of the kernel this stands for: a code says by itself how the I/O manager passes its
//! buffers and which access to the handle it takes; a driver's own functions begin at 0x800, its own
//! device types at 0x8000. ("Defining I/O Control Codes", CTL_CODE.)
//!
//! # Example
//!
//! ```
//! use wdm::control::Method;
//!
//! /// A code of the driver's own, of a device type of its own.
//! const WAIT: u32 = wdm::ctl_code!(0x8000, 0x800, Buffered, Any);
//!
//! assert!(matches!(Method::of(WAIT), Method::Buffered));
//! ```

/// How the I/O manager passes the buffers of a control code: its lowest two bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Method {
    /// `METHOD_BUFFERED`: one system buffer for input and output; see [`Irp::input`] and
    /// [`Irp::write_output`].
    ///
    /// [`Irp::input`]: crate::irp::Irp::input
    /// [`Irp::write_output`]: crate::irp::Irp::write_output
    Buffered = 0,
    /// `METHOD_IN_DIRECT`: the second buffer is the client's memory, locked to be read; see
    /// [`Irp::direct_input`](crate::irp::Irp::direct_input).
    InDirect = 1,
    /// `METHOD_OUT_DIRECT`: the second buffer is the client's memory, locked to be written; see
    /// [`Irp::direct_output`](crate::irp::Irp::direct_output).
    OutDirect = 2,
    /// `METHOD_NEITHER`: two addresses of the client, of which nothing is checked.
    Neither = 3,
}

impl Method {
    /// That of a code.
    #[must_use]
    pub const fn of(code: u32) -> Self {
        match code & 3 {
            0 => Self::Buffered,
            1 => Self::InDirect,
            2 => Self::OutDirect,
            _ => Self::Neither,
        }
    }
}

/// Which access a handle must have been opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Access {
    /// `FILE_ANY_ACCESS`.
    Any = 0,
    /// `FILE_READ_ACCESS`.
    Read = 1,
    /// `FILE_WRITE_ACCESS`.
    Write = 2,
    /// Both.
    ReadWrite = 3,
}

/// A control code, as `CTL_CODE` makes it of its parts.
///
/// # Panics
///
/// If a part does not fit: at compile time in a constant, and always in [`ctl_code!`](crate::ctl_code).
#[must_use]
pub const fn ctl_code(device_type: u32, function: u32, method: Method, access: Access) -> u32 {
    assert!(device_type <= 0xffff, "a device type has 16 bits");
    assert!(function <= 0xfff, "a function has 12 bits");
    device_type << 16 | (access as u32) << 14 | function << 2 | method as u32
}

/// A control code, of device type, function, [`Method`](crate::control::Method) and
/// [`Access`](crate::control::Access). A part that does not fit does not compile.
///
/// ```
/// const WAIT: u32 = wdm::ctl_code!(0x22, 0x800, Buffered, Any);
/// ```
#[macro_export]
macro_rules! ctl_code {
    ($device_type:expr, $function:expr, $method:ident, $access:ident) => {
        const {
            $crate::control::ctl_code(
                $device_type,
                $function,
                $crate::control::Method::$method,
                $crate::control::Access::$access,
            )
        }
    };
}

const _: () = {
    // IOCTL_DISK_VERIFY, IOCTL_KS_PROPERTY, IOCTL_DISK_GET_PARTITION_INFO and
    // IOCTL_DISK_SET_PARTITION_INFO: each part as the headers have it, and the code as Windows does.
    assert!(ctl_code(0x07, 0x0005, Method::Buffered, Access::Any) == 0x0007_0014);
    assert!(ctl_code(0x2f, 0x0000, Method::Neither, Access::Any) == 0x002f_0003);
    assert!(ctl_code(0x07, 0x0001, Method::Buffered, Access::Read) == 0x0007_4004);
    assert!(ctl_code(0x07, 0x0002, Method::Buffered, Access::ReadWrite) == 0x0007_c008);
};
