//! INF files, and what is installed from them.

use eduwdm_package::inf::Document;
use nthost_protocol::manifest::{RegistryData, RegistryValue, Role};

use super::{Installation, of};

/// A function driver with a filter on either side, for two systems.
const INF: &str = r#"
[Version]
Signature="$Windows NT$"
[Manufacturer]
%Maker%=Models,NTx86,NTamd64.6.1,NTamd64.10.0...16299,NTamd64.10.0...22000
[Models.NTx86]
"Card"=Old,PCI\VEN_8086&DEV_0001
[Models.NTamd64.6.1]
"Card"=Old,PCI\VEN_8086&DEV_0002
[Models.NTamd64.10.0...16299]
"Card"=Card,PCI\VEN_8086&DEV_1229,PCI\VEN_8086
"Other card"=Other,PCI\VEN_8086&DEV_2449
[Models.NTamd64.10.0...22000]
"Card"=Old,PCI\VEN_8086&DEV_0003
[Old]
[Card.NTamd64]
AddReg=Software
[Card]
[Card.NTamd64.HW]
AddReg=Hardware,Filters
[Card.NTamd64.Services]
AddService=card,2,Service
AddService=above,,Above
AddService=below,,Below
AddService=idle,,Idle
[Card.NTamd64.Filters]
AddFilter=below,,Position
[Position]
FilterPosition=Lower
[Other.NT]
[Other.NT.Services]
AddService=card,2,Service
[Other.NT.HW]
AddReg=Without
[Software]
HKR,,Speed,,"fast"
[Hardware]
HKR,Interrupt Management\MessageSignaledInterruptProperties,MSISupported,0x00010001,1
HKR,,Security,,"D:P(A;;GA;;;SY)"
HKLM,Software\Elsewhere,Here,,1
[Without]
HKR,"Interrupt Management\MessageSignaledInterruptProperties",MSISupported,0x00010001,0
[Filters]
HKR,,UpperFilters,0x00010008,above,foreign
[Service]
ServiceType=1
StartType=3
ErrorControl=1
ServiceBinary=%13%\card.sys
AddReg=Parameters
[Parameters]
HKR,Parameters,Depth,0x00010001,0x40
HKR,Parameters,Bytes,0x00010001,78,56,34,12
HKR,Parameters,Names,0x00010000,a,"b,c"
HKR,Parameters,Blob,1,01,ff
HKR,Parameters,Text,,%Maker%
HKR,Parameters\Deep,Path,0x20000,"%%SystemRoot%%\x"
HKR,Parameters,Long,0xb0001,0x100000000
[Above]
ServiceType=1
StartType=3
ServiceBinary=%13%\above.sys
[Below]
ServiceType=1
StartType=0
ServiceBinary=%12%\below.sys
[Idle]
ServiceType=1
StartType=3
ServiceBinary=%12%\idle.sys
[Strings]
Maker="Somebody"
"#;

fn installed(ids: &[&str]) -> Installation {
    let ids: Vec<_> = ids.iter().map(|&id| id.to_owned()).collect();
    of(&Document::parse(INF), &ids).unwrap()
}

fn value(key: &str, name: &str, data: RegistryData) -> RegistryValue {
    RegistryValue {
        key: key.to_owned(),
        name: name.to_owned(),
        data,
    }
}

#[test]
fn ids_service_parameters_and_keys_are_those_of_the_models_that_fit_the_system_best() {
    let installation = installed(&[]);
    let [card, above, below] = installation.drivers.as_slice() else {
        panic!("{installation:?}")
    };
    assert_eq!((&*card.service, &*card.image), ("card", "card.sys"));
    assert_eq!(
        card.hardware_ids,
        [
            r"PCI\VEN_8086&DEV_1229",
            r"PCI\VEN_8086",
            r"PCI\VEN_8086&DEV_2449"
        ]
    );
    assert_eq!(
        card.service_values,
        [
            value("Parameters", "Depth", RegistryData::Dword(0x40)),
            value("Parameters", "Bytes", RegistryData::Dword(0x1234_5678)),
            value(
                "Parameters",
                "Names",
                RegistryData::MultiString(vec!["a".to_owned(), "b,c".to_owned()])
            ),
            value("Parameters", "Blob", RegistryData::Binary(vec![1, 0xff])),
            value(
                "Parameters",
                "Text",
                RegistryData::String("Somebody".to_owned())
            ),
            value(
                r"Parameters\Deep",
                "Path",
                RegistryData::ExpandString(r"%SystemRoot%\x".to_owned())
            ),
            value("Parameters", "Long", RegistryData::Qword(1 << 32)),
        ]
    );
    assert_eq!(
        card.device_values,
        [value(
            r"Interrupt Management\MessageSignaledInterruptProperties",
            "MSISupported",
            RegistryData::Dword(1)
        )]
    );
    assert_eq!(card.security.as_deref(), Some("D:P(A;;GA;;;SY)"));
    assert_eq!(above.role, Role::UpperFilter);
    assert_eq!(below.role, Role::LowerFilter);
    assert_eq!(below.image, "below.sys");
    assert_eq!(
        above.hardware_ids,
        [r"PCI\VEN_8086&DEV_1229", r"PCI\VEN_8086"]
    );
    assert_eq!(
        below.service_values,
        [value("", "Start", RegistryData::Dword(0))]
    );
}

#[test]
fn what_the_machine_does_not_do_is_said() {
    let said = installed(&[]).left_out.join("\n");
    for expected in [
        "the service idle",
        "below HKLM",
        "the filter foreign",
        "MSISupported, of which another model has said otherwise",
        "software key",
    ] {
        assert!(said.contains(expected), "“{expected}” is not in:\n{said}");
    }
}

#[test]
fn one_id_chooses_its_models() {
    let installation = installed(&[r"pci\ven_8086&dev_2449"]);
    let [card] = installation.drivers.as_slice() else {
        panic!("{installation:?}")
    };
    assert_eq!(card.hardware_ids, [r"PCI\VEN_8086&DEV_2449"]);
    assert_eq!(card.device_values[0].data, RegistryData::Dword(0));
    let ids = [r"PCI\VEN_1234".to_owned()];
    let fault = of(&Document::parse(INF), &ids).unwrap_err();
    assert!(
        fault.contains(r"there are PCI\VEN_8086&DEV_1229"),
        "{fault}"
    );
}

#[test]
fn a_file_for_other_systems_installs_nothing() {
    let others = INF.replace(",NTamd64.6.1,NTamd64.10.0...16299", "");
    let fault = of(&Document::parse(&others), &[]).unwrap_err();
    assert!(fault.contains("build 19041"), "{fault}");
}

#[test]
fn a_primitive_driver_has_no_device_and_is_loaded_if_it_starts_by_itself() {
    let primitive = r"
[DefaultInstall.NTamd64]
[DefaultInstall.NTamd64.Services]
AddService=alone,,Service
[Service]
ServiceType=1
StartType=1
ServiceBinary=%13%\alone.sys
";
    let installation = of(&Document::parse(primitive), &[]).unwrap();
    assert_eq!(installation.drivers[0].service, "alone");
    assert!(installation.drivers[0].hardware_ids.is_empty());
}

#[test]
fn the_projects_own_file_says_what_its_manifest_says() {
    let inf = include_str!("../../../../inf/eduwdm.inf");
    let installation = of(&Document::parse(inf), &[]).unwrap();
    let manifest = eduwdm_qemu::manifest::load(eduwdm_qemu::manifest::EDUWDM.as_ref()).unwrap();
    let ([installed], [written]) = (&*installation.drivers, &*manifest.drivers) else {
        panic!("{installation:?}")
    };
    assert_eq!(installed.hardware_ids, written.hardware_ids);
    assert_eq!(installed.security, written.security);
    for value in &written.device_values {
        assert!(installed.device_values.contains(value), "{installed:?}");
    }
}
