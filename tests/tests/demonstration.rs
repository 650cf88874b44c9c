//! Every machine boots and passes the demonstration's checks.
#![cfg(unix)]

use eduwdm_qemu::{Machine, demo, machine};
use eduwdm_tests::{artifacts, manifest, options};

fn demonstrate(name: &str) {
    let machine = Machine::load(name).unwrap_or_else(|fault| panic!("{fault}"));
    let mut shown = Vec::new();
    let options = options(manifest());
    let report = demo::run(&machine, &artifacts(), &options, &mut shown, |_| ()).unwrap();
    assert!(
        report.faults.is_empty(),
        "{name}:\n{}",
        String::from_utf8_lossy(&shown)
    );
    // It has got to its end: the first answer, and then some.
    assert!(
        report.first_answer.is_some() && report.checks > 100,
        "{name}"
    );
    if name == PICTURE.0 {
        shows_what_is_printed(&String::from_utf8_lossy(&shown));
    }
}

/// What the README shows, and of which machine: `cargo xtask demo --record docs/src/demo.svg` makes it.
const PICTURE: (&str, &str) = ("numa2x2", include_str!("../../docs/src/demo.svg"));

/// Each line of the picture that has no number is printed.
fn shows_what_is_printed(printed: &str) {
    let lines = PICTURE.1.lines().filter_map(|line| {
        let (_, text) = line.strip_prefix("<text ")?.split_once('>')?;
        text.strip_suffix("</text>")
    });
    let is_fixed = |line: &&str| !line.is_empty() && !line.contains(|it: char| it.is_ascii_digit());
    let fixed: Vec<_> = lines.filter(is_fixed).collect();
    for line in &fixed {
        assert!(
            printed.lines().any(|other| other == *line),
            "docs/src/demo.svg shows {line:?}, which is not printed:\n{printed}"
        );
    }
    assert!(fixed.len() > 5, "{fixed:?}");
}

macro_rules! machines {
    ($($test:ident $name:literal)*) => {
        $(
            #[test]
            fn $test() {
                demonstrate($name);
            }
        )*

        /// The machines that are demonstrated here.
        const MACHINES: &[&str] = &[$($name),*];
    };
}

machines! {
    up "up"
    up_intx "up-intx"
    smp4 "smp4"
    edu8_intx "edu8-intx"
    smp4_intx "smp4-intx"
    numa2x2 "numa2x2"
    numa "numa"
    edu4 "edu4"
    iommu "iommu"
    smp32 "smp32"
    smp128 "smp128"
}

#[test]
fn no_machine_is_left_out() {
    for name in machine::names().unwrap() {
        assert!(
            MACHINES.contains(&name.as_str()),
            "{name} is not demonstrated"
        );
    }
}
