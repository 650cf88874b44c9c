//! What a token tells of itself, as the buffers of the routines that ask have it.
//!
//! Sources: SeQueryInformationToken, ZwQueryInformationToken, ne-ntifs-_token_information_class and
//! the pages of the structures. Tokens are primary tokens unless a thread impersonates with them.

use alloc::vec::Vec;

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_INFO_CLASS};

use super::identity::Identity;

/// `TOKEN_INFORMATION_CLASS`.
mod class {
    pub const USER: i32 = 1;
    pub const GROUPS: i32 = 2;
    pub const PRIVILEGES: i32 = 3;
    pub const OWNER: i32 = 4;
    pub const PRIMARY_GROUP: i32 = 5;
    pub const TYPE: i32 = 8;
    pub const STATISTICS: i32 = 10;
    pub const SESSION: i32 = 12;
    pub const ELEVATION: i32 = 20;
    pub const INTEGRITY_LEVEL: i32 = 25;
}

/// `TokenPrimary`.
pub const PRIMARY: u32 = 1;
/// `SE_GROUP_MANDATORY`, `SE_GROUP_ENABLED_BY_DEFAULT`, `SE_GROUP_ENABLED`.
const GROUP: u32 = 7;
/// `SE_GROUP_OWNER`.
const GROUP_OWNER: u32 = 8;
/// `SE_GROUP_INTEGRITY`, `SE_GROUP_INTEGRITY_ENABLED`.
const INTEGRITY: u32 = 0x60;
/// `SE_PRIVILEGE_ENABLED_BY_DEFAULT`, `SE_PRIVILEGE_ENABLED`.
const PRIVILEGE: u32 = 3;
/// `SYSTEM_LUID`, and where the sessions of others begin.
const SYSTEM_SESSION: u64 = 0x3e7;
const OTHER_SESSIONS: u64 = 0x1_0000;

/// The logon session that a token belongs to.
#[must_use]
pub const fn authentication_id(who: Identity) -> u64 {
    match who {
        Identity::System => SYSTEM_SESSION,
        Identity::Administrator => OTHER_SESSIONS + 1,
        Identity::User => OTHER_SESSIONS + 2,
    }
}

/// `SECURITY_MANDATORY_…_RID`.
#[must_use]
pub const fn integrity(who: Identity) -> u32 {
    match who {
        Identity::System => 0x4000,
        Identity::Administrator => 0x3000,
        Identity::User => 0x2000,
    }
}

/// A buffer at an address, with what is pointed to behind what points to it.
struct Writer {
    base: u64,
    bytes: Vec<u8>,
    /// Where an identifier's address goes, and the identifier.
    identifiers: Vec<(usize, Vec<u8>)>,
}

impl Writer {
    const fn new(base: u64) -> Self {
        Self {
            base,
            bytes: Vec::new(),
            identifiers: Vec::new(),
        }
    }

    fn word(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A pointer to an identifier.
    fn identifier(&mut self, sid: &[u8]) {
        self.identifiers.push((self.bytes.len(), sid.to_vec()));
        self.long(0);
    }

    /// `SID_AND_ATTRIBUTES`.
    fn with_attributes(&mut self, sid: &[u8], attributes: u32) {
        self.identifier(sid);
        self.long(attributes.into());
    }

    fn end(mut self) -> Vec<u8> {
        for (place, sid) in self.identifiers {
            let address = self.base + self.bytes.len() as u64;
            self.bytes[place..place + 8].copy_from_slice(&address.to_le_bytes());
            self.bytes.extend_from_slice(&sid);
        }
        self.bytes
    }
}

/// What a token tells in a buffer at `base`; its size does not depend on that.
///
/// # Errors
///
/// `STATUS_INVALID_INFO_CLASS`, also for what a primary token does not have.
pub fn of_token(who: Identity, asked: i32, base: u64) -> Result<Vec<u8>, NTSTATUS> {
    let mut buffer = Writer::new(base);
    match asked {
        class::USER => buffer.with_attributes(who.user(), 0),
        class::GROUPS => {
            let groups = who.groups();
            buffer.long(groups.len() as u64);
            for group in groups {
                let owner = if *group == who.owner() {
                    GROUP_OWNER
                } else {
                    0
                };
                buffer.with_attributes(group, GROUP | owner);
            }
        }
        class::PRIVILEGES => {
            buffer.word(who.privileges().count() as u32);
            for privilege in who.privileges() {
                buffer.word(privilege);
                buffer.word(0);
                buffer.word(PRIVILEGE);
            }
        }
        class::OWNER => buffer.identifier(who.owner()),
        class::PRIMARY_GROUP => buffer.identifier(who.groups()[0]),
        class::TYPE => buffer.word(PRIMARY),
        class::STATISTICS => {
            let session = authentication_id(who);
            buffer.long(session);
            buffer.long(session);
            // It never expires.
            buffer.long(i64::MAX.cast_unsigned());
            buffer.word(PRIMARY);
            buffer.word(0);
            // What it may grow by.
            buffer.word(0);
            buffer.word(0);
            buffer.word(who.groups().len() as u32);
            buffer.word(who.privileges().count() as u32);
            buffer.long(session);
        }
        // All run in the session of services.
        class::SESSION => buffer.word(0),
        class::ELEVATION => buffer.word(u32::from(who != Identity::User)),
        class::INTEGRITY_LEVEL => {
            let mut label = [1, 1, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0];
            label[8..].copy_from_slice(&integrity(who).to_le_bytes());
            buffer.with_attributes(&label, INTEGRITY);
        }
        _ => return Err(STATUS_INVALID_INFO_CLASS),
    }
    Ok(buffer.end())
}

/// What SeQueryInformationToken gives in the caller's variable itself, instead of a buffer.
#[must_use]
pub const fn value_of_token(who: Identity, asked: i32) -> Option<u32> {
    match asked {
        class::SESSION => Some(0),
        class::INTEGRITY_LEVEL => Some(integrity(who)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtl::security::sid;

    fn long(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn identifiers_lie_behind_what_points_to_them() {
        const BASE: u64 = 0x1000;
        for who in [Identity::System, Identity::Administrator, Identity::User] {
            let user = of_token(who, class::USER, BASE).unwrap();
            assert_eq!(long(&user, 0), BASE + 16);
            assert_eq!(&user[16..], who.user());
            let groups = of_token(who, class::GROUPS, BASE).unwrap();
            let count = long(&groups, 0) as usize;
            assert_eq!(count, who.groups().len());
            for (index, group) in who.groups().iter().enumerate() {
                let at = (long(&groups, 8 + 16 * index) - BASE) as usize;
                assert_eq!(sid::prefix(&groups[at..]), Some(*group));
            }
            let level = of_token(who, class::INTEGRITY_LEVEL, BASE).unwrap();
            assert!(sid::prefix(&level[16..]).is_some());
        }
    }

    #[test]
    fn sizes_are_those_of_the_structures() {
        let length = |asked| of_token(Identity::User, asked, 0).unwrap().len();
        assert_eq!(length(class::STATISTICS), 56);
        assert_eq!(length(class::TYPE), 4);
        // One privilege.
        assert_eq!(length(class::PRIVILEGES), 16);
        assert_eq!(
            of_token(Identity::User, 9, 0),
            Err(STATUS_INVALID_INFO_CLASS),
            "it impersonates nobody"
        );
    }
}
