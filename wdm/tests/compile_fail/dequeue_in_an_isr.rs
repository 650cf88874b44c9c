//! A cancel-safe queue is protected by a spin lock of DISPATCH_LEVEL.
#![no_std]

use wdm::{
    csq::{Csq, Request},
    irql::Dirql,
};

pub fn wrong<R: Request>(queue: &Csq<R>, irql: &mut Dirql) {
    drop(queue.remove_next(irql)); //~ ERROR: IRQL <= DISPATCH_LEVEL only
}
