//! A larger stack for a call, and identifiers.

use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    status::{
        RPC_NT_UUID_LOCAL_ONLY, STATUS_INVALID_PARAMETER_3, STATUS_INVALID_PARAMETER_4,
        STATUS_SUCCESS,
    },
};

use super::{Outcome, Test, ensure, ensure_eq};
use crate::{
    ex::uuid::ExUuidCreate,
    export::DISPATCH_LEVEL,
    ke::{
        expand::{KeExpandKernelStackAndCallout, KeExpandKernelStackAndCalloutEx},
        irql,
        stack::{
            IoGetInitialStack, IoGetRemainingStackSize, IoGetStackLimits, IoWithinStackLimits,
        },
        thread,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "stack: a call gets what it asks for, and calls may nest",
        expands,
    ),
    ("stack: more than there can be is refused", refused),
    ("stack: its limits are those of the stack in use", limits),
    ("identifiers: no two are the same", identifiers),
];

/// `MAXIMUM_EXPANSION_SIZE`.
const MOST: u64 = 0x12000 - 0x800;

/// What a call finds.
#[derive(Default)]
struct Found {
    depth: u32,
    calls: u32,
    sum: u64,
}

#[expect(clippy::large_stack_arrays, reason = "the stack is there for it")]
unsafe extern "win64" fn fill(parameter: *mut c_void) {
    // SAFETY: the test's own.
    let found = unsafe { &mut *parameter.cast::<Found>() };
    found.calls += 1;
    // All that was asked for, but for the frame itself.
    let mut bytes = [0_u8; 0x11000];
    for (index, byte) in bytes.iter_mut().enumerate() {
        // SAFETY: a reference.
        unsafe { core::ptr::from_mut(byte).write_volatile(index as u8) };
    }
    if found.depth > 0 {
        found.depth -= 1;
        // SAFETY: as the call that this is in.
        unsafe { KeExpandKernelStackAndCallout(fill, parameter, MOST) };
    }
    // What was written is still there after the calls within.
    found.sum += bytes.iter().copied().map(u64::from).sum::<u64>();
}

fn expands() -> Outcome {
    let mut found = Found {
        depth: 3,
        ..Found::default()
    };
    let parameter = (&raw mut found).cast();
    // SAFETY: the test's routine.
    let status = unsafe { KeExpandKernelStackAndCallout(fill, parameter, MOST) };
    ensure_eq!(status, STATUS_SUCCESS);
    let sum = (0..0x11000_u64).map(|index| index % 256).sum::<u64>();
    ensure_eq!((found.calls, found.sum), (4, 4 * sum));
    let before = irql::raise(DISPATCH_LEVEL);
    let context = core::ptr::null_mut();
    // SAFETY: as above.
    let status = unsafe { KeExpandKernelStackAndCalloutEx(fill, parameter, MOST, 0, context) };
    // SAFETY: as above.
    let waits = unsafe { KeExpandKernelStackAndCalloutEx(fill, parameter, MOST, 1, context) };
    irql::set(before);
    ensure_eq!(
        (status, waits),
        (STATUS_SUCCESS, STATUS_INVALID_PARAMETER_4)
    );
    // SAFETY: the thread that runs exists.
    ensure_eq!(unsafe { (*thread::current()).expansions }, 0);
    Ok(())
}

fn refused() -> Outcome {
    let mut found = Found::default();
    let parameter = (&raw mut found).cast();
    // SAFETY: the test's routine.
    let status = unsafe { KeExpandKernelStackAndCallout(fill, parameter, MOST + 1) };
    ensure_eq!((status, found.calls), (STATUS_INVALID_PARAMETER_3, 0));
    Ok(())
}

/// The limits of the stack in use, which an address is within; and how much is left.
unsafe extern "win64" fn look(parameter: *mut c_void) {
    // SAFETY: the test's own.
    let seen = unsafe { &mut *parameter.cast::<[u64; 4]>() };
    let (mut low, mut high) = (0, 0);
    // SAFETY: the test's own.
    unsafe { IoGetStackLimits(&raw mut low, &raw mut high) };
    // SAFETY: no preconditions.
    let left = unsafe { IoGetRemainingStackSize() };
    let here = &raw const low as u64;
    // SAFETY: no preconditions.
    let within = unsafe { IoWithinStackLimits(here, 8) };
    // SAFETY: no preconditions.
    let beyond = unsafe { IoWithinStackLimits(here, high - here + 1) };
    let good = (low..high).contains(&here)
        && left.abs_diff(here - low) < 1024
        && within == 1
        && beyond == 0;
    *seen = [low, high, left, good.into()];
}

fn limits() -> Outcome {
    let mut own = [0; 4];
    // SAFETY: the test's own.
    unsafe { look((&raw mut own).cast()) };
    let mut other = [0; 4];
    // SAFETY: the test's routine.
    unsafe { KeExpandKernelStackAndCallout(look, (&raw mut other).cast(), MOST) };
    ensure_eq!((own[3], other[3]), (1, 1));
    // SAFETY: no preconditions.
    ensure_eq!(own[1], unsafe { IoGetInitialStack() });
    ensure!(other[2] >= MOST, "{} bytes are left", other[2]);
    ensure!(
        other[0] >= own[1] || other[1] <= own[0],
        "it is the same stack"
    );
    Ok(())
}

fn identifiers() -> Outcome {
    let mut last = GUID {
        Data1: 0,
        Data2: 0,
        Data3: 0,
        Data4: [0; 8],
    };
    for _ in 0..100 {
        let mut next = last;
        // SAFETY: the test's own.
        let status = unsafe { ExUuidCreate(&raw mut next) };
        ensure_eq!(status, RPC_NT_UUID_LOCAL_ONLY);
        ensure!(next != last, "{next} twice");
        ensure_eq!((next.Data3 >> 12, next.Data4[0] >> 6), (1, 2));
        last = next;
    }
    Ok(())
}
