//! The interfaces of a class: from the configuration manager, or from the older setup routines
//! on a system whose configuration manager has no such list, as Wine's has none.

use std::mem::offset_of;

use windows::{
    Win32::{
        Devices::DeviceAndDriverInstallation::{
            CM_GET_DEVICE_INTERFACE_LIST_PRESENT, CM_Get_Device_Interface_List_SizeW,
            CM_Get_Device_Interface_ListW, CM_MapCrToWin32Err, CONFIGRET, CR_BUFFER_SMALL,
            CR_CALL_NOT_IMPLEMENTED, CR_FAILURE, CR_SUCCESS, DIGCF_DEVICEINTERFACE, DIGCF_PRESENT,
            HDEVINFO, SP_DEVICE_INTERFACE_DATA, SP_DEVICE_INTERFACE_DETAIL_DATA_W,
            SetupDiDestroyDeviceInfoList, SetupDiEnumDeviceInterfaces, SetupDiGetClassDevsW,
            SetupDiGetDeviceInterfaceDetailW,
        },
        Foundation::{ERROR_GEN_FAILURE, ERROR_INSUFFICIENT_BUFFER, ERROR_NO_MORE_ITEMS},
    },
    core::{GUID, PCWSTR},
};

use super::{refused, status};
use crate::{error::Error, status::Status};

const OPERATION: &str = "listing the device interfaces";

/// The paths of a class's enabled interfaces.
pub fn list(class: &GUID) -> Result<Vec<String>, Error> {
    match configuration_manager(class) {
        Ok(paths) => Ok(paths),
        Err(CR_CALL_NOT_IMPLEMENTED | CR_FAILURE) => DeviceInformation::open(class)?.paths(class),
        Err(result) => {
            // SAFETY: it looks up a number in a table.
            let code = unsafe { CM_MapCrToWin32Err(result, ERROR_GEN_FAILURE.0) };
            Err(Error::Refused {
                operation: OPERATION.to_owned(),
                status: Status::Win32(code),
            })
        }
    }
}

fn configuration_manager(class: &GUID) -> Result<Vec<String>, CONFIGRET> {
    // The list may grow between the two calls, so they are repeated until it fits.
    loop {
        let mut length = 0;
        // SAFETY: the pointers are to locals and the caller's class, which outlive the call.
        let result = unsafe {
            CM_Get_Device_Interface_List_SizeW(
                &raw mut length,
                class,
                PCWSTR::null(),
                CM_GET_DEVICE_INTERFACE_LIST_PRESENT,
            )
        };
        if result != CR_SUCCESS {
            return Err(result);
        }
        let mut buffer = vec![0_u16; length as usize];
        // SAFETY: as above; the buffer is as long as the call is told.
        let result = unsafe {
            CM_Get_Device_Interface_ListW(
                class,
                PCWSTR::null(),
                &mut buffer,
                CM_GET_DEVICE_INTERFACE_LIST_PRESENT,
            )
        };
        if result == CR_BUFFER_SMALL {
            continue;
        }
        if result != CR_SUCCESS {
            return Err(result);
        }
        return Ok(buffer
            .split(|unit| *unit == 0)
            .filter(|path| !path.is_empty())
            .map(String::from_utf16_lossy)
            .collect());
    }
}

/// A set of devices. Dropping it destroys it.
struct DeviceInformation(HDEVINFO);

impl DeviceInformation {
    fn open(class: &GUID) -> Result<Self, Error> {
        // SAFETY: the class outlives the call.
        let set = unsafe {
            SetupDiGetClassDevsW(
                Some(class),
                PCWSTR::null(),
                None,
                DIGCF_PRESENT | DIGCF_DEVICEINTERFACE,
            )
        };
        set.map(Self).map_err(|error| refused(OPERATION, &error))
    }

    fn paths(&self, class: &GUID) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        loop {
            let mut interface = SP_DEVICE_INTERFACE_DATA {
                cbSize: size(size_of::<SP_DEVICE_INTERFACE_DATA>()),
                ..SP_DEVICE_INTERFACE_DATA::default()
            };
            let index = size(paths.len());
            // SAFETY: the set is open, and the pointers outlive the call.
            let found = unsafe {
                SetupDiEnumDeviceInterfaces(self.0, None, class, index, &raw mut interface)
            };
            match found {
                Ok(()) => paths.push(self.path(&interface)?),
                Err(error) if status(&error) == Status::Win32(ERROR_NO_MORE_ITEMS.0) => {
                    return Ok(paths);
                }
                Err(error) => return Err(refused(OPERATION, &error)),
            }
        }
    }

    fn path(&self, interface: &SP_DEVICE_INTERFACE_DATA) -> Result<String, Error> {
        let mut length = 0;
        // SAFETY: the set is open; without a buffer only the length is written.
        let sized = unsafe {
            SetupDiGetDeviceInterfaceDetailW(
                self.0,
                interface,
                None,
                0,
                Some(&raw mut length),
                None,
            )
        };
        if let Err(error) = sized
            && status(&error) != Status::Win32(ERROR_INSUFFICIENT_BUFFER.0)
        {
            return Err(refused(OPERATION, &error));
        }
        // Of words, so that the structure at its beginning is aligned.
        let words = (length as usize).div_ceil(size_of::<u32>());
        let mut buffer = vec![0_u32; words.max(2)];
        buffer[0] = size(size_of::<SP_DEVICE_INTERFACE_DETAIL_DATA_W>());
        // SAFETY: the set is open; the buffer is as long as the call is told, and begins with
        // the size of the structure's fixed part.
        let filled = unsafe {
            SetupDiGetDeviceInterfaceDetailW(
                self.0,
                interface,
                Some(buffer.as_mut_ptr().cast()),
                length,
                None,
                None,
            )
        };
        filled.map_err(|error| refused(OPERATION, &error))?;
        let start = offset_of!(SP_DEVICE_INTERFACE_DETAIL_DATA_W, DevicePath);
        let bytes: Vec<u8> = buffer.iter().flat_map(|word| word.to_le_bytes()).collect();
        let units: Vec<u16> = bytes[start..]
            .chunks_exact(2)
            .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        Ok(String::from_utf16_lossy(&units))
    }
}

impl Drop for DeviceInformation {
    fn drop(&mut self) {
        // SAFETY: the set is open, and this is the last use.
        let destroyed = unsafe { SetupDiDestroyDeviceInfoList(self.0) };
        // One that cannot be destroyed is freed with the process.
        drop(destroyed);
    }
}

/// A size or index as the routines take it; none here comes near the limit.
fn size(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
