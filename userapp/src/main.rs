//! eductl: explores, exercises and watches the driver's devices. See `eductl --help`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
