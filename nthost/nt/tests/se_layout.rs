//! The structures of security lie in memory as Microsoft's metadata (`windows-sys`) say.

use std::mem::{offset_of, size_of};

use nthost_nt::se;
use windows_sys::Win32::Security as win32;

/// Compares sizes and the offsets of fields of the same name.
macro_rules! same {
    ($($name:ident { $($field:ident),* })*) => { $(
        assert_eq!(size_of::<se::$name>(), size_of::<win32::$name>(), stringify!($name));
        $(
            let name = concat!(stringify!($name), "::", stringify!($field));
            assert_eq!(offset_of!(se::$name, $field), offset_of!(win32::$name, $field), "{name}");
        )*
    )* };
}

#[test]
fn structures_are_where_the_metadata_have_them() {
    same! {
        SID { Revision, SubAuthorityCount, IdentifierAuthority, SubAuthority }
        ACL { AclRevision, Sbz1, AclSize, AceCount, Sbz2 }
        ACE_HEADER { AceType, AceFlags, AceSize }
        SECURITY_DESCRIPTOR { Revision, Sbz1, Control, Owner, Group, Sacl, Dacl }
    }
}
