/*
 * A driver that does wrong with reserved mappings and with pageable sections, and, for
 * comparison, right.
 *
 * Sources: MmAllocateMappingAddress, MmMapLockedPagesWithReservedMapping,
 * MmLockPagableDataSection, "Bug Check 0xDA", "Bug Check 0x1A", "Making Drivers Pageable".
 */
#include "wrong.h"

#define OTHER_TAG 'rhtO'

static UCHAR __attribute__((aligned(PAGE_SIZE))) buffer[2 * PAGE_SIZE];

static PMDL lock_buffer(ULONG length)
{
    PMDL mdl = IoAllocateMdl(buffer, length, FALSE, FALSE, NULL);
    MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess);
    return mdl;
}

static PVOID reserve_and_map(PMDL mdl)
{
    PVOID address = MmAllocateMappingAddress(4 * PAGE_SIZE, TAG);
    MmMapLockedPagesWithReservedMapping(address, TAG, mdl, MmCached);
    return address;
}

static VOID reserve_nothing(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmAllocateMappingAddress(0, TAG);
}

static VOID free_with_other_tag(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmFreeMappingAddress(MmAllocateMappingAddress(PAGE_SIZE, TAG), OTHER_TAG);
}

static VOID free_unreserved(PDRIVER_OBJECT driver)
{
    PVOID address = MmAllocateMappingAddress(PAGE_SIZE, TAG);
    UNREFERENCED_PARAMETER(driver);
    MmFreeMappingAddress(address, TAG);
    MmFreeMappingAddress(address, TAG);
}

static VOID free_mapped(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmFreeMappingAddress(reserve_and_map(lock_buffer(PAGE_SIZE)), TAG);
}

static VOID map_with_other_tag(PDRIVER_OBJECT driver)
{
    PVOID address = MmAllocateMappingAddress(4 * PAGE_SIZE, TAG);
    UNREFERENCED_PARAMETER(driver);
    MmMapLockedPagesWithReservedMapping(address, OTHER_TAG, lock_buffer(PAGE_SIZE), MmCached);
}

static VOID map_unreserved(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmMapLockedPagesWithReservedMapping(buffer, TAG, lock_buffer(PAGE_SIZE), MmCached);
}

static VOID map_twice(PDRIVER_OBJECT driver)
{
    PVOID address = reserve_and_map(lock_buffer(PAGE_SIZE));
    UNREFERENCED_PARAMETER(driver);
    MmMapLockedPagesWithReservedMapping(address, TAG, lock_buffer(PAGE_SIZE), MmCached);
}

static VOID unmap_with_other_tag(PDRIVER_OBJECT driver)
{
    PMDL mdl = lock_buffer(PAGE_SIZE);
    UNREFERENCED_PARAMETER(driver);
    MmUnmapReservedMapping(reserve_and_map(mdl), OTHER_TAG, mdl);
}

static VOID unmap_unmapped(PDRIVER_OBJECT driver)
{
    PMDL mdl = lock_buffer(PAGE_SIZE);
    UNREFERENCED_PARAMETER(driver);
    MmUnmapReservedMapping(MmAllocateMappingAddress(PAGE_SIZE, TAG), TAG, mdl);
}

static VOID unmap_more_than_mapped(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmUnmapReservedMapping(reserve_and_map(lock_buffer(8)), TAG, lock_buffer(sizeof(buffer)));
}

static VOID unmap_part(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmUnmapReservedMapping(reserve_and_map(lock_buffer(sizeof(buffer))), TAG, lock_buffer(8));
}

/* Comes to light when the driver is unloaded. */
static VOID leave_reserved(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmAllocateMappingAddress(PAGE_SIZE, TAG);
}

/* Code that may be paged out. It is called where it is written, though it touches nothing. */
__attribute__((section("PAGE"), noipa)) static ULONG pageable(ULONG value)
{
    return 2 * value + 1;
}

/* Data that may be paged out. */
__attribute__((section("PAGEDATA"))) static volatile ULONG pageable_value = 20;

static ULONG use_at_dispatch(VOID)
{
    KSPIN_LOCK lock;
    KIRQL irql;
    ULONG result;
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    result = pageable(pageable_value);
    KeReleaseSpinLock(&lock, irql);
    return result;
}

static VOID run_pageable_code_at_dispatch(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmLockPagableDataSection((PVOID)&pageable_value);
    use_at_dispatch();
}

static VOID read_pageable_data_at_dispatch(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmLockPagableDataSection((PVOID)(ULONG_PTR)pageable);
    use_at_dispatch();
}

static VOID use_section_after_unlock(PDRIVER_OBJECT driver)
{
    PVOID code = MmLockPagableDataSection((PVOID)(ULONG_PTR)pageable);
    UNREFERENCED_PARAMETER(driver);
    MmLockPagableDataSection((PVOID)&pageable_value);
    MmLockPagableSectionByHandle(code);
    MmUnlockPagableImageSection(code);
    if (use_at_dispatch() != 41)
        return;
    MmUnlockPagableImageSection(code);
    use_at_dispatch();
}

static VOID unlock_unlocked_section(PDRIVER_OBJECT driver)
{
    PVOID section = MmLockPagableDataSection((PVOID)&pageable_value);
    UNREFERENCED_PARAMETER(driver);
    MmUnlockPagableImageSection(section);
    MmUnlockPagableImageSection(section);
}

static VOID lock_no_section(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    MmLockPagableDataSection(driver);
}

/*
 * Has all that is pageable and not locked taken away. At the raised IRQL it touches nothing but this
 * section, which the caller has locked, and the stack: the import table is pageable, too, by then.
 */
__attribute__((section("PAGELOCK"), noipa)) static VOID take_away(VOID)
{
    VOID(NTAPI *volatile lower)(KIRQL) = KeLowerIrql;
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    lower(irql);
}

__attribute__((noipa)) static ULONG plain(ULONG value)
{
    return value + pageable(1);
}

static VOID use_paged_driver_at_dispatch(PDRIVER_OBJECT driver)
{
    KSPIN_LOCK lock;
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeSpinLock(&lock);
    MmPageEntireDriver((PVOID)(ULONG_PTR)plain);
    KeAcquireSpinLock(&lock, &irql);
    plain(1);
    KeReleaseSpinLock(&lock, irql);
}

/* All of it allowed. */
static VOID nothing_wrong(PDRIVER_OBJECT driver)
{
    PMDL mdl = lock_buffer(sizeof(buffer));
    PVOID address = MmAllocateMappingAddress(2 * PAGE_SIZE, TAG);
    PVOID code, data;
    PUCHAR mapped;
    ULONG round, result;
    KSPIN_LOCK lock;
    KIRQL irql;
    for (round = 1; round <= 3; round++) {
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        mapped = MmMapLockedPagesWithReservedMapping(address, TAG, mdl, MmCached);
        if (!mapped)
            goto wrong;
        mapped[PAGE_SIZE] = (UCHAR)round;
        MmUnmapReservedMapping(address, TAG, mdl);
        KeLowerIrql(irql);
        if (buffer[PAGE_SIZE] != round)
            goto wrong;
    }
    MmFreeMappingAddress(address, TAG);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    if (pageable(pageable_value) != 41)
        goto wrong;
    code = MmLockPagableDataSection((PVOID)(ULONG_PTR)pageable);
    data = MmLockPagableDataSection((PVOID)&pageable_value);
    result = use_at_dispatch();
    MmUnlockPagableImageSection(data);
    MmUnlockPagableImageSection(code);
    if (result != 41 || pageable(pageable_value) != 41)
        goto wrong;
    if (MmPageEntireDriver((PVOID)(ULONG_PTR)plain) != driver->DriverStart)
        goto wrong;
    /* What is pageable already stays so: pages that were taken away meanwhile come back. */
    code = MmLockPagableDataSection((PVOID)(ULONG_PTR)take_away);
    take_away();
    MmUnlockPagableImageSection(code);
    if (MmPageEntireDriver((PVOID)(ULONG_PTR)plain) != driver->DriverStart)
        goto wrong;
    MmResetDriverPaging((PVOID)(ULONG_PTR)plain);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    buffer[0] = 1;
    KeReleaseSpinLock(&lock, irql);
    if (!MmIsDriverVerifying(driver) || !MmIsDriverVerifyingByAddress((PVOID)(ULONG_PTR)plain))
        goto wrong;
    return;
wrong:
    /* It is not let through. */
    KeBugCheckEx(MANUALLY_INITIATED_CRASH, 0, 0, 0, 0);
}

const MISDEED misdeeds[] = {
    MISDEED(reserve_nothing),
    MISDEED(free_with_other_tag),
    MISDEED(free_unreserved),
    MISDEED(free_mapped),
    MISDEED(map_with_other_tag),
    MISDEED(map_unreserved),
    MISDEED(map_twice),
    MISDEED(unmap_with_other_tag),
    MISDEED(unmap_unmapped),
    MISDEED(unmap_more_than_mapped),
    MISDEED(unmap_part),
    MISDEED(leave_reserved),
    MISDEED(run_pageable_code_at_dispatch),
    MISDEED(read_pageable_data_at_dispatch),
    MISDEED(use_section_after_unlock),
    MISDEED(unlock_unlocked_section),
    MISDEED(lock_no_section),
    MISDEED(use_paged_driver_at_dispatch),
    MISDEED(nothing_wrong),
    {NULL, NULL},
};
