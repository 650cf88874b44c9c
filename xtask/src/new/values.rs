//! What is put into the templates of a new driver, between two `@`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    hash::{BuildHasher, Hasher, RandomState},
};

use anyhow::{Context, bail};

use crate::paths;

/// The devices of QEMU whose hardware ids are known here.
const MODELS: [(&str, &str); 5] = [
    (r"PCI\VEN_1234&DEV_11E8", "edu"),
    (r"PCI\VEN_1B36&DEV_0002", "pci-serial"),
    (r"PCI\VEN_1B36&DEV_0005", "pci-testdev"),
    (r"PCI\VEN_8086&DEV_100E", "e1000"),
    (r"PCI\VEN_8086&DEV_1209", "i82557b"),
];

/// The longest name: a PE image and an INF file take longer ones, but nobody wants to read them.
const LONGEST_NAME: usize = 24;

/// The values, by their names.
#[derive(Debug)]
pub struct Values {
    values: BTreeMap<&'static str, String>,
    needs_model: bool,
}

impl Values {
    /// Those of a driver of this name, for the device with a hardware id, or for software alone.
    ///
    /// # Errors
    ///
    /// If the name or the hardware id is none.
    pub fn of(
        name: &str,
        device: Option<&str>,
        model: Option<&str>,
        in_c: bool,
    ) -> anyhow::Result<Self> {
        check_name(name)?;
        if let Some(id) = device {
            check_hardware_id(id)?;
        }
        let hardware_id = device.map_or_else(
            || format!(r"ROOT\{}", name.to_ascii_uppercase()),
            str::to_owned,
        );
        let known = MODELS.iter().find(|(id, _)| {
            let start = hardware_id.get(..id.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(id))
        });
        let model = model.or_else(|| known.map(|&(_, model)| model));
        let devices = match (device, model) {
            // A machine has a list of devices, though it may be empty.
            (None, _) => String::new(),
            (Some(_), Some(model)) => {
                format!("\n[[devices]]\nkind = \"qemu\"\nmodel = \"{model}\"\n")
            }
            (Some(_), None) => {
                "\n# [[devices]]\n# kind = \"qemu\"\n# model = \"\" # as `qemu-system-x86_64 -device \
                 help` lists it\n"
                    .to_owned()
            }
        };
        let device_name = device.map_or_else(
            || "a device of software alone".to_owned(),
            |id| format!("the device {id}"),
        );
        let guid = Guid::random();
        let root = paths::root();
        let root = root.to_str().context("the project's path is no text")?;
        let tag = tag(name);
        let values = BTreeMap::from([
            ("NAME", name.to_owned()),
            ("ROOT", root.to_owned()),
            ("HARDWARE_ID", hardware_id),
            ("DEVICE_ESCAPED", device_name.replace('\\', r"\\")),
            ("DEVICE", device_name),
            ("MACHINE_DEVICES", devices),
            ("BUGCHECK", bug_check(&tag)),
            ("TAG_REVERSED", tag.chars().rev().collect()),
            ("TAG", tag),
            ("GUID", guid.text()),
            ("GUID_PARTS", guid.parts()),
            ("GUID_FIELDS", guid.fields()),
            ("GUID_C", guid.in_c()),
            (
                "SOURCE",
                if in_c {
                    format!("{name}.c")
                } else {
                    "src/lib.rs".to_owned()
                },
            ),
            (
                "ROOT_IN_CARGO",
                if in_c {
                    "and in `test/Cargo.toml`".to_owned()
                } else {
                    "in `Cargo.toml` and in `test/Cargo.toml`".to_owned()
                },
            ),
        ]);
        Ok(Self {
            values,
            needs_model: device.is_some() && model.is_none(),
        })
    }

    /// What the driver is for, to be read.
    pub fn device(&self) -> &str {
        self.values.get("DEVICE").map_or("", String::as_str)
    }

    /// Whether the machine's device has to be named by hand.
    pub const fn needs_model(&self) -> bool {
        self.needs_model
    }

    /// A template with its values put in.
    ///
    /// # Errors
    ///
    /// If it names one that is not there.
    pub fn put_into(&self, template: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        for (index, part) in template.split('@').enumerate() {
            if index % 2 == 0 {
                text.push_str(part);
            } else {
                let value = self.values.get(part);
                text.push_str(value.with_context(|| format!("a template has @{part}@"))?);
            }
        }
        // What the guide includes is marked, which is nothing to the driver.
        let is_mark = |line: &&str| line.trim_start().starts_with("// ANCHOR");
        Ok(text
            .split_inclusive('\n')
            .filter(|line| !is_mark(line))
            .collect())
    }
}

/// A name that is one for a service, an image, a crate and a section of an INF file.
fn check_name(name: &str) -> anyhow::Result<()> {
    /// Crates that a driver's own would hide or be taken for.
    const TAKEN: [&str; 8] = [
        "alloc",
        "core",
        "eduwdm",
        "proc_macro",
        "std",
        "test",
        "wdk_sys",
        "wdm",
    ];
    let mut characters = name.chars();
    let is_name = characters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && characters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_')
        && name.len() <= LONGEST_NAME
        && !TAKEN.contains(&name);
    if !is_name {
        bail!(
            "{name} is no name for a driver: up to {LONGEST_NAME} small letters, digits and _ are, \
             beginning with a letter, but for {}",
            TAKEN.join(", ")
        );
    }
    Ok(())
}

/// A hardware id as an INF file and a TOML file have it without quotes.
fn check_hardware_id(id: &str) -> anyhow::Result<()> {
    let is_id = id.contains('\\')
        && id.len() < 200
        && id
            .chars()
            .all(|one| one.is_ascii_graphic() && !"'\",;%@".contains(one));
    if !is_id {
        bail!(r"{id} is no hardware id, such as PCI\VEN_1234&DEV_11E8");
    }
    Ok(())
}

/// A pool tag: the name's first letters.
fn tag(name: &str) -> String {
    let mut letters: Vec<char> = name.chars().filter(char::is_ascii_alphanumeric).collect();
    letters.resize(4, 'x');
    let mut tag: String = letters.into_iter().collect();
    if let Some(first) = tag.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    tag
}

/// The bug check that the tag's letters are.
fn bug_check(tag: &str) -> String {
    let digits: Vec<String> = tag.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("0x{}_{}", digits[..2].concat(), digits[2..].concat())
}

/// A GUID.
struct Guid([u8; 16]);

impl Guid {
    /// One that nobody else has.
    fn random() -> Self {
        let half = || {
            // Its keys are random, which is all that is wanted of it.
            let mut hasher = RandomState::new().build_hasher();
            hasher.write_u8(0);
            hasher.finish().to_be_bytes()
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&half());
        bytes[8..].copy_from_slice(&half());
        // Version 4, variant 1: made at random. (RFC 9562, 5.4.)
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    fn hexadecimal(&self, from: usize, to: usize) -> String {
        let mut text = String::new();
        for byte in &self.0[from..to] {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    fn text(&self) -> String {
        [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)]
            .map(|(from, to)| self.hexadecimal(from, to))
            .join("-")
    }

    fn last(&self) -> String {
        (8..16)
            .map(|at| format!("0x{}", self.hexadecimal(at, at + 1)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    fn first(&self) -> [String; 3] {
        [
            format!("0x{}_{}", self.hexadecimal(0, 2), self.hexadecimal(2, 4)),
            format!("0x{}", self.hexadecimal(4, 6)),
            format!("0x{}", self.hexadecimal(6, 8)),
        ]
    }

    fn parts(&self) -> String {
        format!("{}, [{}]", self.first().join(", "), self.last())
    }

    fn fields(&self) -> String {
        let [one, two, three] = self.first();
        format!(
            "data1: {one},\n    data2: {two},\n    data3: {three},\n    data4: [{}],",
            self.last()
        )
    }

    fn in_c(&self) -> String {
        let first = self.first().map(|part| part.replace('_', ""));
        format!("{{{}, {{{}}}}}", first.join(", "), self.last())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_hardware_ids_that_would_break_a_file_are_refused() {
        for name in ["", "Sample", "1st", "a b", "core", "wdm", &"a".repeat(25)] {
            assert!(Values::of(name, None, None, false).is_err(), "{name}");
        }
        for id in ["PCI", "PCI\\VEN_1234, x", "A\\B'", "A\\%x%", "A\\@NAME@"] {
            assert!(Values::of("sample", Some(id), None, false).is_err(), "{id}");
        }
    }

    #[test]
    fn values_are_put_in_and_a_name_that_is_none_is_told() {
        let values = Values::of("sample", None, None, false).unwrap();
        assert_eq!(values.put_into("a @NAME@.inf").unwrap(), "a sample.inf");
        assert_eq!(
            values.put_into("@TAG@ @BUGCHECK@").unwrap(),
            "Samp 0x5361_6d70"
        );
        assert!(values.put_into("@NONE@").is_err());
        // What marks a part for the guide is left out.
        let marked = "one\n    // ANCHOR: part\ntwo\n    // ANCHOR_END: part\n";
        assert_eq!(values.put_into(marked).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_known_device_is_in_the_machine_and_another_is_asked_for() {
        let of = |id| Values::of("sample", Some(id), None, false).unwrap();
        let serial = of(r"pci\ven_1b36&dev_0002&REV_01");
        assert!(!serial.needs_model());
        let devices = serial.put_into("@MACHINE_DEVICES@").unwrap();
        assert!(devices.contains("\"pci-serial\""), "{devices}");
        assert!(of(r"PCI\VEN_FFFE&DEV_0001").needs_model());
    }

    #[test]
    fn no_two_guids_are_alike() {
        let [one, two] = [Guid::random(), Guid::random()];
        assert_ne!(one.text(), two.text());
        assert_eq!(one.text().len(), 36);
        assert_eq!(&one.text()[14..15], "4");
    }
}
