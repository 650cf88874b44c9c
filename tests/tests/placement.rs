//! Where things are: interrupts, DPCs, buffers and counters on the node of their device, with
//! several nodes, with more than 64 processors, and on interrupt lines that devices share.
#![cfg(unix)]

use eductl::{DeviceKind, Edu, edu::Counters};
use eduwdm_abi::topology::{NODE_UNKNOWN, Topology};
use eduwdm_qemu::device_trace::{Direction, accesses};
use eduwdm_tests::{Booted, boot, manifest, options};
use nthost_protocol::{host::Machine, manifest::VerifierOption};

/// What the device's DMA engine can address.
const REACH: u64 = 1 << 28;

/// A machine, and where its devices' registers are traced.
struct Placed {
    booted: Booted,
    directory: tempfile::TempDir,
}

impl core::ops::Deref for Placed {
    type Target = Booted;

    fn deref(&self) -> &Booted {
        &self.booted
    }
}

fn start(machine: &str) -> Placed {
    let mut manifest = manifest();
    // With its map registers, the device would see the verifier's memory instead of the driver's.
    let options_on = VerifierOption::STANDARD.iter().copied();
    manifest.verifier = Some(
        options_on
            .filter(|&option| option != VerifierOption::DmaChecking)
            .collect(),
    );
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(manifest);
    options.extras.device_trace = Some(directory.path().join("trace"));
    let booted = boot(machine, &options).unwrap_or_else(|fault| panic!("{fault}"));
    Placed { booted, directory }
}

/// Where a self-test's two buffers are, as the device is told.
fn self_test_addresses(placed: &Placed, edu: &Edu) -> [u64; 2] {
    const DMA_SOURCE: u64 = 0x80;
    const DMA_DESTINATION: u64 = 0x88;
    let trace = placed.directory.path().join("trace");
    let seen = accesses(&trace, "edu-mmio").unwrap().len();
    edu.self_test(1, 100, 0).unwrap().wait().unwrap();
    let seen = accesses(&trace, "edu-mmio").unwrap().split_off(seen);
    let written = |register: u64| {
        let mut seen = seen.iter().filter(|access| {
            access.direction == Direction::Write && access.address & 0xfff == register
        });
        seen.next().expect("the register is written").value
    };
    // To the device, the source is memory; from it, the destination is, which is written last.
    let last = seen
        .iter()
        .rfind(|access| access.address & 0xfff == DMA_DESTINATION)
        .expect("the register is written");
    [written(DMA_SOURCE), last.value]
}

/// DPCs that ran on another processor than the interrupts that they were for: each costs an
/// interrupt from one processor to another.
fn queued_elsewhere(counters: &Counters) -> u64 {
    let processors = counters.processors.iter();
    processors
        .map(|one| one.interrupts.saturating_sub(one.dpcs))
        .sum()
}

/// Factorials on a device, and what they have counted.
fn count(edu: &Edu, factorials: u32) -> Counters {
    for n in 0..factorials {
        edu.factorial(n % 13).unwrap().wait().unwrap();
    }
    edu.statistics().unwrap()
}

/// The physical addresses of a node: memory is given to the nodes in their order.
fn memory_of(machine: &Machine, node: u32) -> core::ops::Range<u64> {
    let start = |node: u32| -> u64 {
        let before = machine.nodes.iter().take(node as usize);
        before
            .map(|node| node.memory.next_multiple_of(32 << 20))
            .sum()
    };
    start(node)..start(node + 1)
}

/// The device that is on a node.
fn on_node(booted: &Booted, node: u32) -> Edu {
    (0..2)
        .map(|index| booted.edu(index).unwrap())
        .find(|edu| edu.topology().unwrap().device_node == node)
        .unwrap_or_else(|| panic!("no device is on node {node:#x}"))
}

/// Checks where everything of the device is that is on a node.
fn check_on_node(booted: &Placed, node: u32) {
    let what = format!("the device on node {node}");
    let machine = booted.host.machine().unwrap();
    let edu = on_node(booted, node);
    let topology: Topology = edu.topology().unwrap();
    // The device reaches 28 bits: of a node beyond them it can be given nothing.
    let memory = memory_of(&machine, node);
    let reachable = memory.start < REACH;
    let expected = if reachable { node } else { NODE_UNKNOWN };
    assert_eq!(topology.buffer_node, expected, "{what}: {memory:x?}");
    for address in self_test_addresses(booted, &edu) {
        assert!(
            address < REACH && (!reachable || memory.contains(&address)),
            "{what}: {address:#x} of {memory:x?}"
        );
    }
    // The interrupt goes to processors of the node alone, and the DPC to where it came.
    let of_node = |group: u32, number: u32| {
        machine.processors.iter().any(|processor| {
            u32::from(processor.group) == group
                && u32::from(processor.number) == number
                && u32::from(processor.node) == node
        })
    };
    assert_ne!(topology.interrupt_affinity, 0, "{what}");
    for number in (0..64).filter(|number| topology.interrupt_affinity >> number & 1 != 0) {
        assert!(
            of_node(topology.interrupt_group, number),
            "{what}: {topology:?}"
        );
    }
    let before = edu.statistics().unwrap();
    let counters = count(&edu, 20);
    assert_eq!(queued_elsewhere(&counters), 0, "{what}: {counters:?}");
    assert_eq!(
        counters.processors.len(),
        machine.processors.len(),
        "{what}"
    );
    let mut interrupts = 0;
    for (index, (counted, processor)) in counters
        .processors
        .iter()
        .zip(&machine.processors)
        .enumerate()
    {
        assert_eq!(
            (counted.group, counted.number, counted.node),
            (
                processor.group,
                processor.number.into(),
                processor.node.into()
            ),
            "{what}: processor {index}"
        );
        if counted.node != node {
            assert_eq!(counted.interrupts, 0, "{what}: processor {index}");
        }
        interrupts += counted.interrupts - before.processors[index].interrupts;
    }
    assert_eq!(interrupts, 20, "{what}");
    assert_eq!(counters.fixed.queues[0].completed, 20, "{what}");
}

#[test]
fn interrupts_dpcs_buffers_and_counters_are_on_the_node_of_each_device() {
    let booted = start("numa");
    check_on_node(&booted, 0);
    check_on_node(&booted, 1);
    booted.booted.shut_down();
}

#[test]
fn a_device_of_the_second_processor_group_is_served_there() {
    let booted = start("smp128");
    let machine = booted.host.machine().unwrap();
    let (first, second) = (&machine.processors[0], &machine.processors[127]);
    assert_eq!((first.group, second.group), (0, 1), "two groups");
    check_on_node(&booted, 3);
    let topology = on_node(&booted, 3).topology().unwrap();
    assert_eq!((topology.processor_count, topology.group_count), (128, 2));
    assert_eq!((topology.interrupt_group, topology.highest_node), (1, 3));
    // And one whose node nobody knows is served all the same.
    let other = on_node(&booted, NODE_UNKNOWN);
    assert_eq!(count(&other, 5).fixed.queues[0].completed, 5);
    drop(other);
    booted.booted.shut_down();
}

/// Devices whose interrupts are steered to different processors: the DPC follows each.
#[test]
fn a_dpc_runs_where_its_interrupt_came_and_costs_no_other_processor_an_interrupt() {
    let placed = start("edu8-intx");
    let mut of_processor: Vec<u64> = Vec::new();
    for index in 0..8 {
        let edu = placed.edu(index).unwrap();
        let counters = count(&edu, 5);
        assert_eq!(
            queued_elsewhere(&counters),
            0,
            "device {index}: {counters:?}"
        );
        of_processor.resize(counters.processors.len(), 0);
        for (sum, one) in of_processor.iter_mut().zip(&counters.processors) {
            *sum += one.interrupts;
        }
    }
    println!("interrupts by processor: {of_processor:?}; none to another for a DPC");
    let taking = of_processor.iter().filter(|&&sum| sum > 0).count();
    assert!(taking > 1, "all interrupts came to one processor");
    placed.booted.shut_down();
}

#[test]
fn each_device_of_a_shared_line_takes_its_own_interrupts_and_no_others() {
    let booted = start("edu8-intx");
    let devices: Vec<Edu> = (0..8).map(|index| booted.edu(index).unwrap()).collect();
    // On each device another number, all at once.
    let outstanding: Vec<_> = devices
        .iter()
        .enumerate()
        .flat_map(|(index, edu)| (0..=index).map(move |_| edu.factorial(7).unwrap()))
        .collect();
    for factorial in outstanding {
        assert_eq!(factorial.wait().unwrap().result, 5040);
    }
    let mut foreign = 0;
    for (index, edu) in devices.iter().enumerate() {
        let counters = edu.statistics().unwrap();
        let of = |what: fn(&eduwdm_abi::statistics::Processor) -> u64| -> u64 {
            counters.processors.iter().map(what).sum()
        };
        let expected = index as u64 + 1;
        assert_eq!(
            of(|one| one.interrupts),
            expected,
            "device {index}: its own"
        );
        assert_eq!(
            counters.fixed.queues[0].completed, expected,
            "device {index}"
        );
        foreign += of(|one| one.foreign_interrupts);
    }
    println!("36 interrupts on 4 lines; {foreign} times an ISR was asked about another's");
    assert!(foreign > 0, "no line was shared");
    drop(devices);
    assert!(booted.path(DeviceKind::Edu, 8).is_err(), "there are eight");
    booted.booted.shut_down();
}
