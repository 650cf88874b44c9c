//! An open `edu` device: its requests with their own types.

use std::time::Duration;

use eduwdm_abi::{
    Header, Ioctl,
    edu::{
        DmaSelfTestInput, DmaSelfTestOutput, FactorialInput, FactorialOutput, Identity, Liveness,
        LockedTransfer, LockedTransferOutput, RaiseEvent, WAIT_INFINITE, WaitEventInput,
        WaitEventOutput,
    },
    statistics::{Processor, Statistics},
    topology::Topology,
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    device::{OpenDevice, Pending, success},
    error::Error,
    io::Request,
    overlapped::Overlapped,
};

/// The counters of a device, per queue and per processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The fixed part.
    pub fixed: Statistics,
    /// One for each processor, in the order of their indices.
    pub processors: Vec<Processor>,
}

/// An open `edu` device. Clones share the handle.
#[derive(Clone, Debug)]
pub struct Edu(OpenDevice);

impl Edu {
    /// Takes an open device to be an `edu` device; if it is not, its requests are refused.
    #[must_use]
    pub const fn new(device: OpenDevice) -> Self {
        Self(device)
    }

    /// The handle.
    #[must_use]
    pub const fn device(&self) -> &OpenDevice {
        &self.0
    }

    /// Which device, driver and interrupt this is.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn identify(&self) -> Result<Identity, Error> {
        self.0.request(Ioctl::Identify, &[])?.wait()
    }

    /// Writes a value to the inversion register and gives what came back.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn liveness(&self, value: u32) -> Result<u32, Error> {
        let input = Liveness {
            header: Header::of::<Liveness>(),
            value,
            inverse: 0,
        };
        let answer: Liveness = self.0.request(Ioctl::Liveness, input.as_bytes())?.wait()?;
        Ok(answer.inverse)
    }

    /// Sends a request for a factorial.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn factorial(&self, n: u32) -> Result<Pending<FactorialOutput>, Error> {
        let input = FactorialInput {
            header: Header::of::<FactorialInput>(),
            n,
            reserved: 0,
        };
        self.0.request(Ioctl::Factorial, input.as_bytes())
    }

    /// Makes the device raise interrupt bits.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn raise(&self, bits: u32) -> Result<(), Error> {
        let input = RaiseEvent {
            header: Header::of::<RaiseEvent>(),
            bits,
            reserved: 0,
        };
        let done: [u8; 0] = self
            .0
            .request(Ioctl::RaiseEvent, input.as_bytes())?
            .wait()?;
        let [] = done;
        Ok(())
    }

    /// Sends a request that waits until the device raises one of the bits, in the driver for
    /// at most the given time.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn wait_event(
        &self,
        mask: u32,
        limit: Option<Duration>,
    ) -> Result<Pending<WaitEventOutput>, Error> {
        let timeout_ms = limit.map_or(WAIT_INFINITE, |limit| {
            // The longest that is not “for ever”.
            u32::try_from(limit.as_millis())
                .map_or(WAIT_INFINITE - 1, |ms| ms.min(WAIT_INFINITE - 1))
        });
        let input = WaitEventInput {
            header: Header::of::<WaitEventInput>(),
            mask,
            timeout_ms,
        };
        self.0.request(Ioctl::WaitEvent, input.as_bytes())
    }

    /// Sends a read of the device's buffer.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn read(&self, offset: u64, length: u32) -> Result<Overlapped, Error> {
        self.0.submit("read", Request::Read { offset, length })
    }

    /// Reads the device's buffer, as far as it goes.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::wait_within`], and [`Error::Refused`].
    pub fn read_wait(&self, offset: u64, length: u32) -> Result<Vec<u8>, Error> {
        let status = self.read(offset, length)?.wait_within(self.0.limit())?;
        Ok(success("read", status)?.output().to_vec())
    }

    /// Sends a write to the device's buffer.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn write(&self, offset: u64, data: Vec<u8>) -> Result<Overlapped, Error> {
        self.0.submit("write", Request::Write { offset, data })
    }

    /// Writes to the device's buffer, as far as it goes, and gives how many bytes that were.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::wait_within`], and [`Error::Refused`].
    pub fn write_wait(&self, offset: u64, data: Vec<u8>) -> Result<u64, Error> {
        let status = self.write(offset, data)?.wait_within(self.0.limit())?;
        Ok(success("write", status)?.information)
    }

    /// Sends a transfer between the device and a buffer that is described by its address.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn locked_transfer(
        &self,
        address: u64,
        length: u32,
        device_offset: u32,
        direction: u32,
    ) -> Result<Pending<LockedTransferOutput>, Error> {
        let input = LockedTransfer {
            header: Header::of::<LockedTransfer>(),
            address,
            length,
            device_offset,
            direction,
            reserved: 0,
        };
        self.0.request(Ioctl::LockedTransfer, input.as_bytes())
    }

    /// Has the driver move data through the device between buffers of its own.
    ///
    /// # Errors
    ///
    /// As [`Overlapped::submit`].
    pub fn self_test(
        &self,
        seed: u64,
        length: u32,
        device_offset: u32,
    ) -> Result<Pending<DmaSelfTestOutput>, Error> {
        let input = DmaSelfTestInput {
            header: Header::of::<DmaSelfTestInput>(),
            seed,
            length,
            device_offset,
        };
        self.0.request(Ioctl::DmaSelfTest, input.as_bytes())
    }

    /// The counters.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn statistics(&self) -> Result<Counters, Error> {
        let name = Ioctl::Statistics.name();
        let malformed = |what: String| Error::Malformed {
            operation: name.to_owned(),
            what,
        };
        // Room for a machine of a usual size; the answer says if it takes more.
        let mut room = 64;
        loop {
            let length = size_of::<Statistics>() + room * size_of::<Processor>();
            let overlapped = self.0.control(Ioctl::Statistics, &[], length)?;
            let status = overlapped.wait_within(self.0.limit())?;
            if !status.status.is_overflow() && !status.status.is_success() {
                success(name, status)?;
                return Err(malformed("a failure that is a success".to_owned()));
            }
            let (fixed, rest) = Statistics::read_from_prefix(status.output())
                .map_err(|_| malformed(format!("only {} bytes", status.output().len())))?;
            let count = fixed.processor_count as usize;
            if count > room {
                room = count;
                continue;
            }
            let (processors, rest) = <[Processor]>::ref_from_prefix_with_elems(rest, count)
                .map_err(|_| malformed(format!("no {count} processors in {} bytes", rest.len())))?;
            if !rest.is_empty() {
                return Err(malformed(format!("{} bytes too many", rest.len())));
            }
            let processors = processors.to_vec();
            return Ok(Counters { fixed, processors });
        }
    }

    /// Where the device, its interrupt and its memory are.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn topology(&self) -> Result<Topology, Error> {
        self.0.request(Ioctl::Topology, &[])?.wait()
    }

    /// Cancels all requests, waits for the device to be idle, starts afresh.
    ///
    /// # Errors
    ///
    /// As all that wait: [`Pending::wait`].
    pub fn reset(&self) -> Result<(), Error> {
        let done: [u8; 0] = self.0.request(Ioctl::Reset, &[])?.wait()?;
        let [] = done;
        Ok(())
    }
}

/// n! modulo 2^32, as the device computes it.
#[must_use]
pub fn factorial_mod_2_32(n: u32) -> u32 {
    // From 34! on, 2^32 divides it; the device multiplies all the same.
    (1..=n.min(34)).fold(1, u32::wrapping_mul)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factorials_wrap_as_32_bits_do() {
        assert_eq!(factorial_mod_2_32(0), 1);
        assert_eq!(factorial_mod_2_32(12), 479_001_600);
        assert_eq!(u64::from(factorial_mod_2_32(13)), 6_227_020_800 % (1 << 32));
        assert_eq!(
            u64::from(factorial_mod_2_32(20)),
            2_432_902_008_176_640_000 % (1 << 32)
        );
        assert_ne!(factorial_mod_2_32(33), 0);
        assert_eq!(factorial_mod_2_32(34), 0);
        assert_eq!(factorial_mod_2_32(u32::MAX), 0);
    }
}
