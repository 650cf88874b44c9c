/*
 * What the drivers that do wrong have in common: the service's value "Misdeed" names what each
 * does when it is loaded, some of which comes to light only when it is unloaded.
 *
 * A driver's file includes this one, has a routine for each misdeed, and ends with their table.
 */
#include <ntddk.h>

#define TAG 'gnrW'

typedef VOID MISDEED_ROUTINE(PDRIVER_OBJECT driver);

typedef struct {
    PCWSTR name;
    MISDEED_ROUTINE *routine;
} MISDEED;

#define WIDE(text) L"" #text
#define MISDEED(name)                                                                              \
    {                                                                                              \
        WIDE(name), name                                                                           \
    }

/* The table ends with an entry without a name. */
extern const MISDEED misdeeds[];

static NTSTATUS misdeed_name(PUNICODE_STRING path, PWCHAR name, ULONG capacity)
{
    static UCHAR buffer[256];
    KEY_VALUE_PARTIAL_INFORMATION *value = (PVOID)buffer;
    UNICODE_STRING value_name = RTL_CONSTANT_STRING(L"Misdeed");
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    status = ZwOpenKey(&key, KEY_READ, &attributes);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwQueryValueKey(key, &value_name, KeyValuePartialInformation, buffer, sizeof(buffer),
                             &length);
    ZwClose(key);
    if (!NT_SUCCESS(status))
        return status;
    if (value->Type != REG_SZ || value->DataLength > capacity)
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(name, value->Data, value->DataLength);
    return STATUS_SUCCESS;
}

static BOOLEAN same(PCWSTR a, PCWSTR b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

/* Finds the misdeed that the service's value names. */
static NTSTATUS choose(PUNICODE_STRING path, const MISDEED **chosen)
{
    static WCHAR name[64];
    const MISDEED *misdeed;
    NTSTATUS status = misdeed_name(path, name, sizeof(name));
    if (!NT_SUCCESS(status))
        return status;
    for (misdeed = misdeeds; misdeed->name; misdeed++) {
        if (same(misdeed->name, name)) {
            *chosen = misdeed;
            return STATUS_SUCCESS;
        }
    }
    DbgPrint("wrong: there is no misdeed %ws\n", name);
    return STATUS_INVALID_PARAMETER;
}

/* What lets the system go on does not go on itself: the IRQL, and what holds APCs back, are what
 * they were. */
static VOID commit(const MISDEED *misdeed, PDRIVER_OBJECT driver)
{
    KIRQL before = KeGetCurrentIrql();
    BOOLEAN held = before <= APC_LEVEL && KeAreApcsDisabled();
    misdeed->routine(driver);
    if (KeGetCurrentIrql() > before)
        KeLowerIrql(before);
    if (before <= APC_LEVEL && !held && KeAreApcsDisabled()) {
        KeLeaveCriticalRegion();
        /* Or else it left one too many. */
        if (KeAreApcsDisabled()) {
            KeEnterCriticalRegion();
            KeEnterCriticalRegion();
        }
    }
    DbgPrint("wrong: %ws was let through\n", misdeed->name);
}

#ifdef OWN_ENTRY

/* The file has its own. */

#elif !defined(WRONG_DEVICE)

/* What DriverEntry returns, whatever the misdeed was. */
static NTSTATUS entry_status = STATUS_SUCCESS;

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    const MISDEED *misdeed;
    NTSTATUS status = choose(path, &misdeed);
    if (!NT_SUCCESS(status))
        return status;
    driver->DriverUnload = unload;
    commit(misdeed, driver);
    return entry_status;
}

#else /* The misdeed takes a device, and is done when that is started. */

#include "device.h"

static const MISDEED *chosen;

static VOID started(PDRIVER_OBJECT driver)
{
    commit(chosen, driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverUnload = unload;
    serve_device(driver);
    return choose(path, &chosen);
}

#endif
