//! What a request costs, counted: accesses to the device's registers as QEMU sees them,
//! interrupts, DPCs, and allocations from pool.
#![cfg(unix)]

use eductl::{Edu, edu::Counters};
use eduwdm_qemu::device_trace::{Access, Direction, accesses};
use eduwdm_tests::{Booted, boot, manifest, options};

/// Requests counted.
const COUNT: usize = 10;

const INTERRUPT_STATUS: u64 = 0x24;
const INTERRUPT_ACKNOWLEDGE: u64 = 0x64;
const FACTORIAL: u64 = 0x08;
const DMA_COMMAND: u64 = 0x98;

struct Traced {
    booted: Booted,
    edu: Edu,
    directory: tempfile::TempDir,
}

impl Traced {
    fn boot() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut manifest = manifest();
        manifest.breakpoints = true;
        let mut options = options(manifest);
        options.extras.device_trace = Some(directory.path().join("trace"));
        let booted = boot("smp4", &options).unwrap_or_else(|fault| panic!("{fault}"));
        let edu = booted.edu(0).unwrap();
        Self {
            booted,
            edu,
            directory,
        }
    }

    fn accesses(&self) -> Vec<Access> {
        accesses(&self.directory.path().join("trace"), "edu-mmio").unwrap()
    }

    /// What one kind of request, made [`COUNT`] times one after the other, costs: accesses,
    /// interrupts and DPCs.
    fn count(&self, request: impl Fn(&Edu)) -> (Vec<Access>, u64, u64) {
        // What is remembered between requests is set up by the first.
        request(&self.edu);
        let interrupts = |counters: &Counters| -> (u64, u64) {
            let of = |what: fn(&eduwdm_abi::statistics::Processor) -> u64| {
                counters.processors.iter().map(what).sum()
            };
            (of(|one| one.interrupts), of(|one| one.dpcs))
        };
        let before = interrupts(&self.edu.statistics().unwrap());
        let seen = self.accesses().len();
        // Whoever allocates would stop here, and the request not end.
        self.booted.break_at("ExAllocatePool2");
        for _ in 0..COUNT {
            request(&self.edu);
        }
        assert_eq!(
            self.booted.host.stops().unwrap(),
            [],
            "nothing is allocated"
        );
        self.booted.clear_breakpoints();
        let costs = self.accesses().split_off(seen);
        let after = interrupts(&self.edu.statistics().unwrap());
        (costs, after.0 - before.0, after.1 - before.1)
    }

    fn shut_down(self) {
        drop(self.edu);
        self.booted.shut_down();
    }
}

fn at(accesses: &[Access], direction: Direction, offset: u64) -> usize {
    let matching =
        |access: &&Access| access.direction == direction && access.address & 0xfff == offset;
    accesses.iter().filter(matching).count()
}

#[test]
fn a_factorial_costs_four_register_accesses_one_interrupt_and_one_dpc() {
    let traced = Traced::boot();
    let (costs, interrupts, dpcs) = traced.count(|edu| {
        assert_eq!(edu.factorial(5).unwrap().wait().unwrap().result, 120);
    });
    println!(
        "{COUNT} factorials: {} accesses, {interrupts} interrupts, {dpcs} DPCs",
        costs.len()
    );
    assert_eq!(at(&costs, Direction::Write, FACTORIAL), COUNT, "{costs:x?}");
    assert_eq!(
        at(&costs, Direction::Read, INTERRUPT_STATUS),
        COUNT,
        "{costs:x?}"
    );
    assert_eq!(
        at(&costs, Direction::Write, INTERRUPT_ACKNOWLEDGE),
        COUNT,
        "{costs:x?}"
    );
    assert_eq!(at(&costs, Direction::Read, FACTORIAL), COUNT, "{costs:x?}");
    assert_eq!(costs.len(), 4 * COUNT, "{costs:x?}");
    assert_eq!((interrupts, dpcs), (COUNT as u64, COUNT as u64));
    traced.shut_down();
}

#[test]
fn a_transfer_that_is_like_the_one_before_costs_its_command_one_status_and_one_acknowledge() {
    let traced = Traced::boot();
    let (costs, interrupts, dpcs) = traced.count(|edu| {
        assert_eq!(edu.write_wait(0, vec![0x5a; 64]).unwrap(), 64);
    });
    println!(
        "{COUNT} writes: {} accesses, {interrupts} interrupts, {dpcs} DPCs",
        costs.len()
    );
    let commands = at(&costs, Direction::Write, DMA_COMMAND);
    assert_eq!(
        at(&costs, Direction::Read, INTERRUPT_STATUS),
        commands,
        "{costs:x?}"
    );
    assert_eq!(
        at(&costs, Direction::Write, INTERRUPT_ACKNOWLEDGE),
        commands,
        "{costs:x?}"
    );
    // A buffer of 64 bytes is one or two pieces, and each may have an address of its own.
    assert!((COUNT..=2 * COUNT).contains(&commands), "{costs:x?}");
    let registers = costs.len() - 3 * commands;
    println!("of the {registers} other accesses, each wrote what had changed");
    let mut last = [None; 3];
    for access in &costs {
        let register = match access.address & 0xfff {
            0x80 => 0,
            0x88 => 1,
            0x90 => 2,
            _ => continue,
        };
        assert_eq!(access.direction, Direction::Write, "{access:x?}");
        assert_ne!(
            last[register],
            Some(access.value),
            "it held that already: {access:x?}"
        );
        last[register] = Some(access.value);
    }
    assert_eq!((interrupts, dpcs), (commands as u64, commands as u64));
    traced.shut_down();
}
