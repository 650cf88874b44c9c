//! What looks at the requests of a queue runs under the queue's lock, at DISPATCH_LEVEL.
#![no_std]

use wdm::{
    csq::{Csq, Request},
    event::Event,
    irql::Passive,
};

pub fn wrong<R: Request>(queue: &Csq<R>, event: &Event, irql: &mut Passive) {
    let look = |_: &R, _| event.wait_for(1, irql);
    let _ = queue.remove_next_if(look, irql); //~ E0501
}
