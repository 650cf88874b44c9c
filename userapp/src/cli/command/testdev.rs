//! `eductl testdev`: the tests that QEMU's pci-testdev offers.

use clap::Args;
use eductl::{Error, testdev::test_name};
use eduwdm_abi::testdev::{RunOutput, TEST_COUNT};
use serde_json::{Value, json};

use crate::cli::{context::Context, number::number32};

/// Runs the tests of a pci-testdev device: writes that the device counts.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl testdev --bar 0 --test 2 --writes 1000")]
pub struct Arguments {
    /// Where: 0 for memory, 1 for I/O ports; both if nothing is said.
    #[arg(long, value_parser = number32)]
    bar: Option<u32>,
    /// Which test: 0 no eventfd, 1 wildcard eventfd, 2 datamatch eventfd; all if nothing is said.
    #[arg(long, value_parser = number32)]
    test: Option<u32>,
    /// How many writes.
    #[arg(long, default_value = "100", value_parser = number32)]
    writes: u32,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let testdev = context.testdev()?;
        let info = testdev.info()?;
        let bars = self.bar.map_or_else(|| vec![0, 1], |bar| vec![bar]);
        let tests = self
            .test
            .map_or_else(|| (0..TEST_COUNT).collect(), |test| vec![test]);
        let mut runs = Vec::new();
        let progress = context.progress((bars.len() * tests.len()) as u64, "testdev");
        for bar in &bars {
            for test in &tests {
                let run = testdev.run(*bar, *test, self.writes)?.wait()?;
                runs.push((*bar, *test, run));
                progress.inc(1);
            }
        }
        progress.finish_and_clear();
        let json = json!({
            "memory_length": info.memory_length,
            "port_length": info.port_length,
            "membar_length": info.membar_length,
            "runs": runs.iter().map(json).collect::<Vec<_>>(),
        });
        context.print(&json, |out| {
            let membar = info.membar_length;
            writeln!(
                out,
                "memory {} bytes, ports {} bytes, second memory {membar} bytes",
                info.memory_length, info.port_length
            )?;
            for (bar, test, run) in &runs {
                writeln!(
                    out,
                    "BAR{bar} test {test} {:20} {} writes of {} bytes at {:#x}, {} counted{}",
                    test_name(run),
                    run.writes,
                    run.width,
                    run.offset,
                    run.counted,
                    why(run),
                )?;
            }
            Ok(())
        })
    }
}

/// Why nothing was counted where nothing is wrong: with an eventfd, QEMU takes a write as an event,
/// and it does not get to the device, which counts what it gets.
fn why(run: &RunOutput) -> &'static str {
    let name = test_name(run);
    if run.counted == 0 && name.ends_with("-eventfd") && !name.ends_with("no-eventfd") {
        " (each was an event of QEMU's, which the device does not see)"
    } else {
        ""
    }
}

fn json((bar, test, run): &(u32, u32, RunOutput)) -> Value {
    json!({
        "bar": bar,
        "test": test,
        "name": test_name(run),
        "writes": run.writes,
        "counted": run.counted,
        "offset": run.offset,
        "width": run.width,
        "data": run.data,
    })
}
