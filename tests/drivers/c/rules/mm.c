/*
 * MDLs, mappings, pages, addresses.
 */
#include "rules.h"

static const PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = -1},
                              four_gib = {.QuadPart = 0xffffffff};

static VOID describe(VOID)
{
    PUCHAR pool = ExAllocatePoolWithTag(NonPagedPoolNx, 3 * PAGE_SIZE, TAG);
    PMDL mdl = IoAllocateMdl(pool + 100, 2 * PAGE_SIZE, FALSE, FALSE, NULL), part;
    RULE("an MDL tells its buffer", MmGetMdlVirtualAddress(mdl) == pool + 100 &&
                                        MmGetMdlByteCount(mdl) == 2 * PAGE_SIZE &&
                                        MmGetMdlByteOffset(mdl) == 100);
    RULE("a buffer that crosses two borders spans three pages",
         ADDRESS_AND_SIZE_TO_SPAN_PAGES(pool + 100, 2 * PAGE_SIZE) == 3);
    MmBuildMdlForNonPagedPool(mdl);
    RULE("nonpaged memory is its own mapping",
         MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == pool + 100);
    RULE("an MDL has its buffer's pages",
         MmGetMdlPfnArray(mdl)[0] ==
                 (PFN_NUMBER)(MmGetPhysicalAddress(pool).QuadPart >> PAGE_SHIFT) &&
             MmGetMdlPfnArray(mdl)[2] ==
                 (PFN_NUMBER)(MmGetPhysicalAddress(pool + 2 * PAGE_SIZE).QuadPart >> PAGE_SHIFT));
    part = IoAllocateMdl(pool + PAGE_SIZE + 8, 16, FALSE, FALSE, NULL);
    IoBuildPartialMdl(mdl, part, pool + PAGE_SIZE + 8, 16);
    RULE("a partial MDL has the pages of its part",
         MmGetMdlPfnArray(part)[0] == MmGetMdlPfnArray(mdl)[1] && MmGetMdlByteCount(part) == 16);
    IoFreeMdl(part);
    IoFreeMdl(mdl);
    RULE("an MDL's size grows with its pages",
         MmSizeOfMdl(NULL, PAGE_SIZE) + sizeof(PFN_NUMBER) == MmSizeOfMdl((PVOID)1, PAGE_SIZE));
    ExFreePoolWithTag(pool, TAG);
}

static VOID lock(VOID)
{
    volatile UCHAR *paged = ExAllocatePoolWithTag(PagedPool, 2 * PAGE_SIZE, TAG), *mapped;
    PMDL mdl = IoAllocateMdl((PVOID)paged, 2 * PAGE_SIZE, FALSE, FALSE, NULL);
    KIRQL irql;
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    RULE("locked pages are marked so", mdl->MdlFlags & MDL_PAGES_LOCKED);
    mapped = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    RULE("locked pages are mapped elsewhere", mapped && mapped != paged);
    RULE("they are mapped once", MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) == mapped);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    mapped[PAGE_SIZE] = 42;
    KeLowerIrql(irql);
    RULE("what is written by one address is read by the other", paged[PAGE_SIZE] == 42);
    MmUnlockPages(mdl);
    RULE("unlocking undoes the mapping",
         !(mdl->MdlFlags & (MDL_PAGES_LOCKED | MDL_MAPPED_TO_SYSTEM_VA)));
    IoFreeMdl(mdl);
    ExFreePoolWithTag((PVOID)paged, TAG);
}

static VOID pages(VOID)
{
    PMDL mdl = MmAllocatePagesForMdlEx(low, four_gib, low, 5 * PAGE_SIZE, MmCached, 0);
    volatile UCHAR *a, *b;
    ULONG i, sum = 0;
    BOOLEAN below = TRUE;
    RULE("an MDL of pages describes them all",
         mdl && MmGetMdlByteCount(mdl) == 5 * PAGE_SIZE && MmGetMdlByteOffset(mdl) == 0);
    if (!mdl)
        return;
    for (i = 0; i < MmGetMdlByteCount(mdl) / PAGE_SIZE; i++)
        below &= MmGetMdlPfnArray(mdl)[i] <= 0xfffff;
    RULE("pages are below the address that was asked for", below);
    a = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    for (i = 0; i < MmGetMdlByteCount(mdl); i++)
        sum += a[i];
    RULE("pages are zeroed", sum == 0);
    a[0] = 1;
    MmUnmapLockedPages((PVOID)a, mdl);
    RULE("an unmapped address is not valid", !MmIsAddressValid((PVOID)a));
    b = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    RULE("pages keep what was written", b[0] == 1);
    MmUnmapLockedPages((PVOID)b, mdl);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
    RULE("there are no pages for no bytes",
         !MmAllocatePagesForMdlEx(low, high, low, 0, MmCached, 0));
}

/*
 * MmAllocatePagesForMdlEx: "If the requested number of bytes is not available, the MDL describes as
 * much physical memory as is available", unless all of it is required.
 */
static VOID all_pages(VOID)
{
    SIZE_T most = 0xf0000000;
    PMDL mdl = MmAllocatePagesForMdlEx(low, high, low, most, MmCached, MM_DONT_ZERO_ALLOCATION);
    PVOID pool;
    RULE("an MDL describes as much memory as there is",
         mdl && MmGetMdlByteCount(mdl) < most && MmGetMdlByteCount(mdl) > 16 * 1024 * 1024 &&
             BYTE_OFFSET(MmGetMdlByteCount(mdl)) == 0);
    if (!mdl)
        return;
    pool = ExAllocatePoolWithTag(NonPagedPoolNx, 100, TAG);
    RULE("others still get a little", pool);
    if (pool)
        ExFreePoolWithTag(pool, TAG);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
    RULE("there is none of what is fully required",
         !MmAllocatePagesForMdlEx(low, high, low, most, MmCached,
                                  MM_DONT_ZERO_ALLOCATION | MM_ALLOCATE_FULLY_REQUIRED));
    RULE("nor half a block",
         !MmAllocatePagesForMdlEx(low, high, low, most, MmCached,
                                  MM_DONT_ZERO_ALLOCATION | 0x20 /* contiguous chunks */));
}

static VOID contiguous(VOID)
{
    PUCHAR memory = MmAllocateContiguousMemory(4 * PAGE_SIZE, four_gib);
    ULONGLONG first = MmGetPhysicalAddress(memory).QuadPart;
    RULE("contiguous memory begins at a page",
         memory && ((ULONG_PTR)memory & (PAGE_SIZE - 1)) == 0);
    RULE("contiguous memory is so",
         (ULONGLONG)MmGetPhysicalAddress(memory + 3 * PAGE_SIZE + 5).QuadPart ==
             first + 3 * PAGE_SIZE + 5);
    RULE("contiguous memory is below its limit", first + 4 * PAGE_SIZE <= 0x100000000ULL);
    MmFreeContiguousMemory(memory);
}

static VOID addresses(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"KeSetEvent"),
                   none = RTL_CONSTANT_STRING(L"KeSetNothing");
    PHYSICAL_ADDRESS rom = {.QuadPart = 0xffff0};
    volatile UCHAR *mapped = MmMapIoSpace(rom, 16, MmNonCached);
    UCHAR local = 1;
    RULE("a routine's address is found", MmGetSystemRoutineAddress(&name) == (PVOID)KeSetEvent);
    RULE("a routine that does not exist is not", !MmGetSystemRoutineAddress(&none));
    RULE("a local variable's address is valid", MmIsAddressValid(&local));
    RULE("the first page is not", !MmIsAddressValid(NULL));
    RULE("I/O space is mapped at the address's place in its page",
         mapped && ((ULONG_PTR)mapped & 0xfff) == 0xff0);
    RULE("I/O space has its physical address",
         MmGetPhysicalAddress((PVOID)mapped).QuadPart == rom.QuadPart);
    RULE("the processor's first instruction is a far jump", mapped[0] == 0xea);
    MmUnmapIoSpace((PVOID)mapped, 16);
}

VOID check_mm(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    describe();
    lock();
    pages();
    all_pages();
    contiguous();
    addresses();
    check_mappings();
}
