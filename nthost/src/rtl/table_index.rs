//! The elements of a balanced table by their number.
//!
//! Source: RtlGetElementGenericTableAvl. Its page counts elements as they were inserted, as those of
//! a splay table are; NT's balanced table keeps no such order, and counts them in that of its tree,
//! as an enumeration does.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::rtl::RTL_AVL_TABLE;

use super::table::{after, data};

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The element of a number, counted from zero in the order of the table; NULL beyond the last.
    ///
    /// Source: RtlGetElementGenericTableAvl.
    ///
    /// # Safety
    ///
    /// An initialized table that nobody else uses.
    pub unsafe fn RtlGetElementGenericTableAvl(
        table: *mut RTL_AVL_TABLE,
        index: u32,
    ) -> *mut c_void {
        let mut element = after(table, null_mut());
        for _ in 0..index {
            if element.is_null() {
                break;
            }
            element = after(table, element);
        }
        data(element)
    }
}
