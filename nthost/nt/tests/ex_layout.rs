//! The executive's structures lie in memory as drivers' inlined code expects: as Microsoft's
//! metadata (`windows-sys`) say, or the headers' text where the metadata leave them out.

use std::mem::{align_of, offset_of, size_of};

use nthost_nt::{
    ex::{ERESOURCE, FAST_MUTEX, GENERAL_LOOKASIDE, GENERAL_LOOKASIDE_POOL},
    ke::SLIST_HEADER,
};
use windows_sys::Wdk::Foundation as fnd;

#[test]
fn a_fast_mutex_is_what_inlined_initialization_writes() {
    assert_eq!(size_of::<FAST_MUTEX>(), size_of::<fnd::FAST_MUTEX>());
    for (ours, theirs) in [
        (
            offset_of!(FAST_MUTEX, Count),
            offset_of!(fnd::FAST_MUTEX, Count),
        ),
        (
            offset_of!(FAST_MUTEX, Owner),
            offset_of!(fnd::FAST_MUTEX, Owner),
        ),
        (
            offset_of!(FAST_MUTEX, Event),
            offset_of!(fnd::FAST_MUTEX, Event),
        ),
        (
            offset_of!(FAST_MUTEX, OldIrql),
            offset_of!(fnd::FAST_MUTEX, OldIrql),
        ),
    ] {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_resource_is_as_large_as_the_header_makes_it_on_x64() {
    assert_eq!(size_of::<ERESOURCE>(), 104);
}

#[test]
fn a_lookaside_list_is_what_inlined_allocation_reads() {
    assert_eq!(size_of::<SLIST_HEADER>(), 16);
    assert_eq!(align_of::<SLIST_HEADER>(), 16);
    assert_eq!(size_of::<GENERAL_LOOKASIDE_POOL>(), 96);
    assert_eq!(size_of::<GENERAL_LOOKASIDE>(), 128);
    assert_eq!(align_of::<GENERAL_LOOKASIDE>(), 64);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Depth), 16);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, TotalAllocates), 20);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, AllocateMisses), 24);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, TotalFrees), 28);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Type), 36);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Tag), 40);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Size), 44);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Allocate), 48);
    assert_eq!(offset_of!(GENERAL_LOOKASIDE_POOL, Free), 56);
}
