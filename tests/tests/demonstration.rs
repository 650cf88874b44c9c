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
