/*
 * A driver that watches processes, threads and images come and go, and says in the log what it is
 * told of. The service's value "Misdeed" names what it does wrong, if anything.
 *
 * Link: --forceinteg
 *
 * Sources: PsSetCreateProcessNotifyRoutine(Ex), PsSetCreateThreadNotifyRoutine,
 * PsSetLoadImageNotifyRoutine and the pages of their callbacks.
 */
#define OWN_ENTRY
#include "wrong.h"

typedef NTSTATUS(NTAPI SET_EX2)(int kind, PVOID routine, BOOLEAN remove);
typedef NTSTATUS(NTAPI SET_THREAD_EX)(int kind, PVOID routine);
typedef NTSTATUS(NTAPI SET_IMAGE_EX)(PVOID routine, ULONG_PTR flags);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            DbgPrint("watch: FAILED at line %d\n", __LINE__);                                      \
            failed = TRUE;                                                                         \
        }                                                                                          \
    } while (0)

static BOOLEAN failed, refuse;
static HANDLE watched;
static ULONG plain_calls, subsystem_calls, in_thread;

static PVOID find(PCWSTR text)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, text);
    return MmGetSystemRoutineAddress(&name);
}

static VOID NTAPI process_plain(HANDLE parent, HANDLE process, BOOLEAN created)
{
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && KeAreApcsDisabled());
    CHECK(parent == PsGetProcessId(PsInitialSystemProcess) && process != parent);
    DbgPrint("watch: process %s\n", created ? "created" : "deleted");
    plain_calls++;
}

static VOID NTAPI process_extended(PEPROCESS process, HANDLE id, PPS_CREATE_NOTIFY_INFO info)
{
    CHECK(PsGetProcessId(process) == id);
    if (!info) {
        CHECK(PsGetCurrentProcessId() == id && IoGetCurrentProcess() == process);
        DbgPrint("watch: process exits\n");
        return;
    }
    watched = id;
    CHECK(info->Size == sizeof(*info) && info->ImageFileName && info->CreationStatus == 0);
    CHECK(info->CreatingThreadId.UniqueThread == PsGetCurrentThreadId());
    CHECK(info->CreatingThreadId.UniqueProcess == PsGetCurrentProcessId());
    DbgPrint("watch: process begins from %wZ\n", info->ImageFileName);
    if (refuse)
        info->CreationStatus = STATUS_ACCESS_DENIED;
}

static VOID NTAPI process_any(PEPROCESS process, HANDLE id, PPS_CREATE_NOTIFY_INFO info)
{
    UNREFERENCED_PARAMETER(process);
    UNREFERENCED_PARAMETER(id);
    UNREFERENCED_PARAMETER(info);
    subsystem_calls++;
}

static VOID NTAPI thread_changes(HANDLE process, HANDLE thread, BOOLEAN created)
{
    CHECK(KeGetCurrentIrql() <= APC_LEVEL);
    /* The thread that makes another tells of it; the one that ends, of itself. */
    CHECK(created == (thread != PsGetCurrentThreadId()));
    DbgPrint("watch: thread of %s %s\n",
             process == watched ? "the client" : process == (HANDLE)4 ? "the system" : "nobody",
             created ? "created" : "deleted");
}

static VOID NTAPI thread_begins(HANDLE process, HANDLE thread, BOOLEAN created)
{
    CHECK(process == PsGetCurrentProcessId() && thread == PsGetCurrentThreadId());
    CHECK(process != PsGetProcessId(PsInitialSystemProcess));
    in_thread += created ? 1 : 0x100;
}

static VOID NTAPI image_loaded(PUNICODE_STRING name, HANDLE process, PIMAGE_INFO info)
{
    CHECK(!process && info->SystemModeImage && info->ImageSize && MmIsAddressValid(info->ImageBase));
    CHECK(KeGetCurrentIrql() == PASSIVE_LEVEL && KeAreApcsDisabled());
    DbgPrint("watch: image %wZ\n", name);
}

static VOID NTAPI run(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
}

static VOID make_thread(VOID)
{
    HANDLE handle;
    PVOID thread;
    CHECK(!PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, NULL));
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
}

static VOID watch(VOID)
{
    SET_EX2 *set_ex2 = (SET_EX2 *)find(L"PsSetCreateProcessNotifyRoutineEx2");
    SET_THREAD_EX *set_thread = (SET_THREAD_EX *)find(L"PsSetCreateThreadNotifyRoutineEx");
    SET_IMAGE_EX *set_image = (SET_IMAGE_EX *)find(L"PsSetLoadImageNotifyRoutineEx");
    CHECK(PsSetCreateProcessNotifyRoutine(process_plain, TRUE) == STATUS_PROCEDURE_NOT_FOUND);
    CHECK(PsSetCreateProcessNotifyRoutineEx(process_extended, TRUE) == STATUS_PROCEDURE_NOT_FOUND);
    CHECK(!PsSetCreateProcessNotifyRoutine(process_plain, FALSE));
    CHECK(PsSetCreateProcessNotifyRoutine(process_plain, FALSE) == STATUS_INVALID_PARAMETER);
    CHECK(!PsSetCreateProcessNotifyRoutineEx(process_extended, FALSE));
    /* No image that asks for integrity checks. */
    CHECK(PsSetCreateProcessNotifyRoutineEx((PVOID)0x10000, FALSE) == STATUS_ACCESS_DENIED);
    CHECK(set_ex2(1, process_any, FALSE) == STATUS_INVALID_PARAMETER);
    CHECK(!set_ex2(0, process_any, FALSE));
    CHECK(PsRemoveCreateThreadNotifyRoutine(thread_changes) == STATUS_PROCEDURE_NOT_FOUND);
    CHECK(!PsSetCreateThreadNotifyRoutine(thread_changes));
    CHECK(set_thread(2, thread_begins) == STATUS_INVALID_PARAMETER);
    CHECK(!set_thread(0, thread_begins));
    CHECK(PsRemoveLoadImageNotifyRoutine(image_loaded) == STATUS_PROCEDURE_NOT_FOUND);
    CHECK(set_image(image_loaded, 2) == STATUS_INVALID_PARAMETER_2);
    CHECK(!set_image(image_loaded, 0));
    make_thread();
}

static VOID NTAPI stop(PDRIVER_OBJECT driver)
{
    SET_EX2 *set_ex2 = (SET_EX2 *)find(L"PsSetCreateProcessNotifyRoutineEx2");
    LARGE_INTEGER interval;
    ULONG waits;
    UNREFERENCED_PARAMETER(driver);
    /* A process that ends has its routines called one after the other: the last may be yet to come. */
    interval.QuadPart = -10 * 1000 * 10;
    for (waits = 0; plain_calls != subsystem_calls && waits < 1000; waits++)
        KeDelayExecutionThread(KernelMode, FALSE, &interval);
    CHECK(!PsSetCreateProcessNotifyRoutine(process_plain, TRUE));
    CHECK(!PsSetCreateProcessNotifyRoutineEx(process_extended, TRUE));
    CHECK(!set_ex2(0, process_any, TRUE));
    CHECK(!PsRemoveCreateThreadNotifyRoutine(thread_changes));
    CHECK(!PsRemoveCreateThreadNotifyRoutine(thread_begins));
    CHECK(!PsRemoveLoadImageNotifyRoutine(image_loaded));
    CHECK(plain_calls == subsystem_calls && plain_calls >= 2);
    CHECK(in_thread >= 0x101);
    make_thread();
    DbgPrint("watch: %s\n", failed ? "something is not as documented" : "all is as documented");
}

/* Come to light when the driver is unloaded. */
static VOID leave_process_routine(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    PsSetCreateProcessNotifyRoutine(process_plain, FALSE);
}

static VOID leave_thread_routine(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    PsSetCreateThreadNotifyRoutine(thread_changes);
}

static VOID leave_image_routine(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    PsSetLoadImageNotifyRoutine(image_loaded);
}

static VOID refuse_processes(PDRIVER_OBJECT driver)
{
    driver->DriverUnload = stop;
    refuse = TRUE;
    watch();
}

const MISDEED misdeeds[] = {
    MISDEED(leave_process_routine),
    MISDEED(leave_thread_routine),
    MISDEED(leave_image_routine),
    MISDEED(refuse_processes),
    {NULL, NULL},
};

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    const MISDEED *misdeed;
    driver->DriverUnload = unload;
    if (NT_SUCCESS(choose(path, &misdeed))) {
        commit(misdeed, driver);
        return STATUS_SUCCESS;
    }
    driver->DriverUnload = stop;
    watch();
    return STATUS_SUCCESS;
}
