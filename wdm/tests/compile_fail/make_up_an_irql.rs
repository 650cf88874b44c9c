//! Safe code cannot claim a level: the kernel calls it at one.
#![no_std]

use wdm::irql::Passive;

pub fn wrong() -> Passive {
    Passive::assume() //~ E0133
}
