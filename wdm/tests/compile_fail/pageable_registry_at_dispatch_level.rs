//! The registry is pageable.
#![no_std]

use wdm::{irql::Dispatch, registry::Key, unicode::UnicodeString};

pub fn wrong(path: UnicodeString<'_>, irql: &mut Dispatch) {
    drop(Key::open(path, irql)); //~ E0308
}
