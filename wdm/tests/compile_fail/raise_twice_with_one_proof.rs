//! IRQL is lowered in the reverse order of raising it.
#![no_std]

use wdm::irql::{Passive, raise_to_dispatch};

pub fn wrong(irql: &mut Passive) {
    let first = raise_to_dispatch(irql);
    let second = raise_to_dispatch(irql); //~ E0499
    drop(first);
    drop(second);
}
