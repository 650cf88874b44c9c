//! A register lies within its BAR, and is aligned.
#![no_std]

wdm::registers! { //~ ERROR: the register lies outside of its BAR
    /// A BAR.
    pub bar Bar0[0x10] => pub struct Bar0Registers {
        /// All.
        all: pub block All {
            /// A register.
            Control(0x10): u32, read;
        }
    }
}
