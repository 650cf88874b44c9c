//! The device-control codes, built as `CTL_CODE` builds them.
//!
//! Source: "Defining I/O Control Codes" in the driver documentation. Function codes from 0x800
//! and device types from 0x8000 are the range left to vendors.

/// The vendor-defined device type of both devices.
pub const FILE_DEVICE_EDUWDM: u32 = 0x8ed0;

/// How the I/O manager passes the buffers of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `METHOD_BUFFERED`: one system buffer, copied in and out.
    Buffered = 0,
    /// `METHOD_OUT_DIRECT`: input in a system buffer, output described by a locked MDL.
    OutDirect = 2,
}

/// What the handle must have been opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `FILE_ANY_ACCESS`.
    Any = 0,
    /// `FILE_READ_DATA`: the request reads the device's state.
    Read = 1,
    /// `FILE_WRITE_DATA`: the request changes the device's state.
    Write = 2,
    /// `FILE_READ_DATA | FILE_WRITE_DATA`.
    ReadWrite = 3,
}

const fn ctl_code(function: u32, method: Method, access: Access) -> u32 {
    (FILE_DEVICE_EDUWDM << 16) | ((access as u32) << 14) | (function << 2) | method as u32
}

macro_rules! ioctls {
    ($($(#[$doc:meta])* $name:ident = $function:literal, $method:ident, $access:ident;)*) => {
        /// Every device-control request that the driver knows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Ioctl {
            $($(#[$doc])* $name = ctl_code($function, Method::$method, Access::$access),)*
        }

        impl Ioctl {
            /// All of them, in the order of their function codes.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The request with this code, if the driver knows one.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                $(if code == Self::$name as u32 { return Some(Self::$name); })*
                None
            }

            /// The name, as written in this enumeration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

ioctls! {
    /// Which device, driver and interrupt this is: no input, [`crate::edu::Identity`] out.
    Identify = 0x800, Buffered, Read;
    /// The device's inversion register: [`crate::edu::Liveness`] in and out.
    Liveness = 0x801, Buffered, Read;
    /// Computes a factorial: [`crate::edu::FactorialInput`] in,
    /// [`crate::edu::FactorialOutput`] out. Asynchronous and cancelable.
    Factorial = 0x802, Buffered, Read;
    /// Makes the device raise interrupt bits: [`crate::edu::RaiseEvent`] in, nothing out.
    RaiseEvent = 0x803, Buffered, Write;
    /// Waits until the device raises one of the bits of a mask: [`crate::edu::WaitEventInput`]
    /// in, [`crate::edu::WaitEventOutput`] out. Asynchronous and cancelable.
    WaitEvent = 0x804, Buffered, Read;
    /// A transfer between the device's buffer and a user buffer that the input describes by
    /// its address: [`crate::edu::LockedTransfer`] in, [`crate::edu::LockedTransferOutput`] out.
    /// Asynchronous and cancelable.
    LockedTransfer = 0x805, Buffered, ReadWrite;
    /// Moves data between the driver's own DMA buffers through the device and compares:
    /// [`crate::edu::DmaSelfTestInput`] in, [`crate::edu::DmaSelfTestOutput`] out.
    DmaSelfTest = 0x806, Buffered, ReadWrite;
    /// Counters per queue and per processor: no input, [`crate::statistics::Statistics`] and
    /// then one [`crate::statistics::Processor`] for each processor out.
    Statistics = 0x807, OutDirect, Read;
    /// Where the device and its memory are: no input, [`crate::topology::Topology`] out.
    Topology = 0x808, Buffered, Read;
    /// Cancels all requests, waits for the device to be idle, starts afresh. No buffers.
    Reset = 0x809, Buffered, ReadWrite;
    /// What the test device offers: no input, [`crate::testdev::Info`] out.
    TestdevInfo = 0x820, Buffered, Read;
    /// Runs one of its tests: [`crate::testdev::RunInput`] in,
    /// [`crate::testdev::RunOutput`] out.
    TestdevRun = 0x821, Buffered, ReadWrite;
}

impl Ioctl {
    /// The code as `DeviceIoControl` takes it.
    #[must_use]
    pub const fn code(self) -> u32 {
        self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_the_fields_of_ctl_code() {
        // DeviceType 31..16, Access 15..14, Function 13..2, Method 1..0.
        assert_eq!(
            Ioctl::Factorial.code(),
            0x8ed0_0000 | (1 << 14) | (0x802 << 2)
        );
        assert_eq!(Ioctl::Statistics.code() & 3, Method::OutDirect as u32);
    }

    #[test]
    fn every_code_is_found_again_and_no_other_is() {
        for &ioctl in Ioctl::ALL {
            assert_eq!(Ioctl::from_code(ioctl.code()), Some(ioctl));
            assert_eq!(
                Ioctl::from_code(ioctl.code() ^ (1 << 13)),
                None,
                "{}",
                ioctl.name()
            );
        }
        assert_eq!(Ioctl::from_code(0), None);
        assert_eq!(Ioctl::from_code(u32::MAX), None);
    }
}
