/*
 * A driver that does wrong with pool.
 *
 * Sources: "Special Pool", "Pool Tracking", "Force IRQL Checking" of Driver Verifier; bug checks
 * 0xC1, 0xC2, 0xC4, 0xD1, 0xD5 and 0xD6.
 */
#include "wrong.h"

static volatile UCHAR seen;

static volatile UCHAR *allocate(SIZE_T size)
{
    return ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
}

static VOID free_pool(volatile UCHAR *pool)
{
    ExFreePoolWithTag((PVOID)pool, TAG);
}

static VOID write_beyond_end(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    pool[32] = 1;
}

static VOID read_beyond_end(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(4096);
    UNREFERENCED_PARAMETER(driver);
    seen = pool[4096];
}

/* More than the compiler writes out by itself. */
static volatile SIZE_T too_many = 200;

static VOID copy_beyond_end(PDRIVER_OBJECT driver)
{
    static UCHAR from[200];
    volatile UCHAR *pool = allocate(160);
    UNREFERENCED_PARAMETER(driver);
    RtlCopyMemory((PVOID)pool, from, too_many);
}

static VOID fill_beyond_end(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(160);
    UNREFERENCED_PARAMETER(driver);
    RtlFillMemory((PVOID)pool, too_many, 1);
}

/* A text without an end. */
static VOID measure_beyond_end(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(4096);
    UNREFERENCED_PARAMETER(driver);
    RtlFillMemory((PVOID)pool, 4096, 'x');
    seen = (UCHAR)strlen((const char *)pool);
}

/* Sizes are rounded up for alignment: this byte is nobody's, but in the same page. */
static VOID write_in_padding(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(20);
    UNREFERENCED_PARAMETER(driver);
    pool[20] = 1;
    free_pool(pool);
}

static VOID write_before_start(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    pool[-1] = 1;
    free_pool(pool);
}

static VOID write_before_page(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(4096);
    UNREFERENCED_PARAMETER(driver);
    pool[-1] = 1;
}

static VOID write_after_free(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    free_pool(pool);
    pool[0] = 1;
}

static VOID read_after_free(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    free_pool(pool);
    seen = pool[31];
}

/* What was freed stays out of use while others come and go. */
static VOID read_long_after_free(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    ULONG i;
    UNREFERENCED_PARAMETER(driver);
    free_pool(pool);
    for (i = 0; i < 3000; i++)
        free_pool(allocate(i + 1));
    seen = allocate(32)[0] + pool[31];
}

/* A POOL_TYPE where POOL_FLAGS are due: NULL, which looks like a shortage of memory. */
typedef PVOID NTAPI ALLOCATE2(ULONG64 flags, SIZE_T size, ULONG tag);

static VOID allocate_by_pool_type(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"ExAllocatePool2");
    ALLOCATE2 *allocate2 = (ALLOCATE2 *)MmGetSystemRoutineAddress(&name);
    UNREFERENCED_PARAMETER(driver);
    if (allocate2(NonPagedPoolNx, 32, TAG))
        DbgPrint("wrong: there was pool\n");
}

static VOID free_twice(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    free_pool(pool);
    free_pool(pool);
}

static VOID free_no_pool(PDRIVER_OBJECT driver)
{
    UCHAR local[16];
    UNREFERENCED_PARAMETER(driver);
    free_pool(local);
}

static VOID free_inside(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(64);
    UNREFERENCED_PARAMETER(driver);
    free_pool(pool + 16);
}

static VOID free_with_other_tag(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    ExFreePoolWithTag((PVOID)pool, 'rhtO');
}

static VOID allocate_nothing(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    allocate(0);
}

static VOID allocate_paged_at_dispatch(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExAllocatePoolWithTag(PagedPool, 32, TAG);
    KeLowerIrql(irql);
}

static VOID free_paged_at_dispatch(PDRIVER_OBJECT driver)
{
    PVOID pool = ExAllocatePoolWithTag(PagedPool, 32, TAG);
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExFreePoolWithTag(pool, TAG);
    KeLowerIrql(irql);
}

static VOID allocate_at_device_irql(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL + 1, &irql);
    allocate(32);
    KeLowerIrql(irql);
}

static VOID allocate_executable(PDRIVER_OBJECT driver)
{
    PVOID pool = ExAllocatePoolWithTag(NonPagedPoolExecute, 32, TAG);
    UNREFERENCED_PARAMETER(driver);
    if (pool)
        ExFreePoolWithTag(pool, TAG);
}

/* POOL_FLAG_NON_PAGED_EXECUTE */
#define NON_PAGED_EXECUTE 0x80

static VOID allocate_executable_by_flag(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"ExAllocatePool2");
    ALLOCATE2 *allocate2 = (ALLOCATE2 *)MmGetSystemRoutineAddress(&name);
    PVOID pool = allocate2(NON_PAGED_EXECUTE, 32, TAG);
    UNREFERENCED_PARAMETER(driver);
    if (pool)
        ExFreePoolWithTag(pool, TAG);
}

static volatile UCHAR *touched;

static VOID NTAPI touch(PKDPC dpc, PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(first);
    UNREFERENCED_PARAMETER(second);
    touched[0] = 1;
}

static KDPC touch_dpc;

/*
 * Below DISPATCH_LEVEL it may be touched at any time. The IRQL is raised inline, which only a call
 * tells the verifier; here it is one that does nothing else.
 */
static VOID touch_paged_at_dispatch(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = ExAllocatePoolWithTag(PagedPool, 32, TAG);
    KIRQL irql;
    int round;
    UNREFERENCED_PARAMETER(driver);
    for (round = 0; round < 3; round++) {
        pool[round] = 1;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        KeInitializeDpc(&touch_dpc, touch, NULL);
        KeLowerIrql(irql);
        if (pool[round] != 1)
            return;
    }
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInitializeDpc(&touch_dpc, touch, NULL);
    pool[0] = 2;
    KeLowerIrql(irql);
}

static VOID touch_paged_after_unlock(PDRIVER_OBJECT driver)
{
    volatile PUCHAR memory = ExAllocatePoolWithTag(PagedPool, 32, TAG);
    PMDL mdl = IoAllocateMdl(memory, 32, FALSE, FALSE, NULL);
    KSPIN_LOCK lock;
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    MmProbeAndLockPages(mdl, KernelMode, IoModifyAccess);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    memory[0] = 1;
    KeReleaseSpinLock(&lock, irql);
    MmUnlockPages(mdl);
    IoFreeMdl(mdl);
    KeAcquireSpinLock(&lock, &irql);
    memory[0] = 2;
    KeReleaseSpinLock(&lock, irql);
}

static VOID touch_paged_with_lock(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = ExAllocatePoolWithTag(PagedPool, 32, TAG);
    KSPIN_LOCK lock;
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeSpinLock(&lock);
    KeAcquireSpinLock(&lock, &irql);
    seen = pool[0];
    KeReleaseSpinLock(&lock, irql);
}

static VOID touch_paged_in_dpc(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    touched = ExAllocatePoolWithTag(PagedPool, 32, TAG);
    KeInitializeDpc(&touch_dpc, touch, NULL);
    KeInsertQueueDpc(&touch_dpc, NULL, NULL);
    KeFlushQueuedDpcs();
}

/* Comes to light when the driver is unloaded. */
static VOID leak_pool(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    allocate(32);
    ExAllocatePoolWithTag(PagedPool, 64, TAG);
}

static VOID fail_and_leak_pool(PDRIVER_OBJECT driver)
{
    leak_pool(driver);
    entry_status = STATUS_UNSUCCESSFUL;
}

static VOID run_pool(PDRIVER_OBJECT driver)
{
    volatile UCHAR *pool = allocate(32);
    UNREFERENCED_PARAMETER(driver);
    pool[0] = 0xc3; /* ret */
    ((VOID(*)(VOID))pool)();
}

static VOID write_code(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    *(volatile UCHAR *)write_code = 0;
}

static VOID dereference_null(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    *(volatile UCHAR *volatile)NULL = 0;
}

const MISDEED misdeeds[] = {
    MISDEED(write_beyond_end),
    MISDEED(read_beyond_end),
    MISDEED(copy_beyond_end),
    MISDEED(fill_beyond_end),
    MISDEED(measure_beyond_end),
    MISDEED(write_in_padding),
    MISDEED(write_before_start),
    MISDEED(write_before_page),
    MISDEED(write_after_free),
    MISDEED(read_after_free),
    MISDEED(read_long_after_free),
    MISDEED(allocate_by_pool_type),
    MISDEED(free_twice),
    MISDEED(free_no_pool),
    MISDEED(free_inside),
    MISDEED(free_with_other_tag),
    MISDEED(allocate_nothing),
    MISDEED(allocate_paged_at_dispatch),
    MISDEED(free_paged_at_dispatch),
    MISDEED(allocate_at_device_irql),
    MISDEED(allocate_executable),
    MISDEED(allocate_executable_by_flag),
    MISDEED(touch_paged_at_dispatch),
    MISDEED(touch_paged_after_unlock),
    MISDEED(touch_paged_with_lock),
    MISDEED(touch_paged_in_dpc),
    MISDEED(leak_pool),
    MISDEED(fail_and_leak_pool),
    MISDEED(run_pool),
    MISDEED(write_code),
    MISDEED(dereference_null),
    {NULL, NULL},
};
