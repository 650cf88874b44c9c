//! A machine: its processors, nodes and devices, as a TOML file describes them.
//!
//! The files are in `qemu/machines/`; a machine is named by its file.

mod device;

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use device::check_model;
pub use device::{Device, Property};

/// Where the project's own machines are: beside the program that asks, in a release; else in the
/// project's folder.
#[must_use]
pub fn directory() -> PathBuf {
    let program = env::current_exe().ok();
    let beside = program.and_then(|program| Some(program.parent()?.join("machines")));
    beside
        .filter(|folder| folder.is_dir())
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/machines")))
}

/// The most processors that a machine can have: local APIC ids are a byte, and one of them
/// stands for all processors.
const MAX_PROCESSORS: u32 = 255;
/// The most memory: all of it below the hole that a q35 machine leaves for its devices.
const MAX_MEMORY_MIB: u32 = 2048;
/// The slots of a bus.
const MAX_DEVICES: usize = 16;

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The file's name without its extension.
    #[serde(skip)]
    pub name: String,
    /// What it is for, in a line.
    pub description: String,
    /// Its processors: one, if nothing is said.
    #[serde(default)]
    pub processors: Processors,
    /// Its NUMA nodes; with only one, there is no NUMA.
    pub nodes: Vec<Node>,
    /// Its PCI devices: none, if nothing is said.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// QEMU's back ends, which properties of its devices name, as `-chardev`, `-drive` and
    /// `-netdev` take them.
    #[serde(default)]
    pub chardevs: Vec<String>,
    /// See [`Self::chardevs`].
    #[serde(default)]
    pub drives: Vec<String>,
    /// See [`Self::chardevs`].
    #[serde(default)]
    pub netdevs: Vec<String>,
    /// Further arguments for QEMU, behind all others.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// How its devices interrupt.
    #[serde(default)]
    pub interrupts: Interrupts,
    /// Its devices reach memory through an IOMMU, which lets them reach what is mapped for them.
    #[serde(default)]
    pub iommu: bool,
    /// What executes its processors.
    #[serde(default)]
    pub accelerator: Choice,
}

/// Processors, as firmware describes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Processors {
    /// Packages.
    pub sockets: u32,
    /// Cores of each package.
    pub cores: u32,
    /// Hardware threads of each core.
    pub threads: u32,
}

impl Default for Processors {
    fn default() -> Self {
        Self {
            sockets: 1,
            cores: 1,
            threads: 1,
        }
    }
}

impl Processors {
    /// How many there are, if that is a number.
    #[must_use]
    pub fn count(self) -> Option<u32> {
        self.sockets
            .checked_mul(self.cores)?
            .checked_mul(self.threads)
    }
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Its memory.
    pub memory_mib: u32,
    /// The packages whose processors are on it; of a machine with one node, all are.
    #[serde(default)]
    pub sockets: Vec<u32>,
}

/// How devices interrupt. The `edu` device offers both kinds; which one a driver gets is, as
/// on Windows, for `MSISupported` in the registry to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interrupts {
    /// By messages where the device can.
    #[default]
    MessageSignaled,
    /// By lines, shared with other devices.
    LineBased,
}

/// What executes a machine's processors, as far as that has been said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Nothing has been said: QEMU's translator, on which nthost is tested.
    #[default]
    Unstated,
    /// KVM where a probe shows that it works, TCG otherwise.
    Auto,
    /// QEMU's translator.
    Tcg,
    /// The host's processors, probed or not.
    Kvm,
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::Auto),
            "tcg" => Ok(Self::Tcg),
            "kvm" => Ok(Self::Kvm),
            _ => Err(format!("“{name}” is no accelerator: auto, tcg or kvm")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unstated => "unstated",
            Self::Auto => "auto",
            Self::Tcg => "tcg",
            Self::Kvm => "kvm",
        })
    }
}

/// Why there is no such machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// No file of that name.
    #[error("no machine is called “{name}”; there are: {}", known.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is not TOML, or has another name or type somewhere.
    #[error("{}: {error}", path.display())]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// What and where.
        error: Box<toml::de::Error>,
    },
    /// The file describes a machine that cannot be.
    #[error("{}: {what}", path.display())]
    Impossible {
        /// Which file.
        path: PathBuf,
        /// What cannot be.
        what: String,
    },
}

impl Machine {
    /// A machine by its name, or by the path of its file (which ends in `.toml`).
    ///
    /// # Errors
    ///
    /// [`MachineError`].
    pub fn load(name: &str) -> Result<Self, MachineError> {
        if name.to_ascii_lowercase().ends_with(".toml") {
            return Self::load_file(Path::new(name));
        }
        let known = names()?;
        if !known.iter().any(|known| known == name) {
            let name = name.to_owned();
            return Err(MachineError::Unknown { name, known });
        }
        Self::load_file(&directory().join(format!("{name}.toml")))
    }

    fn load_file(path: &Path) -> Result<Self, MachineError> {
        let text = fs::read_to_string(path).map_err(|error| MachineError::Read {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, MachineError> {
        let mut machine: Self = toml::from_str(text).map_err(|error| MachineError::Syntax {
            path: path.to_owned(),
            error: Box::new(error),
        })?;
        machine.name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        machine
            .check()
            .map_err(|what| MachineError::Impossible {
                path: path.to_owned(),
                what,
            })
            .map(|()| machine)
    }

    /// The machine on which an accelerator is tried: enough for what may go wrong.
    #[cfg(unix)]
    pub(crate) fn trial() -> Self {
        Self {
            name: "trial".to_owned(),
            description: String::new(),
            processors: Processors {
                cores: 2,
                ..Processors::default()
            },
            nodes: vec![Node {
                memory_mib: 128,
                sockets: Vec::new(),
            }],
            devices: Vec::new(),
            chardevs: Vec::new(),
            drives: Vec::new(),
            netdevs: Vec::new(),
            arguments: Vec::new(),
            interrupts: Interrupts::default(),
            iommu: false,
            accelerator: Choice::default(),
        }
    }

    /// Its processors.
    #[must_use]
    pub fn processor_count(&self) -> u32 {
        // `check` has seen to it that there is a number.
        self.processors.count().unwrap_or(0)
    }

    /// All of its memory.
    #[must_use]
    pub fn memory_mib(&self) -> u32 {
        self.nodes.iter().map(|node| node.memory_mib).sum()
    }

    /// Gives it these devices in place of its own.
    ///
    /// # Errors
    ///
    /// What cannot be, in words.
    pub fn with_devices(mut self, devices: Vec<Device>) -> Result<Self, String> {
        self.devices = devices;
        self.check()?;
        Ok(self)
    }

    /// How many `edu` devices it has.
    #[must_use]
    pub fn edu_count(&self) -> usize {
        let is_edu = |device: &&Device| matches!(device, Device::Edu { .. });
        self.devices.iter().filter(is_edu).count()
    }

    fn check(&self) -> Result<(), String> {
        let Processors {
            sockets,
            cores,
            threads,
        } = self.processors;
        match self.processors.count() {
            Some(1..=MAX_PROCESSORS) => {}
            _ => {
                return Err(format!(
                    "{sockets} sockets of {cores} cores of {threads} threads: a machine has \
                     1 to {MAX_PROCESSORS} processors"
                ));
            }
        }
        self.check_nodes()?;
        if self.devices.len() > MAX_DEVICES {
            return Err(format!(
                "{} devices: there is room for {MAX_DEVICES}",
                self.devices.len()
            ));
        }
        for device in &self.devices {
            if let Some(node) = device.node()
                && node as usize >= self.nodes.len()
            {
                return Err(format!("a device is on node {node}, which does not exist"));
            }
            if let Device::PciTestdev {
                membar_mib: Some(size),
                ..
            } = device
                && !size.is_power_of_two()
            {
                return Err(format!(
                    "membar_mib = {size}: a BAR's size is a power of two"
                ));
            }
            if let Device::Qemu {
                model, properties, ..
            } = device
            {
                check_model(model, properties)?;
            }
        }
        Ok(())
    }

    fn check_nodes(&self) -> Result<(), String> {
        let memory: u64 = self
            .nodes
            .iter()
            .map(|node| u64::from(node.memory_mib))
            .sum();
        if self.nodes.iter().any(|node| node.memory_mib == 0)
            || !(1..=u64::from(MAX_MEMORY_MIB)).contains(&memory)
        {
            return Err(format!(
                "{memory} MiB on {} nodes: each node has memory, all together at most \
                 {MAX_MEMORY_MIB} MiB",
                self.nodes.len()
            ));
        }
        let mut seen = vec![false; self.processors.sockets as usize];
        for (number, node) in self.nodes.iter().enumerate() {
            for &socket in &node.sockets {
                match seen.get_mut(socket as usize) {
                    None => {
                        return Err(format!(
                            "node {number} names socket {socket}, which does not exist"
                        ));
                    }
                    Some(true) => return Err(format!("two nodes name socket {socket}")),
                    Some(seen) => *seen = true,
                }
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(socket) if self.nodes.len() > 1 => {
                Err(format!("socket {socket} is on none of the nodes"))
            }
            _ => Ok(()),
        }
    }
}

/// The names of the project's own machines, in order.
///
/// # Errors
///
/// When their directory cannot be read.
pub fn names() -> Result<Vec<String>, MachineError> {
    let folder = directory();
    let read = |error| MachineError::Read {
        path: folder.clone(),
        error,
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Machine::parse(Path::new("box.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn every_machine_of_the_project_is_well_formed_and_has_an_edu_device() {
        let names = names().unwrap();
        for name in ["up", "smp4", "numa2x2", "up-intx", "smp4-intx", "edu4"] {
            assert!(names.iter().any(|known| known == name), "{name} is missing");
        }
        for name in names {
            let machine = Machine::load(&name).unwrap_or_else(|fault| panic!("{fault}"));
            assert_eq!(machine.name, name);
            assert!(machine.edu_count() >= 1, "{name}");
        }
    }

    #[test]
    fn an_unknown_machine_is_refused_with_the_known_ones() {
        let fault = Machine::load("smp5").unwrap_err().to_string();
        assert!(
            fault.contains("“smp5”") && fault.contains("smp4-intx"),
            "{fault}"
        );
    }

    #[test]
    fn a_misspelt_name_is_refused_with_its_line() {
        let fault = fault("description = \"\"\nnodes = [{ memory_mb = 1 }]\ndevices = []");
        assert!(fault.starts_with("box.toml: "), "{fault}");
        assert!(
            fault.contains("line 2") && fault.contains("memory_mb"),
            "{fault}"
        );
    }

    #[test]
    fn machines_that_cannot_be_are_refused_in_words() {
        let cases = [
            (
                "processors = { cores = 0 }",
                "[{ memory_mib = 64 }]",
                "1 to 255",
            ),
            (
                "processors = { sockets = 65536, cores = 65536 }",
                "[{ memory_mib = 64 }]",
                "1 to 255",
            ),
            ("", "[]", "0 MiB on 0 nodes"),
            ("", "[{ memory_mib = 0 }]", "each node has memory"),
            (
                "",
                "[{ memory_mib = 4294967295 }, { memory_mib = 4294967295 }]",
                "at most 2048",
            ),
            (
                "",
                "[{ memory_mib = 64, sockets = [1] }]",
                "socket 1, which does not exist",
            ),
            (
                "processors = { sockets = 2 }",
                "[{ memory_mib = 64, sockets = [0] }, { memory_mib = 64 }]",
                "socket 1 is on none",
            ),
            (
                "processors = { sockets = 2 }",
                "[{ memory_mib = 64, sockets = [0, 1] }, { memory_mib = 64, sockets = [1] }]",
                "two nodes name socket 1",
            ),
        ];
        for (processors, nodes, expected) in cases {
            let fault = fault(&format!(
                "description = \"\"\n{processors}\nnodes = {nodes}\ndevices = []"
            ));
            assert!(fault.contains(expected), "{fault} should say “{expected}”");
        }
        let node = "description = \"\"\nnodes = [{ memory_mib = 64 }]\n";
        let fault_of = |devices: &str| fault(&format!("{node}devices = [{devices}]"));
        assert!(fault_of("{ kind = \"edu\", node = 1 }").contains("node 1"));
        assert!(fault_of("{ kind = \"pci-testdev\", membar_mib = 3 }").contains("power of two"));
        assert!(fault_of("{ kind = \"edu\", membar_mib = 4 }").contains("membar_mib"));
        assert!(fault_of("{ kind = \"qemu\", model = \"e1000,id=x\" }").contains("no name"));
        let reserved = "{ kind = \"qemu\", model = \"e1000\", properties = { bus = \"pci.1\" } }";
        assert!(fault_of(reserved).contains("“bus”"));
    }
}
