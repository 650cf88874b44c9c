//! An open `pci-testdev` device: its requests with their own types.

use eduwdm_abi::{
    Header, Ioctl,
    testdev::{Info, RunInput, RunOutput},
};
use zerocopy::IntoBytes;

use crate::{
    device::{OpenDevice, Pending},
    error::Error,
};

/// An open `pci-testdev` device. Clones share the handle.
#[derive(Clone, Debug)]
pub struct Testdev(OpenDevice);

impl Testdev {
    /// Takes an open device to be a `pci-testdev` device; if it is not, its requests are
    /// refused.
    #[must_use]
    pub const fn new(device: OpenDevice) -> Self {
        Self(device)
    }

    /// The handle.
    #[must_use]
    pub const fn device(&self) -> &OpenDevice {
        &self.0
    }

    /// What the device offers.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn info(&self) -> Result<Info, Error> {
        self.0.request(Ioctl::TestdevInfo, &[])?.wait()
    }

    /// Sends a request to run one of the device's tests.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`](crate::Overlapped::submit).
    pub fn run(&self, bar: u32, test: u32, writes: u32) -> Result<Pending<RunOutput>, Error> {
        let input = RunInput {
            header: Header::of::<RunInput>(),
            bar,
            test,
            writes,
            reserved: 0,
        };
        self.0.request(Ioctl::TestdevRun, input.as_bytes())
    }
}

/// The test's name, as far as it is text.
#[must_use]
pub fn test_name(output: &RunOutput) -> String {
    let length = output.name.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&output.name[..length.unwrap_or(output.name.len())]).into_owned()
}
