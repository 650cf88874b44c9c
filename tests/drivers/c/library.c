/*
 * An export driver: a kernel-mode DLL that `importer` imports from. It says what is done with it,
 * and refuses to be initialized if its service's value "Refuse" is not zero.
 *
 * Source: "Creating Export Drivers".
 */
#include <ntddk.h>

#ifndef DECLSPEC_EXPORT /* mingw-w64's ntdef.h has only the other half */
#define DECLSPEC_EXPORT __declspec(dllexport)
#endif

static LONG ready;

DECLSPEC_EXPORT LONG LibraryCalls;

/* Never called: an export driver is entered through DllInitialize. */
NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(driver);
    UNREFERENCED_PARAMETER(path);
    DbgPrint("library: DriverEntry was called\n");
    return STATUS_UNSUCCESSFUL;
}

/* A DWORD of a key; zero without it. The key is there only if it holds something. */
static ULONG value(PUNICODE_STRING path, PCWSTR name)
{
    union {
        KEY_VALUE_PARTIAL_INFORMATION information;
        UCHAR bytes[sizeof(KEY_VALUE_PARTIAL_INFORMATION) + sizeof(ULONG)];
    } buffer;
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING value_name;
    HANDLE key;
    ULONG length, number = 0;
    InitializeObjectAttributes(&attributes, path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    if (!NT_SUCCESS(ZwOpenKey(&key, KEY_READ, &attributes)))
        return 0;
    RtlInitUnicodeString(&value_name, name);
    if (NT_SUCCESS(ZwQueryValueKey(key, &value_name, KeyValuePartialInformation, &buffer,
                                   sizeof(buffer), &length)))
        number = *(ULONG *)buffer.information.Data;
    ZwClose(key);
    return number;
}

DECLSPEC_EXPORT NTSTATUS NTAPI DllInitialize(PUNICODE_STRING path)
{
    ULONG refuse = value(path, L"Refuse");
    DbgPrint("library: initialized with %wZ\n", path);
    if (refuse)
        return STATUS_INVALID_PARAMETER;
    ready = 1;
    return STATUS_SUCCESS;
}

DECLSPEC_EXPORT NTSTATUS NTAPI DllUnload(void)
{
    DbgPrint("library: unloaded after %d calls\n", LibraryCalls);
    ready = 0;
    return STATUS_SUCCESS;
}

/* The sum, or -1 if DllInitialize has not run. */
DECLSPEC_EXPORT LONG NTAPI LibraryAdd(LONG a, LONG b)
{
    InterlockedIncrement(&LibraryCalls);
    return ready ? a + b : -1;
}
