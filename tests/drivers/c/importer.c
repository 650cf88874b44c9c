/*
 * A driver without a device that imports a routine and a variable from an export driver.
 *
 * Imports from: library
 *
 * Source: "Creating Export Drivers".
 */
#include <ntddk.h>

DECLSPEC_IMPORT LONG LibraryCalls;
DECLSPEC_IMPORT LONG NTAPI LibraryAdd(LONG a, LONG b);

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    DbgPrint("importer: %wZ unloaded, sum %d\n", &driver->DriverName, LibraryAdd(20, 22));
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    LONG sum = LibraryAdd(2, 3);
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    DbgPrint("importer: sum %d, call %d\n", sum, LibraryCalls);
    return STATUS_SUCCESS;
}
