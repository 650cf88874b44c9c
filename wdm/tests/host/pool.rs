//! Pool: what is allocated is freed once, when its last owner is gone.

use std::sync::atomic::{AtomicUsize, Ordering};

use wdm::{
    Status,
    pool::{PoolBox, Shared},
};

use crate::{TAG, kernel::pool::fail_after, passive};

/// Counts its drops.
struct Dropped<'a>(&'a AtomicUsize);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_box_owns_its_value() {
    let drops = AtomicUsize::new(0);
    let boxed = PoolBox::new(TAG, Dropped(&drops), &passive()).unwrap();
    drop(PoolBox::new(TAG, Dropped(&drops), &passive()).unwrap());
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    let inner = boxed.into_inner();
    assert_eq!(drops.load(Ordering::Relaxed), 1);
    drop(inner);
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

#[test]
fn a_slice_whose_making_fails_drops_what_was_made() {
    let drops = AtomicUsize::new(0);
    let made = PoolBox::try_slice(
        TAG,
        5,
        |index| {
            if index == 3 {
                return Err(Status::UNSUCCESSFUL);
            }
            Ok(Dropped(&drops))
        },
        &passive(),
    );
    assert_eq!(made.err(), Some(Status::UNSUCCESSFUL));
    assert_eq!(drops.load(Ordering::Relaxed), 3);
    let slice = PoolBox::slice(TAG, 4, |index| index, &passive()).unwrap();
    assert_eq!(*slice, [0, 1, 2, 3]);
}

#[test]
fn without_memory_the_value_is_dropped() {
    let drops = AtomicUsize::new(0);
    fail_after(Some(0));
    let shared = Shared::new(TAG, Dropped(&drops), &passive());
    fail_after(None);
    assert_eq!(shared.err(), Some(Status::INSUFFICIENT_RESOURCES));
    assert_eq!(drops.load(Ordering::Relaxed), 1);
}

#[test]
fn a_value_is_made_where_it_stays_and_nothing_is_left_where_it_is_not() {
    let made = Shared::new_in_place(TAG, |place, _| Ok(place.write(7_u32)), &passive()).unwrap();
    assert_eq!(*made, 7);
    let failed = Shared::<u32>::new_in_place(TAG, |_, _| Err(Status::CANCELLED), &passive());
    assert_eq!(failed.err(), Some(Status::CANCELLED));
}

#[test]
fn the_last_of_several_owners_frees() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let shared = Shared::new(TAG, Dropped(&DROPS), &passive()).unwrap();
    let raw = shared.clone().into_raw();
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let shared = shared.clone();
            std::thread::spawn(move || drop(shared))
        })
        .collect();
    drop(shared);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(DROPS.load(Ordering::Relaxed), 0);
    // SAFETY: given up above.
    assert_eq!(
        unsafe { Shared::<Dropped<'_>>::borrow_raw(raw) }
            .0
            .load(Ordering::Relaxed),
        0
    );
    // SAFETY: given up above, taken back once.
    drop(unsafe { Shared::<Dropped<'_>>::from_raw(raw) });
    assert_eq!(DROPS.load(Ordering::Relaxed), 1);
}
