//! Each property of an image is seen where it is missing, and nothing else is said then.

mod image;

use eduwdm_package::inf::driver_version::Version;
use eduwdm_package::pe::hygiene::{self, Verdict};
use image::{GOOD, GUARDED, GUID, GuardPlan, HANDLER, LANDING_PAD, Plan, image, pdb};
use object::pe;

/// The properties that are bad.
fn bad(plan: &Plan) -> Vec<&'static str> {
    let table =
        hygiene::check(&image(plan), Some(&pdb(GUID)), Some(Version([1, 2, 3, 0]))).unwrap();
    table.bad().map(|line| line.property).collect()
}

#[test]
fn an_image_as_it_should_be_has_nothing_bad() {
    let table =
        hygiene::check(&image(&GOOD), Some(&pdb(GUID)), Some(Version([1, 2, 3, 0]))).unwrap();
    assert_eq!(table.bad().count(), 0, "{table}");
    for line in &table.0 {
        let expected = if line.property == "Control Flow Guard" {
            Verdict::Missing
        } else {
            Verdict::Good
        };
        assert_eq!(line.verdict, expected, "{table}");
    }
}

#[test]
fn each_fault_is_seen_by_its_own_line() {
    let without = |flag: u16| GOOD.characteristics & !flag;
    let executable = pe::IMAGE_SCN_MEM_EXECUTE | pe::IMAGE_SCN_MEM_READ;
    let cases = [
        (
            "subsystem",
            Plan {
                subsystem: pe::IMAGE_SUBSYSTEM_WINDOWS_CUI,
                ..GOOD
            },
        ),
        (
            "NX compatible",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_NX_COMPAT),
                ..GOOD
            },
        ),
        (
            "ASLR",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_DYNAMIC_BASE),
                ..GOOD
            },
        ),
        (
            "high-entropy ASLR",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA),
                ..GOOD
            },
        ),
        (
            "integrity check",
            Plan {
                characteristics: without(pe::IMAGE_DLLCHARACTERISTICS_FORCE_INTEGRITY),
                ..GOOD
            },
        ),
        (
            "writable code",
            Plan {
                code: executable | pe::IMAGE_SCN_MEM_WRITE,
                ..GOOD
            },
        ),
        (
            "INIT section",
            Plan {
                init: Some(executable),
                ..GOOD
            },
        ),
        (
            "imports",
            Plan {
                import: ("kernel32.dll", "Sleep"),
                ..GOOD
            },
        ),
        (
            "imports",
            Plan {
                import: ("ntoskrnl.exe", "KeQueryNodeActiveAffinity2"),
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                version: None,
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                version: Some([1, 2, 4, 0]),
                ..GOOD
            },
        ),
        (
            "version resource",
            Plan {
                file_type: 1,
                ..GOOD
            },
        ),
    ];
    for (property, plan) in cases {
        assert_eq!(bad(&plan), [property], "{plan:?}");
    }
    let discardable = executable | pe::IMAGE_SCN_MEM_DISCARDABLE;
    assert_eq!(
        bad(&Plan {
            init: Some(discardable),
            ..GOOD
        }),
        [""; 0]
    );
}

/// What is bad of an image with these tables.
fn bad_tables(plan: GuardPlan) -> Vec<String> {
    let plan = Plan {
        guard: Some(plan),
        ..GUARDED
    };
    let table = hygiene::check(&image(&plan), Some(&pdb(GUID)), None).unwrap();
    let bad = table.bad();
    bad.map(|line| format!("{}: {}", line.property, line.found))
        .collect()
}

#[test]
fn a_guarded_image_has_its_handlers_among_the_call_targets() {
    let good = GUARDED.guard.unwrap();
    let table = hygiene::check(&image(&GUARDED), Some(&pdb(GUID)), None).unwrap();
    for line in &table.0 {
        assert_eq!(line.verdict, Verdict::Good, "{table}");
    }
    assert!(
        table.to_string().contains("1, all of them call targets"),
        "{table}"
    );
    for extra in [0, 1, 3] {
        assert_eq!(bad_tables(GuardPlan { extra, ..good }), [""; 0]);
        let without = GuardPlan {
            functions: &[0, LANDING_PAD],
            extra,
            ..good
        };
        assert_eq!(
            bad_tables(without),
            [
                "exception handlers: the handler at 0x1040 of the function at 0x1000 is no call \
                 target"
            ]
        );
    }
}

#[test]
fn an_image_that_claims_to_have_its_continuations_has_its_landing_pads_among_them() {
    let with = |continuations: &'static [u32]| {
        bad_tables(GuardPlan {
            continuations: Some(continuations),
            ..GUARDED.guard.unwrap()
        })
    };
    assert_eq!(with(&[LANDING_PAD]), [""; 0]);
    assert_eq!(
        with(&[HANDLER]),
        [
            "exception handlers: execution may not go on at 0x1020, where the function at 0x1000 \
             catches"
        ]
    );
}

#[test]
fn a_table_that_cannot_be_read_is_bad() {
    let good = image(&GUARDED);
    // The load configuration's count of call targets, and the handler's place in the unwind data.
    let at = |bytes: &[u8]| good.windows(bytes.len()).position(|part| part == bytes);
    let config = at(&0x118_u32.to_le_bytes()).unwrap();
    for (offset, value) in [(0x80, 0_u64), (0x88, u64::MAX), (0x88, 0x1000)] {
        let mut changed = good.clone();
        changed[config + offset..config + offset + 8].copy_from_slice(&value.to_le_bytes());
        eduwdm_package::pe::checksum::set(&mut changed).unwrap();
        let table = hygiene::check(&changed, Some(&pdb(GUID)), None).unwrap();
        assert_eq!(
            table.bad().map(|line| line.property).collect::<Vec<_>>(),
            ["Control Flow Guard"],
            "{table}"
        );
    }
}

#[test]
fn a_wrong_checksum_and_the_pdb_of_another_image_are_seen() {
    let mut changed = image(&GOOD);
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let table = hygiene::check(&changed, Some(&pdb(GUID)), None).unwrap();
    assert_eq!(
        table.bad().map(|l| l.property).collect::<Vec<_>>(),
        ["checksum"]
    );
    let other = pdb(*b"another guid, 16");
    let table = hygiene::check(&image(&GOOD), Some(&other), None).unwrap();
    assert_eq!(table.bad().map(|l| l.property).collect::<Vec<_>>(), ["PDB"]);
    for damaged in [&b"no PDB"[..], &pdb(GUID)[..60]] {
        let table = hygiene::check(&image(&GOOD), Some(damaged), None).unwrap();
        assert_eq!(table.bad().map(|l| l.property).collect::<Vec<_>>(), ["PDB"]);
    }
}

#[test]
fn no_part_of_an_image_makes_the_check_panic() {
    // The headers are alike; behind the code come the tables that only a guarded image has.
    for (whole, range) in [(image(&GOOD), 0..0x400), (image(&GUARDED), 0x600..0x900)] {
        for length in (0..whole.len()).step_by(7) {
            let _ = hygiene::check(&whole[..length], None, None);
        }
        for at in range {
            let mut changed = whole.clone();
            changed[at] = 0xff;
            let _ = hygiene::check(&changed, Some(&pdb(GUID)), None);
        }
    }
}

#[test]
fn the_table_says_why() {
    let plan = Plan {
        characteristics: 0,
        ..GOOD
    };
    let shown = hygiene::check(&image(&plan), None, None)
        .unwrap()
        .to_string();
    for part in [
        "BAD NX compatible",
        "data must not be executed",
        "ok  subsystem",
        "no  PDB",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
}
