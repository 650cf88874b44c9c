//! The page on the verifier tells what the tests of the verifier show: no more, no less.
//!
//! Both are read as they are written: the rows of `verifier.rs`, and the table of
//! `docs/src/verifier.md` whose last column names drivers and their misdeeds.
#![cfg(unix)]

use std::collections::BTreeSet;

use eduwdm_tests::misdeeds::{self, Misdeed, Then};

#[test]
fn the_page_tells_what_the_tests_of_the_verifier_show() {
    let tested: BTreeSet<_> = misdeeds::tested().into_iter().map(|(it, _)| it).collect();
    let told: BTreeSet<_> = misdeeds::told().into_iter().map(|(it, _)| it).collect();
    assert!(tested.len() > 200, "only {} rows were read", tested.len());
    let untold: Vec<_> = tested.difference(&told).collect();
    assert_eq!(untold, [] as [&Misdeed; 0], "the page does not tell these");
    let unshown: Vec<_> = told.difference(&tested).collect();
    assert_eq!(unshown, [] as [&Misdeed; 0], "no test shows these");
}

#[test]
fn the_page_says_of_each_rule_whether_the_system_can_go_on() {
    let told = misdeeds::told();
    let goes_on = told.iter().filter(|(_, then)| *then != Then::Stops).count();
    assert!(
        goes_on > 100,
        "from {goes_on} of {} rules alone",
        told.len()
    );
}
