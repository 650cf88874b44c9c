//! QEMU's command line for Windows on a machine of this project.
//!
//! Everything that Windows needs to start is something that it has a driver for: AHCI for the
//! system's disk, USB 3 for the package's and for the pointer, e1000e for the network.

use std::ffi::OsString;
use std::path::Path;

use eduwdm_qemu::accelerator::Accelerator;
use eduwdm_qemu::machine::Machine;

use crate::arguments::Debugger;
use crate::firmware::Firmware;

/// What a machine is started with.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// Its hardware, with the memory that Windows gets.
    pub machine: &'p Machine,
    /// What executes it.
    pub accelerator: Accelerator,
    /// Its firmware; with UEFI, the variables are this machine's own copy.
    pub firmware: &'p Firmware,
    /// The overlay.
    pub system: &'p Path,
    /// The package's disk.
    pub package: Option<&'p Path>,
    /// The medium that Windows is installed from.
    pub media: Option<&'p Path>,
    /// The sockets that QEMU connects to with the first serial port and with its monitor, where
    /// the machine runs by itself.
    pub sockets: Option<(&'p Path, &'p Path)>,
    /// How a debugger reaches it, and by which port of the host.
    pub debugger: Option<(Debugger, u16)>,
    /// `-display`
    pub display: &'p str,
    /// What the person adds.
    pub more: &'p [String],
}

/// Memory as Windows needs it, spread over the nodes as their own sizes are.
#[must_use]
pub fn with_memory(machine: &Machine, mib: u32) -> Machine {
    let mut machine = machine.clone();
    let all = u64::from(machine.memory_mib()).max(1);
    let mut left = mib;
    let last = machine.nodes.len().saturating_sub(1);
    for (index, node) in machine.nodes.iter_mut().enumerate() {
        let share = u64::from(node.memory_mib) * u64::from(mib) / all;
        // Whole pieces of 128 MiB; the last node has the rest.
        let share = u32::try_from(share).unwrap_or(u32::MAX) / 128 * 128;
        node.memory_mib = if index == last { left } else { share.min(left) };
        left -= node.memory_mib;
    }
    machine
}

/// The arguments, program name excluded.
#[must_use]
pub fn arguments(plan: &Plan<'_>) -> Vec<OsString> {
    let mut line: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: String| {
        line.push(name.into());
        line.push(value.into());
    };
    option("-name", format!("eduwdm-{}", plan.machine.name));
    // Windows wants the ACPI power states off when it is virtual: it would sleep and not wake.
    option("-machine", "q35,vmport=off".to_owned());
    match plan.accelerator {
        Accelerator::Tcg => {
            option("-accel", "tcg,thread=multi".to_owned());
            // Of the translator's processors only Intel's tell their hardware threads apart.
            option("-cpu", "max,vendor=GenuineIntel".to_owned());
        }
        Accelerator::Kvm => {
            option("-accel", "kvm".to_owned());
            // What keeps Windows from taking a processor that waits for its turn for a dead one.
            // More would need registers that nested hypervisors may not have.
            let windows = "hv_relaxed,hv_spinlocks=0x1fff";
            option("-cpu", format!("host,{windows}"));
        }
    }
    option("-display", plan.display.to_owned());
    option("-vga", "std".to_owned());
    // Windows keeps the clock of its machine in local time.
    option("-rtc", "base=localtime".to_owned());
    if let Firmware::Uefi { code, variables } = plan.firmware {
        option(
            "-drive",
            format!(
                "if=pflash,format=raw,unit=0,readonly=on,file={}",
                escaped(code)
            ),
        );
        option(
            "-drive",
            format!("if=pflash,format=raw,unit=1,file={}", escaped(variables)),
        );
    }
    let system = escaped(plan.system);
    option(
        "-drive",
        format!("if=none,id=system,format=qcow2,discard=unmap,file={system}"),
    );
    option(
        "-device",
        "ide-hd,drive=system,bus=ide.0,bootindex=0".to_owned(),
    );
    if let Some(media) = plan.media {
        let media = escaped(media);
        option(
            "-drive",
            format!("if=none,id=media,media=cdrom,readonly=on,format=raw,file={media}"),
        );
        // After the disk: at first nothing starts from that, and then Windows.
        option(
            "-device",
            "ide-cd,drive=media,bus=ide.1,bootindex=1".to_owned(),
        );
    }
    option("-device", "qemu-xhci,id=usb,bus=pcie.0".to_owned());
    option("-device", "usb-tablet,bus=usb.0".to_owned());
    if let Some(package) = plan.package {
        let package = escaped(package);
        option(
            "-drive",
            format!("if=none,id=package,format=raw,file={package}"),
        );
        option(
            "-device",
            "usb-storage,bus=usb.0,drive=package,removable=on".to_owned(),
        );
    }
    if let Some((serial, monitor)) = plan.sockets {
        for (id, path) in [("host", serial), ("monitor", monitor)] {
            let path = escaped(path);
            option("-chardev", format!("socket,id={id},server=off,path={path}"));
        }
        option("-serial", "chardev:host".to_owned());
        option("-mon", "chardev=monitor,mode=control".to_owned());
    }
    if let Some((Debugger::Serial, port)) = plan.debugger {
        option(
            "-serial",
            format!("tcp:127.0.0.1:{port},server=on,wait=off"),
        );
    }
    // A test machine reaches nothing outside, unless its debugger is there.
    let restrict = match plan.debugger {
        Some((Debugger::Kdnet, _)) => "off",
        _ => "on",
    };
    option("-netdev", format!("user,id=net,restrict={restrict}"));
    option("-device", "e1000e,netdev=net,bus=pcie.0".to_owned());
    line.extend(eduwdm_qemu::command_line::hardware(plan.machine));
    line.extend(plan.more.iter().map(OsString::from));
    line
}

/// A path as QEMU takes it in a value: a comma is written twice.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// What a person types in Windows for the debugger, and outside.
#[must_use]
pub fn debugging(debugger: Debugger, port: u16) -> String {
    match debugger {
        Debugger::Serial => format!(
            "In Windows, as administrator, and then restart:\n  \
             bcdedit /debug on\n  \
             bcdedit /dbgsettings serial debugport:1 baudrate:115200\n\
             On this host:\n  \
             windbg -k com:port=127.0.0.1,ipport={port} (WinDbg connects by TCP)"
        ),
        Debugger::Kdnet => format!(
            "In Windows, as administrator, and then restart:\n  \
             bcdedit /debug on\n  \
             bcdedit /dbgsettings net hostip:10.0.2.2 port:{port} key:1.2.3.4\n\
             On this host:\n  \
             windbg -k net:port={port},key=1.2.3.4"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(machine: &str, change: impl FnOnce(&mut Plan<'_>)) -> String {
        let machine = with_memory(&Machine::load(machine).unwrap(), 4096);
        let firmware = Firmware::Uefi {
            code: "code.fd".into(),
            variables: "a,b.fd".into(),
        };
        let mut plan = Plan {
            machine: &machine,
            accelerator: Accelerator::Tcg,
            firmware: &firmware,
            system: Path::new("system.qcow2"),
            package: Some(Path::new("package.img")),
            media: None,
            sockets: None,
            debugger: None,
            display: "none",
            more: &[],
        };
        change(&mut plan);
        arguments(&plan)
            .iter()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn one_several_hyper_threaded_and_numa_machines_are_as_their_files_say() {
        for (machine, processors) in [
            ("up", "-smp 1,sockets=1,cores=1,threads=1"),
            ("smp4", "-smp 4,"),
            ("smp32", "-smp 32,sockets=2,cores=8,threads=2"),
            ("numa2x2", "-smp 4,sockets=2,cores=2,threads=1"),
        ] {
            let line = line(machine, |_| {});
            assert!(line.contains(processors), "{machine}: {line}");
            assert!(line.contains("-m 4096M"), "{machine}: {line}");
            assert!(line.contains("-device edu,"), "{machine}: {line}");
        }
        assert_eq!(
            line("numa2x2", |_| {})
                .matches("memory-backend-ram")
                .count(),
            2
        );
    }

    #[test]
    fn memory_is_spread_as_in_the_machines_file() {
        let machine = with_memory(&Machine::load("numa2x2").unwrap(), 4096);
        let sizes: Vec<u32> = machine.nodes.iter().map(|node| node.memory_mib).collect();
        assert_eq!(sizes, [1280, 2816]);
        assert_eq!(
            with_memory(&Machine::load("up").unwrap(), 3000).memory_mib(),
            3000
        );
    }

    #[test]
    fn the_image_is_reached_through_the_overlay_and_firmware_code_is_not_written() {
        let line = line("up", |_| {});
        assert!(
            line.contains("id=system,format=qcow2,discard=unmap,file=system.qcow2"),
            "{line}"
        );
        assert!(line.contains("unit=0,readonly=on,file=code.fd"), "{line}");
        assert!(line.contains("unit=1,file=a,,b.fd"), "{line}");
        assert!(
            line.contains("usb-storage,bus=usb.0,drive=package"),
            "{line}"
        );
    }

    #[test]
    fn a_medium_is_started_after_the_disk_and_by_drivers_that_windows_has() {
        let line = line("up", |plan| plan.media = Some(Path::new("a,b.iso")));
        for part in [
            "ide-hd,drive=system,bus=ide.0,bootindex=0",
            "if=none,id=media,media=cdrom,readonly=on,format=raw,file=a,,b.iso",
            "ide-cd,drive=media,bus=ide.1,bootindex=1",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn a_machine_that_runs_by_itself_speaks_with_the_host() {
        let sockets = (Path::new("/tmp/s"), Path::new("/tmp/m"));
        let line = line("up", |plan| plan.sockets = Some(sockets));
        for part in [
            "socket,id=host,server=off,path=/tmp/s",
            "-serial chardev:host",
            "socket,id=monitor,server=off,path=/tmp/m",
            "-mon chardev=monitor,mode=control",
        ] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn a_debugger_has_the_serial_port_or_is_told_the_network() {
        let serial = line("up", |plan| plan.debugger = Some((Debugger::Serial, 51000)));
        assert!(
            serial.contains("-serial tcp:127.0.0.1:51000,server=on,wait=off"),
            "{serial}"
        );
        let kdnet = line("up", |plan| plan.debugger = Some((Debugger::Kdnet, 50000)));
        assert!(kdnet.contains("restrict=off") && serial.contains("restrict=on"));
        assert!(debugging(Debugger::Kdnet, 50001).contains("hostip:10.0.2.2 port:50001"));
    }

    #[test]
    fn kvm_has_what_windows_uses_of_a_hypervisor_and_tcg_has_not() {
        let kvm = line("up", |plan| plan.accelerator = Accelerator::Kvm);
        assert!(kvm.contains("-cpu host,hv_relaxed"), "{kvm}");
        assert!(!line("up", |_| {}).contains("hv_"));
    }
}
