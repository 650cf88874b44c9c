//! Generic tables in splay trees: the element that was used last is found first.
//!
//! Sources: RtlInitializeGenericTable and the pages that it leads to. Those whose names end in
//! `Full` have none, and are not there.

use core::{ffi::c_void, mem::offset_of, ptr::null_mut};

use nthost_nt::{
    ke::LIST_ENTRY,
    rtl::{
        RTL_GENERIC_ALLOCATE_ROUTINE, RTL_GENERIC_COMPARE_ROUTINE, RTL_GENERIC_FREE_ROUTINE,
        RTL_GENERIC_TABLE, RTL_SPLAY_LINKS,
    },
};

use super::splay::{self, Link, Side};

/// `GenericLessThan`, `GenericGreaterThan`.
const LESS: i32 = 0;
const GREATER: i32 = 1;

/// A table of the driver's.
type Table = *mut RTL_GENERIC_TABLE;

/// What an element begins with; the driver's data follow.
#[repr(C)]
struct Head {
    links: RTL_SPLAY_LINKS,
    inserted: LIST_ENTRY,
}

/// An element's data; null for none.
const fn data(element: Link) -> *mut c_void {
    if element.is_null() {
        return null_mut();
    }
    element.cast::<Head>().wrapping_add(1).cast()
}

/// The element whose place in the list this is.
fn of_entry(entry: *mut LIST_ENTRY) -> Link {
    entry.wrapping_byte_sub(offset_of!(Head, inserted)).cast()
}

fn entry_of(element: Link) -> *mut LIST_ENTRY {
    element.wrapping_byte_add(offset_of!(Head, inserted)).cast()
}

fn root(table: Table) -> Link {
    // SAFETY: the driver's table.
    unsafe { (*table).TableRoot }
}

fn set_root(table: Table, root: Link) {
    // SAFETY: the driver's table.
    unsafe { (*table).TableRoot = root };
}

fn count(table: Table) -> u32 {
    // SAFETY: the driver's table.
    unsafe { (*table).NumberGenericTableElements }
}

fn set_count(table: Table, count: u32) {
    // SAFETY: the driver's table.
    unsafe { (*table).NumberGenericTableElements = count };
}

/// The list of a table's elements.
fn list(table: Table) -> *mut LIST_ENTRY {
    // SAFETY: the driver's table.
    unsafe { &raw mut (*table).InsertOrderList }
}

fn join(first: *mut LIST_ENTRY, second: *mut LIST_ENTRY) {
    // SAFETY: entries of a table's list, or its head.
    unsafe { (*first).Flink = second };
    // SAFETY: as above.
    unsafe { (*second).Blink = first };
}

/// The element that is equal, or the one below which it would be, null for none, and where.
fn search(table: Table, buffer: *mut c_void) -> Result<Link, (Link, Side)> {
    // SAFETY: the driver's table.
    let compare = unsafe { (*table).CompareRoutine };
    let (mut above, mut side, mut element) = (null_mut(), Side::Left, root(table));
    while !element.is_null() {
        // SAFETY: the driver's own routine, with what it is for.
        side = match unsafe { compare(table, buffer, data(element)) } {
            LESS => Side::Left,
            GREATER => Side::Right,
            _ => return Ok(element),
        };
        above = element;
        element = splay::child(element, side);
    }
    Err((above, side))
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes an empty table.
    ///
    /// Source: RtlInitializeGenericTable.
    ///
    /// # Safety
    ///
    /// It is memory for a table; the routines do what they should.
    pub unsafe fn RtlInitializeGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        compare: RTL_GENERIC_COMPARE_ROUTINE,
        allocate: RTL_GENERIC_ALLOCATE_ROUTINE,
        free: RTL_GENERIC_FREE_ROUTINE,
        context: *mut c_void,
    ) {
        let head = list(table);
        let value = RTL_GENERIC_TABLE {
            TableRoot: null_mut(),
            InsertOrderList: LIST_ENTRY {
                Flink: head,
                Blink: head,
            },
            OrderedPointer: head,
            WhichOrderedElement: 0,
            NumberGenericTableElements: 0,
            CompareRoutine: compare,
            AllocateRoutine: allocate,
            FreeRoutine: free,
            TableContext: context,
        };
        // SAFETY: the caller's promise.
        unsafe { table.write(value) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Copies data into a new element, unless there is an equal one: gives the element's data,
    /// null if there is no memory for it.
    ///
    /// Source: RtlInsertElementGenericTable.
    ///
    /// # Safety
    ///
    /// The table is initialized; the buffer has so many bytes; `new` is null or can be written.
    pub unsafe fn RtlInsertElementGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        buffer: *mut c_void,
        size: u32,
        new: *mut u8,
    ) -> *mut c_void {
        let (element, inserted) = match search(table, buffer) {
            Ok(element) => (element, false),
            Err((above, side)) => {
                // SAFETY: the driver's table.
                let allocate = unsafe { (*table).AllocateRoutine };
                // SAFETY: the driver's own routine, with what it is for.
                let element: Link = unsafe { allocate(table, size.wrapping_add(size_of::<Head>() as u32)) }.cast();
                if !element.is_null() {
                    splay::insert(above, side, element);
                    let head = list(table);
                    // SAFETY: the table's list.
                    let last = unsafe { (*head).Blink };
                    join(last, entry_of(element));
                    join(entry_of(element), head);
                    // SAFETY: the element has room for the data, which are as long as said.
                    unsafe { data(element).copy_from(buffer, size as usize) };
                    set_count(table, count(table).wrapping_add(1));
                }
                (element, !element.is_null())
            }
        };
        if !element.is_null() {
            set_root(table, splay::splay(element));
        }
        if !new.is_null() {
            // SAFETY: the caller's promise.
            unsafe { new.write(inserted.into()) };
        }
        data(element)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Deletes the element that is equal; whether there was one.
    ///
    /// Source: RtlDeleteElementGenericTable.
    ///
    /// # Safety
    ///
    /// The table is initialized; the buffer is what its routine compares.
    pub unsafe fn RtlDeleteElementGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        buffer: *mut c_void,
    ) -> u8 {
        let Ok(element) = search(table, buffer) else {
            return 0;
        };
        set_root(table, splay::remove(element));
        // SAFETY: an element of the table.
        let LIST_ENTRY { Flink, Blink } = unsafe { entry_of(element).read() };
        join(Blink, Flink);
        set_count(table, count(table) - 1);
        // SAFETY: the driver's table.
        let free = unsafe { (*table).FreeRoutine };
        // SAFETY: the driver's own routine, with what its other one gave.
        unsafe { free(table, element.cast()) };
        1
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The data of the element that is equal; null for none.
    ///
    /// Source: RtlLookupElementGenericTable.
    ///
    /// # Safety
    ///
    /// As RtlDeleteElementGenericTable.
    pub unsafe fn RtlLookupElementGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        buffer: *mut c_void,
    ) -> *mut c_void {
        let Ok(element) = search(table, buffer) else {
            return null_mut();
        };
        set_root(table, splay::splay(element));
        data(element)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The data of the first element, or of that behind the last one given; null behind the last.
    /// The tree becomes a list meanwhile, with the element given last at its top.
    ///
    /// Source: RtlEnumerateGenericTable.
    ///
    /// # Safety
    ///
    /// The table is initialized.
    pub unsafe fn RtlEnumerateGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        restart: u8,
    ) -> *mut c_void {
        let top = root(table);
        let next = if top.is_null() || restart != 0 {
            splay::end(top, Side::Left)
        } else {
            splay::neighbour(top, Side::Right)
        };
        if !next.is_null() {
            set_root(table, splay::splay(next));
        }
        data(next)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The data of the first element if the key is null, or of that behind it; null behind the
    /// last. The tree stays as it is.
    ///
    /// Source: RtlEnumerateGenericTableWithoutSplaying.
    ///
    /// # Safety
    ///
    /// The table is initialized; the key is null or from here.
    pub unsafe fn RtlEnumerateGenericTableWithoutSplaying(
        table: *mut RTL_GENERIC_TABLE,
        key: *mut Link,
    ) -> *mut c_void {
        // SAFETY: the caller's promise.
        let before = unsafe { key.read() };
        let next = if before.is_null() {
            splay::end(root(table), Side::Left)
        } else {
            splay::neighbour(before, Side::Right)
        };
        if !next.is_null() {
            // SAFETY: the caller's promise.
            unsafe { key.write(next) };
        }
        data(next)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The data of the element that was inserted at this place, counted from zero; null for none.
    ///
    /// Source: RtlGetElementGenericTable.
    ///
    /// # Safety
    ///
    /// The table is initialized.
    pub unsafe fn RtlGetElementGenericTable(
        table: *mut RTL_GENERIC_TABLE,
        index: u32,
    ) -> *mut c_void {
        if index >= count(table) {
            return null_mut();
        }
        let mut entry = list(table);
        for _ in 0..=index {
            // SAFETY: an entry of the table's list.
            entry = unsafe { (*entry).Flink };
        }
        data(of_entry(entry))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How many elements there are.
    ///
    /// Source: RtlNumberGenericTableElements.
    ///
    /// # Safety
    ///
    /// The table is initialized.
    pub unsafe fn RtlNumberGenericTableElements(table: *mut RTL_GENERIC_TABLE) -> u32 {
        count(table)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether there are none.
    ///
    /// Source: RtlIsGenericTableEmpty.
    ///
    /// # Safety
    ///
    /// The table is initialized.
    pub unsafe fn RtlIsGenericTableEmpty(table: *mut RTL_GENERIC_TABLE) -> u8 {
        root(table).is_null().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Element = u64;

    unsafe extern "win64" fn compare(_: Table, first: *mut c_void, second: *mut c_void) -> i32 {
        // SAFETY: an element's value.
        let first = unsafe { first.cast::<Element>().read() };
        // SAFETY: an element's value.
        let second = unsafe { second.cast::<Element>().read() };
        match first.cmp(&second) {
            core::cmp::Ordering::Less => LESS,
            core::cmp::Ordering::Greater => GREATER,
            core::cmp::Ordering::Equal => 2,
        }
    }

    unsafe extern "win64" fn allocate(_: Table, size: u32) -> *mut c_void {
        assert_eq!(size, 40 + 8, "the links, the list's entry and the data");
        Box::into_raw(Box::new([0_u64; 6])).cast()
    }

    unsafe extern "win64" fn free(_: Table, element: *mut c_void) {
        // SAFETY: made above.
        drop(unsafe { Box::from_raw(element.cast::<[u64; 6]>()) });
    }

    #[expect(
        clippy::unnecessary_box_returns,
        reason = "the table's list of elements begins and ends in the table itself"
    )]
    fn made() -> Box<core::mem::MaybeUninit<RTL_GENERIC_TABLE>> {
        let mut table = Box::new(core::mem::MaybeUninit::uninit());
        let at = table.as_mut_ptr();
        // SAFETY: the test's own.
        unsafe { RtlInitializeGenericTable(at, compare, allocate, free, null_mut()) };
        table
    }

    fn value(data: *mut c_void) -> Option<Element> {
        // SAFETY: an element's data.
        (!data.is_null()).then(|| unsafe { data.cast::<Element>().read() })
    }

    fn insert(table: Table, mut element: Element) -> u8 {
        let mut new = 9;
        let buffer = (&raw mut element).cast();
        // SAFETY: the test's own.
        let data = unsafe { RtlInsertElementGenericTable(table, buffer, 8, &raw mut new) };
        assert_eq!(value(data), Some(element));
        new
    }

    #[test]
    fn elements_come_in_order_and_in_that_of_their_insertion() {
        let mut table = made();
        let table = table.as_mut_ptr();
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlIsGenericTableEmpty(table) }, 1);
        let inserted = [50, 20, 90, 70, 10];
        for element in inserted {
            assert_eq!(insert(table, element), 1);
        }
        assert_eq!(insert(table, 20), 0, "it is there already");
        let all = |table| {
            let mut restart = 1;
            core::iter::from_fn(move || {
                // SAFETY: the test's own.
                let data = unsafe { RtlEnumerateGenericTable(table, restart) };
                restart = 0;
                value(data)
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(all(table), [10, 20, 50, 70, 90]);
        let mut key = null_mut();
        let others = core::iter::from_fn(|| {
            // SAFETY: the test's own.
            value(unsafe { RtlEnumerateGenericTableWithoutSplaying(table, &raw mut key) })
        });
        assert_eq!(others.collect::<Vec<_>>(), [10, 20, 50, 70, 90]);
        for (index, expected) in inserted.into_iter().map(Some).chain([None]).enumerate() {
            // SAFETY: the test's own.
            let data = unsafe { RtlGetElementGenericTable(table, index as u32) };
            assert_eq!(value(data), expected);
        }
        let (mut wanted, mut missing): (Element, Element) = (90, 91);
        // SAFETY: the test's own.
        let found = unsafe { RtlLookupElementGenericTable(table, (&raw mut wanted).cast()) };
        assert_eq!(value(found), Some(90));
        assert_eq!(data(root(table)), found, "what was found is at the top");
        // SAFETY: the test's own.
        let found = unsafe { RtlLookupElementGenericTable(table, (&raw mut missing).cast()) };
        assert!(found.is_null());
        for (mut element, expected) in [(20_u64, 1), (20, 0), (50, 1), (10, 1)] {
            // SAFETY: the test's own.
            let deleted = unsafe { RtlDeleteElementGenericTable(table, (&raw mut element).cast()) };
            assert_eq!(deleted, expected, "{element}");
        }
        assert_eq!(all(table), [70, 90]);
        // SAFETY: the test's own.
        let first = unsafe { RtlGetElementGenericTable(table, 0) };
        assert_eq!(value(first), Some(90));
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlNumberGenericTableElements(table) }, 2);
        for mut element in [70_u64, 90] {
            // SAFETY: the test's own.
            unsafe { RtlDeleteElementGenericTable(table, (&raw mut element).cast()) };
        }
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlIsGenericTableEmpty(table) }, 1);
    }
}
