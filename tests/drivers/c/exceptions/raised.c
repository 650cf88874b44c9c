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
}
