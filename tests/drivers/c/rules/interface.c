/*
 * The names of device interfaces.
 *
 * Source: IoSetDeviceInterfaceState.
 */
#include "rules.h"

/* The status of enabling an interface of this name. */
static NTSTATUS enable(PCWSTR text)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, text);
    return IoSetDeviceInterfaceState(&name, TRUE);
}

VOID check_interface_names(VOID)
{
    static const PCWSTR wrong[] = {NULL,
                                   L"\\??\\",
                                   L"X#{00112233-4455-6677-8899-aabbccddeeff}",
                                   L"\\??\\{00112233-4455-6677-8899-aabbccddeeff}",
                                   L"\\??\\X#{00112233-4455-6677-8899-aabbccddeefg}",
                                   L"\\??\\X#{00112233-4455-6677-8899_aabbccddeeff}"};
    BOOLEAN refused = TRUE;
    for (ULONG i = 0; i < RTL_NUMBER_OF(wrong); i++)
        refused = refused && enable(wrong[i]) == STATUS_INVALID_PARAMETER;
    RULE("what is no name of an interface is a wrong parameter", refused);
    RULE("an interface that nobody has registered is not found",
         enable(L"\\??\\X#{00112233-4455-6677-8899-aabbccddeeff}") == STATUS_OBJECT_NAME_NOT_FOUND &&
             enable(L"\\\\?\\X#{00112233-4455-6677-8899-aabbccddeeff}\\a") ==
                 STATUS_OBJECT_NAME_NOT_FOUND);
}
