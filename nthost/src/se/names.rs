//! `SeExports`: the privileges and well-known identifiers, for drivers.
//!
//! Source: SE_EXPORTS.

use super::well_known as sid;

/// A privilege's number, low part first.
type Luid = [u32; 2];
/// An identifier's address.
#[repr(transparent)]
struct Sid(*const u8);

// SAFETY: they lead to constants.
unsafe impl Sync for Names {}

/// The structure, in its order.
#[repr(C)]
struct Names {
    privileges: [Luid; 23],
    first: [Sid; 22],
    more_privileges: [Luid; 3],
    services: [Sid; 2],
    last_privileges: [Luid; 8],
    last: [Sid; 7],
}

/// A constant, aligned as identifiers are.
#[repr(C, align(4))]
struct Aligned<const N: usize>([u8; N]);

macro_rules! sids {
    ($($bytes:expr),* $(,)?) => { [$( {
        static ALIGNED: Aligned<{ $bytes.len() }> = Aligned($bytes);
        Sid((&raw const ALIGNED).cast())
    } ),*] };
}

const fn privileges<const N: usize>(numbers: [u32; N]) -> [Luid; N] {
    let mut all = [[0; 2]; N];
    let mut at = 0;
    while at < N {
        all[at][0] = numbers[at];
        at += 1;
    }
    all
}

static NAMES: Names = Names {
    // SeCreateToken to SeRemoteShutdown; SeUnsolicitedInput is SeMachineAccount's number.
    privileges: privileges([
        2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 14, 11, 12, 13, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    ]),
    first: sids![
        sid::short(0, 0),
        sid::WORLD,
        sid::short(2, 0),
        sid::CREATOR_OWNER,
        sid::CREATOR_GROUP,
        sid::NT_AUTHORITY,
        sid::short(5, 1),
        sid::NETWORK,
        sid::short(5, 3),
        sid::INTERACTIVE,
        sid::LOCAL_SYSTEM,
        sid::ADMINISTRATORS,
        sid::USERS,
        sid::GUESTS,
        sid::POWER_USERS,
        sid::alias(548),
        sid::alias(549),
        sid::alias(550),
        sid::alias(551),
        sid::AUTHENTICATED_USERS,
        sid::RESTRICTED,
        sid::ANONYMOUS,
    ],
    // SeUndock, SeSyncAgent, SeEnableDelegation.
    more_privileges: privileges([25, 26, 27]),
    services: sids![sid::LOCAL_SERVICE, sid::NETWORK_SERVICE],
    // SeManageVolume to SeCreateSymbolicLink.
    last_privileges: privileges([28, 29, 30, 31, 32, 33, 34, 35]),
    last: sids![
        sid::short(5, 17),
        sid::label(0),
        sid::label(0x1000),
        sid::label(0x2000),
        sid::label(0x3000),
        sid::label(0x4000),
        sid::OWNER_RIGHTS,
    ],
};

/// The variable: it leads to the structure.
#[repr(transparent)]
struct Variable(*const Names);

// SAFETY: it leads to a constant.
unsafe impl Sync for Variable {}

static VARIABLE: Variable = Variable(&raw const NAMES);

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(SeExports = (&raw const VARIABLE).cast::<()>());
};

#[cfg(test)]
mod tests {
    use core::mem::offset_of;

    use super::*;

    #[test]
    fn names_are_where_the_structure_has_them() {
        assert_eq!(offset_of!(Names, first), 184);
        assert_eq!(offset_of!(Names, services), 384);
        assert_eq!(size_of::<Names>(), 184 + 176 + 24 + 16 + 64 + 56);
        let address = NAMES.first[1].0;
        // SAFETY: a constant of this type.
        assert_eq!(unsafe { address.cast::<sid::Short>().read() }, sid::WORLD);
        assert!(address.addr().is_multiple_of(4));
    }
}
