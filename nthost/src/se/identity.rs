//! Who a thread acts for: a user, the groups that it belongs to, and its privileges.
//!
//! Sources: SePrivilegeCheck, SeQueryInformationToken, "Privileges". There are three: the system,
//! an administrator and another user.

use nthost_protocol::Token;

use super::well_known::{
    ADMINISTRATORS, AUTHENTICATED_USERS, INTERACTIVE, LOCAL_SYSTEM, USERS, WORLD,
};

/// The privilege to ask for system lists (`SE_SECURITY_PRIVILEGE`).
pub const SECURITY: u32 = 8;
/// The privilege to become an object's owner (`SE_TAKE_OWNERSHIP_PRIVILEGE`).
pub const TAKE_OWNERSHIP: u32 = 9;
/// The privilege to walk through directories (`SE_CHANGE_NOTIFY_PRIVILEGE`).
pub const CHANGE_NOTIFY: u32 = 23;
/// The first and the last privilege there is.
const ALL: core::ops::RangeInclusive<u32> = 2..=36;

/// S-1-5-21-1-2-3-…: an account of this machine.
const fn account(id: u16) -> [u8; 28] {
    let [low, high] = id.to_le_bytes();
    let mut sid = [0; 28];
    (sid[0], sid[1], sid[7], sid[8]) = (1, 5, 5, 21);
    (sid[12], sid[16], sid[20]) = (1, 2, 3);
    sid[24] = low;
    sid[25] = high;
    sid
}

const ADMINISTRATOR: [u8; 28] = account(500);
const SOMEBODY: [u8; 28] = account(1000);

/// Whom a token describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The system itself.
    System,
    /// A member of the administrators' group, elevated.
    Administrator,
    /// Any other user.
    User,
}

impl From<Token> for Identity {
    fn from(token: Token) -> Self {
        match token {
            Token::Administrator => Self::Administrator,
            Token::User => Self::User,
        }
    }
}

impl Identity {
    /// The account.
    #[must_use]
    pub const fn user(self) -> &'static [u8] {
        match self {
            Self::System => &LOCAL_SYSTEM,
            Self::Administrator => &ADMINISTRATOR,
            Self::User => &SOMEBODY,
        }
    }

    /// The groups. The first is the primary one.
    #[must_use]
    pub const fn groups(self) -> &'static [&'static [u8]] {
        match self {
            Self::System => &[&LOCAL_SYSTEM, &ADMINISTRATORS, &WORLD, &AUTHENTICATED_USERS],
            Self::Administrator => &[
                &USERS,
                &ADMINISTRATORS,
                &WORLD,
                &AUTHENTICATED_USERS,
                &INTERACTIVE,
            ],
            Self::User => &[&USERS, &WORLD, &AUTHENTICATED_USERS, &INTERACTIVE],
        }
    }

    /// Whose the objects are that it makes: administrators own theirs together.
    #[must_use]
    pub const fn owner(self) -> &'static [u8] {
        match self {
            Self::System | Self::Administrator => &ADMINISTRATORS,
            Self::User => &SOMEBODY,
        }
    }

    /// Whether an identifier means it.
    #[must_use]
    pub fn is(self, sid: &[u8]) -> bool {
        self.user() == sid || self.groups().contains(&sid)
    }

    /// Whether it has a privilege, enabled.
    #[must_use]
    pub fn has(self, privilege: u32) -> bool {
        match self {
            Self::System | Self::Administrator => ALL.contains(&privilege),
            Self::User => privilege == CHANGE_NOTIFY,
        }
    }

    /// All its privileges.
    pub fn privileges(self) -> impl Iterator<Item = u32> {
        ALL.filter(move |&privilege| self.has(privilege))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::security::sid;

    #[test]
    fn all_identifiers_are_valid() {
        for identity in [Identity::System, Identity::Administrator, Identity::User] {
            for sid in identity
                .groups()
                .iter()
                .chain([&identity.user(), &identity.owner()])
            {
                assert_eq!(sid::prefix(sid), Some(*sid), "{identity:?}");
            }
            assert!(identity.is(&WORLD));
        }
        assert_eq!(sid::text(Identity::User.user()), "S-1-5-21-1-2-3-1000");
        assert!(!Identity::User.is(&ADMINISTRATORS));
    }
}
