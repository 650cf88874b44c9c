//! Which device a request goes to: an interface's path, an interface class, or the name of a
//! symbolic link.

use eductl::{Error, IoSystem};
use eduwdm_abi::InterfaceClass;

/// Reads a GUID in braces.
pub fn class(text: &str) -> Result<InterfaceClass, String> {
    let wrong = || format!("“{text}” is no GUID such as {{8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0001}}");
    let inner = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    let groups: Vec<_> = inner.ok_or_else(wrong)?.split('-').collect();
    let lengths: Vec<_> = groups.iter().map(|group| group.len()).collect();
    if lengths != [8, 4, 4, 4, 12] {
        return Err(wrong());
    }
    let digits = groups.concat();
    let number = u128::from_str_radix(&digits, 16).map_err(|_| wrong())?;
    let part = |length: u32, behind: u32| (number >> behind) & ((1 << length) - 1);
    let fits = |_| wrong();
    Ok(InterfaceClass {
        data1: u32::try_from(part(32, 96)).map_err(fits)?,
        data2: u16::try_from(part(16, 80)).map_err(fits)?,
        data3: u16::try_from(part(16, 64)).map_err(fits)?,
        data4: u64::try_from(part(64, 0)).map_err(fits)?.to_be_bytes(),
    })
}

/// An interface that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The service of its device, where the system says it.
    pub service: String,
    /// Its path.
    pub path: String,
}

/// The path to open. `known` are the interfaces that are there, as far as the system
/// tells.
///
/// # Errors
///
/// If nothing, or more than one, is called so.
pub fn path(
    system: &dyn IoSystem,
    known: &[Interface],
    asked: Option<&str>,
) -> Result<String, Error> {
    let names = || {
        let names = known.iter().enumerate();
        names
            .map(|(index, one)| format!("{index} {}", one.path))
            .collect()
    };
    let unknown = |asked: &str| Error::UnknownDevice {
        asked: asked.to_owned(),
        known: names(),
    };
    let Some(asked) = asked else {
        return match known {
            [one] => Ok(one.path.clone()),
            _ => Err(Error::Usage(format!(
                "say which device with --device: the index or path of an interface as `eductl io \
                 list` shows them or a part of it, {{CLASS}}, or the name of a symbolic link\n  \
                 there are: {}",
                names().join(", ")
            ))),
        };
    };
    // Of a class, with a number where it has several.
    if asked.starts_with('{') {
        let (text, index) = asked.rsplit_once(':').unwrap_or((asked, "0"));
        let class = class(text).map_err(Error::Usage)?;
        let index: usize = index.parse().map_err(|_| unknown(asked))?;
        let paths = system.interface_list(&class)?;
        return paths
            .get(index)
            .cloned()
            .ok_or_else(|| Error::UnknownDevice {
                asked: asked.to_owned(),
                known: paths,
            });
    }
    if asked.starts_with('\\') {
        return Ok(asked.to_owned());
    }
    if let Ok(index) = asked.parse::<usize>() {
        let found = known.get(index).map(|one| one.path.clone());
        return found.ok_or_else(|| unknown(asked));
    }
    let part = asked.to_ascii_lowercase();
    let mut having = known
        .iter()
        .filter(|one| one.path.to_ascii_lowercase().contains(&part));
    match (having.next(), having.next()) {
        (Some(one), None) => Ok(one.path.clone()),
        (Some(_), Some(_)) => Err(unknown(asked)),
        // What a driver calls a link in DriverEntry is in no list.
        (None, _) => Ok(format!(r"\\.\{asked}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eductl::io::{File, UserMemory};

    use super::*;

    const CLASS: &str = "{8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c00a1}";

    /// A system with two interfaces of one class.
    struct System;

    impl IoSystem for System {
        fn interface_list(&self, asked: &InterfaceClass) -> Result<Vec<String>, Error> {
            assert_eq!((asked.data1, asked.data2), (0x8f1f_6f0a, 0x38a5));
            assert_eq!(
                (asked.data3, asked.data4[0], asked.data4[7]),
                (0x4f36, 0x9d, 0xa1)
            );
            Ok(vec![r"\\?\A".to_owned(), r"\\?\B".to_owned()])
        }

        fn create_file(&self, _: &str) -> Result<Arc<dyn File>, Error> {
            Err(Error::NoDevice)
        }

        fn allocate(&self, _: usize) -> Result<Box<dyn UserMemory>, Error> {
            Err(Error::NoDevice)
        }
    }

    fn known() -> Vec<Interface> {
        [r"\\?\PCI#ONE", r"\\?\PCI#TWO"]
            .map(|path| Interface {
                service: String::new(),
                path: path.to_owned(),
            })
            .to_vec()
    }

    #[test]
    fn a_device_is_a_path_a_part_of_one_a_class_or_a_link() {
        let known = known();
        let path = |asked: &str| path(&System, &known, Some(asked)).unwrap();
        assert_eq!(path("1"), r"\\?\PCI#TWO");
        assert_eq!(path("one"), r"\\?\PCI#ONE");
        assert_eq!(path(CLASS), r"\\?\A");
        assert_eq!(path(&format!("{CLASS}:1")), r"\\?\B");
        assert_eq!(path("MyLink"), r"\\.\MyLink");
        assert_eq!(path(r"\\.\C:"), r"\\.\C:");
    }

    #[test]
    fn without_a_name_it_is_the_only_one() {
        let known = known();
        assert_eq!(path(&System, &known[..1], None).unwrap(), r"\\?\PCI#ONE");
        let fault = path(&System, &known, None).unwrap_err();
        assert!(fault.to_string().contains("1 \\\\?\\PCI#TWO"), "{fault}");
        assert!(path(&System, &known, Some("pci")).is_err());
        assert!(path(&System, &known, Some("7")).is_err());
        assert!(path(&System, &known, Some(&format!("{CLASS}:2"))).is_err());
        assert!(path(&System, &known, Some("{8f1f}")).is_err());
    }
}
