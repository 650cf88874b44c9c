//! The PCI devices of a machine: the project's two, and any other that QEMU has.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::Deserialize;

/// A PCI device.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Device {
    /// QEMU's `edu`.
    Edu {
        /// The addresses that it reaches; its own default, 28 bits, if nothing is said.
        dma_mask: Option<u64>,
        /// The node whose expander bridge it is behind; on the root bus if nothing is said.
        node: Option<u32>,
    },
    /// QEMU's `pci-testdev`.
    PciTestdev {
        /// The size of its optional BAR2, a power of two.
        membar_mib: Option<u32>,
        /// See [`Self::Edu::node`].
        node: Option<u32>,
    },
    /// Any other PCI device that QEMU has, for a driver of one's own.
    Qemu {
        /// Its name, as `qemu-system-x86_64 -device help` lists it.
        model: String,
        /// Its properties, as `-device MODEL,help` lists them; where it is, is not theirs to say.
        #[serde(default)]
        properties: BTreeMap<String, Property>,
        /// See [`Self::Edu::node`].
        node: Option<u32>,
    },
}

/// The value of a device's property.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Property {
    /// `on` or `off`.
    Switch(bool),
    /// A number.
    Number(i64),
    /// Anything else; empty, where QEMU takes that for nothing.
    Text(String),
}

impl fmt::Display for Property {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => formatter.write_str(if *on { "on" } else { "off" }),
            Self::Number(number) => write!(formatter, "{number}"),
            // QEMU takes a doubled comma for a comma in a value.
            Self::Text(text) => formatter.write_str(&text.replace(',', ",,")),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    /// A device as QEMU's `-device` takes it: `MODEL[,NAME[=VALUE]]…`, with a doubled comma for a
    /// comma in a value.
    fn from_str(text: &str) -> Result<Self, String> {
        // No argument has a NUL.
        let text = text.replace(",,", "\0");
        let mut fields = text.split(',').map(|field| field.replace('\0', ","));
        let model = fields.next().unwrap_or_default();
        let mut properties = BTreeMap::new();
        for field in fields {
            let property = field.split_once('=').map_or_else(
                || (field.clone(), Property::Switch(true)),
                |(name, value)| (name.to_owned(), Property::Text(value.to_owned())),
            );
            properties.insert(property.0, property.1);
        }
        check_model(&model, &properties)?;
        Ok(Self::Qemu {
            model,
            properties,
            node: None,
        })
    }
}

impl Device {
    /// The node whose expander bridge it is behind.
    #[must_use]
    pub const fn node(&self) -> Option<u32> {
        match self {
            Self::Edu { node, .. } | Self::PciTestdev { node, .. } | Self::Qemu { node, .. } => {
                *node
            }
        }
    }
}

/// What would mean something else to QEMU is no name of a device or a property.
pub(super) fn check_model(
    model: &str,
    properties: &BTreeMap<String, Property>,
) -> Result<(), String> {
    let is_name = |text: &str| {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        !text.is_empty() && text.chars().all(allowed)
    };
    if !is_name(model) {
        return Err(format!("“{model}” is no name of a device"));
    }
    for name in properties.keys() {
        if !is_name(name) || matches!(name.as_str(), "driver" | "id" | "bus") {
            return Err(format!("{model} cannot be given a property “{name}”"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_qemu_takes_it() {
        let text = "i82557b,romfile=,mac=a,,b,multifunction";
        let Ok(Device::Qemu {
            model, properties, ..
        }) = text.parse()
        else {
            panic!("{text} is a device")
        };
        assert_eq!(model, "i82557b");
        let said: Vec<_> = properties
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(said, ["mac=a,,b", "multifunction=on", "romfile="]);
        for wrong in ["", "e1000,bus=pci.1", "e1000,=1"] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
    }
}
