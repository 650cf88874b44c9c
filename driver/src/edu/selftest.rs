//! The DMA self-test: a pattern goes from the driver's own pages to the device and back into
//! others, and is compared.

use eduwdm_abi::{
    Header,
    edu::{DmaSelfTestInput, DmaSelfTestOutput},
};
use eduwdm_logic::transfer::{DeviceRange, Direction, pattern};
use wdm::{
    Result, Status,
    irp::{Irp, Pending},
    time::Instant,
};
use zerocopy::{FromBytes, IntoBytes};

use super::dma::Dma;

/// A self-test that is running.
pub struct SelfTest {
    seed: u64,
    range: DeviceRange,
    started: Instant,
    second_half: bool,
}

impl SelfTest {
    /// Prepares the pages: the pattern in those that are written to the device, and something
    /// else everywhere in those that are read, so that a transfer that did not happen shows.
    pub fn begin(irp: &Irp<Pending>, range: DeviceRange, dma: &Dma) -> Self {
        // Validated when the request came; the I/O manager's copy has not changed since.
        let seed =
            DmaSelfTestInput::read_from_prefix(irp.input()).map_or(0, |(input, _)| input.seed);
        let write = dma.write_pages();
        let read = dma.read_pages();
        for index in 0..range.length() {
            let byte = pattern(seed, index);
            write.write(index as usize, byte);
            read.write(index as usize, !byte);
        }
        Self {
            seed,
            range,
            started: Instant::now(),
            second_half: false,
        }
    }

    /// The way back, unless that was it.
    pub fn second_half(&mut self) -> Option<(Direction, DeviceRange)> {
        if core::mem::replace(&mut self.second_half, true) {
            return None;
        }
        Some((Direction::FromDevice, self.range))
    }

    /// Compares, and writes the answer.
    ///
    /// # Errors
    ///
    /// That of writing the answer.
    pub fn finish(&self, irp: &mut Irp<Pending>, dma: &Dma) -> Result<()> {
        let read = dma.read_pages();
        let mut mismatches = 0;
        for index in 0..self.range.length() {
            let byte = read.read(index as usize).ok_or(Status::INTERNAL_ERROR)?;
            mismatches += u32::from(byte != pattern(self.seed, index));
        }
        let output = DmaSelfTestOutput {
            header: Header::of::<DmaSelfTestOutput>(),
            compared: self.range.length(),
            mismatches,
            elapsed_100ns: self.started.elapsed_100ns(),
        };
        irp.write_output(output.as_bytes())
    }
}
