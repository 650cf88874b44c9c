/*
 * The entry of the driver with structured exceptions: it checks its rules when it is loaded.
 *
 * Compiler: clang
 */
#include "exceptions.h"

ULONG order;
static LONG held, failed;

VOID rule(PCSTR name, BOOLEAN holds, int line)
{
    if (holds) {
        held++;
    } else {
        failed++;
        DbgPrint("exceptions: FAILED %s (line %d; order %u)\n", name, line, order);
    }
}

OPAQUE VOID happened(ULONG digit)
{
    order = order * 10 + digit;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    delete_device(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    check_handlers();
    check_unwinding();
    check_raised();
    check_faults();
    check_security();
    DbgPrint("exceptions: %d hold, %d failed\n", held, failed);
    return make_device(driver);
}
