//! The driver's devices: found by their interfaces, chosen by index or path, opened.

use std::{sync::Arc, time::Duration};

use eduwdm_abi::{EDU_INTERFACE, InterfaceClass, Ioctl, TESTDEV_INTERFACE};
use zerocopy::FromBytes;

use crate::{
    error::Error,
    interrupt::Interrupt,
    io::{File, IoStatus, IoSystem, Request},
    overlapped::Overlapped,
};

/// Which of the driver's two kinds a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// `edu`.
    Edu,
    /// `pci-testdev`.
    Testdev,
}

impl DeviceKind {
    /// Both, in the order in which devices are numbered.
    pub const ALL: [Self; 2] = [Self::Edu, Self::Testdev];

    /// A name to print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edu => "edu",
            Self::Testdev => "pci-testdev",
        }
    }

    /// The class that its interfaces are registered under.
    #[must_use]
    pub const fn interface_class(self) -> &'static InterfaceClass {
        match self {
            Self::Edu => &EDU_INTERFACE,
            Self::Testdev => &TESTDEV_INTERFACE,
        }
    }
}

/// A device that is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number among those present: all `edu` devices first.
    pub index: usize,
    /// Its kind.
    pub kind: DeviceKind,
    /// The path of its interface.
    pub path: String,
}

/// The devices that are present.
///
/// # Errors
///
/// What the system says.
pub fn list(system: &dyn IoSystem) -> Result<Vec<Device>, Error> {
    let mut devices = Vec::new();
    for kind in DeviceKind::ALL {
        for path in system.interface_list(kind.interface_class())? {
            devices.push(Device {
                index: devices.len(),
                kind,
                path,
            });
        }
    }
    Ok(devices)
}

/// The device that is meant: by index, by path or by a part of the path that only it has; the
/// first of its kind if nothing is said.
///
/// # Errors
///
/// [`Error::NoDevice`], [`Error::UnknownDevice`], [`Error::WrongKind`].
pub fn find(devices: &[Device], kind: DeviceKind, asked: Option<&str>) -> Result<Device, Error> {
    let Some(asked) = asked else {
        let mut of_kind = devices.iter().filter(|device| device.kind == kind);
        return of_kind.next().cloned().ok_or(Error::NoDevice);
    };
    if devices.is_empty() {
        return Err(Error::NoDevice);
    }
    let device = lookup(devices, asked).ok_or_else(|| Error::UnknownDevice {
        asked: asked.to_owned(),
        known: devices
            .iter()
            .map(|device| format!("{} {}", device.index, device.path))
            .collect(),
    })?;
    if device.kind != kind {
        return Err(Error::WrongKind {
            path: device.path.clone(),
            is: device.kind.name(),
            wanted: kind.name(),
        });
    }
    Ok(device.clone())
}

fn lookup<'a>(devices: &'a [Device], asked: &str) -> Option<&'a Device> {
    if let Ok(index) = asked.parse::<usize>() {
        return devices.get(index);
    }
    // Paths are names of the kernel's, in which case does not count.
    let asked = asked.to_ascii_lowercase();
    let is = |device: &&Device| device.path.to_ascii_lowercase() == asked;
    if let Some(device) = devices.iter().find(is) {
        return Some(device);
    }
    // Every path has this part.
    if asked.is_empty() {
        return None;
    }
    let mut having = devices
        .iter()
        .filter(|device| device.path.to_ascii_lowercase().contains(&asked));
    having.next().filter(|_| having.next().is_none())
}

/// An open device, of either kind.
#[derive(Clone)]
pub struct OpenDevice {
    file: Arc<dyn File>,
    interrupt: Interrupt,
    limit: Option<Duration>,
}

impl OpenDevice {
    /// Opens a device.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(system: &dyn IoSystem, path: &str, interrupt: &Interrupt) -> Result<Self, Error> {
        interrupt.check()?;
        let file = system.create_file(path)?;
        interrupt.watch(&file);
        Ok(Self {
            file,
            interrupt: interrupt.clone(),
            limit: None,
        })
    }

    /// Has its requests canceled that take longer.
    #[must_use]
    pub fn with_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }

    /// The time that a request may take.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// Sends a request; `operation` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn submit(&self, operation: &str, request: Request) -> Result<Overlapped, Error> {
        Overlapped::submit(&self.file, &self.interrupt, operation, request)
    }

    /// Sends a device-control request without looking at its answer's form.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn control(
        &self,
        ioctl: Ioctl,
        input: &[u8],
        output_length: usize,
    ) -> Result<Overlapped, Error> {
        self.submit(
            ioctl.name(),
            Request::DeviceControl {
                code: ioctl.code(),
                input: input.to_vec(),
                output_length: u32::try_from(output_length).unwrap_or(u32::MAX),
            },
        )
    }

    /// Sends a device-control request that is answered by a `T`.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn request<T: FromBytes>(&self, ioctl: Ioctl, input: &[u8]) -> Result<Pending<T>, Error> {
        Ok(Pending {
            overlapped: self.control(ioctl, input, size_of::<T>())?,
            operation: ioctl.name(),
            limit: self.limit,
            answer: std::marker::PhantomData,
        })
    }

    /// Asks for all requests of this handle to be canceled.
    pub fn cancel_all(&self) {
        self.file.cancel(None);
    }
}

impl std::fmt::Debug for OpenDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenDevice").finish_non_exhaustive()
    }
}

/// A request that is answered by a `T`.
#[derive(Debug)]
pub struct Pending<T> {
    overlapped: Overlapped,
    operation: &'static str,
    limit: Option<Duration>,
    answer: std::marker::PhantomData<fn() -> T>,
}

impl<T: FromBytes> Pending<T> {
    /// Asks for the request to be canceled.
    pub fn cancel(&self) {
        self.overlapped.cancel();
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.overlapped.is_complete()
    }

    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::wait_within`], [`Error::Refused`], [`Error::Malformed`].
    pub fn wait(self) -> Result<T, Error> {
        let operation = self.operation;
        let status = success(operation, self.overlapped.wait_within(self.limit)?)?;
        T::read_from_bytes(status.output()).map_err(|_| Error::Malformed {
            operation: operation.to_owned(),
            what: format!(
                "{} bytes where {} are due",
                status.output().len(),
                size_of::<T>()
            ),
        })
    }
}

/// An error for a request that was not done.
///
/// # Errors
///
/// [`Error::Refused`].
pub fn success(operation: &str, status: IoStatus) -> Result<IoStatus, Error> {
    if status.status.is_success() {
        Ok(status)
    } else {
        Err(Error::Refused {
            operation: operation.to_owned(),
            status: status.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices() -> Vec<Device> {
        let device = |index, kind, path: &str| Device {
            index,
            kind,
            path: path.to_owned(),
        };
        vec![
            device(0, DeviceKind::Edu, r"\\?\PCI#VEN_1234&DEV_11E8#3&1&10"),
            device(1, DeviceKind::Edu, r"\\?\PCI#VEN_1234&DEV_11E8#3&1&18"),
            device(2, DeviceKind::Testdev, r"\\?\PCI#VEN_1B36&DEV_0005#3&1&20"),
        ]
    }

    #[test]
    fn a_device_is_found_by_index_path_and_unique_part() {
        let devices = devices();
        let find = |asked| find(&devices, DeviceKind::Edu, asked).map(|device| device.index);
        assert_eq!(find(None).unwrap(), 0);
        assert_eq!(find(Some("1")).unwrap(), 1);
        assert_eq!(find(Some(r"\\?\pci#ven_1234&dev_11e8#3&1&18")).unwrap(), 1);
        assert_eq!(find(Some("&10")).unwrap(), 0);
        for unknown in ["3", "DEV_11E8", "nothing", "-1", ""] {
            let fault = find(Some(unknown)).unwrap_err();
            assert!(matches!(fault, Error::UnknownDevice { .. }), "{fault}");
            assert!(fault.to_string().contains("0 \\\\?\\PCI"), "{fault}");
        }
        assert!(lookup(&devices[..1], "").is_none());
        let fault = find(Some("2")).unwrap_err();
        assert!(matches!(fault, Error::WrongKind { .. }), "{fault}");
    }

    #[test]
    fn without_devices_none_is_found_whatever_is_asked() {
        for asked in [None, Some("0"), Some("x")] {
            let fault = find(&[], DeviceKind::Edu, asked).unwrap_err();
            assert!(matches!(fault, Error::NoDevice), "{fault}");
        }
    }
}
