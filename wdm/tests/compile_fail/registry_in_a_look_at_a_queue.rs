//! What looks at the requests of a queue cannot even share the proof of the level below.
#![no_std]

use wdm::{
    csq::{Csq, Request},
    irql::Passive,
    registry::Key,
    unicode::UnicodeString,
    utf16,
};

pub fn wrong<R: Request>(queue: &Csq<R>, key: &Key, irql: &mut Passive) {
    let proof = &*irql;
    let look = |_: &R, _| key.query_dword(UnicodeString::new(utf16!("Look")), proof).is_ok();
    let _ = queue.remove_next_if(look, irql); //~ E0502
}
