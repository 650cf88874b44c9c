/*
 * Pool, lists, fast mutexes, resources, run-down protection, work items, callbacks.
 */
#include "rules.h"

/* mingw-w64's import library does not have this one yet. */
typedef PVOID NTAPI ALLOCATE(ULONG64 flags, SIZE_T size, ULONG tag);
#define NON_PAGED 0x40
#define PAGED 0x100

static VOID pool(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"ExAllocatePool2");
    ALLOCATE *ExAllocatePool2 = (ALLOCATE *)MmGetSystemRoutineAddress(&name);
    UCHAR *a, *b;
    ULONG i, sum = 0;
    RULE("a routine is found by its name", ExAllocatePool2);
    if (!ExAllocatePool2)
        return;
    a = ExAllocatePool2(NON_PAGED, 100, TAG);
    b = ExAllocatePool2(PAGED, 3 * PAGE_SIZE, TAG);
    for (i = 0; i < 100; i++)
        sum += a[i];
    for (i = 0; i < 3 * PAGE_SIZE; i++)
        sum += b[i];
    RULE("ExAllocatePool2 zeroes", sum == 0);
    RULE("pool is aligned to 16 bytes", ((ULONG_PTR)a & 15) == 0);
    RULE("pool of a page and more is aligned to a page", ((ULONG_PTR)b & (PAGE_SIZE - 1)) == 0);
    ExFreePoolWithTag(a, TAG);
    ExFreePool(b);
    RULE("pool is paged or not",
         !ExAllocatePool2(0, 100, TAG) && !ExAllocatePool2(NON_PAGED | PAGED, 100, TAG));
    RULE("there is no pool of no bytes", !ExAllocatePool2(NON_PAGED, 0, TAG));
    RULE("there is no pool without a tag", !ExAllocatePool2(NON_PAGED, 100, 0));
    RULE("pool that nobody has is not there", !ExAllocatePool2(NON_PAGED, (SIZE_T)1 << 46, TAG));
}

typedef struct {
    ULONG64 type;
    ULONG64 value;
} PARAMETER;

typedef PVOID NTAPI ALLOCATE3(ULONG64 flags, SIZE_T size, ULONG tag, PARAMETER *parameters,
                              ULONG count);

enum { PRIORITY = 1, SECURE = 2, NUMA_NODE = 3, OPTIONAL_PARAMETER = 1 << 8 };
#define ANY_NODE 0x80000000

static VOID pool_with_parameters(VOID)
{
    ALLOCATE3 *ExAllocatePool3 = (ALLOCATE3 *)routine(L"ExAllocatePool3");
    PARAMETER parameters[2] = {{PRIORITY, HighPoolPriority}, {NUMA_NODE, 0}};
    USHORT node = KeQueryHighestNodeNumber();
    PUCHAR first, last;
    if (!ExAllocatePool3)
        return;
    first = ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 2);
    parameters[1].value = node;
    last = ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 2);
    RULE("pool is allocated with parameters", first && last && !first[99] && !last[99]);
    RULE("pool is on the node that it is wanted on",
         !node || MmGetPhysicalAddress(first).QuadPart < MmGetPhysicalAddress(last).QuadPart);
    ExFreePool(first);
    ExFreePool(last);
    RULE("paged pool is on no node", !ExAllocatePool3(PAGED, 100, TAG, parameters, 2));
    parameters[1].value = 77 | ANY_NODE;
    RULE("there is no such node", !ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 2));
    parameters[1].type |= OPTIONAL_PARAMETER;
    first = ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 2);
    RULE("an optional parameter may be ignored", first);
    ExFreePool(first);
    parameters[0].value = 3;
    RULE("there is no such priority", !ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 1));
    parameters[0].type = SECURE;
    RULE("there is no secure pool", !ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 1));
    parameters[0].type = 0x77;
    RULE("a parameter is of a known type", !ExAllocatePool3(NON_PAGED, 100, TAG, parameters, 1));
    RULE("pool with parameters has a tag", !ExAllocatePool3(NON_PAGED, 100, 0, NULL, 0));
    first = ExAllocatePool3(PAGED, 100, TAG, NULL, 0);
    RULE("no parameters are needed", first);
    ExFreePoolWithTag(first, TAG);
}

typedef struct {
    LIST_ENTRY link;
    SLIST_ENTRY single;
} __attribute__((aligned(16))) NODE;

static VOID lists(VOID)
{
    static NODE __attribute__((aligned(16))) nodes[3];
    static SLIST_HEADER __attribute__((aligned(16))) header;
    LIST_ENTRY head;
    KSPIN_LOCK lock;
    LARGE_INTEGER large = {.QuadPart = 40}, two = {.QuadPart = 2};
    ULONG number = 40;
    KeInitializeSpinLock(&lock);
    InitializeListHead(&head);
    RULE("an interlocked list had no first entry",
         !ExInterlockedInsertTailList(&head, &nodes[0].link, &lock));
    RULE("an interlocked list gives its last entry before",
         ExInterlockedInsertTailList(&head, &nodes[1].link, &lock) == &nodes[0].link);
    RULE("an interlocked list gives its first entry before",
         ExInterlockedInsertHeadList(&head, &nodes[2].link, &lock) == &nodes[0].link);
    RULE("an interlocked list gives its first entry",
         ExInterlockedRemoveHeadList(&head, &lock) == &nodes[2].link &&
             ExInterlockedRemoveHeadList(&head, &lock) == &nodes[0].link &&
             ExInterlockedRemoveHeadList(&head, &lock) == &nodes[1].link &&
             !ExInterlockedRemoveHeadList(&head, &lock));
    RULE("an interlocked sum gives the number before",
         ExInterlockedAddUlong(&number, 2, &lock) == 40 && number == 42);
    large = ExInterlockedAddLargeInteger(&large, two, &lock);
    RULE("an interlocked sum of large integers gives the number before", large.QuadPart == 40);
    InitializeSListHead(&header);
    RULE("a sequenced list is a stack",
         !ExpInterlockedPushEntrySList(&header, &nodes[0].single) &&
             ExpInterlockedPushEntrySList(&header, &nodes[1].single) == &nodes[0].single &&
             ExQueryDepthSList(&header) == 2 &&
             ExpInterlockedPopEntrySList(&header) == &nodes[1].single &&
             ExpInterlockedFlushSList(&header) == &nodes[0].single &&
             !ExpInterlockedPopEntrySList(&header));
}

static FAST_MUTEX mutex;
static ERESOURCE resource;
static struct {
    BOOLEAN exclusive, shared, mutex;
} got;

/* What another thread gets without waiting; it gives that back. */
static VOID NTAPI try_all(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    KeEnterCriticalRegion();
    got.exclusive = ExAcquireResourceExclusiveLite(&resource, FALSE);
    if (got.exclusive)
        ExReleaseResourceLite(&resource);
    got.shared = ExAcquireResourceSharedLite(&resource, FALSE);
    if (got.shared)
        ExReleaseResourceLite(&resource);
    KeLeaveCriticalRegion();
    got.mutex = ExTryToAcquireFastMutex(&mutex);
    if (got.mutex)
        ExReleaseFastMutex(&mutex);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID another_tries(VOID)
{
    join(start_thread(try_all, NULL));
}

static VOID locks(VOID)
{
    ExInitializeFastMutex(&mutex);
    ExInitializeResourceLite(&resource);
    another_tries();
    RULE("what is free is taken", got.exclusive && got.shared && got.mutex);
    ExAcquireFastMutex(&mutex);
    RULE("a fast mutex raises to APC_LEVEL", KeGetCurrentIrql() == APC_LEVEL);
    ExReleaseFastMutex(&mutex);
    RULE("a released fast mutex lowers the level", KeGetCurrentIrql() == PASSIVE_LEVEL);
    KeEnterCriticalRegion();
    ExAcquireFastMutexUnsafe(&mutex);
    RULE("an unsafe acquisition leaves the level", KeGetCurrentIrql() == PASSIVE_LEVEL);
    RULE("a resource is taken shared, more than once",
         ExAcquireResourceSharedLite(&resource, TRUE) &&
             ExAcquireResourceSharedLite(&resource, TRUE) &&
             ExIsResourceAcquiredSharedLite(&resource) == 2 &&
             !ExIsResourceAcquiredExclusiveLite(&resource));
    another_tries();
    RULE("a fast mutex is not taken from its owner", !got.mutex);
    RULE("a shared resource is shared, and not taken exclusively", got.shared && !got.exclusive);
    ExReleaseFastMutexUnsafe(&mutex);
    ExReleaseResourceLite(&resource);
    ExReleaseResourceLite(&resource);
    RULE("a resource is taken exclusively, and then shared by its owner",
         ExAcquireResourceExclusiveLite(&resource, TRUE) &&
             ExIsResourceAcquiredExclusiveLite(&resource) &&
             ExAcquireResourceSharedLite(&resource, FALSE));
    another_tries();
    RULE("an exclusive resource is its owner's alone", !got.shared && !got.exclusive && got.mutex);
    ExReleaseResourceLite(&resource);
    ExConvertExclusiveToSharedLite(&resource);
    another_tries();
    RULE("an exclusive resource is made shared", got.shared && !got.exclusive);
    ExReleaseResourceLite(&resource);
    RULE("a released resource is nobody's", !ExIsResourceAcquiredSharedLite(&resource));
    KeLeaveCriticalRegion();
    RULE("a resource is deleted", ExDeleteResourceLite(&resource) == STATUS_SUCCESS);
}

static VOID rundown(VOID)
{
    EX_RUNDOWN_REF reference;
    ExInitializeRundownProtection(&reference);
    RULE("protection is given", ExAcquireRundownProtection(&reference));
    ExReleaseRundownProtection(&reference);
    ExWaitForRundownProtectionRelease(&reference);
    RULE("none is given after the wait", !ExAcquireRundownProtection(&reference));
    ExRundownCompleted(&reference);
    ExReInitializeRundownProtection(&reference);
    RULE("protection is given again after its reinitialization",
         ExAcquireRundownProtection(&reference));
    ExReleaseRundownProtection(&reference);
}

static struct {
    KIRQL irql;
    PVOID parameter;
    KEVENT done;
} worked;

static VOID NTAPI work(PVOID parameter)
{
    worked.irql = KeGetCurrentIrql();
    worked.parameter = parameter;
    KeSetEvent(&worked.done, 0, FALSE);
}

static VOID work_items(VOID)
{
    static WORK_QUEUE_ITEM item;
    KeInitializeEvent(&worked.done, NotificationEvent, FALSE);
    ExInitializeWorkItem(&item, work, &item);
    ExQueueWorkItem(&item, DelayedWorkQueue);
    KeWaitForSingleObject(&worked.done, Executive, KernelMode, FALSE, NULL);
    RULE("a work item runs at PASSIVE_LEVEL with its parameter",
         worked.irql == PASSIVE_LEVEL && worked.parameter == &item);
}

static LONG notified;

static VOID NTAPI notify(PVOID context, PVOID first, PVOID second)
{
    if (context == &notified && first == &worked && second == NULL)
        notified++;
}

static VOID callbacks(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Callback\\Rules");
    PCALLBACK_OBJECT object;
    PVOID registration;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    RULE("a callback that is not there is not opened",
         !NT_SUCCESS(ExCreateCallback(&object, &attributes, FALSE, TRUE)));
    status = ExCreateCallback(&object, &attributes, TRUE, TRUE);
    RULE("a callback is made", status == STATUS_SUCCESS);
    if (!NT_SUCCESS(status))
        return;
    registration = ExRegisterCallback(object, notify, &notified);
    ExNotifyCallback(object, &worked, NULL);
    RULE("whoever is registered is notified", notified == 1);
    ExUnregisterCallback(registration);
    ExNotifyCallback(object, &worked, NULL);
    RULE("whoever is no more is not", notified == 1);
    ObDereferenceObject(object);
    RtlInitUnicodeString(&name, L"\\Callback\\PowerState");
    status = ExCreateCallback(&object, &attributes, FALSE, TRUE);
    RULE("the system's callbacks are opened by their names", status == STATUS_SUCCESS);
    if (NT_SUCCESS(status))
        ObDereferenceObject(object);
}

static VOID machine(VOID)
{
    ULONG longest, shortest, current, now;
    LUID first, second;
    ULONG(NTAPI * firmware)(VOID) = routine(L"ExGetFirmwareType");
    NTSTATUS(NTAPI * variable)
    (PUNICODE_STRING, LPGUID, PVOID, PULONG, PULONG) =
        routine(L"ExGetFirmwareEnvironmentVariable");
    BOOLEAN(NTAPI * soft)(VOID) = routine(L"ExIsSoftBoot");
    VOID(NTAPI * resolution)(PULONG, PULONG, PULONG) = routine(L"ExQueryTimerResolution");
    NTSTATUS(NTAPI * auxiliary)(PULONG64) = routine(L"KeQueryAuxiliaryCounterFrequency");

    RULE("the clock tells how it ticks", resolution);
    if (!resolution)
        return;
    resolution(&longest, &shortest, &current);
    RULE("the clock ticks as rarely as it may", current == longest && shortest < longest);
    RULE("a driver has it tick more often", ExSetTimerResolution(20000, TRUE) == 20000);
    RULE("and no more often than it can", ExSetTimerResolution(1, TRUE) == shortest);
    RULE("who asks for less changes nothing", ExSetTimerResolution(50000, TRUE) == shortest);
    resolution(&longest, &shortest, &now);
    RULE("others are told", now == shortest);
    ExSetTimerResolution(0, FALSE);
    RULE("it goes on while somebody wants it", ExSetTimerResolution(0, FALSE) == shortest);
    RULE("and no longer", ExSetTimerResolution(0, FALSE) == longest);

    RULE("the processors have what amd64 needs",
         ExIsProcessorFeaturePresent(PF_XMMI64_INSTRUCTIONS_AVAILABLE) &&
             ExIsProcessorFeaturePresent(PF_COMPARE_EXCHANGE_DOUBLE) &&
             ExIsProcessorFeaturePresent(PF_NX_ENABLED) &&
             !ExIsProcessorFeaturePresent(PF_FLOATING_POINT_EMULATED));
    RULE("numbers are given once",
         ZwAllocateLocallyUniqueId(&first) == STATUS_SUCCESS &&
             ZwAllocateLocallyUniqueId(&second) == STATUS_SUCCESS &&
             first.LowPart != second.LowPart);
    RULE("the firmware is a BIOS", firmware && firmware() == 1 && soft && !soft());
    RULE("which has no variables",
         variable && variable(NULL, NULL, NULL, NULL, NULL) == STATUS_NOT_IMPLEMENTED);
    RULE("there is no auxiliary counter",
         auxiliary && auxiliary(NULL) == STATUS_NOT_SUPPORTED);
}

VOID check_ex(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    pool();
    pool_with_parameters();
    lists();
    locks();
    rundown();
    work_items();
    callbacks();
    machine();
}
