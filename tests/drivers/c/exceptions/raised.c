/*
 * Exceptions that routines of the kernel raise, for the driver that called them.
 */
#include "exceptions.h"

static OPAQUE ULONG probe(BOOLEAN write, PVOID address, SIZE_T length, ULONG alignment)
{
    __try {
        if (write)
            ProbeForWrite(address, length, alignment);
        else
            ProbeForRead(address, length, alignment);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return 0;
}

static OPAQUE ULONG lock_pages(PVOID address, LOCK_OPERATION operation)
{
    PMDL mdl = IoAllocateMdl(address, 100, FALSE, FALSE, NULL);
    ULONG code = 0;
    if (!mdl)
        return 1;
    __try {
        MmProbeAndLockPages(mdl, UserMode, operation);
        MmUnlockPages(mdl);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    IoFreeMdl(mdl);
    return code;
}

static OPAQUE ULONG quota_of_too_much(VOID)
{
    PVOID pool;
    __try {
        pool = ExAllocatePoolWithQuotaTag(NonPagedPoolNx, (SIZE_T)1 << 46, 'pcxE');
        if (pool)
            ExFreePool(pool);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return 0;
}

/* The count goes up to the limit, and no further; what was refused changes nothing. */
static OPAQUE ULONG release_semaphore(LONG adjustment)
{
    KSEMAPHORE semaphore;
    ULONG code = 0;
    KeInitializeSemaphore(&semaphore, 1, 2);
    __try {
        KeReleaseSemaphore(&semaphore, 0, adjustment, FALSE);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    if (KeGetCurrentIrql() != PASSIVE_LEVEL)
        return 1;
    return KeReadStateSemaphore(&semaphore) == (code ? 1 : 1 + adjustment) ? code : 2;
}

static OPAQUE ULONG release_free_mutex(VOID)
{
    KMUTEX mutex;
    ULONG code = 0;
    KeInitializeMutex(&mutex, 0);
    __try {
        KeReleaseMutex(&mutex, FALSE);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    return KeGetCurrentIrql() == PASSIVE_LEVEL && KeReadStateMutex(&mutex) == 1 ? code : 1;
}

/* A mutex that its owner has waited for as often as can be counted. */
static OPAQUE ULONG own_too_often(VOID)
{
    KMUTEX mutex;
    ULONG code = 0;
    LONG counted;
    KeInitializeMutex(&mutex, 0);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    mutex.Header.SignalState = (LONG)0x80000000;
    __try {
        KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    counted = mutex.Header.SignalState;
    mutex.Header.SignalState = 0;
    KeReleaseMutex(&mutex, FALSE);
    if (KeGetCurrentIrql() != PASSIVE_LEVEL || counted != (LONG)0x80000000)
        return 1;
    return code;
}

VOID check_raised(VOID)
{
    ULONG here = 0;
    RULE("ProbeForRead raises for the system's addresses",
         probe(FALSE, &here, sizeof(here), 1) == (ULONG)STATUS_ACCESS_VIOLATION);
    RULE("ProbeForRead raises for a wrong alignment",
         probe(FALSE, (PVOID)0x10001, 4, 4) == (ULONG)STATUS_DATATYPE_MISALIGNMENT);
    RULE("no bytes are probed", probe(FALSE, &here, 0, 1) == 0);
    RULE("ProbeForWrite touches what it probes",
         probe(TRUE, (PVOID)0x1000, 4, 1) == (ULONG)STATUS_ACCESS_VIOLATION);
    RULE("MmProbeAndLockPages raises for what is not there",
         lock_pages((PVOID)0x1000, IoReadAccess) == (ULONG)STATUS_ACCESS_VIOLATION);
    RULE("MmProbeAndLockPages raises for the system's addresses",
         lock_pages(&here, IoWriteAccess) == (ULONG)STATUS_ACCESS_VIOLATION);
    RULE("pool with quota raises when there is none",
         quota_of_too_much() == (ULONG)STATUS_INSUFFICIENT_RESOURCES);
    RULE("a semaphore's limit is not exceeded",
         release_semaphore(2) == (ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED &&
             release_semaphore(MAXLONG) == (ULONG)STATUS_SEMAPHORE_LIMIT_EXCEEDED);
    RULE("a semaphore is released up to its limit", release_semaphore(1) == 0);
    RULE("who does not own a mutex does not release it",
         release_free_mutex() == (ULONG)STATUS_MUTANT_NOT_OWNED);
    RULE("a mutex is not owned more often than can be counted",
         own_too_often() == (ULONG)STATUS_MUTANT_LIMIT_EXCEEDED);
}
