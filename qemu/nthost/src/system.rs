//! The system thread: loads the drivers, then serves the host.

use crate::{boot::start_info::BootInfo, hal::exit, ke};

/// What the system does once the kernel runs.
pub fn main(info: &BootInfo) {
    log!("system", "command line: {}", info.command_line.as_str());
    ke::clock::initialize();
    exit::exit(ke::bugcheck::exit_code::SUCCESS);
}
