//! A machine that does not answer: what each of its processors does, by QEMU's monitor, which needs
//! nothing of the machine.

use serde_json::json;

use crate::{
    coverage::Loaded,
    qmp::{Monitor, QmpError},
    serial::Frame,
    symbols::Symbols,
};

/// Where nthost is linked for.
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

/// What each processor does, a line each. `log` tells where drivers were loaded.
///
/// # Errors
///
/// That of the monitor.
pub fn processors(
    monitor: &mut Monitor,
    log: &[String],
    symbols: &Symbols,
) -> Result<Vec<String>, QmpError> {
    let command = json!({ "command-line": "info registers -a" });
    let said = monitor.execute("human-monitor-command", command)?;
    let loaded: Vec<_> = log.iter().filter_map(|line| Loaded::parse(line)).collect();
    let said = said.as_str().unwrap_or_default();
    let describe = |processor: Processor| {
        let Processor {
            number,
            address,
            is_halted,
        } = processor;
        let place = place(address, &loaded, symbols);
        let halted = if is_halted { ", halted" } else { "" };
        format!("processor {number}{halted}: {place}")
    };
    Ok(parse(said).into_iter().map(describe).collect())
}

/// Where a processor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Processor {
    number: u32,
    address: u64,
    is_halted: bool,
}

/// `CPU#0`, and behind it, among others, `RIP=… RFL=… […] CPL=0 … HLT=1`.
fn parse(registers: &str) -> Vec<Processor> {
    let mut processors = Vec::new();
    let mut number = None;
    for line in registers.lines() {
        if let Some(digits) = line.trim().strip_prefix("CPU#") {
            number = digits.parse().ok();
        }
        let Some(rest) = line.trim().strip_prefix("RIP=") else {
            continue;
        };
        let address = rest.split(' ').next().unwrap_or_default();
        if let (Some(number), Ok(address)) = (number, u64::from_str_radix(address, 16)) {
            processors.push(Processor {
                number,
                address,
                is_halted: rest.contains("HLT=1"),
            });
        }
    }
    processors
}

/// An address with its function and line, as far as they are known.
fn place(address: u64, loaded: &[Loaded], symbols: &Symbols) -> String {
    let module = loaded
        .iter()
        .find(|module| (module.base..module.base + module.length).contains(&address));
    let frame = match module {
        Some(module) => Frame {
            module: module.name.clone(),
            offset: address - module.base,
        },
        None if address >= KERNEL_BASE => Frame {
            module: "nthost".to_owned(),
            offset: address,
        },
        None => return format!("{address:#x}"),
    };
    match symbols.resolve(&frame, false).first() {
        Some(location) => format!("{}!{location}", frame.module),
        None => format!("{}+{:#x}", frame.module, frame.offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_processor_has_its_address_and_says_whether_it_is_halted() {
        let said = "\nCPU#0\nRAX=0000000000000000 RBX=0\n\
                    RIP=ffffffff803a0eb2 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n\
                    ES =0010 0\n\nCPU#1\nRAX=0\n\
                    RIP=ffffb000001e8010 RFL=00000206 [-----P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\n";
        let processor = |number, address, is_halted| Processor {
            number,
            address,
            is_halted,
        };
        let expected = [
            processor(0, 0xffff_ffff_803a_0eb2, true),
            processor(1, 0xffff_b000_001e_8010, false),
        ];
        assert_eq!(parse(said), expected);
        let loaded = [Loaded {
            name: "a.sys".to_owned(),
            base: 0xffff_b000_001e_7000,
            length: 0x4000,
        }];
        let symbols = Symbols::default();
        let place = |address| place(address, &loaded, &symbols);
        assert_eq!(place(0xffff_b000_001e_8010), "a.sys+0x1010");
        assert_eq!(place(0xffff_ffff_803a_0eb2), "nthost+0xffffffff803a0eb2");
        assert_eq!(place(0x1000), "0x1000");
    }
}
