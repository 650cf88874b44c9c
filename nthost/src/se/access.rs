//! Whether somebody may have an object, by the object's security descriptor.
//!
//! Source: SeAccessCheck; for the order of entries "How DACLs Control Access to an Object".

use nthost_nt::{
    io::create::{GENERIC_ALL, MAXIMUM_ALLOWED},
    se::{ACCESS_ALLOWED_ACE_TYPE, ACCESS_DENIED_ACE_TYPE, GENERIC_MAPPING, INHERIT_ONLY_ACE},
    status::{NTSTATUS, STATUS_ACCESS_DENIED, STATUS_PRIVILEGE_NOT_HELD},
};

use super::identity::{Identity, SECURITY, TAKE_OWNERSHIP};
pub use crate::ob::security::map;
use crate::rtl::security::{acl, relative::Parts, sid};

/// To read who may do what.
pub const READ_CONTROL: u32 = 0x0002_0000;
/// To change it.
pub const WRITE_DAC: u32 = 0x0004_0000;
/// To change whose it is.
pub const WRITE_OWNER: u32 = 0x0008_0000;
/// To see and change whose accesses are told.
pub const ACCESS_SYSTEM_SECURITY: u32 = 0x0100_0000;

/// What was granted, and by which privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// The rights.
    pub access: u32,
    /// `SE_SECURITY_PRIVILEGE` was used.
    pub security: bool,
    /// `SE_TAKE_OWNERSHIP_PRIVILEGE` was used.
    pub take_ownership: bool,
}

/// The rights that entries allow and deny somebody, those of the first entry about each.
fn decided(list: &[u8], who: Identity, mapping: &GENERIC_MAPPING) -> u32 {
    let (mut allowed, mut denied) = (0, 0);
    for entry in acl::entries(list) {
        let [kind, flags, _, _, m0, m1, m2, m3, rest @ ..] = entry else {
            continue;
        };
        if flags & INHERIT_ONLY_ACE != 0 || !sid::prefix(rest).is_some_and(|sid| who.is(sid)) {
            continue;
        }
        let mask = map(u32::from_le_bytes([*m0, *m1, *m2, *m3]), mapping);
        match *kind {
            ACCESS_ALLOWED_ACE_TYPE => allowed |= mask & !denied,
            ACCESS_DENIED_ACE_TYPE => denied |= mask & !allowed,
            _ => (),
        }
    }
    allowed
}

/// What somebody gets of an object: all that it asks for, or nothing. `before` was granted
/// already.
///
/// # Errors
///
/// `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD`.
pub fn check(
    object: &Parts<'_>,
    who: Identity,
    desired: u32,
    before: u32,
    mapping: &GENERIC_MAPPING,
) -> Result<Granted, NTSTATUS> {
    let desired = map(desired, mapping);
    let maximum = desired & MAXIMUM_ALLOWED != 0;
    let mut wanted = desired & !MAXIMUM_ALLOWED & !before;
    let mut granted = Granted {
        access: before,
        ..Granted::default()
    };
    if wanted & ACCESS_SYSTEM_SECURITY != 0 {
        if !who.has(SECURITY) {
            return Err(STATUS_PRIVILEGE_NOT_HELD);
        }
        granted.security = true;
        granted.access |= ACCESS_SYSTEM_SECURITY;
        wanted &= !ACCESS_SYSTEM_SECURITY;
    }
    let Some(list) = object.dacl else {
        // Nothing restricts anybody.
        granted.access |= if maximum {
            wanted | GENERIC_ALL
        } else {
            wanted
        };
        return nothing_is_nothing(granted);
    };
    let mut allowed = decided(list, who, mapping);
    if object.owner.is_some_and(|owner| who.is(owner)) {
        allowed |= READ_CONTROL | WRITE_DAC;
    }
    if wanted & WRITE_OWNER & !allowed != 0 && who.has(TAKE_OWNERSHIP) {
        granted.take_ownership = true;
        allowed |= WRITE_OWNER;
    }
    if wanted & !allowed != 0 {
        return Err(STATUS_ACCESS_DENIED);
    }
    granted.access |= if maximum { allowed } else { wanted };
    nothing_is_nothing(granted)
}

/// Who gets nothing has no access.
const fn nothing_is_nothing(granted: Granted) -> Result<Granted, NTSTATUS> {
    if granted.access == 0 {
        Err(STATUS_ACCESS_DENIED)
    } else {
        Ok(granted)
    }
}

#[cfg(test)]
mod tests {
    use nthost_nt::io::create::{
        FILE_ALL_ACCESS, FILE_GENERIC_READ, FILE_GENERIC_WRITE, GENERIC_READ, GENERIC_WRITE,
    };

    use super::*;
    use crate::{
        ob::security::FILE_MAPPING,
        rtl::security::relative,
        se::{identity::Identity::*, sddl},
    };

    fn checked(text: &str, who: Identity, desired: u32) -> Result<u32, NTSTATUS> {
        let bytes = sddl::parse(text).unwrap();
        let parts = relative::parts(&bytes).unwrap();
        check(&parts, who, desired, 0, &FILE_MAPPING).map(|granted| granted.access)
    }

    #[test]
    fn only_administrators_open_what_is_theirs() {
        let text = "D:P(A;;GA;;;SY)(A;;GA;;;BA)";
        let both = GENERIC_READ | GENERIC_WRITE;
        let granted = Ok(FILE_GENERIC_READ | FILE_GENERIC_WRITE);
        assert_eq!(checked(text, Administrator, both), granted);
        assert_eq!(checked(text, System, both), granted);
        for desired in [both, 0, MAXIMUM_ALLOWED] {
            assert_eq!(checked(text, User, desired), Err(STATUS_ACCESS_DENIED));
        }
    }

    #[test]
    fn everyone_gets_what_is_allowed_and_no_more() {
        let text = "D:P(A;;GA;;;BA)(A;;GR;;;WD)";
        assert_eq!(checked(text, User, GENERIC_READ), Ok(FILE_GENERIC_READ));
        assert_eq!(checked(text, User, MAXIMUM_ALLOWED), Ok(FILE_GENERIC_READ));
        assert_eq!(
            checked(text, User, GENERIC_WRITE),
            Err(STATUS_ACCESS_DENIED)
        );
    }

    #[test]
    fn the_first_entry_about_a_right_decides() {
        let denied = "D:(D;;GW;;;WD)(A;;GA;;;WD)";
        assert_eq!(
            checked(denied, Administrator, GENERIC_WRITE),
            Err(STATUS_ACCESS_DENIED)
        );
        assert!(checked("D:(A;;GA;;;WD)(D;;GW;;;WD)", User, GENERIC_WRITE).is_ok());
    }

    #[test]
    fn an_empty_list_admits_nobody_and_none_admits_everyone() {
        assert_eq!(
            checked("D:P", Administrator, GENERIC_READ),
            Err(STATUS_ACCESS_DENIED)
        );
        assert_eq!(checked("O:BA", User, GENERIC_READ), Ok(FILE_GENERIC_READ));
        assert_eq!(
            checked("O:BA", User, MAXIMUM_ALLOWED | GENERIC_READ),
            Ok(FILE_GENERIC_READ | GENERIC_ALL)
        );
    }

    #[test]
    fn an_owner_may_say_who_may_what() {
        let text = "O:BAD:P(A;;GR;;;WD)";
        let desired = READ_CONTROL | WRITE_DAC;
        assert_eq!(checked(text, Administrator, desired), Ok(desired));
        assert_eq!(checked(text, User, WRITE_DAC), Err(STATUS_ACCESS_DENIED));
    }

    #[test]
    fn privileges_give_what_no_entry_does() {
        let text = "D:P(A;;GR;;;WD)";
        for (desired, status) in [
            (ACCESS_SYSTEM_SECURITY, STATUS_PRIVILEGE_NOT_HELD),
            (WRITE_OWNER, STATUS_ACCESS_DENIED),
        ] {
            assert_eq!(checked(text, Administrator, desired), Ok(desired));
            assert_eq!(checked(text, User, desired), Err(status));
        }
    }

    #[test]
    fn what_only_children_inherit_is_not_for_the_object() {
        assert_eq!(
            checked("D:(A;CIIO;GA;;;WD)", User, GENERIC_READ),
            Err(STATUS_ACCESS_DENIED)
        );
        assert_eq!(checked("D:(A;CI;GA;;;WD)", User, 1), Ok(1));
    }

    #[test]
    fn what_was_granted_before_is_not_asked_for_again() {
        let bytes = sddl::parse("D:P").unwrap();
        let parts = relative::parts(&bytes).unwrap();
        let granted = check(
            &parts,
            User,
            FILE_ALL_ACCESS,
            FILE_ALL_ACCESS,
            &FILE_MAPPING,
        );
        assert_eq!(granted.map(|granted| granted.access), Ok(FILE_ALL_ACCESS));
    }
}
