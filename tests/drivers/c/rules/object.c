/*
 * What handles tell and become: ZwQueryObject, ZwDuplicateObject; timers that are used by handles;
 * what stacks and images tell.
 */
#include <ntifs.h>
#include "rules.h"

typedef NTSTATUS NTAPI QUERY(HANDLE handle, ULONG kind, PVOID to, ULONG length, PULONG needed);
typedef NTSTATUS NTAPI DUPLICATE(HANDLE source, HANDLE handle, HANDLE target, PHANDLE to,
                                 ACCESS_MASK access, ULONG attributes, ULONG options);
typedef NTSTATUS NTAPI CREATE_TIMER(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes,
                                    ULONG kind);
typedef NTSTATUS NTAPI OPEN_TIMER(PHANDLE handle, ACCESS_MASK access, POBJECT_ATTRIBUTES attributes);
typedef NTSTATUS NTAPI SET_TIMER(HANDLE handle, PLARGE_INTEGER due, PVOID apc, PVOID context,
                                 BOOLEAN resume, LONG period, PBOOLEAN previous);
typedef NTSTATUS NTAPI CANCEL_TIMER(HANDLE handle, PBOOLEAN state);
typedef ULONG NTAPI WALK(PVOID *callers, ULONG count, ULONG flags);
typedef PVOID NTAPI FILE_HEADER(PVOID pc, PVOID *base);
typedef PVOID NTAPI VIRTUAL(PHYSICAL_ADDRESS physical);

#ifndef TIMER_ALL_ACCESS
#define TIMER_ALL_ACCESS 0x1f0003
#endif

/* PUBLIC_OBJECT_BASIC_INFORMATION. */
typedef struct {
    ULONG attributes;
    ACCESS_MASK access;
    ULONG handles, pointers, reserved[10];
} BASIC;

/* Events that have no name. */
static VOID nameless(VOID)
{
    HANDLE first = NULL, second = NULL;
    PKEVENT notification = IoCreateNotificationEvent(NULL, &first);
    PKEVENT synchronization = IoCreateSynchronizationEvent(NULL, &second);
    RULE("an event needs no name", notification && first && synchronization && second);
    if (!notification || !synchronization)
        return;
    RULE("events without a name are events of their own, and set",
         notification != synchronization && KeReadStateEvent(notification) &&
             KeReadStateEvent(synchronization));
    ZwClose(first);
    ZwClose(second);
}

static VOID handles(VOID)
{
    QUERY *query = routine(L"ZwQueryObject");
    DUPLICATE *duplicate = routine(L"ZwDuplicateObject");
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\RulesDuplicated");
    OBJECT_ATTRIBUTES attributes;
    HANDLE event, other, none;
    UCHAR bytes[256];
    UNICODE_STRING *text = (UNICODE_STRING *)bytes;
    BASIC basic;
    ULONG needed = 0;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwCreateEvent(&event, EVENT_MODIFY_STATE, &attributes, NotificationEvent, FALSE);
    RULE("a handle tells its rights, and its object its handles",
         query(event, 0, &basic, sizeof(basic), &needed) == STATUS_SUCCESS &&
             needed == sizeof(basic) && basic.access == EVENT_MODIFY_STATE && basic.handles == 1);
    RULE("an object's type has a name",
         query(event, 2, bytes, sizeof(bytes), &needed) == STATUS_SUCCESS &&
             EQUAL_TEXT(text, L"Event"));
    RULE("so has the object", query(event, 1, bytes, sizeof(bytes), &needed) == STATUS_SUCCESS &&
                                  RtlEqualUnicodeString(text, &name, FALSE));
    RULE("what is told needs room",
         query(event, 2, bytes, 16, &needed) == STATUS_INFO_LENGTH_MISMATCH && needed > 16);
    RULE("a handle is made of another, with the same rights",
         duplicate((HANDLE)-1, event, (HANDLE)-1, &other, 0, OBJ_KERNEL_HANDLE,
                   DUPLICATE_SAME_ACCESS) == STATUS_SUCCESS &&
             other != event &&
             query(other, 0, &basic, sizeof(basic), NULL) == STATUS_SUCCESS &&
             basic.access == EVENT_MODIFY_STATE && basic.handles == 2);
    ZwClose(other);
    RULE("or in its place",
         duplicate((HANDLE)-1, event, (HANDLE)-1, &other, EVENT_ALL_ACCESS, OBJ_KERNEL_HANDLE,
                   DUPLICATE_CLOSE_SOURCE) == STATUS_SUCCESS &&
             query(other, 0, &basic, sizeof(basic), NULL) == STATUS_SUCCESS &&
             basic.access == EVENT_ALL_ACCESS && basic.handles == 1);
    RULE("not of what is none",
         duplicate((HANDLE)-1, event, (HANDLE)-1, &none, 0, OBJ_KERNEL_HANDLE,
                   DUPLICATE_SAME_ACCESS) == STATUS_INVALID_HANDLE);
    ZwClose(other);
}

static VOID timers(VOID)
{
    CREATE_TIMER *create = routine(L"ZwCreateTimer");
    OPEN_TIMER *open = routine(L"ZwOpenTimer");
    SET_TIMER *set = routine(L"ZwSetTimer");
    CANCEL_TIMER *cancel = routine(L"ZwCancelTimer");
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\RulesTimer");
    LARGE_INTEGER soon = {.QuadPart = -10000}, never = {.QuadPart = -36000000000}, now = {0};
    OBJECT_ATTRIBUTES attributes;
    BOOLEAN state = TRUE;
    HANDLE timer, again;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    RULE("a timer is made with a name, once",
         create(&timer, TIMER_ALL_ACCESS, &attributes, NotificationTimer) == STATUS_SUCCESS &&
             create(&again, TIMER_ALL_ACCESS, &attributes, NotificationTimer) ==
                 STATUS_OBJECT_NAME_COLLISION &&
             open(&again, TIMER_ALL_ACCESS, &attributes) == STATUS_SUCCESS);
    RULE("a timer that is set is not due at once",
         set(timer, &never, NULL, NULL, FALSE, 0, &state) == STATUS_SUCCESS && !state &&
             ZwWaitForSingleObject(again, FALSE, &now) == STATUS_TIMEOUT);
    RULE("and never once it is canceled",
         cancel(again, &state) == STATUS_SUCCESS && !state);
    RULE("one that is due is waited for",
         set(timer, &soon, NULL, NULL, FALSE, 0, NULL) == STATUS_SUCCESS &&
             ZwWaitForSingleObject(timer, FALSE, NULL) == STATUS_SUCCESS &&
             cancel(timer, &state) == STATUS_SUCCESS && state);
    ZwClose(timer);
    ZwClose(again);
    RULE("its name goes with its last handle",
         open(&again, TIMER_ALL_ACCESS, &attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
}

static VOID images(PDRIVER_OBJECT driver)
{
    WALK *walk = routine(L"RtlWalkFrameChain");
    FILE_HEADER *header = routine(L"RtlPcToFileHeader");
    VIRTUAL *virtual = routine(L"MmGetVirtualForPhysical");
    PVOID callers[8] = {NULL}, base = NULL;
    PUCHAR pool = ExAllocatePoolWithTag(NonPagedPoolNx, 100, TAG);
    ULONG count = walk(callers, RTL_NUMBER_OF(callers), 0);
    RULE("a stack leads through this driver",
         count > 1 && header(callers[0], &base) == driver->DriverStart &&
             base == driver->DriverStart);
    RULE("no stack leads through user mode", !walk(callers, RTL_NUMBER_OF(callers), 1));
    RULE("data on the stack is in no image", !header(callers, &base) && !base);
    RULE("a physical address leads back",
         virtual(MmGetPhysicalAddress(pool + 5)) == (PVOID)(pool + 5));
    ExFreePoolWithTag(pool, TAG);
}

/* NtQuerySystemInformation and NtQueryInformationProcess of the Win32 API. */
typedef NTSTATUS NTAPI QUERY_SYSTEM(ULONG kind, PVOID to, ULONG length, PULONG needed);

static VOID system_and_processes(VOID)
{
    QUERY_SYSTEM *query = routine(L"ZwQuerySystemInformation");
    QUERY *query_process = routine(L"ZwQueryInformationProcess");
    static UCHAR buffer[32 * 1024];
    ULONG64 basic[8];
    ULONG needed = 0, place = 0;
    BOOLEAN found = FALSE, named = FALSE;
    RULE("the system counts its processors and its pages",
         query(0, basic, sizeof(basic), &needed) == STATUS_SUCCESS && needed == sizeof(basic) &&
             ((PUCHAR)basic)[56] == KeQueryActiveProcessorCount(NULL) &&
             ((PULONG)basic)[2] == PAGE_SIZE);
    RULE("a list of processes needs room",
         query(5, buffer, 64, &needed) == STATUS_INFO_LENGTH_MISMATCH && needed > 256);
    RULE("and is told", query(5, buffer, sizeof(buffer), &needed) == STATUS_SUCCESS);
    for (;;) {
        PUCHAR process = buffer + place;
        UNICODE_STRING *name = (UNICODE_STRING *)(process + 56);
        if (*(HANDLE *)(process + 80) == PsGetCurrentProcessId()) {
            found = *(PULONG)(process + 4) > 0;
            named = EQUAL_TEXT(name, L"System");
        }
        if (!*(PULONG)process)
            break;
        place += *(PULONG)process;
    }
    RULE("the system's process is in it, with its threads and its name", found && named);
    RULE("a process tells its number",
         query_process((HANDLE)-1, 0, basic, 48, &needed) == STATUS_SUCCESS && needed == 48 &&
             (HANDLE)basic[4] == PsGetCurrentProcessId());
    RULE("what nothing stands behind is not told",
         query(2, buffer, sizeof(buffer), &needed) == STATUS_INVALID_INFO_CLASS &&
             query_process((HANDLE)-1, 1, buffer, sizeof(buffer), &needed) ==
                 STATUS_INVALID_INFO_CLASS);
}

VOID check_objects(PDRIVER_OBJECT driver)
{
    nameless();
    handles();
    timers();
    images(driver);
    system_and_processes();
}
