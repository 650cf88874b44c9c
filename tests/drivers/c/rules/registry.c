/*
 * Keys and values.
 */
#include "rules.h"

static NTSTATUS open(PHANDLE key, HANDLE root, PCWSTR path, PULONG disposition)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, path);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, root,
                               NULL);
    if (!disposition)
        return ZwOpenKey(key, KEY_ALL_ACCESS, &attributes);
    return ZwCreateKey(key, KEY_ALL_ACCESS, &attributes, 0, NULL, REG_OPTION_VOLATILE, disposition);
}

static NTSTATUS query(HANDLE key, PCWSTR value, PVOID buffer, ULONG size, PULONG length)
{
    UNICODE_STRING name;
    RtlInitUnicodeString(&name, value);
    return ZwQueryValueKey(key, &name, KeyValuePartialInformation, buffer, size, length);
}

#define ROOT L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\RulesOfKeys"
#define FIXED FIELD_OFFSET(KEY_VALUE_PARTIAL_INFORMATION, Data)

static VOID values(HANDLE key)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"Number");
    ULONG number = 0x12345678, length = 0;
    union {
        KEY_VALUE_PARTIAL_INFORMATION partial;
        KEY_VALUE_FULL_INFORMATION full;
        KEY_FULL_INFORMATION key;
        UCHAR bytes[128];
    } buffer;
    RULE("a value that is not there is not found",
         query(key, L"Number", &buffer, sizeof(buffer), &length) == STATUS_OBJECT_NAME_NOT_FOUND);
    RULE("a value is set",
         ZwSetValueKey(key, &name, 0, REG_DWORD, &number, sizeof(number)) == STATUS_SUCCESS);
    RULE("a value is queried, in any case of its name",
         query(key, L"nUMBER", &buffer, sizeof(buffer), &length) == STATUS_SUCCESS &&
             length == FIXED + 4 && buffer.partial.Type == REG_DWORD &&
             buffer.partial.DataLength == 4 && *(ULONG *)buffer.partial.Data == number);
    RULE("a buffer for less than the fixed part is too small, and the length needed is told",
         query(key, L"Number", &buffer, FIXED - 1, &length) == STATUS_BUFFER_TOO_SMALL &&
             length == FIXED + 4);
    RULE("a buffer for less than the data overflows, and the length needed is told",
         query(key, L"Number", &buffer, FIXED, &length) == STATUS_BUFFER_OVERFLOW &&
             length == FIXED + 4);
    RULE("a value is enumerated with its name",
         ZwEnumerateValueKey(key, 0, KeyValueFullInformation, &buffer, sizeof(buffer), &length) ==
                 STATUS_SUCCESS &&
             buffer.full.NameLength == name.Length &&
             RtlCompareMemory(buffer.full.Name, name.Buffer, name.Length) == name.Length &&
             *(ULONG *)(buffer.bytes + buffer.full.DataOffset) == number);
    RULE("there are no more values",
         ZwEnumerateValueKey(key, 1, KeyValueFullInformation, &buffer, sizeof(buffer), &length) ==
             STATUS_NO_MORE_ENTRIES);
    RULE("a key counts its values and keys",
         ZwQueryKey(key, KeyFullInformation, &buffer, sizeof(buffer), &length) == STATUS_SUCCESS &&
             buffer.key.Values == 1 && buffer.key.SubKeys == 0);
    RULE("a value is set again with another type",
         ZwSetValueKey(key, &name, 0, REG_BINARY, &number, 1) == STATUS_SUCCESS &&
             query(key, L"Number", &buffer, sizeof(buffer), &length) == STATUS_SUCCESS &&
             buffer.partial.Type == REG_BINARY && buffer.partial.DataLength == 1);
    RULE("a value is deleted once",
         ZwDeleteValueKey(key, &name) == STATUS_SUCCESS &&
             ZwDeleteValueKey(key, &name) == STATUS_OBJECT_NAME_NOT_FOUND);
}

/*
 * The rights that a handle was opened with are compared for callers in user mode alone
 * (ObReferenceObjectByHandle, "AccessMode"); a Zw routine's caller is the kernel.
 */
static VOID rights(void)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING path = RTL_CONSTANT_STRING(ROOT), name = RTL_CONSTANT_STRING(L"Number");
    ULONG number = 7, length;
    UCHAR buffer[64];
    HANDLE key;
    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    RULE("a key is opened for what is too little",
         ZwOpenKey(&key, STANDARD_RIGHTS_READ, &attributes) == STATUS_SUCCESS);
    RULE("which the kernel's own calls do not mind",
         ZwSetValueKey(key, &name, 0, REG_DWORD, &number, sizeof(number)) == STATUS_SUCCESS &&
             query(key, L"Number", buffer, sizeof(buffer), &length) == STATUS_SUCCESS &&
             ZwDeleteValueKey(key, &name) == STATUS_SUCCESS);
    ZwClose(key);
}

/*
 * What every Windows has: what RtlWriteRegistryValue's page says that paths are relative to, and what
 * DRIVER_OBJECT's HardwareDatabase names.
 */
static VOID roots(PDRIVER_OBJECT driver)
{
    static const PCWSTR paths[] = {
        L"\\Registry\\Machine\\Software",
        L"\\Registry\\Machine\\Software\\Microsoft\\Windows NT\\CurrentVersion",
        L"\\Registry\\Machine\\System\\CurrentControlSet\\Control",
        L"\\Registry\\Machine\\Hardware\\DeviceMap",
        L"\\Registry\\User",
        L"\\Registry\\User\\.Default",
    };
    static const ULONG places[] = {RTL_REGISTRY_SERVICES, RTL_REGISTRY_CONTROL,
                                   RTL_REGISTRY_WINDOWS_NT, RTL_REGISTRY_DEVICEMAP,
                                   RTL_REGISTRY_USER};
    OBJECT_ATTRIBUTES attributes;
    ULONG i, number = 5, disposition;
    HANDLE key;
    for (i = 0; i < RTL_NUMBER_OF(paths); i++) {
        RULE("a key is there that every Windows has",
             open(&key, NULL, paths[i], NULL) == STATUS_SUCCESS);
        ZwClose(key);
    }
    for (i = 0; i < RTL_NUMBER_OF(places); i++)
        RULE("a value is written where the page says and deleted",
             RtlWriteRegistryValue(places[i], L"", L"Rules", REG_DWORD, &number,
                                   sizeof(number)) == STATUS_SUCCESS &&
                 RtlDeleteRegistryValue(places[i], L"", L"Rules") == STATUS_SUCCESS);
    InitializeObjectAttributes(&attributes, driver->HardwareDatabase,
                               OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL, NULL);
    RULE("the hardware's description is where the driver object says",
         ZwOpenKey(&key, KEY_READ, &attributes) == STATUS_SUCCESS);
    ZwClose(key);
    RULE("a key of the hardware's is made anew at each boot",
         open(&key, NULL, L"\\Registry\\Machine\\Hardware\\DeviceMap\\Rules",
              &disposition) == STATUS_SUCCESS);
    ZwDeleteKey(key);
    ZwClose(key);
}

/* How many strings RtlQueryRegistryValues has found, and how many of them are empty. */
static ULONG found, empty;

static NTSTATUS NTAPI one_more(PWSTR name, ULONG kind, PVOID data, ULONG length, PVOID context, PVOID entry)
{
    UNREFERENCED_PARAMETER(name);
    UNREFERENCED_PARAMETER(data);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(entry);
    found += kind == REG_SZ;
    empty += length == sizeof(WCHAR);
    return STATUS_SUCCESS;
}

/* Whether a list has so many strings, and so many that are empty: as a value, or as a default. */
static BOOLEAN has(HANDLE key, const WCHAR *list, ULONG length, BOOLEAN is_default, ULONG strings, ULONG nothing)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"List");
    RTL_QUERY_REGISTRY_TABLE table[2] = {{one_more, 0, name.Buffer, NULL, REG_NONE, NULL, 0}};
    NTSTATUS status = STATUS_SUCCESS;
    if (is_default) {
        table[0].DefaultType = REG_MULTI_SZ;
        table[0].DefaultData = (PVOID)list;
        table[0].DefaultLength = length;
    } else {
        status = ZwSetValueKey(key, &name, 0, REG_MULTI_SZ, (PVOID)list, length);
    }
    found = empty = 0;
    if (NT_SUCCESS(status))
        status = RtlQueryRegistryValues(RTL_REGISTRY_HANDLE, (PCWSTR)key, table, NULL, NULL);
    if (!is_default)
        ZwDeleteValueKey(key, &name);
    return NT_SUCCESS(status) && found == strings && empty == nothing;
}

#define HAS(list, is_default, strings, nothing) has(key, list, sizeof(list), is_default, strings, nothing)

static VOID lists(HANDLE key)
{
    RULE("an empty list has no string", HAS(L"", FALSE, 0, 0) && HAS(L"", TRUE, 0, 0));
    RULE("a list of one NUL and its end has an empty string", HAS(L"\0", FALSE, 1, 1));
    RULE("a default of two NULs has no string", HAS(L"\0", TRUE, 0, 0));
    RULE("a list may end without its own NUL", HAS(L"ab\0cd", FALSE, 2, 0));
    RULE("a list's length ends it, and no empty string in it",
         HAS(L"ab\0\0cd", FALSE, 3, 1) && HAS(L"ab\0\0cd\0", FALSE, 3, 1));
    RULE("a default's length ends it",
         HAS(L"ab\0\0cd", TRUE, 3, 1) && HAS(L"ab\0\0cd\0", TRUE, 3, 1));
    RULE("a default without a length ends at an empty string",
         has(key, L"ab\0cd\0\0ef\0", 0, TRUE, 2, 0));
}

VOID check_registry(PDRIVER_OBJECT driver)
{
    HANDLE key, child, again;
    ULONG disposition = 0, length;
    UCHAR buffer[128];
    roots(driver);
    RULE("a key that is not there is not opened",
         open(&key, NULL, ROOT, NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    RULE("a key is made", open(&key, NULL, ROOT, &disposition) == STATUS_SUCCESS &&
                              disposition == REG_CREATED_NEW_KEY);
    RULE("a key that is there is opened",
         open(&again, NULL, ROOT, &disposition) == STATUS_SUCCESS &&
             disposition == REG_OPENED_EXISTING_KEY);
    ZwClose(again);
    RULE("a key is opened in any case",
         open(&again, NULL,
              L"\\REGISTRY\\machine\\SYSTEM\\CurrentControlSet\\services\\rulesofkeys",
              NULL) == STATUS_SUCCESS);
    ZwClose(again);
    values(key);
    lists(key);
    rights();
    RULE("a key is made below another",
         open(&child, key, L"Child", &disposition) == STATUS_SUCCESS);
    RULE("a key is enumerated",
         ZwEnumerateKey(key, 0, KeyBasicInformation, buffer, sizeof(buffer), &length) ==
                 STATUS_SUCCESS &&
             ((KEY_BASIC_INFORMATION *)buffer)->NameLength == 10 &&
             RtlCompareMemory(((KEY_BASIC_INFORMATION *)buffer)->Name, L"Child", 10) == 10);
    RULE("there are no more keys",
         ZwEnumerateKey(key, 1, KeyBasicInformation, buffer, sizeof(buffer), &length) ==
             STATUS_NO_MORE_ENTRIES);
    RULE("a key with keys below it is not deleted", ZwDeleteKey(key) == STATUS_CANNOT_DELETE);
    RULE("a key is deleted", ZwDeleteKey(child) == STATUS_SUCCESS);
    RULE("a deleted key is not opened",
         open(&again, key, L"Child", NULL) == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(child);
    RULE("a key without keys is deleted", ZwDeleteKey(key) == STATUS_SUCCESS);
    ZwClose(key);
}
