/*
 * A driver with one race of many, which its parameter Race chooses: what a schedule that is explored
 * has to find. Each of Rounds rounds begins anew, with two or three threads that meet there. A
 * race that shows is reported once, by a bug check with the race's number and the round.
 *
 * Of each race its depth is given: how many ordered events it takes, one more than the places at
 * which a thread has to stop for another.
 */
#include <ntddk.h>

#define THREADS 3

static struct {
    volatile LONG a, b, c, d;
    volatile LONG entered, overlapped, ended, found;
    KSPIN_LOCK lock;
    KEVENT event;
    KMUTEX first, second;
    PVOID volatile memory;
} s;

/* Any call of the kernel. */
static VOID call(VOID)
{
    KeReadStateEvent(&s.event);
}

static LONG with_lock(LONG (*what)(VOID))
{
    KIRQL irql;
    LONG result;
    KeAcquireSpinLock(&s.lock, &irql);
    result = what();
    KeReleaseSpinLock(&s.lock, irql);
    return result;
}

/* Runs at most once at a time, if it is right. */
static VOID critical(VOID)
{
    if (InterlockedIncrement(&s.entered) != 1)
        s.overlapped = 1;
    call();
    InterlockedDecrement(&s.entered);
}

/* 0. Lost update: a counter that is read and written, with no call between. Depth 2. */
static VOID lost_update(LONG who)
{
    UNREFERENCED_PARAMETER(who);
    call();
    s.a = s.a + 1;
    call();
}

static BOOLEAN lost_update_found(VOID)
{
    return s.a != 2;
}

/* 1. Both make what is to be made once. Depth 2. */
static VOID made_twice(LONG who)
{
    UNREFERENCED_PARAMETER(who);
    if (s.memory == NULL) {
        PVOID memory = ExAllocatePoolWithTag(NonPagedPoolNx, 32, 'ecaR');
        InterlockedIncrement(&s.a);
        if (memory != NULL && InterlockedExchangePointer((PVOID *)&s.memory, memory) != NULL)
            s.found = 1;
    }
}

static BOOLEAN reported(VOID)
{
    return s.found != 0;
}

/* 2. The count of users is raised after the look whether the device is gone. Depth 2. */
static VOID used_when_gone(LONG who)
{
    if (who == 0) {
        if (s.a == 0) {
            call();
            InterlockedIncrement(&s.b);
            call();
            if (s.c != 0)
                s.found = 1;
            InterlockedDecrement(&s.b);
        }
    } else {
        s.a = 1;
        call();
        if (s.b == 0)
            s.c = 1;
    }
}

/* 3. A request is ended by whoever comes first, and both may. Depth 2. */
static VOID ended_twice(LONG who)
{
    UNREFERENCED_PARAMETER(who);
    call();
    if (s.a == 0) {
        s.a = 1;
        InterlockedIncrement(&s.ended);
    }
}

static BOOLEAN ended_twice_found(VOID)
{
    return s.ended != 1;
}

/* 4. The event is cleared after the look, and the wake-up with it. Depth 2. */
static VOID lost_wake_up(LONG who)
{
    LARGE_INTEGER limit;
    if (who == 0) {
        if (s.a == 0) {
            KeClearEvent(&s.event);
            limit.QuadPart = -10 * 1000 * 500;
            if (KeWaitForSingleObject(&s.event, Executive, KernelMode, FALSE, &limit) == STATUS_TIMEOUT)
                s.found = 1;
        }
    } else {
        s.a = 1;
        KeSetEvent(&s.event, IO_NO_INCREMENT, FALSE);
    }
}

/* 5. What is published is not complete yet. Depth 2. */
static VOID published_early(LONG who)
{
    if (who == 0) {
        s.a = 1;
        call();
        s.b = 1;
    } else {
        call();
        if (s.a != 0 && s.b == 0)
            s.found = 1;
    }
}

/* 6. Two mutexes, in two orders. Depth 2. */
static VOID deadlock(LONG who)
{
    PKMUTEX outer = who == 0 ? &s.first : &s.second, inner = who == 0 ? &s.second : &s.first;
    LARGE_INTEGER limit;
    limit.QuadPart = -10 * 1000 * 500;
    KeWaitForSingleObject(outer, Executive, KernelMode, FALSE, NULL);
    if (KeWaitForSingleObject(inner, Executive, KernelMode, FALSE, &limit) == STATUS_TIMEOUT)
        s.found = 1;
    else
        KeReleaseMutex(inner, FALSE);
    KeReleaseMutex(outer, FALSE);
}

/* 7. What a lock protects is looked at under it and changed under it, but not in one hold. Depth 2. */
static LONG get(VOID)
{
    return s.a;
}

static LONG put(VOID)
{
    return ++s.a;
}

static VOID two_holds(LONG who)
{
    UNREFERENCED_PARAMETER(who);
    if (with_lock(get) == 0 && with_lock(put) != 1)
        s.found = 1;
}

/* 8. A lock of two flags, each looked at before the own one is set. One thread has to stop after it
 * looked, and the other inside. Depth 3. */
static VOID flags(LONG who)
{
    volatile LONG *own = who == 0 ? &s.a : &s.b, *other = who == 0 ? &s.b : &s.a;
    if (*other == 0) {
        call();
        *own = 1;
        critical();
        *own = 0;
    }
}

static BOOLEAN overlapped(VOID)
{
    return s.overlapped != 0;
}

/* 9. A count that has come to zero is raised again: the one that found the object has to stop before it
 * raises the count, and the one that gives it up before it says that the object is gone. Depth 3. */
static VOID revived(LONG who)
{
    if (who == 0) {
        if (s.b == 0 && s.a == 1) {
            call();
            InterlockedIncrement(&s.a);
            call();
            if (s.b == 0) {
                call();
                if (s.b != 0)
                    s.found = 1;
            }
            InterlockedDecrement(&s.a);
        }
    } else if (InterlockedDecrement(&s.a) == 0) {
        call();
        s.b = 1;
    }
}

/* 10. Three threads hand on a token, and the last has to see the second stopped between its two
 * steps, of which it makes the second only if the first stopped between its own. Depth 3. */
static VOID chain(LONG who)
{
    switch (who) {
    case 0:
        s.a = 1;
        call();
        s.a = 2;
        break;
    case 1:
        if (s.a == 1) {
            s.b = 1;
            call();
            s.b = 2;
        }
        break;
    default:
        if (s.b == 1 && s.a == 1)
            s.found = 1;
    }
}

static const struct {
    LONG threads;
    VOID (*run)(LONG who);
    BOOLEAN (*found)(VOID);
} races[] = {
    {2, lost_update, lost_update_found},
    {2, made_twice, reported},
    {2, used_when_gone, reported},
    {2, ended_twice, ended_twice_found},
    {2, lost_wake_up, reported},
    {2, published_early, reported},
    {2, deadlock, reported},
    {2, two_holds, reported},
    {2, flags, overlapped},
    {2, revived, reported},
    {3, chain, reported},
};

static ULONG race, rounds;
static KEVENT begin[THREADS];
static KSEMAPHORE ends;

static VOID NTAPI run(PVOID context)
{
    LONG who = (LONG)(ULONG_PTR)context;
    ULONG round;
    for (round = 0; round < rounds; round++) {
        KeWaitForSingleObject(&begin[who], Executive, KernelMode, FALSE, NULL);
        races[race].run(who);
        KeReleaseSemaphore(&ends, IO_NO_INCREMENT, 1, FALSE);
    }
    PsTerminateSystemThread(STATUS_SUCCESS);
}

static VOID renew(VOID)
{
    PVOID memory = s.memory;
    RtlZeroMemory(&s, sizeof(s));
    if (memory != NULL)
        ExFreePoolWithTag(memory, 'ecaR');
    KeInitializeSpinLock(&s.lock);
    KeInitializeEvent(&s.event, NotificationEvent, FALSE);
    KeInitializeMutex(&s.first, 0);
    KeInitializeMutex(&s.second, 0);
    if (races[race].run == revived)
        s.a = 1;
}

static ULONG parameter(PUNICODE_STRING path, PCWSTR name)
{
    RTL_QUERY_REGISTRY_TABLE table[2];
    ULONG value = 0;
    RtlZeroMemory(table, sizeof(table));
    table[0].Flags = RTL_QUERY_REGISTRY_DIRECT;
    table[0].Name = (PWSTR)name;
    table[0].EntryContext = &value;
    table[0].DefaultType = REG_DWORD;
    table[0].DefaultData = &value;
    table[0].DefaultLength = sizeof(value);
    RtlQueryRegistryValues(RTL_REGISTRY_ABSOLUTE, path->Buffer, table, NULL, NULL);
    return value;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    PVOID threads[THREADS] = {NULL};
    LONG index;
    ULONG round;
    driver->DriverUnload = unload;
    race = parameter(path, L"Race");
    rounds = parameter(path, L"Rounds");
    if (race >= RTL_NUMBER_OF(races))
        return STATUS_INVALID_PARAMETER;
    KeInitializeSemaphore(&ends, 0, THREADS);
    for (index = 0; index < races[race].threads; index++) {
        HANDLE handle;
        NTSTATUS status;
        KeInitializeEvent(&begin[index], SynchronizationEvent, FALSE);
        status = PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, (PVOID)(ULONG_PTR)index);
        if (!NT_SUCCESS(status))
            KeBugCheckEx(MANUALLY_INITIATED_CRASH, race, (ULONG_PTR)-1, (ULONG)status, 0);
        ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &threads[index], NULL);
        ZwClose(handle);
    }
    for (round = 0; round < rounds; round++) {
        renew();
        for (index = 0; index < races[race].threads; index++)
            KeSetEvent(&begin[index], IO_NO_INCREMENT, FALSE);
        for (index = 0; index < races[race].threads; index++)
            KeWaitForSingleObject(&ends, Executive, KernelMode, FALSE, NULL);
        if (races[race].found()) {
            DbgPrint("races: race %lu shows in round %lu\n", race, round);
            KeBugCheckEx(MANUALLY_INITIATED_CRASH, race, round, 0, 0);
        }
    }
    renew();
    for (index = 0; index < races[race].threads; index++) {
        KeWaitForSingleObject(threads[index], Executive, KernelMode, FALSE, NULL);
        ObDereferenceObject(threads[index]);
    }
    DbgPrint("races: race %lu did not show in %lu rounds\n", race, rounds);
    return STATUS_SUCCESS;
}
