//! Mapped memory is unmapped by value, so the owner of its addresses has it mapped.
#![no_std]

use wdm::{
    dma::{ListControl, Mapped},
    irql::Dispatch,
};

pub fn wrong<C: ListControl>(mapped: Mapped<C>, irql: &mut Dispatch) -> Option<(u64, u32)> {
    let _ = mapped.unmap(irql);
    mapped.element(0) //~ E0382
}
