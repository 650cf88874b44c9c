//! What a call at a wrong IRQL ends in.
//!
//! Some routines have a subcode of bug check 0xC4 of their own, whose parameters tell what they
//! were called with. For the rest there are the rules of "DDI Compliance Checking" that are named
//! `Irql…`: subcode 0x20002 and on, with the rule's name. A routine that no rule names belongs to
//! the rule `IrqlIoRtlZwPassive` if it is for PASSIVE_LEVEL, and to `IrqlKeMore` otherwise.
//! Without that option the call ends in bug check 0x0A or 0x08, as the routine itself might.
//!
//! Sources: bug check 0xC4; "Irql rule set (WDM)" and the pages of its rules.

use core::{ffi::CStr, ops::RangeInclusive};

use nthost_protocol::manifest::VerifierOption;

use super::{found, is_on};
use crate::{
    export::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL, Routine},
    ke::{bugcheck::code, irql, thread},
};

/// A parameter of the bug check.
#[derive(Clone, Copy, Debug)]
enum Word {
    /// The IRQL.
    Level,
    /// The thread's count of what holds APCs back.
    Apcs,
    /// An argument of the call.
    Argument(usize),
    /// A number.
    Number(u64),
}

use Word::{Apcs, Argument, Level, Number};

const ZERO: Word = Number(0);

/// A routine with a subcode of its own, and the parameters that follow it.
type Own = (&'static str, u64, [Word; 3]);

/// Routines with subcodes of their own.
const OWN: &[Own] = &[
    ("ExAllocatePool2", 0x02, [Level, Argument(0), Argument(1)]),
    ("ExAllocatePool3", 0x02, [Level, Argument(0), Argument(1)]),
    ("ExAllocatePool", 0x02, [Level, Argument(0), Argument(1)]),
    (
        "ExAllocatePoolWithTag",
        0x02,
        [Level, Argument(0), Argument(1)],
    ),
    (
        "ExAllocatePoolWithTagPriority",
        0x02,
        [Level, Argument(0), Argument(1)],
    ),
    (
        "ExAllocatePoolWithQuotaTag",
        0x02,
        [Level, Argument(0), Argument(1)],
    ),
    ("ExFreePool", 0x12, [Level, ZERO, Argument(0)]),
    ("ExFreePoolWithTag", 0x12, [Level, ZERO, Argument(0)]),
    ("KeReleaseSpinLock", 0x32, [Level, Argument(0), ZERO]),
    ("ExAcquireFastMutex", 0x33, [Level, Argument(0), ZERO]),
    ("ExTryToAcquireFastMutex", 0x33, [Level, Argument(0), ZERO]),
    ("ExReleaseFastMutex", 0x34, [Level, Apcs, Argument(0)]),
    ("ExAcquireFastMutexUnsafe", 0x39, [Level, Apcs, Argument(0)]),
    ("ExReleaseFastMutexUnsafe", 0x3a, [Level, Apcs, Argument(0)]),
    (
        "KeWaitForSingleObject",
        0x3b,
        [Level, Argument(0), Argument(4)],
    ),
    (
        "KeWaitForMutexObject",
        0x3b,
        [Level, Argument(0), Argument(4)],
    ),
    (
        "KeWaitForMultipleObjects",
        0x3b,
        [Level, Argument(1), Argument(6)],
    ),
    ("KeDelayExecutionThread", 0x3b, [Level, ZERO, Argument(2)]),
    (
        "KeAcquireSpinLockAtDpcLevel",
        0x40,
        [Level, Argument(0), ZERO],
    ),
    (
        "KeReleaseSpinLockFromDpcLevel",
        0x41,
        [Level, Argument(0), ZERO],
    ),
    (
        "KeAcquireSpinLockRaiseToDpc",
        0x42,
        [Level, Argument(0), ZERO],
    ),
    (
        "MmProbeAndLockPages",
        0x70,
        [Level, Argument(0), Argument(1)],
    ),
    ("MmMapIoSpace", 0x73, [Level, Argument(0), Argument(1)]),
    ("MmMapIoSpaceEx", 0x73, [Level, Argument(0), Argument(1)]),
    ("MmMapLockedPages", 0x74, [Level, Argument(0), Argument(1)]),
    (
        "MmMapLockedPagesSpecifyCache",
        0x76,
        [Level, Argument(0), Argument(1)],
    ),
    ("MmUnlockPages", 0x78, [Level, Argument(0), ZERO]),
    (
        "MmUnmapLockedPages",
        0x79,
        [Level, Argument(0), Argument(1)],
    ),
    ("MmUnmapIoSpace", 0x7b, [Level, Argument(0), Argument(1)]),
    (
        "MmAllocatePagesForMdl",
        0x7e,
        [Level, Number(DISPATCH_LEVEL as u64), ZERO],
    ),
    (
        "MmAllocatePagesForMdlEx",
        0x7e,
        [Level, Number(DISPATCH_LEVEL as u64), ZERO],
    ),
    (
        "MmFreePagesFromMdl",
        0x7e,
        [Level, Number(DISPATCH_LEVEL as u64), ZERO],
    ),
    ("KeSetEvent", 0x80, [Level, Argument(0), ZERO]),
];

/// A rule: its subcode, its name, and the routines that it is about.
type Rule = (u64, &'static CStr, &'static [&'static str]);

/// The rules for IRQLs, as far as their routines exist.
const RULES: &[Rule] = &[
    (
        0x20003,
        c"IrqlDispatch",
        &[
            "IoStartNextPacket",
            "KeInsertByKeyDeviceQueue",
            "KeInsertDeviceQueue",
            "KeRemoveByKeyDeviceQueue",
            "KeRemoveDeviceQueue",
        ],
    ),
    (
        0x20004,
        c"IrqlExAllocatePool",
        &["ExAllocatePoolWithTag", "ExAllocatePoolWithTagPriority"],
    ),
    (
        0x20006,
        c"IrqlExApcLte2",
        &[
            "ExAllocatePoolWithQuotaTag",
            "ExDeletePagedLookasideList",
            "ExInitializePagedLookasideList",
            "ExRegisterCallback",
            "ExUnregisterCallback",
            "ProbeForRead",
            "ProbeForWrite",
        ],
    ),
    (
        0x20007,
        c"IrqlExApcLte3",
        &[
            "ExAcquireResourceExclusiveLite",
            "ExAcquireResourceSharedLite",
            "ExAcquireSharedStarveExclusive",
            "ExAcquireSharedWaitForExclusive",
            "ExConvertExclusiveToSharedLite",
            "ExDeleteResourceLite",
        ],
    ),
    (
        0x20008,
        c"IrqlExPassive",
        &[
            "ExCreateCallback",
            "ExIsProcessorFeaturePresent",
            "ExRaiseAccessViolation",
            "ExRaiseDatatypeMisalignment",
            "ExRaiseStatus",
            "ExUuidCreate",
        ],
    ),
    (0x20009, c"IrqlIoApcLte", &["IoDeleteDevice"]),
    (
        0x2000a,
        c"IrqlIoPassive1",
        &[
            "IoAttachDevice",
            "IoBuildDeviceIoControlRequest",
            "IoCreateDevice",
            "IoSetDeviceInterfaceState",
        ],
    ),
    (0x2000b, c"IrqlIoPassive2", &["IoConnectInterrupt"]),
    (
        0x2000c,
        c"IrqlIoPassive3",
        &["IoDetachDevice", "IoRegisterDeviceInterface"],
    ),
    (
        0x2000d,
        c"IrqlIoPassive4",
        &[
            "IoCreateNotificationEvent",
            "IoCreateSymbolicLink",
            "IoCreateSynchronizationEvent",
            "IoDeleteSymbolicLink",
            "IoDisconnectInterrupt",
        ],
    ),
    (
        0x2000e,
        c"IrqlIoPassive5",
        &[
            "IoGetDeviceObjectPointer",
            "IoGetDmaAdapter",
            "IoInitializeTimer",
            "IoIsWdmVersionAvailable",
            "IoRegisterDriverReinitialization",
            "IoRegisterShutdownNotification",
            "IoUnregisterShutdownNotification",
        ],
    ),
    (
        0x2000f,
        c"IrqlKeApcLte1",
        &[
            "KeAcquireGuardedMutex",
            "KeAcquireGuardedMutexUnsafe",
            "KeQueryActiveProcessors",
            "KeReleaseGuardedMutex",
            "KeReleaseGuardedMutexUnsafe",
            "KeTryToAcquireGuardedMutex",
        ],
    ),
    (
        0x20010,
        c"IrqlKeApcLte2",
        &[
            "KeAreAllApcsDisabled",
            "KeAreApcsDisabled",
            "KeDeregisterNmiCallback",
            "KeEnterCriticalRegion",
            "KeEnterGuardedRegion",
            "KeLeaveCriticalRegion",
            "KeLeaveGuardedRegion",
            "KeRegisterNmiCallback",
        ],
    ),
    (
        0x20011,
        c"IrqlKeDispatchLte",
        &[
            "KeCancelTimer",
            "KeClearEvent",
            "KeInitializeDeviceQueue",
            "KeInitializeSemaphore",
            "KeInitializeTimer",
            "KeInitializeTimerEx",
            "KePulseEvent",
            "KeRaiseIrqlToDpcLevel",
            "KeReadStateEvent",
            "KeReadStateTimer",
            "KeReleaseMutex",
            "KeRemoveEntryDeviceQueue",
            "KeResetEvent",
            "KeSaveFloatingPointState",
            "KeSetTimer",
            "KeSetTimerEx",
        ],
    ),
    (0x2001a, c"IrqlMmDispatch", &["MmFreeContiguousMemory"]),
    (0x2001b, c"IrqlObPassive", &["ObReferenceObjectByHandle"]),
    (
        0x2001c,
        c"IrqlPsPassive",
        &[
            "PsCreateSystemThread",
            "PsGetVersion",
            "PsTerminateSystemThread",
        ],
    ),
    (0x2001e, c"IrqlRtlPassive", &["RtlDeleteRegistryValue"]),
    (
        0x2001f,
        c"IrqlZwPassive",
        &[
            "ZwClose",
            "ZwCreateKey",
            "ZwDeleteKey",
            "ZwEnumerateKey",
            "ZwEnumerateValueKey",
            "ZwFlushKey",
            "ZwOpenKey",
            "ZwQueryKey",
            "ZwQueryValueKey",
            "ZwSetValueKey",
        ],
    ),
];

const PASSIVE: (u64, &CStr) = (0x20023, c"IrqlIoRtlZwPassive");
const MORE: (u64, &CStr) = (0x20025, c"IrqlKeMore");

fn rule_of(name: &str, highest: u8) -> (u64, &'static CStr) {
    let named = RULES
        .iter()
        .find(|(_, _, routines)| routines.contains(&name));
    match named {
        Some(&(subcode, name, _)) => (subcode, name),
        None if highest == PASSIVE_LEVEL => PASSIVE,
        None => MORE,
    }
}

fn apcs() -> u64 {
    let thread = thread::current();
    if thread.is_null() {
        return 0;
    }
    // SAFETY: the thread that runs exists.
    u64::from(unsafe { (*thread).kernel_apc_disable }.cast_unsigned())
}

/// A routine was called with these arguments at an IRQL that its documentation does not allow.
#[cold]
#[inline(never)]
pub fn refused(routine: &'static Routine, arguments: &[u64]) {
    wrong(routine.name, routine.lowest..=routine.highest, arguments);
}

/// As [`refused`], for a rule of the routine that is about its arguments too.
pub fn violated(name: &'static str, arguments: &[u64]) {
    wrong(name, PASSIVE_LEVEL..=APC_LEVEL, arguments);
}

fn wrong(name: &'static str, allowed: RangeInclusive<u8>, arguments: &[u64]) {
    let level = irql::current();
    let (lowest, highest) = allowed.into_inner();
    log!(
        "verifier",
        "{name} called at IRQL {level}; it may be called at {lowest} to {highest}"
    );
    if let Some((_, subcode, words)) = OWN.iter().find(|(own, ..)| *own == name) {
        let [second, third, fourth] = words.map(|word| match word {
            Level => level.into(),
            Apcs => apcs(),
            Argument(index) => arguments.get(index).copied().unwrap_or(0),
            Number(number) => number,
        });
        // What is mapped for the user's mode has the subcode that follows.
        let user = name.starts_with("MmMapLockedPages") && fourth & 0xff == 1;
        let parameters = [subcode + u64::from(user), second, third, fourth];
        found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
        return;
    }
    if is_on(VerifierOption::DdiCompliance) {
        let (subcode, rule) = rule_of(name, highest);
        log!("verifier", "rule {}", rule.to_str().unwrap_or_default());
        let parameters = [subcode, rule.as_ptr() as u64, 0, 0];
        found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
        return;
    }
    let code = if level > highest {
        code::IRQL_NOT_LESS_OR_EQUAL
    } else {
        code::IRQL_NOT_DISPATCH_LEVEL
    };
    found::report(code, [name.as_ptr() as u64, u64::from(level), 0, 0]);
}
