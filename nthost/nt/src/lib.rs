//! The kernel's structures, constants and routine types as drivers know them, from the WDM
//! reference: independent of the headers that drivers are built with, so that nthost checks
//! what those make of them. Names are the reference's own, in its own spelling.
//!
//! Everything is for x64: 64-bit pointers, `win64` calls, the layout of `repr(C)`.
#![no_std]
#![expect(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    reason = "the names are those of the WDM reference"
)]

pub mod ex;
pub mod guid;
pub mod io;
pub mod ke;
pub mod mm;
pub mod ob;
pub mod po;
pub mod po_fx;
pub mod rtl;
pub mod se;
pub mod status;
