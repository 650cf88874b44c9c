//! While IRQL is raised, the proof of the level below is not available.
#![no_std]

use wdm::{
    event::Event,
    irql::{Passive, raise_to_dispatch},
};

pub fn wrong(event: &Event, irql: &mut Passive) {
    raise_to_dispatch(irql, |_| event.wait(irql)); //~ E0500
    //~^ E0501
}
