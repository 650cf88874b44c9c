//! The proof of a raised level ends with what IRQL was raised for: there is no guard to forget.
#![no_std]

use wdm::irql::{Dispatch, Passive, raise_to_dispatch};

pub fn wrong<'a>(irql: &'a mut Passive) -> &'a mut Dispatch {
    raise_to_dispatch(irql, |irql| irql) //~ ERROR: lifetime may not live long enough
}
