/*
 * Memory that is mapped in other ways than most: not cached, for the time of a call, a device's.
 *
 * Sources: MmAllocateNonCachedMemory, MmMapMdl, MmAllocateMdlForIoSpace, MmProtectDriverSection.
 */
#include "rules.h"

typedef struct {
    PHYSICAL_ADDRESS PhysicalAddress;
    SIZE_T NumberOfBytes;
} RANGE;

typedef VOID(NTAPI MDL_ROUTINE)(PVOID context, PVOID address);
typedef NTSTATUS(NTAPI MAP_MDL)(PMDL mdl, ULONG protection, MDL_ROUTINE *routine, PVOID context);
typedef NTSTATUS(NTAPI MDL_FOR_IO_SPACE)(RANGE *list, SIZE_T entries, PMDL *mdl);
typedef NTSTATUS(NTAPI PROTECT_SECTION)(PVOID address, SIZE_T size, ULONG flags);

static VOID noncached(VOID)
{
    volatile UCHAR *memory = MmAllocateNonCachedMemory(PAGE_SIZE + 1);
    RULE("memory that is not cached is there, and begins at a page",
         memory && BYTE_OFFSET(memory) == 0);
    if (!memory)
        return;
    memory[0] = 1;
    memory[2 * PAGE_SIZE - 1] = 2;
    RULE("it is whole pages that keep what is written", memory[0] + memory[2 * PAGE_SIZE - 1] == 3);
    MmFreeNonCachedMemory((PVOID)memory, PAGE_SIZE + 1);
    RULE("it is gone when it is freed", !MmIsAddressValid((PVOID)memory));
    RULE("there is no such memory of no bytes", !MmAllocateNonCachedMemory(0));
}

/* What the routine of MmMapMdl found. */
static PUCHAR seen;
static ULONG calls;

static VOID NTAPI look(PVOID context, PVOID address)
{
    seen = address;
    calls++;
    RULE("the routine has its context", context == &calls);
    RULE("the pages are mapped while the routine runs", MmIsAddressValid(address));
    RULE("the routine sees the pages", *seen == 77);
}

static VOID for_a_call(VOID)
{
    PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = -1};
    MAP_MDL *MmMapMdl = (MAP_MDL *)routine(L"MmMapMdl");
    PMDL mdl = MmAllocatePagesForMdlEx(low, high, low, PAGE_SIZE, MmCached, 0);
    PUCHAR mapped;
    NTSTATUS status;
    if (!MmMapMdl || !mdl)
        return;
    mapped = MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmCached, NULL, FALSE, NormalPagePriority);
    mapped[0] = 77;
    status = MmMapMdl(mdl, PAGE_READWRITE, look, &calls);
    RULE("a mapping that exists serves the call", status == STATUS_SUCCESS && seen == mapped);
    RULE("and stays", mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA && mapped[0] == 77);
    MmUnmapLockedPages(mapped, mdl);
    status = MmMapMdl(mdl, PAGE_READONLY, look, &calls);
    RULE("a mapping is made for the call", status == STATUS_SUCCESS && calls == 2);
    RULE("and undone behind it",
         !(mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) && !MmIsAddressValid(seen));
    status = MmMapMdl(mdl, 0x4321, look, &calls);
    RULE("nobody is called for a protection that is none", !NT_SUCCESS(status) && calls == 2);
    MmFreePagesFromMdl(mdl);
    ExFreePool(mdl);
}

static VOID of_a_device(VOID)
{
    MDL_FOR_IO_SPACE *MmAllocateMdlForIoSpace =
        (MDL_FOR_IO_SPACE *)routine(L"MmAllocateMdlForIoSpace");
    RANGE ranges[2] = {
        /* The reset vector's page, and the local APIC's: no memory on a PC. */
        {.PhysicalAddress = {.QuadPart = 0xfffff000}, .NumberOfBytes = PAGE_SIZE},
        {.PhysicalAddress = {.QuadPart = 0xfee00000}, .NumberOfBytes = PAGE_SIZE},
    };
    PMDL mdl;
    volatile UCHAR *mapped;
    if (!MmAllocateMdlForIoSpace)
        return;
    RULE("an MDL describes device memory",
         MmAllocateMdlForIoSpace(ranges, 2, &mdl) == STATUS_SUCCESS && mdl &&
             MmGetMdlByteCount(mdl) == 2 * PAGE_SIZE && MmGetMdlByteOffset(mdl) == 0 &&
             mdl->MdlFlags & MDL_IO_SPACE);
    RULE("range by range",
         MmGetMdlPfnArray(mdl)[0] == 0xfffff && MmGetMdlPfnArray(mdl)[1] == 0xfee00);
    mapped =
        MmMapLockedPagesSpecifyCache(mdl, KernelMode, MmNonCached, NULL, FALSE, NormalPagePriority);
    RULE("and can be mapped", mapped && mapped[0xff0] == 0xea);
    MmUnmapLockedPages((PVOID)mapped, mdl);
    IoFreeMdl(mdl);
    ranges[1].NumberOfBytes = 100;
    RULE("a range is whole pages",
         MmAllocateMdlForIoSpace(ranges, 2, &mdl) == STATUS_INVALID_PARAMETER_1);
    ranges[1].NumberOfBytes = PAGE_SIZE;
    ranges[1].PhysicalAddress.QuadPart += 8;
    RULE("and begins at a page",
         MmAllocateMdlForIoSpace(ranges, 2, &mdl) == STATUS_INVALID_PARAMETER_1);
    ranges[1].PhysicalAddress = MmGetPhysicalAddress((PVOID)(ULONG_PTR)&calls);
    ranges[1].PhysicalAddress.QuadPart &= ~(ULONG64)(PAGE_SIZE - 1);
    RULE("memory is no device's",
         MmAllocateMdlForIoSpace(ranges, 2, &mdl) == STATUS_INVALID_PARAMETER_1);
}

static VOID of_a_section(VOID)
{
    PROTECT_SECTION *MmProtectDriverSection = (PROTECT_SECTION *)routine(L"MmProtectDriverSection");
    if (!MmProtectDriverSection)
        return;
    RULE("without virtual secure mode no section is protected",
         MmProtectDriverSection(&calls, 0, 0) == STATUS_INVALID_DEVICE_STATE);
    RULE("a size is reserved",
         MmProtectDriverSection(&calls, 8, 0) == STATUS_INVALID_PARAMETER);
    RULE("there is one flag", MmProtectDriverSection(&calls, 0, 2) == STATUS_INVALID_PARAMETER);
    RULE("code is not protected so", MmProtectDriverSection((PVOID)(ULONG_PTR)look, 0, 1) ==
                                         STATUS_INVALID_PAGE_PROTECTION);
    calls = 3;
    RULE("what is not protected can be written", calls == 3);
}

VOID check_mappings(VOID)
{
    noncached();
    for_a_call();
    of_a_device();
    of_a_section();
}
