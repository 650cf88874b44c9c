use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use core::mem::MaybeUninit;

use super::*;
use crate::rtl::balanced::tests::height;

/// An element: its key, in tens, counts; the rest tells those of a key apart.
type Element = u64;
/// The memory of the elements.
type Memory = BTreeMap<usize, Vec<u128>>;

unsafe extern "win64" fn by_number(_table: Table, first: *mut c_void, second: *mut c_void) -> i32 {
    // SAFETY: elements.
    let first = unsafe { first.cast::<Element>().read() };
    // SAFETY: as above.
    match first.cmp(&unsafe { second.cast::<Element>().read() }) {
        core::cmp::Ordering::Less => 0,
        core::cmp::Ordering::Greater => 1,
        core::cmp::Ordering::Equal => 2,
    }
}

unsafe extern "win64" fn allocate(table: Table, size: u32) -> *mut c_void {
    // SAFETY: the test's own.
    let context = unsafe { (*table).TableContext };
    // SAFETY: as above; nobody else looks at it meanwhile.
    let memory = unsafe { &mut *context.cast::<Memory>() };
    if memory.len() >= 500 {
        return null_mut();
    }
    let mut block = alloc::vec![0_u128; (size as usize).div_ceil(16)];
    let address = block.as_mut_ptr();
    memory.insert(address.expose_provenance(), block);
    address.cast()
}

unsafe extern "win64" fn free(table: Table, buffer: *mut c_void) {
    // SAFETY: the test's own.
    let context = unsafe { (*table).TableContext };
    // SAFETY: as above; nobody else looks at it meanwhile.
    let memory = unsafe { &mut *context.cast::<Memory>() };
    assert!(memory.remove(&buffer.addr()).is_some(), "it was allocated");
}

struct Tested(Box<MaybeUninit<RTL_AVL_TABLE>>, Box<Memory>);

impl Tested {
    fn new() -> Self {
        let mut tested = Self(Box::new(MaybeUninit::uninit()), Box::default());
        let context: *mut Memory = &raw mut *tested.1;
        // SAFETY: memory for a table.
        unsafe {
            RtlInitializeGenericTableAvl(tested.table(), by_number, allocate, free, context.cast());
        };
        tested
    }

    fn table(&mut self) -> Table {
        self.0.as_mut_ptr()
    }

    fn insert(&mut self, mut value: Element) -> Option<bool> {
        let mut new = 9;
        let place = (&raw mut value).cast();
        // SAFETY: the test's own.
        let element =
            unsafe { RtlInsertElementGenericTableAvl(self.table(), place, 8, &raw mut new) };
        (!element.is_null()).then_some(new == 1)
    }

    fn delete(&mut self, mut value: Element) -> bool {
        // SAFETY: the test's own.
        unsafe { RtlDeleteElementGenericTableAvl(self.table(), (&raw mut value).cast()) != 0 }
    }

    fn all(&mut self) -> Vec<Element> {
        height(balanced::child(root(self.table()), Side::Right));
        let mut all = Vec::new();
        let mut restart = 1;
        loop {
            // SAFETY: the test's own.
            let next = unsafe { RtlEnumerateGenericTableAvl(self.table(), restart) };
            if next.is_null() {
                return all;
            }
            // SAFETY: an element.
            all.push(unsafe { next.cast::<Element>().read() });
            restart = 0;
        }
    }
}

#[test]
fn elements_come_in_order_and_once_whatever_was_inserted_and_deleted() {
    let mut tested = Tested::new();
    let mut model = alloc::collections::BTreeSet::new();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..4000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let value = state >> 8 & 0xff;
        if state.trailing_zeros() >= 2 || (round > 2000 && state & 1 == 0) {
            assert_eq!(tested.delete(value), model.remove(&value), "round {round}");
        } else {
            assert_eq!(
                tested.insert(value),
                Some(model.insert(value)),
                "round {round}"
            );
        }
        if round % 50 == 0 {
            assert!(tested.all().iter().eq(&model), "round {round}");
        }
        // SAFETY: the test's own.
        let count = unsafe { RtlNumberGenericTableElementsAvl(tested.table()) };
        assert_eq!(count as usize, model.len());
    }
    for value in model {
        assert!(tested.delete(value));
        tested.all();
    }
    // SAFETY: the test's own.
    assert_eq!(unsafe { RtlIsGenericTableEmptyAvl(tested.table()) }, 1);
    assert!(tested.1.is_empty(), "all memory was given back");
}

#[test]
fn elements_in_order_make_no_high_tree() {
    for descending in [false, true] {
        let mut tested = Tested::new();
        for index in 0..500 {
            let value = if descending { 500 - index } else { index };
            assert_eq!(tested.insert(value), Some(true));
        }
        assert_eq!(tested.insert(1000), None, "there is no memory for it");
        let high = height(balanced::child(root(tested.table()), Side::Right));
        assert!(high <= 13, "{high}");
        assert_eq!(tested.all().len(), 500);
    }
}

#[test]
fn an_enumeration_goes_on_when_its_element_is_deleted() {
    let mut tested = Tested::new();
    for value in 0..20 {
        tested.insert(value);
    }
    let mut seen = Vec::new();
    let mut restart = 1;
    loop {
        // SAFETY: the test's own.
        let next = unsafe { RtlEnumerateGenericTableAvl(tested.table(), restart) };
        restart = 0;
        if next.is_null() {
            break;
        }
        // SAFETY: an element.
        let value = unsafe { next.cast::<Element>().read() };
        seen.push(value);
        if value % 3 != 0 {
            assert!(tested.delete(value));
        }
    }
    assert!(seen.iter().copied().eq(0..20), "{seen:?}");
    assert!(tested.all().iter().all(|value| value % 3 == 0));
}

#[test]
fn a_search_tells_where_it_ended() {
    let mut tested = Tested::new();
    let mut value: Element = 5;
    let (mut place, mut result) = (null_mut(), 9);
    let buffer = (&raw mut value).cast();
    for expected in [EMPTY, FOUND] {
        // SAFETY: the test's own.
        let found = unsafe {
            RtlLookupElementGenericTableFullAvl(
                tested.table(),
                buffer,
                &raw mut place,
                &raw mut result,
            )
        };
        assert_eq!((result, found.is_null()), (expected, expected == EMPTY));
        let mut new = 9;
        // SAFETY: as above: the table has not changed.
        let element = unsafe {
            RtlInsertElementGenericTableFullAvl(
                tested.table(),
                buffer,
                8,
                &raw mut new,
                place,
                result,
            )
        };
        assert_eq!(
            (new, element.is_null()),
            (u8::from(expected == EMPTY), false)
        );
    }
    for (other, expected) in [(4, AS_LEFT), (6, AS_RIGHT)] {
        value = other;
        // SAFETY: as above.
        let found = unsafe {
            RtlLookupElementGenericTableFullAvl(
                tested.table(),
                (&raw mut value).cast(),
                &raw mut place,
                &raw mut result,
            )
        };
        assert_eq!((result, found), (expected, null_mut()));
    }
    let mut key = null_mut();
    value = 5;
    // SAFETY: as above.
    let first = unsafe {
        RtlLookupFirstMatchingElementGenericTableAvl(
            tested.table(),
            (&raw mut value).cast(),
            &raw mut key,
        )
    };
    // SAFETY: an element.
    assert_eq!(unsafe { first.cast::<Element>().read() }, 5);
    // SAFETY: the test's own.
    let next = unsafe { RtlEnumerateGenericTableWithoutSplayingAvl(tested.table(), &raw mut key) };
    assert!(next.is_null(), "it is the last");
}
