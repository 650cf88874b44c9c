/*
 * Events, semaphores, mutexes, timers, DPCs, waits, device queues, processors, priorities.
 */
#include "rules.h"

#define MILLISECOND (-10000LL)

static NTSTATUS wait(PVOID object, LONGLONG time)
{
    LARGE_INTEGER timeout = {.QuadPart = time};
    return KeWaitForSingleObject(object, Executive, KernelMode, FALSE, &timeout);
}

static VOID events(VOID)
{
    KEVENT event;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    RULE("an event begins as it is initialized", KeReadStateEvent(&event) == 0);
    RULE("a wait without time on an unsignalled event times out",
         wait(&event, 0) == STATUS_TIMEOUT);
    RULE("KeSetEvent gives the state before, unsignalled", KeSetEvent(&event, 0, FALSE) == 0);
    RULE("KeSetEvent gives the state before, signalled", KeSetEvent(&event, 0, FALSE) != 0);
    RULE("a notification event ends a wait", wait(&event, 0) == STATUS_SUCCESS);
    RULE("a notification event stays signalled", wait(&event, 0) == STATUS_SUCCESS);
    RULE("KeResetEvent gives the state before",
         KeResetEvent(&event) != 0 && KeResetEvent(&event) == 0);
    KeSetEvent(&event, 0, FALSE);
    KeClearEvent(&event);
    RULE("KeClearEvent makes an event unsignalled", KeReadStateEvent(&event) == 0);
    KeInitializeEvent(&event, SynchronizationEvent, TRUE);
    RULE("a synchronization event ends one wait",
         wait(&event, 0) == STATUS_SUCCESS && wait(&event, 0) == STATUS_TIMEOUT);
    RULE("a wait takes as long as it says", ({
             ULONGLONG before = KeQueryInterruptTime();
             NTSTATUS status = wait(&event, 20 * MILLISECOND);
             status == STATUS_TIMEOUT &&KeQueryInterruptTime() - before >=
                           200000 - KeQueryTimeIncrement();
         }));
}

static VOID semaphores(VOID)
{
    KSEMAPHORE semaphore;
    KeInitializeSemaphore(&semaphore, 1, 3);
    RULE("a semaphore begins with its count", KeReadStateSemaphore(&semaphore) == 1);
    RULE("KeReleaseSemaphore gives the count before",
         KeReleaseSemaphore(&semaphore, 0, 2, FALSE) == 1);
    RULE("a wait takes one of a semaphore",
         wait(&semaphore, 0) == STATUS_SUCCESS && KeReadStateSemaphore(&semaphore) == 2);
    wait(&semaphore, 0);
    wait(&semaphore, 0);
    RULE("a semaphore of none ends no wait", wait(&semaphore, 0) == STATUS_TIMEOUT);
}

static KMUTEX mutex;

static VOID NTAPI try_mutex(PVOID context)
{
    *(NTSTATUS *)context = wait(&mutex, 0);
    if (*(NTSTATUS *)context == STATUS_SUCCESS)
        KeReleaseMutex(&mutex, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static NTSTATUS in_another_thread(VOID)
{
    NTSTATUS status = STATUS_UNSUCCESSFUL;
    join(start_thread(try_mutex, &status));
    return status;
}

static VOID mutexes(VOID)
{
    KeInitializeMutex(&mutex, 0);
    RULE("a mutex begins free", KeReadStateMutex(&mutex) == 1);
    RULE("a free mutex is taken",
         wait(&mutex, 0) == STATUS_SUCCESS && KeReadStateMutex(&mutex) == 0);
    RULE("a mutex may be taken again by its owner",
         wait(&mutex, 0) == STATUS_SUCCESS && KeReadStateMutex(&mutex) == -1);
    RULE("who owns a mutex has APCs disabled", KeAreApcsDisabled());
    RULE("a mutex is not taken from its owner", in_another_thread() == STATUS_TIMEOUT);
    RULE("KeReleaseMutex gives no zero while it is owned", KeReleaseMutex(&mutex, FALSE) != 0);
    RULE("a mutex is owned until it is released as often as taken",
         in_another_thread() == STATUS_TIMEOUT);
    RULE("KeReleaseMutex gives zero for the last", KeReleaseMutex(&mutex, FALSE) == 0);
    RULE("a released mutex is taken by another", in_another_thread() == STATUS_SUCCESS);
    RULE("who owns no mutex has APCs enabled", !KeAreApcsDisabled());
}

static VOID several(VOID)
{
    KEVENT a, b;
    PVOID both[] = {&a, &b};
    LARGE_INTEGER none = {.QuadPart = 0};
    KeInitializeEvent(&a, SynchronizationEvent, FALSE);
    KeInitializeEvent(&b, SynchronizationEvent, TRUE);
    RULE("a wait for all takes none unless it gets all",
         KeWaitForMultipleObjects(2, both, WaitAll, Executive, KernelMode, FALSE, &none, NULL) ==
                 STATUS_TIMEOUT &&
             KeReadStateEvent(&b) != 0);
    RULE("a wait for any tells which",
         KeWaitForMultipleObjects(2, both, WaitAny, Executive, KernelMode, FALSE, &none, NULL) ==
             STATUS_WAIT_1);
    RULE("a wait for any takes that one", KeReadStateEvent(&b) == 0);
    KeSetEvent(&a, 0, FALSE);
    KeSetEvent(&b, 0, FALSE);
    RULE("a wait for any takes the first of those that are signalled",
         KeWaitForMultipleObjects(2, both, WaitAny, Executive, KernelMode, FALSE, &none, NULL) ==
                 STATUS_WAIT_0 &&
             KeReadStateEvent(&b) != 0);
    KeSetEvent(&a, 0, FALSE);
    RULE("a wait for all takes all",
         KeWaitForMultipleObjects(2, both, WaitAll, Executive, KernelMode, FALSE, &none, NULL) ==
                 STATUS_SUCCESS &&
             KeReadStateEvent(&a) == 0 && KeReadStateEvent(&b) == 0);
}

static struct {
    LONG count;
    KIRQL irql;
    PVOID context, first, second;
    ULONG processor;
    KEVENT done;
} seen;

static VOID NTAPI deferred(PKDPC dpc, PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(dpc);
    seen.irql = KeGetCurrentIrql();
    seen.context = context;
    seen.first = first;
    seen.second = second;
    seen.processor = KeGetCurrentProcessorNumberEx(NULL);
    InterlockedIncrement(&seen.count);
    KeSetEvent(&seen.done, 0, FALSE);
}

static VOID dpcs(VOID)
{
    KDPC dpc;
    KIRQL irql;
    PROCESSOR_NUMBER last;
    ULONG processors = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
    BOOLEAN once, twice;
    KeInitializeEvent(&seen.done, SynchronizationEvent, FALSE);
    KeInitializeDpc(&dpc, deferred, &dpc);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    once = KeInsertQueueDpc(&dpc, &once, &twice);
    twice = KeInsertQueueDpc(&dpc, NULL, NULL);
    RULE("no DPC runs at DISPATCH_LEVEL on its processor", seen.count == 0);
    KeLowerIrql(irql);
    KeFlushQueuedDpcs();
    RULE("a DPC is queued once", once && !twice && seen.count == 1);
    RULE("a DPC runs at DISPATCH_LEVEL", seen.irql == DISPATCH_LEVEL);
    RULE("a DPC gets its context and arguments",
         seen.context == &dpc && seen.first == &once && seen.second == &twice);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    RULE("KeRemoveQueueDpc takes a queued DPC back",
         KeRemoveQueueDpc(&dpc) && !KeRemoveQueueDpc(&dpc));
    KeLowerIrql(irql);
    KeFlushQueuedDpcs();
    RULE("a DPC that was taken back does not run", seen.count == 1);
    KeGetProcessorNumberFromIndex(processors - 1, &last);
    KeSetTargetProcessorDpcEx(&dpc, &last);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    RULE("a targeted DPC runs on its processor",
         seen.count == 2 && seen.processor == processors - 1);
    KeClearEvent(&seen.done);
}

static VOID timers(VOID)
{
    KTIMER timer;
    KDPC dpc;
    LARGE_INTEGER soon = {.QuadPart = 5 * MILLISECOND}, late = {.QuadPart = 3600000 * MILLISECOND};
    KeInitializeDpc(&dpc, deferred, NULL);
    KeInitializeTimer(&timer);
    RULE("a timer begins unsignalled", !KeReadStateTimer(&timer));
    RULE("KeSetTimer tells whether the timer was set",
         !KeSetTimer(&timer, late, NULL) && KeSetTimer(&timer, late, NULL));
    RULE("KeCancelTimer tells whether the timer was set",
         KeCancelTimer(&timer) && !KeCancelTimer(&timer));
    KeSetTimer(&timer, soon, &dpc);
    RULE("a timer ends a wait",
         KeWaitForSingleObject(&timer, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    RULE("a notification timer stays signalled",
         KeReadStateTimer(&timer) && wait(&timer, 0) == STATUS_SUCCESS);
    RULE("a timer queues its DPC", wait(&seen.done, 10000 * MILLISECOND) == STATUS_SUCCESS);
    KeSetTimer(&timer, late, NULL);
    RULE("setting a timer makes it unsignalled", !KeReadStateTimer(&timer));
    KeCancelTimer(&timer);
    KeInitializeTimerEx(&timer, SynchronizationTimer);
    KeSetTimer(&timer, soon, NULL);
    KeWaitForSingleObject(&timer, Executive, KernelMode, FALSE, NULL);
    RULE("a synchronization timer ends one wait", wait(&timer, 0) == STATUS_TIMEOUT);
    KeSetTimerEx(&timer, soon, 5, &dpc);
    RULE("a periodic timer is due again and again",
         wait(&timer, 10000 * MILLISECOND) == STATUS_SUCCESS &&
             wait(&timer, 10000 * MILLISECOND) == STATUS_SUCCESS &&
             wait(&timer, 10000 * MILLISECOND) == STATUS_SUCCESS);
    RULE("a periodic timer is set until it is canceled", KeCancelTimer(&timer));
    KeFlushQueuedDpcs();
}

typedef struct {
    KDEVICE_QUEUE_ENTRY entry;
} ENTRY;

static VOID device_queues(VOID)
{
    KDEVICE_QUEUE queue;
    KDEVICE_QUEUE_ENTRY a, b, c;
    KIRQL irql;
    KeInitializeDeviceQueue(&queue);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    RULE("a device queue that is not busy becomes so, and queues nothing",
         !KeInsertDeviceQueue(&queue, &a));
    RULE("a busy device queue queues",
         KeInsertDeviceQueue(&queue, &a) && KeInsertDeviceQueue(&queue, &b));
    RULE("an entry of a device queue is removed once",
         KeRemoveEntryDeviceQueue(&queue, &a) && !KeRemoveEntryDeviceQueue(&queue, &a));
    RULE("a device queue gives its first entry", KeRemoveDeviceQueue(&queue) == &b);
    RULE("an empty device queue is busy no more",
         KeRemoveDeviceQueue(&queue) == NULL && !KeInsertDeviceQueue(&queue, &a));
    KeInsertByKeyDeviceQueue(&queue, &a, 20);
    KeInsertByKeyDeviceQueue(&queue, &b, 10);
    KeInsertByKeyDeviceQueue(&queue, &c, 30);
    RULE("entries are in the order of their keys, and the first not below one is taken",
         KeRemoveByKeyDeviceQueue(&queue, 15) == &a && KeRemoveByKeyDeviceQueue(&queue, 40) == &b);
    KeLowerIrql(irql);
}

static VOID levels_and_locks(VOID)
{
    KSPIN_LOCK lock;
    KLOCK_QUEUE_HANDLE handle;
    KIRQL irql;
    KeInitializeSpinLock(&lock);
    RULE("a driver is loaded at PASSIVE_LEVEL", KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeAcquireSpinLock(&lock, &irql);
    RULE("a spin lock raises to DISPATCH_LEVEL and gives the level before",
         irql == PASSIVE_LEVEL && KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseSpinLock(&lock, irql);
    RULE("a released spin lock lowers the level", KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeAcquireInStackQueuedSpinLock(&lock, &handle);
    RULE("a queued spin lock raises to DISPATCH_LEVEL", KeGetCurrentIrql() == DISPATCH_LEVEL);
    KeReleaseInStackQueuedSpinLock(&handle);
    RULE("a released queued spin lock lowers the level", KeGetCurrentIrql() == PASSIVE_LEVEL);
    RULE("APCs are enabled in a driver's entry", !KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    KeEnterCriticalRegion();
    RULE("a critical region disables normal APCs alone",
         KeAreApcsDisabled() && !KeAreAllApcsDisabled());
    KeLeaveCriticalRegion();
    KeEnterGuardedRegion();
    RULE("a guarded region disables all APCs", KeAreApcsDisabled() && KeAreAllApcsDisabled());
    KeLeaveGuardedRegion();
    KeRaiseIrql(APC_LEVEL, &irql);
    RULE("APC_LEVEL disables all APCs", KeAreAllApcsDisabled());
    KeLowerIrql(irql);
}

static VOID processors(VOID)
{
    ULONG count = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS), i;
    BOOLEAN inverse = TRUE, moved = TRUE;
    LARGE_INTEGER frequency, before, after;
    KPRIORITY old;
    RULE("there are no more active processors than there can be",
         count >= 1 && count <= KeQueryMaximumProcessorCountEx(ALL_PROCESSOR_GROUPS));
    for (i = 0; i < count; i++) {
        PROCESSOR_NUMBER number;
        GROUP_AFFINITY affinity = {0}, previous;
        inverse &= NT_SUCCESS(KeGetProcessorNumberFromIndex(i, &number)) &&
                   KeGetProcessorIndexFromNumber(&number) == i;
        affinity.Group = number.Group;
        affinity.Mask = (KAFFINITY)1 << number.Number;
        KeSetSystemGroupAffinityThread(&affinity, &previous);
        moved &= KeGetCurrentProcessorNumberEx(NULL) == i;
        KeRevertToUserGroupAffinityThread(&previous);
    }
    RULE("processor numbers and indices are each other's inverse", inverse);
    RULE("a thread runs on the processor that it is bound to", moved);
    {
        PROCESSOR_NUMBER number;
        RULE("an index beyond the processors is refused",
             KeGetProcessorNumberFromIndex(count, &number) == STATUS_INVALID_PARAMETER);
    }
    before = KeQueryPerformanceCounter(&frequency);
    after = KeQueryPerformanceCounter(NULL);
    RULE("the performance counter has a frequency and does not go back",
         frequency.QuadPart > 0 && after.QuadPart >= before.QuadPart);
    old = KeSetPriorityThread(KeGetCurrentThread(), LOW_REALTIME_PRIORITY);
    RULE("KeSetPriorityThread sets the priority and gives the one before",
         KeQueryPriorityThread(KeGetCurrentThread()) == LOW_REALTIME_PRIORITY &&
             KeSetPriorityThread(KeGetCurrentThread(), old) == LOW_REALTIME_PRIORITY);
}

/* Goes as deep as the stack allows; how many levels that were. */
static ULONG use_stack(volatile ULONG *above)
{
    volatile ULONG frame[128];
    frame[0] = *above + 1;
    return IoGetRemainingStackSize() < 2048 ? frame[0] : use_stack(frame);
}

static VOID NTAPI use_stack_in_dpc(PKDPC dpc, PVOID context, PVOID argument, PVOID another)
{
    volatile ULONG none = 0;
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(argument);
    UNREFERENCED_PARAMETER(another);
    *(ULONG *)context = use_stack(&none);
}

static VOID stacks(VOID)
{
    KDPC dpc;
    volatile ULONG none = 0;
    ULONG_PTR low, high, here = (ULONG_PTR)&none;
    ULONG levels, levels_in_dpc = 0;
    IoGetStackLimits(&low, &high);
    RULE("a variable is within the stack's limits", low <= here && here < high);
    RULE("a stack has 24 KiB", high - low == 24 * 1024);
    /* In the headers it is inline, with a variable of its own. */
    RULE("what remains is what is below", IoGetRemainingStackSize() - (here - low) + 1024 < 2048);
    levels = use_stack(&none);
    KeInitializeDpc(&dpc, use_stack_in_dpc, &levels_in_dpc);
    KeInsertQueueDpc(&dpc, NULL, NULL);
    KeFlushQueuedDpcs();
    /* Each takes somewhat more than half a KiB. */
    RULE("the stack can be used up to its end", levels > 20 && levels < 48);
    RULE("a DPC has a stack of its own", levels_in_dpc > 30 && levels_in_dpc < 48);
}

/* Every processor is in one core, one package and one node, and the active ones are in groups. */
typedef BOOLEAN NTAPI SWAP_ENABLE(BOOLEAN enable);

static VOID resident_stack(VOID)
{
    SWAP_ENABLE *enable = routine(L"KeSetKernelStackSwapEnable");
    KEVENT local;
    KeInitializeEvent(&local, NotificationEvent, TRUE);
    RULE("a stack may be paged out at first", enable(FALSE) == TRUE);
    RULE("what is on one that stays can be waited for in the name of user mode",
         KeWaitForSingleObject(&local, UserRequest, UserMode, FALSE, NULL) == STATUS_SUCCESS);
    RULE("whether it stays is told", enable(TRUE) == FALSE && enable(TRUE) == TRUE);
}

static VOID relationships(VOID)
{
    UCHAR *bytes, *at;
    ULONG length = 0, cores = 0, nodes = 0, groups = 0, found, one;
    PROCESSOR_NUMBER number, none = {200, 0, 0};
    ULONG active = KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS);
    RULE("what processors share needs room",
         KeQueryLogicalProcessorRelationship(NULL, RelationAll, NULL, &length) ==
                 STATUS_INFO_LENGTH_MISMATCH &&
             length > 0);
    bytes = ExAllocatePoolWithTag(NonPagedPoolNx, length, TAG);
    if (!bytes)
        return;
    found = length;
    RULE("what processors share is told",
         KeQueryLogicalProcessorRelationship(NULL, RelationAll, (PVOID)bytes, &found) ==
                 STATUS_SUCCESS &&
             found == length);
    for (at = bytes; at < bytes + length; at += ((PULONG)at)[1]) {
        ULONG kind = ((PULONG)at)[0];
        PUSHORT count = (PUSHORT)(at + 30);
        PKAFFINITY mask = (PKAFFINITY)(at + 32);
        if (kind == RelationProcessorCore)
            cores += RtlNumberOfSetBitsUlongPtr(mask[0]);
        if (kind == RelationNumaNode && count[0] == 1)
            nodes += RtlNumberOfSetBitsUlongPtr(mask[0]);
        if (kind == RelationGroup)
            groups += at[33];
    }
    RULE("each processor is in a core, a node and a group",
         cores == active && nodes == active && groups == active);
    KeGetCurrentProcessorNumberEx(&number);
    one = length;
    RULE("one processor has one core",
         KeQueryLogicalProcessorRelationship(&number, RelationProcessorCore, (PVOID)bytes, &one) ==
                 STATUS_SUCCESS &&
             one == 48);
    RULE("there is no processor beyond the last",
         KeQueryLogicalProcessorRelationship(&none, RelationAll, (PVOID)bytes, &length) ==
             STATUS_INVALID_PARAMETER);
    ExFreePoolWithTag(bytes, TAG);
}

VOID check_ke(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    events();
    semaphores();
    mutexes();
    several();
    dpcs();
    timers();
    device_queues();
    levels_and_locks();
    processors();
    resident_stack();
    relationships();
    stacks();
    check_floating_point();
}
