/*
 * A driver that does wrong with memory: MDLs, locked pages, mappings.
 *
 * Sources: "Using MDLs"; bug checks 0x4E, 0x50, 0xBE, 0xC2, 0xC4, 0xCB, 0xDA and 0xFC.
 */
#include "wrong.h"

#define SIZE (2 * PAGE_SIZE)

static PMDL mdl_of(PVOID memory)
{
    return IoAllocateMdl(memory, SIZE, FALSE, FALSE, NULL);
}

static PMDL mdl_of_pool(VOID)
{
    return mdl_of(ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG));
}

static PMDL locked(VOID)
{
    PMDL mdl = mdl_of_pool();
    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    return mdl;
}

static PMDL pages(VOID)
{
    PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = -1}, skip = {.QuadPart = 0};
    return MmAllocatePagesForMdlEx(low, high, skip, SIZE, MmCached, 0);
}

static volatile UCHAR *map(PMDL mdl)
{
    return MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
}

static VOID unlock_twice(PDRIVER_OBJECT driver)
{
    PMDL mdl = locked();
    UNREFERENCED_PARAMETER(driver);
    MmUnlockPages(mdl);
    MmUnlockPages(mdl);
}

static VOID unlock_never_locked(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmUnlockPages(mdl_of_pool());
}

static VOID unlock_nonpaged(PDRIVER_OBJECT driver)
{
    PMDL mdl = mdl_of_pool();
    UNREFERENCED_PARAMETER(driver);
    MmBuildMdlForNonPagedPool(mdl);
    MmUnlockPages(mdl);
}

static VOID lock_twice(PDRIVER_OBJECT driver)
{
    PMDL mdl = locked();
    UNREFERENCED_PARAMETER(driver);
    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
}

static VOID describe_paged_as_nonpaged(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmBuildMdlForNonPagedPool(mdl_of(ExAllocatePoolWithTag(PagedPool, SIZE, TAG)));
}

static VOID lock_no_memory(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmProbeAndLockPages(mdl_of((PVOID)(ULONG_PTR)0xffff800000000000 - PAGE_SIZE), KernelMode,
                        IoReadAccess);
}

static VOID free_locked_mdl(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    IoFreeMdl(locked());
}

static VOID free_mapped_mdl(PDRIVER_OBJECT driver)
{
    PMDL mdl = pages();
    UNREFERENCED_PARAMETER(driver);
    map(mdl);
    MmFreePagesFromMdl(mdl);
}

static VOID unmap_twice(PDRIVER_OBJECT driver)
{
    PMDL mdl = pages();
    volatile UCHAR *mapped = map(mdl);
    UNREFERENCED_PARAMETER(driver);
    MmUnmapLockedPages((PVOID)mapped, mdl);
    MmUnmapLockedPages((PVOID)mapped, mdl);
}

static VOID write_after_unmap(PDRIVER_OBJECT driver)
{
    PMDL mdl = pages();
    volatile UCHAR *mapped = map(mdl);
    UNREFERENCED_PARAMETER(driver);
    mapped[SIZE - 1] = 1;
    MmUnmapLockedPages((PVOID)mapped, mdl);
    mapped[0] = 1;
}

static VOID write_beyond_mapping(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    map(pages())[SIZE] = 1;
}

static VOID write_protected(PDRIVER_OBJECT driver)
{
    volatile UCHAR *mapped = MmMapLockedPagesSpecifyCache(pages(), KernelMode, MmCached, NULL,
                                                          FALSE, NormalPagePriority | 0x80000000);
    UNREFERENCED_PARAMETER(driver);
    mapped[0] = 1; /* MdlMappingNoWrite */
}

static VOID run_mapping(PDRIVER_OBJECT driver)
{
    volatile UCHAR *mapped = MmMapLockedPagesSpecifyCache(pages(), KernelMode, MmCached, NULL,
                                                          FALSE, NormalPagePriority | 0x40000000);
    UNREFERENCED_PARAMETER(driver);
    mapped[0] = 0xc3; /* ret; MdlMappingNoExecute */
    ((VOID(*)(VOID))mapped)();
}

static VOID free_pages_twice(PDRIVER_OBJECT driver)
{
    PMDL mdl = pages();
    UNREFERENCED_PARAMETER(driver);
    MmFreePagesFromMdl(mdl);
    MmFreePagesFromMdl(mdl);
}

static VOID free_contiguous_twice(PDRIVER_OBJECT driver)
{
    PHYSICAL_ADDRESS high = {.QuadPart = -1};
    PVOID memory = MmAllocateContiguousMemory(SIZE, high);
    UNREFERENCED_PARAMETER(driver);
    MmFreeContiguousMemory(memory);
    MmFreeContiguousMemory(memory);
}

static VOID unmap_no_io_space(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmUnmapIoSpace(ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG), SIZE);
}

/* These come to light when the driver is unloaded. */

static VOID leave_pages_locked(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    locked();
}

static VOID leave_pages(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExFreePool(pages());
}

static VOID leave_contiguous(PDRIVER_OBJECT driver)
{
    PHYSICAL_ADDRESS high = {.QuadPart = -1};
    UNREFERENCED_PARAMETER(driver);
    MmAllocateContiguousMemory(SIZE, high);
}

static VOID leave_io_space(PDRIVER_OBJECT driver)
{
    PHYSICAL_ADDRESS rom = {.QuadPart = 0xf0000};
    UNREFERENCED_PARAMETER(driver);
    MmMapIoSpace(rom, PAGE_SIZE, MmNonCached);
}

static VOID leave_mdl(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    mdl_of((PVOID)driver);
}

static VOID free_other_size(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmFreeNonCachedMemory(MmAllocateNonCachedMemory(2 * PAGE_SIZE), PAGE_SIZE);
}

static VOID free_noncached_twice(PDRIVER_OBJECT driver)
{
    PVOID memory = MmAllocateNonCachedMemory(PAGE_SIZE);
    UNREFERENCED_PARAMETER(driver);
    MmFreeNonCachedMemory(memory, PAGE_SIZE);
    MmFreeNonCachedMemory(memory, PAGE_SIZE);
}

/* Comes to light when the driver is unloaded. */
static VOID leave_noncached(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmAllocateNonCachedMemory(PAGE_SIZE);
}

/* memcpy is for ranges that are apart. Called by its address, it is not the compiler's own. */
static PVOID (*volatile copy)(PVOID to, const VOID *from, SIZE_T count) = (PVOID)memcpy;

static VOID copy_overlapping(PDRIVER_OBJECT driver)
{
    static UCHAR buffer[64];
    UNREFERENCED_PARAMETER(driver);
    copy(buffer, buffer, 64);
    copy(buffer, buffer + 32, 32);
    copy(buffer + 1, buffer, 32);
}

static VOID map_memory_as_io_space(PDRIVER_OBJECT driver)
{
    PVOID pool = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    UNREFERENCED_PARAMETER(driver);
    MmMapIoSpace(MmGetPhysicalAddress(pool), PAGE_SIZE, MmCached);
}

const MISDEED misdeeds[] = {
    MISDEED(free_other_size),
    MISDEED(free_noncached_twice),
    MISDEED(leave_noncached),
    MISDEED(unlock_twice),
    MISDEED(unlock_never_locked),
    MISDEED(unlock_nonpaged),
    MISDEED(lock_twice),
    MISDEED(describe_paged_as_nonpaged),
    MISDEED(lock_no_memory),
    MISDEED(free_locked_mdl),
    MISDEED(free_mapped_mdl),
    MISDEED(unmap_twice),
    MISDEED(write_after_unmap),
    MISDEED(write_beyond_mapping),
    MISDEED(write_protected),
    MISDEED(run_mapping),
    MISDEED(free_pages_twice),
    MISDEED(free_contiguous_twice),
    MISDEED(unmap_no_io_space),
    MISDEED(leave_pages_locked),
    MISDEED(leave_pages),
    MISDEED(leave_contiguous),
    MISDEED(leave_io_space),
    MISDEED(leave_mdl),
    MISDEED(copy_overlapping),
    MISDEED(map_memory_as_io_space),
    {NULL, NULL},
};
