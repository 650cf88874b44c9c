/*
 * The entry of the driver that checks rules: it does so when it is loaded.
 */
#include "rules.h"

static LONG held, failed;

PVOID routine(PCWSTR text)
{
    UNICODE_STRING name;
    PVOID found;
    RtlInitUnicodeString(&name, text);
    found = MmGetSystemRoutineAddress(&name);
    if (!found)
        DbgPrint("rules: there is no %ws\n", text);
    RULE("a routine that is documented is there", found);
    return found;
}

VOID rule(PCSTR name, BOOLEAN holds, PCSTR file, int line)
{
    if (holds) {
        InterlockedIncrement(&held);
    } else {
        InterlockedIncrement(&failed);
        DbgPrint("rules: FAILED %s (%s:%d)\n", name, file, line);
    }
}

PVOID start_thread(PKSTART_ROUTINE routine, PVOID context)
{
    HANDLE handle;
    PVOID thread = NULL;
    if (!NT_SUCCESS(
            PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, context)))
        return NULL;
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    return thread;
}

VOID join(PVOID thread)
{
    if (!thread)
        return;
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

static const struct {
    PCSTR name;
    VOID (*check)(PDRIVER_OBJECT);
} components[] = {
    {"ke", check_ke},
    {"ex", check_ex},
    {"io", check_io},
    {"mm", check_mm},
    {"ob", check_ob},
    {"rtl", check_rtl},
    {"registry", check_registry},
    {"hal", check_hal},
    {"se", check_se},
    {"controller", check_controller},
    {"apc", check_apc},
    {"requestor", check_requestor},
    {"etw", check_etw},
    {"queue", check_queue},
    {"filter", check_filter},
};

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    ULONG i;
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    for (i = 0; i < RTL_NUMBER_OF(components); i++) {
        LONG before = held + failed;
        components[i].check(driver);
        DbgPrint("rules: %s has %d rules\n", components[i].name, held + failed - before);
    }
    DbgPrint("rules: %d hold, %d failed\n", held, failed);
    return STATUS_SUCCESS;
}
