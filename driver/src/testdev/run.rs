//! One test of the device, from its selection to its count.

use eduwdm_abi::{
    Header,
    testdev::{RunInput, RunOutput},
};
use wdm::{Result, Status};

use super::{Bars, registers::Bar};

impl Bars {
    /// Runs what a validated request asks for.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_HARDWARE_ERROR` if the device asks for writes outside of its BAR, or not of
    /// one byte: it is not what it is taken for.
    pub fn run(&mut self, input: &RunInput) -> Result<RunOutput> {
        let output = if input.bar == 0 {
            run(&mut self.memory, input)
        } else {
            run(&mut self.ports, input)
        };
        output.ok_or(Status::DEVICE_HARDWARE_ERROR)
    }
}

fn run(bar: &mut impl Bar, input: &RunInput) -> Option<RunOutput> {
    bar.select(u8::try_from(input.test).ok()?)?;
    let test = bar.test()?;
    let offset = u16::try_from(test.offset).ok()?;
    if test.width != 1 {
        return None;
    }
    for _ in 0..input.writes {
        bar.write(offset, test.data)?;
    }
    Some(RunOutput {
        header: Header::of::<RunOutput>(),
        writes: input.writes,
        counted: bar.count()?,
        offset: test.offset,
        width: test.width,
        data: test.data,
        reserved: 0,
        name: bar.name()?,
    })
}
