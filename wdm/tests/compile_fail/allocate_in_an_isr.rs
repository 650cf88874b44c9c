//! Pool is not available above DISPATCH_LEVEL.
#![no_std]

use wdm::{
    event::Event,
    irql::Dirql,
    pool::{PoolBox, Shared, Tag},
};

pub fn wrong(tag: Tag, irql: &mut Dirql) {
    let _ = PoolBox::new(tag, 1, irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
    let _ = Shared::new(tag, 1, irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
    let _ = PoolBox::slice(tag, 1, |_| 0, irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
    let _ = Event::new(tag, false, irql); //~ ERROR: IRQL <= DISPATCH_LEVEL only
}
