use nthost_nt::status::{STATUS_BAD_DESCRIPTOR_FORMAT, STATUS_BUFFER_TOO_SMALL};

use super::*;
use crate::rtl::security::conversion::{RtlAbsoluteToSelfRelativeSD, RtlSelfRelativeToAbsoluteSD};
use crate::rtl::security::relative::SeValidSecurityDescriptor;

const OWNER: [u32; 3] = [0x0101, 0x0500_0000, 18];
const LIST: [u32; 3] = [0x000c_0002, 0, 0];

fn empty() -> SECURITY_DESCRIPTOR {
    let mut made = core::mem::MaybeUninit::uninit();
    // SAFETY: the test's own.
    let status = unsafe { RtlCreateSecurityDescriptor(made.as_mut_ptr(), 1) };
    assert_eq!(status, STATUS_SUCCESS);
    // SAFETY: it was made.
    unsafe { made.assume_init() }
}

/// Whether there is a list, which, and whether by default.
fn dacl(of: *const SECURITY_DESCRIPTOR) -> (u8, *mut ACL, u8) {
    let (mut present, mut list, mut defaulted) = (9, null_mut(), 9);
    let (a, b, c) = (&raw mut present, &raw mut list, &raw mut defaulted);
    // SAFETY: the test's own.
    let status = unsafe { RtlGetDaclSecurityDescriptor(of, a, b, c) };
    assert_eq!(status, STATUS_SUCCESS);
    (present, list, defaulted)
}

fn owner(of: *const SECURITY_DESCRIPTOR) -> (*mut c_void, u8) {
    let (mut owner, mut defaulted) = (null_mut(), 9);
    // SAFETY: the test's own.
    let status = unsafe { RtlGetOwnerSecurityDescriptor(of, &raw mut owner, &raw mut defaulted) };
    assert_eq!(status, STATUS_SUCCESS);
    (owner, defaulted)
}

#[test]
fn no_list_is_not_a_list_without_restrictions() {
    let mut made = empty();
    assert_eq!(dacl(&raw const made), (0, null_mut(), 9));
    // SAFETY: the test's own.
    unsafe { RtlSetDaclSecurityDescriptor(&raw mut made, 1, null_mut(), 1) };
    assert_eq!(dacl(&raw const made), (1, null_mut(), 1));
    let list = LIST.as_ptr().cast_mut().cast();
    // SAFETY: the test's own.
    unsafe { RtlSetDaclSecurityDescriptor(&raw mut made, 1, list, 0) };
    assert_eq!(dacl(&raw const made), (1, list, 0));
    // SAFETY: the test's own.
    unsafe { RtlSetDaclSecurityDescriptor(&raw mut made, 0, list, 0) };
    assert_eq!(dacl(&raw const made).0, 0);
}

#[test]
fn an_owner_is_pointed_to() {
    let mut made = empty();
    assert_eq!(owner(&raw const made), (null_mut(), 9));
    let sid = OWNER.as_ptr().cast_mut().cast();
    // SAFETY: the test's own.
    unsafe { RtlSetOwnerSecurityDescriptor(&raw mut made, sid, 1) };
    assert_eq!(owner(&raw const made), (sid, 1));
    // SAFETY: the test's own.
    assert_eq!(unsafe { RtlValidSecurityDescriptor(&raw const made) }, 1);
    made.Owner = LIST.as_ptr().cast_mut().cast();
    // SAFETY: the test's own.
    assert_eq!(unsafe { RtlValidSecurityDescriptor(&raw const made) }, 0);
}

#[test]
fn a_descriptor_becomes_one_in_one_piece_and_comes_back() {
    let mut made = empty();
    let list = LIST.as_ptr().cast_mut().cast();
    let sid = OWNER.as_ptr().cast_mut().cast();
    // SAFETY: the test's own.
    unsafe { RtlSetDaclSecurityDescriptor(&raw mut made, 1, list, 0) };
    // SAFETY: the test's own.
    unsafe { RtlSetOwnerSecurityDescriptor(&raw mut made, sid, 0) };
    // SAFETY: the test's own.
    unsafe { RtlSetGroupSecurityDescriptor(&raw mut made, sid, 1) };
    // SAFETY: the test's own.
    let length = unsafe { RtlLengthSecurityDescriptor(&raw const made) };
    assert_eq!(length, 40 + 36);
    let mut bytes = [0_u64; 8];
    let at = bytes.as_mut_ptr().cast::<u8>();
    let mut room = 55;
    for expected in [STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS] {
        // SAFETY: the test's own.
        let status = unsafe { RtlAbsoluteToSelfRelativeSD(&raw const made, at, &raw mut room) };
        assert_eq!((status, room), (expected, 56));
    }
    // SAFETY: the test's own.
    assert_eq!(unsafe { SeValidSecurityDescriptor(56, at) }, 1);
    let whole = at.cast::<SECURITY_DESCRIPTOR>();
    // SAFETY: the test's own.
    assert_eq!(unsafe { RtlLengthSecurityDescriptor(whole) }, 56);
    // SAFETY: the test's own.
    let status = unsafe { RtlAbsoluteToSelfRelativeSD(whole, at, &raw mut room) };
    assert_eq!(status, STATUS_BAD_DESCRIPTOR_FORMAT);
    // SAFETY: the test's own.
    let status = unsafe { RtlSetOwnerSecurityDescriptor(whole, sid, 0) };
    assert_eq!(status, STATUS_INVALID_SECURITY_DESCR);

    let mut back = empty();
    let (mut d, mut s, mut o, mut g) = ([0_u32; 3], [0_u32; 3], [0_u32; 3], [0_u32; 3]);
    let mut sizes = [40, 12, 0, 11, 12];
    for expected in [STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS] {
        let [size, ds, ss, os, gs] = sizes.each_mut().map(core::ptr::from_mut);
        let (d, s) = (d.as_mut_ptr().cast(), s.as_mut_ptr().cast());
        let (o, g) = (o.as_mut_ptr().cast(), g.as_mut_ptr().cast());
        // SAFETY: the test's own.
        let status = unsafe {
            RtlSelfRelativeToAbsoluteSD(whole, &raw mut back, size, d, ds, s, ss, o, os, g, gs)
        };
        assert_eq!((status, sizes), (expected, [40, 12, 0, 12, 12]));
    }
    assert_eq!((d, o, g), (LIST, OWNER, OWNER));
    assert_eq!(dacl(&raw const back), (1, d.as_mut_ptr().cast(), 0));
    assert_eq!(owner(&raw const back), (o.as_mut_ptr().cast(), 0));
    assert_eq!(back.Control, made.Control);
    assert!(back.Sacl.is_null());
}
