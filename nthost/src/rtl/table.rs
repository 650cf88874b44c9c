//! Generic tables: a driver's elements in the order that its routine says, in a balanced tree.
//!
//! RtlGetElementGenericTableAvl is not there: its page promises the order of insertion, which these
//! elements do not hold.
//!
//! Sources: RtlInitializeGenericTableAvl and the pages that it leads to.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::rtl::{
    RTL_AVL_ALLOCATE_ROUTINE, RTL_AVL_COMPARE_ROUTINE, RTL_AVL_FREE_ROUTINE, RTL_AVL_TABLE,
    RTL_BALANCED_LINKS,
};

use super::balanced::{self, Link, Side};

/// `GenericLessThan`, `GenericGreaterThan`.
const LESS: i32 = 0;
const GREATER: i32 = 1;
/// `TableEmptyTree`, `TableFoundNode`, `TableInsertAsLeft`, `TableInsertAsRight`.
const EMPTY: i32 = 0;
const FOUND: i32 = 1;
const AS_LEFT: i32 = 2;
const AS_RIGHT: i32 = 3;

/// A table of the driver's.
type Table = *mut RTL_AVL_TABLE;

/// The table's own links.
const fn root(table: Table) -> Link {
    // They are at its start.
    table.cast()
}

/// An element's data; null for none.
pub(super) fn data(element: Link) -> *mut c_void {
    if element.is_null() {
        return null_mut();
    }
    // SAFETY: the data follow the links.
    unsafe { element.add(1) }.cast()
}

/// How data compare with an element's.
fn compare(table: Table, buffer: *mut c_void, element: Link) -> i32 {
    // SAFETY: the driver's table.
    let routine = unsafe { (*table).CompareRoutine };
    // SAFETY: the driver's own routine, with what it is for.
    unsafe { routine(table, buffer, data(element)) }
}

/// What a search ends with.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// The element.
    Found(Link),
    /// Where one would be.
    Free(Link, Side),
}

impl Place {
    /// As drivers see it.
    fn parts(self, table: Table) -> (Link, i32) {
        match self {
            Self::Found(element) => (element, FOUND),
            Self::Free(above, _) if above == root(table) => (null_mut(), EMPTY),
            Self::Free(above, Side::Left) => (above, AS_LEFT),
            Self::Free(above, Side::Right) => (above, AS_RIGHT),
        }
    }

    /// What drivers say.
    fn of(table: Table, element: Link, result: i32) -> Self {
        match result {
            FOUND => Self::Found(element),
            AS_LEFT => Self::Free(element, Side::Left),
            AS_RIGHT => Self::Free(element, Side::Right),
            _ => Self::Free(root(table), Side::Right),
        }
    }
}

fn search(table: Table, buffer: *mut c_void) -> Place {
    let (mut above, mut side) = (root(table), Side::Right);
    loop {
        let element = balanced::child(above, side);
        if element.is_null() {
            return Place::Free(above, side);
        }
        side = match compare(table, buffer, element) {
            LESS => Side::Left,
            GREATER => Side::Right,
            _ => return Place::Found(element),
        };
        above = element;
    }
}

fn find(table: Table, buffer: *mut c_void) -> Link {
    match search(table, buffer) {
        Place::Found(element) => element,
        Place::Free(..) => null_mut(),
    }
}

/// # Safety
///
/// The buffer has so many bytes; `new` is null, or can be written.
unsafe fn insert(
    table: Table,
    buffer: *const u8,
    size: u32,
    new: *mut u8,
    place: Place,
) -> *mut c_void {
    let (element, inserted) = match place {
        Place::Found(element) => (element, false),
        Place::Free(above, left_or_right) => {
            // SAFETY: the driver's table.
            let allocate = unsafe { (*table).AllocateRoutine };
            let whole = size.wrapping_add(size_of::<RTL_BALANCED_LINKS>() as u32);
            // SAFETY: the driver's own routine, with what it is for.
            let element: Link = unsafe { allocate(table, whole) }.cast();
            if !element.is_null() {
                balanced::insert(root(table), above, left_or_right, element);
                // SAFETY: the element has room for the data, which are as long as said.
                unsafe { data(element).cast::<u8>().copy_from(buffer, size as usize) };
                // SAFETY: the driver's table.
                unsafe { (*table).NumberGenericTableElements += 1 };
            }
            (element, !element.is_null())
        }
    };
    if !new.is_null() {
        // SAFETY: the caller's promise.
        unsafe { new.write(inserted.into()) };
    }
    data(element)
}

fn delete(table: Table, element: Link) {
    // SAFETY: the driver's table.
    let restart = unsafe { (*table).RestartKey };
    if restart == element {
        // An enumeration goes on behind the element before.
        let before = balanced::neighbour(root(table), element, Side::Left);
        // SAFETY: as above.
        unsafe { (*table).RestartKey = before };
    }
    balanced::remove(root(table), element);
    // SAFETY: as above.
    unsafe { (*table).NumberGenericTableElements -= 1 };
    // SAFETY: as above.
    unsafe { (*table).DeleteCount += 1 };
    // SAFETY: as above.
    let free = unsafe { (*table).FreeRoutine };
    // SAFETY: the driver's own routine, with what its other one gave.
    unsafe { free(table, element.cast()) };
}

/// The element behind one, or the first behind none.
pub(super) fn after(table: Table, element: Link) -> Link {
    if element.is_null() {
        balanced::end(root(table), Side::Left)
    } else {
        balanced::neighbour(root(table), element, Side::Right)
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes an empty table.
    ///
    /// Source: RtlInitializeGenericTableAvl.
    ///
    /// # Safety
    ///
    /// It is memory for a table; the routines do what they should.
    pub unsafe fn RtlInitializeGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        compare: RTL_AVL_COMPARE_ROUTINE,
        allocate: RTL_AVL_ALLOCATE_ROUTINE,
        free: RTL_AVL_FREE_ROUTINE,
        context: *mut c_void,
    ) {
        let value = RTL_AVL_TABLE {
            BalancedRoot: RTL_BALANCED_LINKS {
                Parent: root(table),
                LeftChild: null_mut(),
                RightChild: null_mut(),
                Balance: 0,
                Reserved: [0; 3],
            },
            OrderedPointer: null_mut(),
            WhichOrderedElement: 0,
            NumberGenericTableElements: 0,
            DepthOfTree: 0,
            RestartKey: null_mut(),
            DeleteCount: 0,
            CompareRoutine: compare,
            AllocateRoutine: allocate,
            FreeRoutine: free,
            TableContext: context,
        };
        // SAFETY: the caller's promise.
        unsafe { table.write(value) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Puts a copy of the data into the table, unless it is there; gives the table's own, or NULL
    /// if there is no memory for it.
    ///
    /// Source: RtlInsertElementGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses; the buffer has so many bytes; `new` is null, or
    /// can be written.
    pub unsafe fn RtlInsertElementGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
        size: u32,
        new: *mut u8,
    ) -> *mut c_void {
        let place = search(table, buffer);
        // SAFETY: the caller's promise.
        unsafe { insert(table, buffer.cast(), size, new, place) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As RtlInsertElementGenericTableAvl, where RtlLookupElementGenericTableFullAvl has searched.
    ///
    /// Source: RtlInsertElementGenericTableFullAvl.
    ///
    /// # Safety
    ///
    /// As RtlInsertElementGenericTableAvl; the table has not changed since the search.
    pub unsafe fn RtlInsertElementGenericTableFullAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
        size: u32,
        new: *mut u8,
        element: *mut c_void,
        result: i32,
    ) -> *mut c_void {
        let place = Place::of(table, element.cast(), result);
        // SAFETY: the caller's promise.
        unsafe { insert(table, buffer.cast(), size, new, place) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Deletes an element; FALSE if there is none like the buffer.
    ///
    /// Source: RtlDeleteElementGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses.
    pub unsafe fn RtlDeleteElementGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
    ) -> u8 {
        let element = find(table, buffer);
        if element.is_null() {
            return 0;
        }
        delete(table, element);
        1
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The data of an element like the buffer; NULL if there is none.
    ///
    /// Source: RtlLookupElementGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses.
    pub unsafe fn RtlLookupElementGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
    ) -> *mut c_void {
        data(find(table, buffer))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As RtlLookupElementGenericTableAvl; tells besides where the search ended.
    ///
    /// Source: RtlLookupElementGenericTableFullAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses; the others can be written.
    pub unsafe fn RtlLookupElementGenericTableFullAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
        element: *mut *mut c_void,
        result: *mut i32,
    ) -> *mut c_void {
        let (found, how) = search(table, buffer).parts(table);
        // SAFETY: the caller's promise.
        unsafe { element.write(found.cast()) };
        // SAFETY: the caller's promise.
        unsafe { result.write(how) };
        if how == FOUND { data(found) } else { null_mut() }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The first in order of the elements like the buffer, and where an enumeration goes on.
    ///
    /// Source: RtlLookupFirstMatchingElementGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses; the key can be written.
    pub unsafe fn RtlLookupFirstMatchingElementGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        buffer: *mut c_void,
        restart: *mut *mut c_void,
    ) -> *mut c_void {
        let mut element = find(table, buffer);
        while !element.is_null() {
            let before = balanced::neighbour(root(table), element, Side::Left);
            if before.is_null() || matches!(compare(table, buffer, before), LESS | GREATER) {
                break;
            }
            element = before;
        }
        // SAFETY: the caller's promise.
        unsafe { restart.write(element.cast()) };
        data(element)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The next element in order, or the first; NULL behind the last.
    ///
    /// Source: RtlEnumerateGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses.
    pub unsafe fn RtlEnumerateGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        restart: u8,
    ) -> *mut c_void {
        // SAFETY: the caller's promise.
        let last = if restart != 0 { null_mut() } else { unsafe { (*table).RestartKey } };
        let next = after(table, last);
        if !next.is_null() {
            // SAFETY: the caller's promise.
            unsafe { (*table).RestartKey = next };
        }
        data(next)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As RtlEnumerateGenericTableAvl, with a key of the caller's, which is NULL at first.
    ///
    /// Source: RtlEnumerateGenericTableWithoutSplayingAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses; the key is NULL, or what the last call left.
    pub unsafe fn RtlEnumerateGenericTableWithoutSplayingAvl(
        table: *mut RTL_AVL_TABLE,
        restart: *mut *mut c_void,
    ) -> *mut c_void {
        // SAFETY: the caller's promise.
        let next = after(table, unsafe { restart.read() }.cast());
        if !next.is_null() {
            // SAFETY: the caller's promise.
            unsafe { restart.write(next.cast()) };
        }
        data(next)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How many elements there are.
    ///
    /// Source: RtlNumberGenericTableElementsAvl.
    ///
    /// # Safety
    ///
    /// An initialized table.
    pub unsafe fn RtlNumberGenericTableElementsAvl(table: *mut RTL_AVL_TABLE) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { (*table).NumberGenericTableElements }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether there are none.
    ///
    /// Source: RtlIsGenericTableEmptyAvl.
    ///
    /// # Safety
    ///
    /// An initialized table.
    pub unsafe fn RtlIsGenericTableEmptyAvl(table: *mut RTL_AVL_TABLE) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { (*table).NumberGenericTableElements } == 0)
    }
}

#[cfg(test)]
mod tests;
