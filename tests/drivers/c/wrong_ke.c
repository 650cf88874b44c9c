/*
 * A driver that does wrong with locks, waits, threads, exceptions and handles.
 *
 * Sources: "Deadlock Detection" of Driver Verifier; bug checks 0x0C, 0x0F, 0x10, 0x18, 0x20, 0x2B, 0x7E,
 * 0x7F, 0x93, 0xC4, 0xC7, 0xC8, 0xC9 and 0x133.
 */
#include "wrong.h"

static KSPIN_LOCK first, second, third;
static FAST_MUTEX first_mutex, second_mutex;
static KEVENT event;

/* Takes two locks and releases them as they should be. */
static VOID nest(PKSPIN_LOCK outer, PKSPIN_LOCK inner)
{
    KIRQL irql;
    KeAcquireSpinLock(outer, &irql);
    KeAcquireSpinLockAtDpcLevel(inner);
    KeReleaseSpinLockFromDpcLevel(inner);
    KeReleaseSpinLock(outer, irql);
}

static VOID invert_spin_locks(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    nest(&first, &second);
    nest(&first, &second);
    nest(&second, &first);
}

static VOID take_three_in_a_circle(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    nest(&first, &second);
    nest(&second, &third);
    nest(&third, &first);
}

static VOID invert_fast_mutexes(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeFastMutex(&first_mutex);
    ExInitializeFastMutex(&second_mutex);
    ExAcquireFastMutex(&first_mutex);
    ExAcquireFastMutex(&second_mutex);
    ExReleaseFastMutex(&second_mutex);
    ExReleaseFastMutex(&first_mutex);
    ExAcquireFastMutex(&second_mutex);
    ExAcquireFastMutex(&first_mutex);
}

static VOID release_out_of_order(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireSpinLock(&first, &irql);
    KeAcquireSpinLockAtDpcLevel(&second);
    KeReleaseSpinLockFromDpcLevel(&first);
    KeReleaseSpinLock(&second, irql);
}

static VOID take_spin_lock_twice(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireSpinLock(&first, &irql);
    KeAcquireSpinLockAtDpcLevel(&first);
}

static VOID release_free_spin_lock(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeReleaseSpinLock(&first, irql);
}

static VOID release_spin_lock_below(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireSpinLock(&first, &irql);
    KeLowerIrql(irql);
    KeReleaseSpinLock(&first, irql);
}

static VOID take_queued_lock_plainly(PDRIVER_OBJECT driver)
{
    KLOCK_QUEUE_HANDLE handle;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireInStackQueuedSpinLock(&first, &handle);
    KeAcquireSpinLockAtDpcLevel(&first);
}

static VOID release_queued_lock_plainly(PDRIVER_OBJECT driver)
{
    KLOCK_QUEUE_HANDLE handle;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireInStackQueuedSpinLock(&first, &handle);
    KeReleaseSpinLock(&first, PASSIVE_LEVEL);
}

static VOID free_held_spin_lock(PDRIVER_OBJECT driver)
{
    PKSPIN_LOCK lock = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*lock), TAG);
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeSpinLock(lock);
    KeAcquireSpinLock(lock, &irql);
    ExFreePoolWithTag(lock, TAG);
}

static VOID take_fast_mutex_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeFastMutex(&first_mutex);
    ExAcquireFastMutex(&first_mutex);
    ExAcquireFastMutex(&first_mutex);
}

static VOID release_free_fast_mutex(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    ExInitializeFastMutex(&first_mutex);
    KeRaiseIrql(APC_LEVEL, &irql);
    ExReleaseFastMutex(&first_mutex);
}

static VOID wait_at_dispatch(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
}

/* Queues a DPC, which runs here and now or on another processor. */
static VOID defer(PKDEFERRED_ROUTINE routine)
{
    static KDPC dpc;
    KeInitializeDpc(&dpc, routine, NULL);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeFlushQueuedDpcs();
}

#define DEFERRED(name)                                                                             \
    static VOID NTAPI name##_routine(PKDPC, PVOID, PVOID, PVOID);                                  \
    static VOID name(PDRIVER_OBJECT driver)                                                        \
    {                                                                                              \
        UNREFERENCED_PARAMETER(driver);                                                            \
        defer(name##_routine);                                                                     \
    }                                                                                              \
    static VOID NTAPI name##_routine(                                                              \
        __attribute__((unused)) PKDPC dpc, __attribute__((unused)) PVOID context,                  \
        __attribute__((unused)) PVOID argument, __attribute__((unused)) PVOID another)

DEFERRED(wait_in_dpc)
{
    LARGE_INTEGER second = {.QuadPart = -10000000};
    KeDelayExecutionThread(KernelMode, FALSE, &second);
}

DEFERRED(lower_irql_in_dpc)
{
    KeLowerIrql(PASSIVE_LEVEL);
}

/* Lets a minute pass. */
static VOID stay(VOID)
{
    ULONG i;
    for (i = 0; i < 60000; i++)
        KeStallExecutionProcessor(1000);
}

DEFERRED(stay_in_dpc)
{
    stay();
}

static VOID stay_with_lock(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeAcquireSpinLock(&first, &irql);
    stay();
    KeReleaseSpinLock(&first, irql);
}

DEFERRED(enter_region_in_dpc)
{
    /* The routine itself is for APC_LEVEL at the most. */
    KeLowerIrql(PASSIVE_LEVEL);
    KeEnterCriticalRegion();
    KeRaiseIrql(DISPATCH_LEVEL, &(KIRQL){0});
}

static NTSTATUS NTAPI return_in_region_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    KeEnterCriticalRegion();
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI return_with_lock_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(device);
    KeAcquireSpinLock(&first, &irql);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID send(PDRIVER_OBJECT driver, PDRIVER_DISPATCH dispatch)
{
    PDEVICE_OBJECT device;
    /* A request that ends at raised IRQL writes it later. */
    static IO_STATUS_BLOCK block;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCallDriver(device, IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL,
                                                      &event, &block));
}

static VOID return_in_region(PDRIVER_OBJECT driver)
{
    send(driver, return_in_region_dispatch);
}

static VOID return_with_lock(PDRIVER_OBJECT driver)
{
    send(driver, return_with_lock_dispatch);
}

static VOID wait_for_too_many(PDRIVER_OBJECT driver)
{
    PVOID objects[THREAD_WAIT_OBJECTS + 1] = {&event, &event, &event, &event};
    UNREFERENCED_PARAMETER(driver);
    KeInitializeEvent(&event, NotificationEvent, TRUE);
    KeWaitForMultipleObjects(THREAD_WAIT_OBJECTS + 1, objects, WaitAny, Executive, KernelMode,
                             FALSE, NULL, NULL);
}

static VOID release_mutex_of_nobody(PDRIVER_OBJECT driver)
{
    static KMUTEX mutex;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeMutex(&mutex, 0);
    KeReleaseMutex(&mutex, FALSE);
}

static VOID release_semaphore_beyond_limit(PDRIVER_OBJECT driver)
{
    static KSEMAPHORE semaphore;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeSemaphore(&semaphore, 1, 1);
    KeReleaseSemaphore(&semaphore, 0, 1, FALSE);
}

/* Starts a system thread and waits for its end. */
static VOID run(PKSTART_ROUTINE routine)
{
    HANDLE thread;
    PVOID object;
    if (!NT_SUCCESS(
            PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, NULL)))
        return;
    if (NT_SUCCESS(ObReferenceObjectByHandle(thread, SYNCHRONIZE, NULL, KernelMode, &object, NULL)))
        KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
}

static VOID NTAPI end_with_mutex_thread(PVOID context)
{
    static KMUTEX mutex;
    UNREFERENCED_PARAMETER(context);
    KeInitializeMutex(&mutex, 0);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID end_with_mutex(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    run(end_with_mutex_thread);
}

static VOID NTAPI end_in_region_thread(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    KeEnterCriticalRegion();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID end_in_region(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    run(end_in_region_thread);
}

static VOID divide_by_zero(PDRIVER_OBJECT driver)
{
    volatile ULONG zero = 0, quotient;
    UNREFERENCED_PARAMETER(driver);
    quotient = 100 / zero;
    UNREFERENCED_PARAMETER(quotient);
}

static VOID raise_status(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExRaiseStatus(STATUS_UNSUCCESSFUL);
}

static ULONG depth(volatile ULONG *above)
{
    volatile ULONG frame[256];
    frame[0] = *above + 1;
    /* Only the compiler believes that this is ever so. */
    if (!frame[0])
        return 0;
    return depth(frame) + frame[0];
}

typedef BOOLEAN NTAPI SWAP_ENABLE(BOOLEAN enable);

static VOID NTAPI end_with_locked_stack_thread(PVOID context)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"KeSetKernelStackSwapEnable");
    SWAP_ENABLE *enable = (SWAP_ENABLE *)MmGetSystemRoutineAddress(&name);
    UNREFERENCED_PARAMETER(context);
    enable(FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID end_with_locked_stack(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    run(end_with_locked_stack_thread);
}

static VOID exhaust_stack(PDRIVER_OBJECT driver)
{
    volatile ULONG top = 0;
    UNREFERENCED_PARAMETER(driver);
    top = depth(&top);
}

/* What a compiler has a routine with a large frame call first: __chkstk touches each page of it. The
 * size is in RAX. */
static VOID __attribute__((noinline)) probe_too_much_stack(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"__chkstk");
    PVOID probe = MmGetSystemRoutineAddress(&name);
    ULONG_PTR size = 16 << 20;
    UNREFERENCED_PARAMETER(driver);
    __asm__ volatile("call *%1" : "+a"(size) : "r"(probe) : "r10", "r11", "memory", "cc");
}

static ULONG depth_with_calls(volatile ULONG *above, ULONG levels)
{
    volatile ULONG frame[256];
    frame[0] = *above + 1;
    KeQueryPerformanceCounter(NULL);
    return levels ? depth_with_calls(frame, levels - 1) + frame[0] : 0;
}

/* Less than there is here, but more than NT has. */
static VOID use_too_much_stack(PDRIVER_OBJECT driver)
{
    volatile ULONG top = 0;
    UNREFERENCED_PARAMETER(driver);
    top = depth_with_calls(&top, 25);
}

DEFERRED(use_too_much_stack_in_dpc)
{
    volatile ULONG top = 0;
    top = depth_with_calls(&top, 25);
}

static VOID dereference_too_often(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    ObDereferenceObject(device);
    ObDereferenceObject(device);
}

static VOID reference_no_handle(PDRIVER_OBJECT driver)
{
    PVOID object;
    UNREFERENCED_PARAMETER(driver);
    ObReferenceObjectByHandle((HANDLE)(ULONG_PTR)0xffffffff80001234, SYNCHRONIZE, NULL, KernelMode,
                              &object, NULL);
}

static VOID close_no_handle(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ZwClose((HANDLE)(ULONG_PTR)0xffffffff80001234);
}

const MISDEED misdeeds[] = {
    MISDEED(invert_spin_locks),
    MISDEED(take_three_in_a_circle),
    MISDEED(invert_fast_mutexes),
    MISDEED(release_out_of_order),
    MISDEED(take_spin_lock_twice),
    MISDEED(release_free_spin_lock),
    MISDEED(release_spin_lock_below),
    MISDEED(take_queued_lock_plainly),
    MISDEED(release_queued_lock_plainly),
    MISDEED(free_held_spin_lock),
    MISDEED(take_fast_mutex_twice),
    MISDEED(release_free_fast_mutex),
    MISDEED(wait_at_dispatch),
    MISDEED(wait_in_dpc),
    MISDEED(lower_irql_in_dpc),
    MISDEED(stay_in_dpc),
    MISDEED(stay_with_lock),
    MISDEED(enter_region_in_dpc),
    MISDEED(return_in_region),
    MISDEED(return_with_lock),
    MISDEED(wait_for_too_many),
    MISDEED(release_mutex_of_nobody),
    MISDEED(release_semaphore_beyond_limit),
    MISDEED(end_with_mutex),
    MISDEED(end_in_region),
    MISDEED(divide_by_zero),
    MISDEED(raise_status),
    MISDEED(end_with_locked_stack),
    MISDEED(exhaust_stack),
    MISDEED(probe_too_much_stack),
    MISDEED(use_too_much_stack),
    MISDEED(use_too_much_stack_in_dpc),
    MISDEED(dereference_too_often),
    MISDEED(reference_no_handle),
    MISDEED(close_no_handle),
    {NULL, NULL},
};
