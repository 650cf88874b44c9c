//! The scripts of a package under the names of any driver.
//!
//! They are the project's own, with its names replaced. What they say of its devices, and the
//! verification, which needs a program that exercises the driver, is left out.

use crate::inf::facts::Facts;
use crate::publish::Content;

const INSTALL: &str = include_str!("../../../inf/install.ps1");
const REMOVE: &str = include_str!("../../../inf/remove.ps1");
const MODULE: &str = include_str!("../../../inf/eduwdm.psm1");

/// What in the project's scripts is about its own devices, and what any driver's say instead.
const OWN: &[(&str, &str)] = &[
    (
        "# The first Windows with every routine that the driver calls: Windows 10, version 2004.\n",
        "# The first Windows that the INF file is for.\n",
    ),
    (" (Windows 10, version 2004) or later", " or later"),
    (
        "This machine has neither an edu device nor a pci-testdev device.",
        "This machine has none of the devices that the package is for.",
    ),
    (
        "Start it in QEMU with -device edu and -device pci-testdev; the driver is ready for them.",
        "The driver is ready for them.",
    ),
    (
        "Next, to run the driver under Driver Verifier, or to take everything away:",
        "To take everything away:",
    ),
    (
        "Write-Host \"  $(Get-CommandLine 'verify.ps1 -Restart')\"\n",
        "",
    ),
    (" and verify.ps1 did", " did"),
    ("'PCI\\VEN_1234&DEV_11E8', 'PCI\\VEN_1B36&DEV_0005'", "IDS"),
    ("$LowestBuild = 19041", "$LowestBuild = BUILD"),
];

/// The names of a package.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of the INF file, without its extension.
    pub stem: String,
    /// Of the driver's image.
    pub image: String,
}

/// Whether a name can stand in a script without being anything else there.
fn is_plain(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.&\\*{}".contains(letter);
    !name.is_empty() && name.chars().all(allowed)
}

/// The scripts.
///
/// # Errors
///
/// The name that cannot be in a script.
pub fn of(names: &Names, facts: &Facts) -> Result<Vec<Content>, String> {
    let Names { stem, image } = names;
    let service = if facts.service.is_empty() {
        stem
    } else {
        &facts.service
    };
    let written = [stem, image, service, &facts.catalog];
    for name in written.into_iter().chain(&facts.device_ids) {
        if !is_plain(name) {
            return Err(format!("“{name}” cannot be in a script"));
        }
    }
    let ids: Vec<_> = facts
        .device_ids
        .iter()
        .map(|id| format!("'{id}'"))
        .collect();
    let lowest = facts
        .targets
        .iter()
        .map(|target| target.lowest_build())
        .min();
    let inf = format!("{stem}.inf");
    let certificate = format!("{stem}.cer");
    let module = format!("{stem}.psm1");
    let values = [
        ("eduwdm.inf", inf.as_str()),
        ("eduwdm.sys", image),
        ("eduwdm.cat", &facts.catalog),
        ("eduwdm.cer", &certificate),
        ("eduwdm.psm1", &module),
        ("eduwdm", service),
    ];
    let rename = |text: &str| {
        // Git may have given the lines other ends.
        let mut text = text.replace("\r\n", "\n");
        for (own, any) in OWN {
            let any = match *any {
                "IDS" => ids.join(", "),
                "$LowestBuild = BUILD" => format!("$LowestBuild = {}", lowest.unwrap_or(0)),
                any => any.to_owned(),
            };
            text = text.replace(own, &any);
        }
        for (own, any) in values {
            // What is put in is not looked at again.
            text = text.replace(own, &marked(any));
        }
        text.replace('\u{1}', "").replace('\n', "\r\n").into_bytes()
    };
    let file = |name: &str, text| Content {
        name: name.to_owned(),
        bytes: rename(text),
    };
    Ok(vec![
        file("install.ps1", INSTALL),
        file("remove.ps1", REMOVE),
        file(&module, MODULE),
    ])
}

/// A name with a mark behind each letter, by which none of the project's is found in it.
fn marked(name: &str) -> String {
    name.chars().flat_map(|letter| [letter, '\u{1}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inf::decoration::Target;

    fn facts() -> Facts {
        Facts {
            catalog: "card.cat".to_owned(),
            service: "cardsvc".to_owned(),
            device_ids: vec![r"pci\ven_8086&dev_1229".to_owned()],
            targets: Target::parse("NTamd64.10.0...17763").into_iter().collect(),
            ..Facts::default()
        }
    }

    fn names() -> Names {
        Names {
            stem: "eduwdm2".to_owned(),
            image: "card.sys".to_owned(),
        }
    }

    #[test]
    fn what_is_replaced_is_in_the_scripts() {
        let all = [INSTALL, REMOVE, MODULE].concat().replace("\r\n", "\n");
        for (own, _) in OWN {
            assert!(all.contains(own), "{own}");
        }
    }

    #[test]
    fn the_scripts_have_the_drivers_names_and_none_of_the_projects() {
        let scripts = of(&names(), &facts()).unwrap();
        let named: Vec<_> = scripts.iter().map(|script| script.name.as_str()).collect();
        assert_eq!(named, ["install.ps1", "remove.ps1", "eduwdm2.psm1"]);
        let all: Vec<u8> = scripts
            .into_iter()
            .flat_map(|script| script.bytes)
            .collect();
        let all = String::from_utf8(all).unwrap();
        for expected in [
            "'eduwdm2.inf', 'card.sys', 'card.cat', 'eduwdm2.cer'",
            "'eduwdm2.psm1'",
            "-ne 'cardsvc'",
            r"@('pci\ven_8086&dev_1229')",
            "$LowestBuild = 17763",
        ] {
            assert!(all.contains(expected), "“{expected}” is in no script");
        }
        let rest = all.replace("eduwdm2", "");
        for own in [
            "eduwdm",
            "pci-testdev device",
            "VEN_1B36",
            "verify.ps1 -Restart",
        ] {
            assert!(!rest.contains(own), "{own}");
        }
    }

    #[test]
    fn a_name_that_would_be_more_than_a_name_is_refused() {
        let mut names = names();
        names.stem = "a';exit".to_owned();
        assert!(of(&names, &facts()).unwrap_err().contains("a';exit"));
    }
}
