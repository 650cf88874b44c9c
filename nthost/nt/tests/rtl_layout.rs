//! The run-time library's structures lie in memory as Microsoft's metadata (`windows-sys`) say.

use std::mem::{offset_of, size_of};

use nthost_nt::{ex, rtl};
use windows_sys::Wdk::System::SystemServices as wdk;

/// Compares sizes and the offsets of fields of the same name.
macro_rules! same {
    ($($ours:path = $theirs:path { $($field:ident),* })*) => { $(
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>(), stringify!($ours));
        $(
            let name = concat!(stringify!($ours), "::", stringify!($field));
            assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $field), "{name}");
        )*
    )* };
}

#[test]
fn structures_are_where_the_metadata_have_them() {
    same! {
        rtl::TIME_FIELDS = wdk::TIME_FIELDS {
            Year, Month, Day, Hour, Minute, Second, Milliseconds, Weekday
        }
        rtl::RTL_BITMAP = wdk::RTL_BITMAP { SizeOfBitMap, Buffer }
        rtl::RTL_BITMAP_RUN = wdk::RTL_BITMAP_RUN { StartingIndex, NumberOfBits }
        rtl::RTL_BALANCED_LINKS = wdk::RTL_BALANCED_LINKS {
            Parent, LeftChild, RightChild, Balance, Reserved
        }
        rtl::RTL_AVL_TABLE = wdk::RTL_AVL_TABLE {
            BalancedRoot, OrderedPointer, WhichOrderedElement, NumberGenericTableElements,
            DepthOfTree, RestartKey, DeleteCount, CompareRoutine, AllocateRoutine, FreeRoutine,
            TableContext
        }
        rtl::RTL_GENERIC_TABLE = wdk::RTL_GENERIC_TABLE {
            TableRoot, InsertOrderList, OrderedPointer, WhichOrderedElement,
            NumberGenericTableElements, CompareRoutine, AllocateRoutine, FreeRoutine, TableContext
        }
        rtl::RTL_QUERY_REGISTRY_TABLE = wdk::RTL_QUERY_REGISTRY_TABLE {
            QueryRoutine, Flags, Name, EntryContext, DefaultType, DefaultData, DefaultLength
        }
        ex::EXT_DELETE_PARAMETERS = wdk::EXT_DELETE_PARAMETERS {
            Version, Reserved, DeleteCallback, DeleteContext
        }
    }
}
