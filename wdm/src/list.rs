//! Doubly linked lists of the kernel's `LIST_ENTRY`.
//!
//! `InitializeListHead`, `InsertTailList` and `RemoveEntryList` are inline in the headers, so
//! bindings lack them. Source: "Singly and Doubly Linked Lists".

use core::ptr::NonNull;

use wdk_sys::LIST_ENTRY;

/// Makes an entry the head of an empty list: it links to itself.
///
/// # Safety
///
/// The entry is valid and in no list; it stays in its place while it is a list's head.
pub unsafe fn initialize_head(head: NonNull<LIST_ENTRY>) {
    let head = head.as_ptr();
    let empty = LIST_ENTRY {
        Flink: head,
        Blink: head,
    };
    // SAFETY: valid by contract.
    unsafe { head.write(empty) }
}

/// Inserts an entry as the last.
///
/// # Safety
///
/// The head is that of a list whose entries are all valid, the entry is valid and in no list,
/// and nobody else touches the list meanwhile.
pub unsafe fn insert_tail(head: NonNull<LIST_ENTRY>, entry: NonNull<LIST_ENTRY>) {
    let head = head.as_ptr();
    let entry = entry.as_ptr();
    // SAFETY: valid by contract.
    let last = unsafe { (*head).Blink };
    let links = LIST_ENTRY {
        Flink: head,
        Blink: last,
    };
    // SAFETY: valid by contract.
    unsafe { entry.write(links) }
    // SAFETY: an entry of the list, or its head.
    unsafe { (*last).Flink = entry }
    // SAFETY: valid by contract.
    unsafe { (*head).Blink = entry }
}

/// Inserts an entry as the first.
///
/// # Safety
///
/// As [`insert_tail`].
pub unsafe fn insert_head(head: NonNull<LIST_ENTRY>, entry: NonNull<LIST_ENTRY>) {
    let head = head.as_ptr();
    let entry = entry.as_ptr();
    // SAFETY: valid by contract.
    let first = unsafe { (*head).Flink };
    let links = LIST_ENTRY {
        Flink: first,
        Blink: head,
    };
    // SAFETY: valid by contract.
    unsafe { entry.write(links) }
    // SAFETY: an entry of the list, or its head.
    unsafe { (*first).Blink = entry }
    // SAFETY: valid by contract.
    unsafe { (*head).Flink = entry }
}

/// Removes an entry from the list that it is in.
///
/// # Safety
///
/// The entry is in a list whose entries are all valid, and nobody else touches it meanwhile.
pub unsafe fn remove(entry: NonNull<LIST_ENTRY>) {
    // SAFETY: valid by contract.
    let LIST_ENTRY {
        Flink: next,
        Blink: previous,
    } = unsafe { entry.read() };
    // SAFETY: an entry of the list, or its head.
    unsafe { (*previous).Flink = next }
    // SAFETY: likewise.
    unsafe { (*next).Blink = previous }
}

/// The entry behind this one, or nothing where that is the head.
///
/// # Safety
///
/// `head` is that of a list whose entries are all valid, `entry` is one of them or the head, and
/// nobody changes the list meanwhile.
pub unsafe fn next(
    head: NonNull<LIST_ENTRY>,
    entry: NonNull<LIST_ENTRY>,
) -> Option<NonNull<LIST_ENTRY>> {
    let entry = entry.as_ptr();
    // SAFETY: valid by contract.
    let next = unsafe { (*entry).Flink };
    NonNull::new(next).filter(|&next| next != head)
}
