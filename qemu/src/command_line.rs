//! QEMU's command line for a machine.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    accelerator::Accelerator,
    coverage, device_trace,
    image_trace::{self, SingleStep},
    machine::{Device, Machine},
};

/// The port that nthost writes its exit code to.
const DEBUG_EXIT_PORT: &str = "0xf4";
/// The first bus number behind a node's expander bridge, and their distance.
const BUS_BASE: u32 = 0x40;
const BUS_STEP: u32 = 0x10;

/// The TCP port on which QEMU's debugger stub listens, as its own manual has it.
pub const DEBUGGER_PORT: u16 = 1234;

/// The processor's model under KVM. All that the host can do (`max`) is too much on hosts that are
/// guests themselves: QEMU then ends at a model-specific register that its own host keeps back.
pub const KVM_MODEL: &str = "Westmere,+x2apic";

/// What a machine is started with.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// nthost.
    pub kernel: &'a Path,
    /// The [archive](crate::archive).
    pub archive: &'a Path,
    /// The socket that QEMU's end of nthost's port connects to.
    pub port: &'a Path,
    /// The socket that QEMU's monitor connects to.
    pub monitor: &'a Path,
}

/// What a run may have besides the machine.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// nthost's command line.
    pub switches: Vec<String>,
    /// The TCP port on which a debugger is waited for before the first instruction.
    pub debugger: Option<u16>,
    /// Time counted in instructions (2^n ns each) rather than measured: with it, the same seed
    /// of scheduling noise gives the same run again. TCG only.
    pub instruction_count: Option<u8>,
    /// The date and time of day at which the machine's clock begins, as QEMU's `-rtc base=` takes
    /// it; without, it is the host's.
    pub clock: Option<String>,
    /// The file to which QEMU writes each access to a register of an emulated device, a line
    /// each: see [`crate::device_trace`].
    pub device_trace: Option<PathBuf>,
    /// The file in which the machine, when it ends, leaves what ran of its drivers: see
    /// [`crate::coverage`]. TCG only.
    pub coverage: Option<PathBuf>,
    /// The file to which QEMU writes each instruction of a driver that it executes, a line each, and
    /// how this QEMU is told to: see [`crate::image_trace`]. TCG only; slow.
    pub image_trace: Option<(PathBuf, SingleStep)>,
    /// The file to which QEMU writes each block of a driver before it runs first, while the machine
    /// runs: see [`crate::fuzz`]. TCG only.
    pub blocks: Option<PathBuf>,
}

impl Extras {
    /// Whether QEMU's translator alone has what is asked for.
    #[must_use]
    pub const fn need_translator(&self) -> bool {
        self.instruction_count.is_some()
            || self.coverage.is_some()
            || self.image_trace.is_some()
            || self.blocks.is_some()
    }

    /// The file that QEMU logs to. The blocks that ran are in it, if that was asked for, until the
    /// machine has ended.
    #[must_use]
    pub fn log_file(&self) -> Option<PathBuf> {
        let blocks = || Some(self.coverage.as_ref()?.with_extension("blocks"));
        let image_trace = self.image_trace.as_ref().map(|(file, _)| file);
        let file = self.device_trace.as_ref().or(image_trace);
        file.or(self.blocks.as_ref()).cloned().or_else(blocks)
    }
}

/// When the clock of a machine begins whose time is counted in instructions.
pub const COUNTED_CLOCK: &str = "2024-01-01";

/// The arguments, program name excluded.
#[must_use]
pub fn arguments(
    machine: &Machine,
    accelerator: Accelerator,
    files: &Files<'_>,
    extras: &Extras,
) -> Vec<OsString> {
    let mut line = Line::default();
    line.option("-name", format!("nthost-{}", machine.name));
    line.option("-machine", "q35");
    line.option(
        "-accel",
        match accelerator {
            // Icount makes one thread of all processors, of itself.
            Accelerator::Tcg if extras.instruction_count.is_none() => "tcg,thread=multi",
            Accelerator::Tcg => match &extras.image_trace {
                Some((_, SingleStep::Property)) => "tcg,one-insn-per-tb=on",
                _ => "tcg",
            },
            Accelerator::Kvm => "kvm",
        },
    );
    line.option(
        "-cpu",
        match accelerator {
            // All that it can do; nthost asks for what it uses.
            Accelerator::Tcg => "max",
            Accelerator::Kvm => KVM_MODEL,
        },
    );
    line.flag("-nodefaults");
    line.flag("-no-user-config");
    // A triple fault ends the emulator instead of starting over.
    line.flag("-no-reboot");
    line.option("-display", "none");
    processors_and_nodes(&mut line, machine);
    line.option("-kernel", files.kernel);
    line.option("-initrd", files.archive);
    let mut switches = bus_nodes(machine);
    switches.extend_from_slice(&extras.switches);
    if !switches.is_empty() {
        line.option("-append", switches.join(" "));
    }
    line.option("-serial", "stdio");
    line.device(format!("isa-debug-exit,iobase={DEBUG_EXIT_PORT},iosize=1"));
    if machine.iommu {
        // Before the devices that are to be behind it. Their interrupts are not its business.
        line.device("intel-iommu,intremap=off");
    }
    socket(&mut line, "port", files.port);
    // One port, without the control messages that more would need.
    line.device("virtio-serial-pci,id=serial,disable-legacy=on,max_ports=1,bus=pcie.0");
    line.device("virtconsole,chardev=port,bus=serial.0");
    socket(&mut line, "monitor", files.monitor);
    line.option("-mon", "chardev=monitor,mode=control");
    devices(&mut line, machine);
    if let Some(shift) = extras.instruction_count {
        line.option("-icount", format!("shift={shift},sleep=off"));
    }
    // Counted in instructions, the clock does not run at the host's pace either, and nthost
    // reads it: it begins where it always does.
    let clock = extras.clock.as_deref();
    match (extras.instruction_count, clock) {
        (Some(_), _) => {
            line.option(
                "-rtc",
                format!("base={},clock=vm", clock.unwrap_or(COUNTED_CLOCK)),
            );
        }
        (None, Some(clock)) => line.option("-rtc", format!("base={clock}")),
        (None, None) => {}
    }
    if let Some(file) = extras.log_file() {
        let mut events = Vec::new();
        if extras.device_trace.is_some() {
            events.push(device_trace::EVENTS);
        }
        if extras.coverage.is_some() || extras.blocks.is_some() {
            events.push(coverage::EVENTS);
        }
        if let Some((_, single_step)) = &extras.image_trace {
            events.push(image_trace::EVENTS);
            if *single_step == SingleStep::Switch {
                line.flag("-singlestep");
            }
        }
        let of_drivers = [
            extras.coverage.is_some(),
            extras.blocks.is_some(),
            extras.image_trace.is_some(),
        ];
        if of_drivers.contains(&true) {
            line.option("-dfilter", coverage::FILTER);
        }
        line.option("-d", events.join(","));
        line.option("-D", file);
    }
    if let Some(port) = extras.debugger {
        line.option("-gdb", format!("tcp:127.0.0.1:{port}"));
    }
    for argument in &machine.arguments {
        line.flag(argument);
    }
    // It begins when it is told to: by its monitor, so that however soon it ends, it has been seen;
    // or by the debugger.
    line.flag("-S");
    line.0
}

/// The arguments for a machine's processors, memory, nodes and devices alone, for a guest that is
/// not nthost.
#[must_use]
pub fn hardware(machine: &Machine) -> Vec<OsString> {
    let mut line = Line::default();
    processors_and_nodes(&mut line, machine);
    devices(&mut line, machine);
    line.0
}

fn processors_and_nodes(line: &mut Line, machine: &Machine) {
    let processors = machine.processors;
    line.option(
        "-smp",
        format!(
            "{},sockets={},cores={},threads={}",
            machine.processor_count(),
            processors.sockets,
            processors.cores,
            processors.threads
        ),
    );
    line.option("-m", format!("{}M", machine.memory_mib()));
    if machine.nodes.len() < 2 {
        return;
    }
    for (number, node) in machine.nodes.iter().enumerate() {
        line.option(
            "-object",
            format!(
                "memory-backend-ram,id=node{number},size={}M",
                node.memory_mib
            ),
        );
        line.option("-numa", format!("node,nodeid={number},memdev=node{number}"));
        for socket in &node.sockets {
            line.option("-numa", format!("cpu,node-id={number},socket-id={socket}"));
        }
    }
    for from in 0..machine.nodes.len() {
        for to in from + 1..machine.nodes.len() {
            line.option("-numa", format!("dist,src={from},dst={to},val=20"));
        }
    }
}

/// The nodes that have an expander bridge, in order.
fn bridges(machine: &Machine) -> BTreeSet<u32> {
    let nodes = machine.devices.iter().filter_map(|device| device.node());
    nodes.collect()
}

/// The first bus behind a node's expander bridge.
const fn bus_of(node: u32) -> u32 {
    BUS_BASE + BUS_STEP * node
}

/// What firmware says of the expander bridges' nodes only in AML (`_PXM`), which takes an
/// interpreter: `bus-node=<bus>:<node>` for each of their root buses.
fn bus_nodes(machine: &Machine) -> Vec<String> {
    if machine.nodes.len() < 2 {
        return Vec::new();
    }
    bridges(machine)
        .into_iter()
        .map(|node| format!("bus-node={}:{node}", bus_of(node)))
        .collect()
}

fn devices(line: &mut Line, machine: &Machine) {
    // Before the devices whose properties name them.
    for (option, back_ends) in [
        ("-chardev", &machine.chardevs),
        ("-drive", &machine.drives),
        ("-netdev", &machine.netdevs),
    ] {
        for back_end in back_ends {
            line.option(option, back_end);
        }
    }
    for node in bridges(machine) {
        let bus = bus_of(node);
        let numa = if machine.nodes.len() < 2 {
            String::new()
        } else {
            format!(",numa_node={node}")
        };
        line.device(format!(
            "pxb-pcie,id=bridge{node},bus_nr={bus}{numa},bus=pcie.0"
        ));
    }
    for (number, device) in machine.devices.iter().enumerate() {
        let bus = device.node().map_or_else(
            || "pcie.0".to_owned(),
            |node| {
                // An expander bridge takes bridges alone: the device is behind a port of its own.
                let chassis = number + 1;
                line.device(format!(
                    "pcie-root-port,id=port{number},chassis={chassis},bus=bridge{node}"
                ));
                format!("port{number}")
            },
        );
        line.device(match device {
            Device::Edu { dma_mask, .. } => {
                let mask = dma_mask.map_or_else(String::new, |mask| format!(",dma_mask={mask:#x}"));
                format!("edu,id=device{number},bus={bus}{mask}")
            }
            Device::PciTestdev { membar_mib, .. } => {
                let bar = membar_mib.map_or_else(String::new, |size| format!(",membar={size}M"));
                format!("pci-testdev,id=device{number},bus={bus}{bar}")
            }
            Device::Qemu {
                model, properties, ..
            } => {
                let mut text = format!("{model},id=device{number},bus={bus}");
                for (name, value) in properties {
                    let _ = write!(text, ",{name}={value}");
                }
                text
            }
        });
    }
}

fn socket(line: &mut Line, id: &str, path: &Path) {
    // QEMU takes a doubled comma for a comma in a value.
    let path = path.to_string_lossy().replace(',', ",,");
    line.option("-chardev", format!("socket,id={id},server=off,path={path}"));
}

#[derive(Default)]
struct Line(Vec<OsString>);

impl Line {
    fn flag(&mut self, name: &str) {
        self.0.push(name.into());
    }

    fn option(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.0.push(name.into());
        self.0.push(value.as_ref().to_owned());
    }

    fn device(&mut self, value: impl AsRef<OsStr>) {
        self.option("-device", value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Property;

    fn line(machine: &str, extras: &Extras) -> String {
        line_of(&Machine::load(machine).unwrap(), extras)
    }

    fn line_of(machine: &Machine, extras: &Extras) -> String {
        let files = Files {
            kernel: Path::new("nthost"),
            archive: Path::new("archive"),
            port: Path::new("a,b"),
            monitor: Path::new("monitor"),
        };
        arguments(machine, Accelerator::Tcg, &files, extras)
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_machine_has_the_processors_nodes_and_devices_of_its_file() {
        let line = line("numa2x2", &Extras::default());
        for expected in [
            "-smp 4,sockets=2,cores=2,threads=1",
            "-m 384M",
            "-numa node,nodeid=1,memdev=node1 -numa cpu,node-id=1,socket-id=1",
            "-numa dist,src=0,dst=1,val=20",
            "-device edu,id=device0,bus=port0",
            "-device pci-testdev,id=device1,bus=pcie.0,membar=2M",
            "-accel tcg,thread=multi",
        ] {
            assert!(line.contains(expected), "“{expected}” is not in: {line}");
        }
        assert!(
            !line.contains("-icount") && !line.contains("-gdb"),
            "{line}"
        );
    }

    #[test]
    fn a_device_on_a_node_is_behind_that_nodes_bridge() {
        let line = line("numa", &Extras::default());
        assert!(
            line.contains("pxb-pcie,id=bridge1,bus_nr=80,numa_node=1"),
            "{line}"
        );
        assert!(
            line.contains("pcie-root-port,id=port1,chassis=2,bus=bridge1"),
            "{line}"
        );
        assert!(line.contains("edu,id=device1,bus=port1"), "{line}");
        assert_eq!(line.matches("id=bridge1,").count(), 1, "{line}");
        assert!(
            line.contains("-append bus-node=64:0 bus-node=80:1"),
            "{line}"
        );
    }

    #[test]
    fn any_device_of_qemus_is_given_its_properties() {
        let mut machine = Machine::load("up").unwrap();
        let properties = [
            ("romfile", Property::Text(String::new())),
            ("mac", Property::Text("a,b".to_owned())),
            ("multifunction", Property::Switch(true)),
            ("addr", Property::Number(9)),
        ];
        machine.devices = vec![Device::Qemu {
            model: "i82557b".to_owned(),
            properties: properties
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            node: None,
        }];
        let line = line_of(&machine, &Extras::default());
        let expected =
            "-device i82557b,id=device0,bus=pcie.0,addr=9,mac=a,,b,multifunction=on,romfile=";
        assert!(line.contains(expected), "{line}");
    }

    #[test]
    fn back_ends_come_before_the_devices_that_name_them_and_arguments_last() {
        let mut machine = Machine::load("up").unwrap();
        machine.chardevs = vec!["null,id=c".to_owned()];
        machine.netdevs = vec!["user,id=n".to_owned()];
        machine.drives = vec!["if=none,id=d".to_owned()];
        machine.arguments = vec!["-trace".to_owned(), "x".to_owned()];
        machine.devices = vec!["pci-serial,chardev=c".parse().unwrap()];
        let line = line_of(&machine, &Extras::default());
        let ends = "-chardev null,id=c -drive if=none,id=d -netdev user,id=n \
                    -device pci-serial,id=device0,bus=pcie.0,chardev=c";
        assert!(line.contains(ends), "{line}");
        assert!(line.ends_with(" -trace x -S"), "{line}");
    }

    #[test]
    fn one_node_is_no_numa_and_a_comma_in_a_path_is_no_separator() {
        let line = line("up", &Extras::default());
        assert!(!line.contains("-numa"), "{line}");
        assert!(line.contains("path=a,,b"), "{line}");
    }

    #[test]
    fn counting_instructions_leaves_one_thread() {
        let extras = Extras {
            instruction_count: Some(3),
            ..Extras::default()
        };
        let line = line("smp4", &extras);
        assert!(line.contains("-icount shift=3,sleep=off"), "{line}");
        assert!(line.contains("-accel tcg "), "{line}");
        // Nor does a clock run at the host's pace, or begin at its date.
        assert!(line.contains("-rtc base=2024-01-01,clock=vm"), "{line}");
    }

    #[test]
    fn under_kvm_the_processor_is_a_model_that_hosts_have_which_are_guests_themselves() {
        let machine = Machine::load("up").unwrap();
        let files = Files {
            kernel: Path::new("nthost"),
            archive: Path::new("archive"),
            port: Path::new("port"),
            monitor: Path::new("monitor"),
        };
        let model = |accelerator| {
            let line = arguments(&machine, accelerator, &files, &Extras::default());
            let at = line.iter().position(|argument| argument == "-cpu").unwrap();
            line[at + 1].clone()
        };
        assert_eq!(model(Accelerator::Kvm), KVM_MODEL);
        assert_eq!(model(Accelerator::Tcg), "max");
    }

    #[test]
    fn an_iommu_comes_before_what_is_behind_it() {
        let line = line("iommu", &Extras::default());
        let iommu = line.find("-device intel-iommu").expect("an IOMMU");
        assert!(iommu < line.find("-device virtio-serial-pci").unwrap());
        assert!(iommu < line.find("-device edu").unwrap());
    }
}
