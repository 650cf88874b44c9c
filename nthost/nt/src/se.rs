//! Security identifiers, access-control lists and security descriptors.

use core::ffi::c_void;

use crate::rtl::UNICODE_STRING;

/// Whom a right is for (ns-ntifs-_sid); more of the last field follow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SID {
    /// `SID_REVISION`.
    pub Revision: u8,
    /// How many subauthorities there are: `SID_MAX_SUB_AUTHORITIES` at most.
    pub SubAuthorityCount: u8,
    /// The authority that issued it, its first byte the highest.
    pub IdentifierAuthority: [u8; 6],
    /// The first of the subauthorities.
    pub SubAuthority: [u32; 1],
}

/// The revision of all identifiers.
pub const SID_REVISION: u8 = 1;
/// The most subauthorities of one.
pub const SID_MAX_SUB_AUTHORITIES: u8 = 15;

/// What a list of entries begins with (ns-wdm-_acl).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ACL {
    /// `ACL_REVISION` or `ACL_REVISION_DS`.
    pub AclRevision: u8,
    /// Zero.
    pub Sbz1: u8,
    /// Bytes of the list, with what is free of it.
    pub AclSize: u16,
    /// How many entries there are.
    pub AceCount: u16,
    /// Zero.
    pub Sbz2: u16,
}

/// Lists without entries about kinds of objects.
pub const ACL_REVISION: u8 = 2;
/// Lists with them.
pub const ACL_REVISION_DS: u8 = 4;

/// What an entry begins with (ns-ntifs-_ace_header).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ACE_HEADER {
    /// `ACCESS_ALLOWED_ACE_TYPE` and others.
    pub AceType: u8,
    /// Inheritance and auditing.
    pub AceFlags: u8,
    /// Bytes of the entry.
    pub AceSize: u16,
}

/// The entry allows.
pub const ACCESS_ALLOWED_ACE_TYPE: u8 = 0;
/// The entry denies.
pub const ACCESS_DENIED_ACE_TYPE: u8 = 1;
/// The first of the types that are about a kind of objects.
pub const ACCESS_ALLOWED_OBJECT_ACE_TYPE: u8 = 5;
/// The last of them.
pub const SYSTEM_ALARM_OBJECT_ACE_TYPE: u8 = 8;
/// The entry is for what is made below the object, and not for the object.
pub const INHERIT_ONLY_ACE: u8 = 8;
/// The flags that say who inherits an entry (`VALID_INHERIT_FLAGS`).
pub const VALID_INHERIT_FLAGS: u8 = 0x1f;

/// An object's security in pointers (ns-ntifs-_security_descriptor).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SECURITY_DESCRIPTOR {
    /// `SECURITY_DESCRIPTOR_REVISION`.
    pub Revision: u8,
    /// Zero.
    pub Sbz1: u8,
    /// `SE_…`.
    pub Control: u16,
    /// A `SID`, or null.
    pub Owner: *mut c_void,
    /// A `SID`, or null.
    pub Group: *mut c_void,
    /// Whose accesses are told.
    pub Sacl: *mut ACL,
    /// Who may do what.
    pub Dacl: *mut ACL,
}

/// The same in one piece, in offsets from its begin.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SECURITY_DESCRIPTOR_RELATIVE {
    /// `SECURITY_DESCRIPTOR_REVISION`.
    pub Revision: u8,
    /// Zero.
    pub Sbz1: u8,
    /// `SE_…`, `SE_SELF_RELATIVE` among them.
    pub Control: u16,
    /// Where the owner is; zero for none.
    pub Owner: u32,
    /// Where the group is.
    pub Group: u32,
    /// Where that list is.
    pub Sacl: u32,
    /// Where that list is.
    pub Dacl: u32,
}

/// The revision of all descriptors.
pub const SECURITY_DESCRIPTOR_REVISION: u32 = 1;
/// The owner comes from a default.
pub const SE_OWNER_DEFAULTED: u16 = 0x0001;
/// The group comes from a default.
pub const SE_GROUP_DEFAULTED: u16 = 0x0002;
/// There is a discretionary list, or none that restricts.
pub const SE_DACL_PRESENT: u16 = 0x0004;
/// The discretionary list comes from a default.
pub const SE_DACL_DEFAULTED: u16 = 0x0008;
/// There is a system list.
pub const SE_SACL_PRESENT: u16 = 0x0010;
/// The system list comes from a default.
pub const SE_SACL_DEFAULTED: u16 = 0x0020;
/// The descriptor is in one piece.
pub const SE_SELF_RELATIVE: u16 = 0x8000;

/// `SECURITY_INFORMATION`: the owner.
pub const OWNER_SECURITY_INFORMATION: u32 = 1;
/// The primary group.
pub const GROUP_SECURITY_INFORMATION: u32 = 2;
/// The discretionary list.
pub const DACL_SECURITY_INFORMATION: u32 = 4;
/// The system list.
pub const SACL_SECURITY_INFORMATION: u32 = 8;

/// What generic rights stand for on a kind of objects (ns-wdm-_generic_mapping).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct GENERIC_MAPPING {
    /// To read.
    pub GenericRead: u32,
    /// To write.
    pub GenericWrite: u32,
    /// To execute.
    pub GenericExecute: u32,
    /// All of it.
    pub GenericAll: u32,
}

/// Who asks (ns-wdm-_security_subject_context).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SECURITY_SUBJECT_CONTEXT {
    /// The token of whom the thread acts for; null if for its process.
    pub ClientToken: *mut c_void,
    /// How far it does so.
    pub ImpersonationLevel: i32,
    /// The process's token.
    pub PrimaryToken: *mut c_void,
    /// The process's number.
    pub ProcessAuditId: u64,
}

/// A privilege, and whether it is enabled (ns-wdm-_luid_and_attributes).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LUID_AND_ATTRIBUTES {
    /// The privilege's number, low part first.
    pub Luid: [u32; 2],
    /// `SE_PRIVILEGE_…`.
    pub Attributes: u32,
}

/// Privileges (ns-wdm-_privilege_set); more of the last field may follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct PRIVILEGE_SET {
    /// How many there are.
    pub PrivilegeCount: u32,
    /// `PRIVILEGE_SET_ALL_NECESSARY`, or zero.
    pub Control: u32,
    /// The first.
    pub Privilege: [LUID_AND_ATTRIBUTES; 1],
}

/// An access that is on its way (ns-wdm-_access_state).
#[repr(C)]
pub struct ACCESS_STATE {
    /// Unused.
    pub OperationID: [u32; 2],
    /// The access has been decided.
    pub SecurityEvaluated: u8,
    /// It is audited.
    pub GenerateAudit: u8,
    /// Its end is.
    pub GenerateOnClose: u8,
    /// The privileges are in a set of their own.
    pub PrivilegesAllocated: u8,
    /// `TOKEN_…` of who wants it.
    pub Flags: u32,
    /// What has not been granted yet.
    pub RemainingDesiredAccess: u32,
    /// What has been granted.
    pub PreviouslyGrantedAccess: u32,
    /// What was wanted.
    pub OriginalDesiredAccess: u32,
    /// Who wants it.
    pub SubjectSecurityContext: SECURITY_SUBJECT_CONTEXT,
    /// The security of an object that is made.
    pub SecurityDescriptor: *mut c_void,
    /// The system's own.
    pub AuxData: *mut c_void,
    /// The privileges that gave access: `INITIAL_PRIVILEGE_SET`.
    pub Privileges: INITIAL_PRIVILEGE_SET,
    /// They are audited.
    pub AuditPrivileges: u8,
    /// The object's name.
    pub ObjectName: UNICODE_STRING,
    /// Its type's.
    pub ObjectTypeName: UNICODE_STRING,
}

/// Room for three privileges.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct INITIAL_PRIVILEGE_SET {
    /// How many there are.
    pub PrivilegeCount: u32,
    /// As of a PRIVILEGE_SET.
    pub Control: u32,
    /// They.
    pub Privilege: [LUID_AND_ATTRIBUTES; 3],
}

impl ACCESS_STATE {
    /// One of which nothing is known but who wants it.
    #[must_use]
    pub const fn new(who: SECURITY_SUBJECT_CONTEXT) -> Self {
        const NONE: LUID_AND_ATTRIBUTES = LUID_AND_ATTRIBUTES {
            Luid: [0; 2],
            Attributes: 0,
        };
        const NAMELESS: UNICODE_STRING = UNICODE_STRING {
            Length: 0,
            MaximumLength: 0,
            Buffer: core::ptr::null_mut(),
        };
        Self {
            OperationID: [0; 2],
            SecurityEvaluated: 0,
            GenerateAudit: 0,
            GenerateOnClose: 0,
            PrivilegesAllocated: 0,
            Flags: 0,
            RemainingDesiredAccess: 0,
            PreviouslyGrantedAccess: 0,
            OriginalDesiredAccess: 0,
            SubjectSecurityContext: who,
            SecurityDescriptor: core::ptr::null_mut(),
            AuxData: core::ptr::null_mut(),
            Privileges: INITIAL_PRIVILEGE_SET {
                PrivilegeCount: 0,
                Control: 0,
                Privilege: [NONE; 3],
            },
            AuditPrivileges: 0,
            ObjectName: NAMELESS,
            ObjectTypeName: NAMELESS,
        }
    }
}

/// All privileges are needed.
pub const PRIVILEGE_SET_ALL_NECESSARY: u32 = 1;
/// The privilege is enabled unless somebody disables it.
pub const SE_PRIVILEGE_ENABLED_BY_DEFAULT: u32 = 1;
/// The privilege is enabled.
pub const SE_PRIVILEGE_ENABLED: u32 = 2;
/// The privilege has given access.
pub const SE_PRIVILEGE_USED_FOR_ACCESS: u32 = 0x8000_0000;
