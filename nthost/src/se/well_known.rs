//! Identifiers that mean the same on every machine, and their names in SDDL.
//!
//! Sources: "SDDL for Device Objects", "SID Strings", SE_EXPORTS.

/// An identifier as `SID` has it in memory, with one subauthority.
pub type Short = [u8; 12];
/// The same with two.
pub type Long = [u8; 16];

/// An identifier with one subauthority.
#[must_use]
pub const fn short(authority: u8, sub: u8) -> Short {
    [1, 1, 0, 0, 0, 0, 0, authority, sub, 0, 0, 0]
}

/// A group of the machine's own: S-1-5-32-…
#[must_use]
pub const fn alias(id: u16) -> Long {
    let [low, high] = id.to_le_bytes();
    [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, low, high, 0, 0]
}

/// A mandatory label: S-1-16-…
#[must_use]
pub const fn label(level: u16) -> Short {
    let [low, high] = level.to_le_bytes();
    [1, 1, 0, 0, 0, 0, 0, 16, low, high, 0, 0]
}

/// The authority of all that NT knows, and nobody's.
pub const NT_AUTHORITY: [u8; 8] = [1, 0, 0, 0, 0, 0, 0, 5];
/// Everyone.
pub const WORLD: Short = short(1, 0);
/// Whoever makes an object.
pub const CREATOR_OWNER: Short = short(3, 0);
/// That one's primary group.
pub const CREATOR_GROUP: Short = short(3, 1);
/// Whoever owns the object.
pub const OWNER_RIGHTS: Short = short(3, 4);
/// Whoever comes over the network.
pub const NETWORK: Short = short(5, 2);
/// Whoever sits at the machine.
pub const INTERACTIVE: Short = short(5, 4);
/// Services.
pub const SERVICE: Short = short(5, 6);
/// Nobody in particular.
pub const ANONYMOUS: Short = short(5, 7);
/// Everyone who told who it is.
pub const AUTHENTICATED_USERS: Short = short(5, 11);
/// Code that was restricted.
pub const RESTRICTED: Short = short(5, 12);
/// The system.
pub const LOCAL_SYSTEM: Short = short(5, 18);
/// Services with few rights.
pub const LOCAL_SERVICE: Short = short(5, 19);
/// Services that use the network.
pub const NETWORK_SERVICE: Short = short(5, 20);
/// Drivers that run in user mode.
pub const USER_MODE_DRIVERS: [u8; 32] = {
    let mut sid = [0; 32];
    let ids: [u32; 6] = [84, 0, 0, 0, 0, 0];
    sid[0] = 1;
    sid[1] = ids.len() as u8;
    sid[7] = 5;
    sid[8] = ids[0] as u8;
    sid
};
/// Administrators.
pub const ADMINISTRATORS: Long = alias(544);
/// Users.
pub const USERS: Long = alias(545);
/// Guests.
pub const GUESTS: Long = alias(546);
/// Users with more rights.
pub const POWER_USERS: Long = alias(547);

/// The identifier that a name in SDDL stands for.
#[must_use]
pub const fn named(name: &[u8]) -> Option<&'static [u8]> {
    Some(match name {
        b"WD" => &WORLD,
        b"CO" => &CREATOR_OWNER,
        b"CG" => &CREATOR_GROUP,
        b"OW" => &OWNER_RIGHTS,
        b"NU" => &NETWORK,
        b"IU" => &INTERACTIVE,
        b"SU" => &SERVICE,
        b"AN" => &ANONYMOUS,
        b"AU" => &AUTHENTICATED_USERS,
        b"RC" => &RESTRICTED,
        b"SY" => &LOCAL_SYSTEM,
        b"LS" => &LOCAL_SERVICE,
        b"NS" => &NETWORK_SERVICE,
        b"UD" => &USER_MODE_DRIVERS,
        b"BA" => &ADMINISTRATORS,
        b"BU" => &USERS,
        b"BG" => &GUESTS,
        b"PU" => &POWER_USERS,
        _ => return None,
    })
}
