//! The I/O system of Windows: device interfaces, overlapped files, one completion port.

mod file;
mod interface;
mod memory;
mod operation;
mod port;

use std::sync::Arc;

use eduwdm_abi::InterfaceClass;
use windows::core::GUID;

use self::{file::Win32File, memory::VirtualMemory, port::CompletionPort};
use crate::{
    error::Error,
    io::{File, IoSystem, UserMemory},
    status::Status,
};

/// This Windows.
#[derive(Clone, Debug)]
pub struct Win32 {
    port: Arc<CompletionPort>,
}

impl Win32 {
    /// Makes the completion port.
    ///
    /// # Errors
    ///
    /// What Windows says.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            port: CompletionPort::start()?,
        })
    }
}

impl IoSystem for Win32 {
    fn interface_list(&self, class: &InterfaceClass) -> Result<Vec<String>, Error> {
        let class = GUID {
            data1: class.data1,
            data2: class.data2,
            data3: class.data3,
            data4: class.data4,
        };
        interface::list(&class)
    }

    fn create_file(&self, path: &str) -> Result<Arc<dyn File>, Error> {
        Ok(Win32File::open(&self.port, path)?)
    }

    fn allocate(&self, length: usize) -> Result<Box<dyn UserMemory>, Error> {
        Ok(Box::new(VirtualMemory::new(length)?))
    }
}

/// The Win32 error in what the `windows` crate makes of one.
fn status(error: &windows::core::Error) -> Status {
    /// `HRESULT_FROM_WIN32` puts the code under these bits.
    const FACILITY_WIN32: u32 = 0x8007_0000;
    let code = error.code().0.cast_unsigned();
    if code & 0xffff_0000 == FACILITY_WIN32 {
        Status::Win32(code & 0xffff)
    } else {
        Status::Win32(code)
    }
}

fn refused(operation: &str, error: &windows::core::Error) -> Error {
    Error::Refused {
        operation: operation.to_owned(),
        status: status(error),
    }
}
