/*
 * The filtering of the registry: what is told before and after an operation, in which order, and
 * how a driver blocks one, does it itself, or changes how it ends.
 */
#include "rules.h"

#define ROOT L"\\Registry\\Machine\\System\\CurrentControlSet\\Services\\RulesOfFilters"
#ifndef STATUS_CALLBACK_BYPASS
#define STATUS_CALLBACK_BYPASS ((NTSTATUS)0xC0000503)
#endif
#ifndef STATUS_FLT_INSTANCE_ALTITUDE_COLLISION
#define STATUS_FLT_INSTANCE_ALTITUDE_COLLISION ((NTSTATUS)0xC01C0011)
#endif

static struct filter {
    LARGE_INTEGER cookie;
    ULONG told[MaxRegNtNotifyClass];
    ULONG order;
    NTSTATUS answer, returned;
    REG_NOTIFY_CLASS at;
    PVOID context, cleaned;
    BOOLEAN matches, nested;
    ULONG_PTR id;
    USHORT name;
} first, second;

static PETHREAD self;
static ULONG turn;
static HANDLE nested;

typedef NTSTATUS(NTAPI *GET_ID)(PLARGE_INTEGER cookie, PVOID object, PULONG_PTR id,
                                PCUNICODE_STRING *name, ULONG flags);
typedef VOID(NTAPI *RELEASE_ID)(PCUNICODE_STRING name);
static GET_ID get_id;
static RELEASE_ID release_id;

static VOID set_value(HANDLE key, ULONG value)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"Number");
    ZwSetValueKey(key, &name, 0, REG_DWORD, &value, sizeof(value));
}

static NTSTATUS NTAPI told(PVOID context, PVOID argument1, PVOID argument2)
{
    struct filter *filter = context;
    REG_NOTIFY_CLASS class = (REG_NOTIFY_CLASS)(ULONG_PTR)argument1;
    if (PsGetCurrentThread() != self || class >= MaxRegNtNotifyClass)
        return STATUS_SUCCESS;
    filter->told[class]++;
    if (class == RegNtPreSetValueKey) {
        PREG_SET_VALUE_KEY_INFORMATION information = argument2;
        PCUNICODE_STRING name;
        filter->order = ++turn;
        filter->matches = information->Type == REG_DWORD && information->DataSize == sizeof(ULONG) &&
                          EQUAL_TEXT(information->ValueName, L"Number") &&
                          information->ObjectContext == filter->context;
        information->CallContext = filter;
        if (get_id && NT_SUCCESS(get_id(&filter->cookie, information->Object, &filter->id, &name, 0))) {
            filter->name = name->Length;
            release_id(name);
        }
        if (filter->nested) {
            filter->nested = FALSE;
            set_value(nested, 9);
        }
    } else if (class == RegNtPostSetValueKey) {
        PREG_POST_OPERATION_INFORMATION after = argument2;
        PREG_SET_VALUE_KEY_INFORMATION before = after->PreInformation;
        filter->matches = filter->matches && after->CallContext == filter &&
                          after->Status == STATUS_SUCCESS && after->Object == before->Object &&
                          after->ObjectContext == filter->context;
    } else if (class == RegNtPostCreateKeyEx && filter->context) {
        PREG_POST_OPERATION_INFORMATION after = argument2;
        PVOID old = filter;
        CmSetCallbackObjectContext(after->Object, &filter->cookie, filter->context, &old);
        filter->matches = old == NULL;
    } else if (class == RegNtCallbackObjectContextCleanup) {
        PREG_CALLBACK_CONTEXT_CLEANUP_INFORMATION information = argument2;
        filter->cleaned = information->ObjectContext;
    }
    if (class != filter->at)
        return STATUS_SUCCESS;
    filter->at = MaxRegNtNotifyClass;
    if (class == RegNtPostSetValueKey)
        ((PREG_POST_OPERATION_INFORMATION)argument2)->ReturnStatus = filter->returned;
    return filter->answer;
}

static VOID reset(VOID)
{
    RtlZeroMemory(first.told, sizeof(first.told));
    RtlZeroMemory(second.told, sizeof(second.told));
    first.at = second.at = MaxRegNtNotifyClass;
    first.matches = second.matches = FALSE;
}

static NTSTATUS set(HANDLE key, ULONG value)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"Number");
    return ZwSetValueKey(key, &name, 0, REG_DWORD, &value, sizeof(value));
}

static ULONG get(HANDLE key)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"Number");
    UCHAR buffer[64];
    ULONG length;
    if (!NT_SUCCESS(ZwQueryValueKey(key, &name, KeyValuePartialInformation, buffer, sizeof(buffer),
                                    &length)))
        return 0;
    return *(ULONG *)((KEY_VALUE_PARTIAL_INFORMATION *)buffer)->Data;
}

static NTSTATUS create(PHANDLE key)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name = RTL_CONSTANT_STRING(ROOT);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    return ZwCreateKey(key, KEY_ALL_ACCESS, &attributes, 0, NULL, REG_OPTION_VOLATILE, NULL);
}

static VOID operations(HANDLE key)
{
    reset();
    RULE("an operation that is filtered is done", set(key, 1) == STATUS_SUCCESS && get(key) == 1);
    RULE("it is told before and after", first.told[RegNtPreSetValueKey] == 1 &&
                                            first.told[RegNtPostSetValueKey] == 1 &&
                                            first.told[RegNtPreQueryValueKey] == 1 &&
                                            first.told[RegNtPostQueryValueKey] == 1);
    RULE("with what it is, and what the driver gave it and the key", first.matches);
    RULE("with what the driver gave, each for itself", second.matches);
    RULE("the higher altitude comes first", first.order + 1 == second.order);
    RULE("a key has an identifier and a name",
         first.id && first.id == second.id && first.name == sizeof(ROOT) - sizeof(WCHAR));
    reset();
    first.at = RegNtPreSetValueKey;
    first.answer = STATUS_ACCESS_DENIED;
    RULE("an operation is blocked with the driver's status",
         set(key, 2) == STATUS_ACCESS_DENIED && get(key) == 1);
    RULE("one that is blocked is not told to those below, nor afterwards",
         second.told[RegNtPreSetValueKey] == 0 && first.told[RegNtPostSetValueKey] == 0);
    reset();
    first.at = RegNtPreSetValueKey;
    first.answer = STATUS_CALLBACK_BYPASS;
    RULE("an operation that a driver has done is a success, and not done again",
         set(key, 3) == STATUS_SUCCESS && get(key) == 1);
    RULE("nor is it told afterwards", first.told[RegNtPostSetValueKey] == 0);
    reset();
    first.at = RegNtPostSetValueKey;
    first.answer = STATUS_CALLBACK_BYPASS;
    first.returned = STATUS_DISK_FULL;
    RULE("how an operation ends is changed afterwards",
         set(key, 4) == STATUS_DISK_FULL && get(key) == 4);
    reset();
    nested = key;
    first.nested = TRUE;
    set(key, 5);
    RULE("what a routine does is told to those below it only",
         first.told[RegNtPreSetValueKey] == 1 && second.told[RegNtPreSetValueKey] == 2);
}

VOID check_filter(PDRIVER_OBJECT driver)
{
    UNICODE_STRING high = RTL_CONSTANT_STRING(L"380000.5"), low = RTL_CONSTANT_STRING(L"99999"),
                   same = RTL_CONSTANT_STRING(L"099999.0");
    LARGE_INTEGER cookie;
    ULONG major = 0, minor = 0;
    HANDLE key;
    self = PsGetCurrentThread();
    get_id = (GET_ID)(ULONG_PTR)routine(L"CmCallbackGetKeyObjectIDEx");
    release_id = (RELEASE_ID)(ULONG_PTR)routine(L"CmCallbackReleaseKeyObjectIDEx");
    CmGetCallbackVersion(&major, &minor);
    RULE("the version is 1.1", major == 1 && minor == 1);
    reset();
    RULE("routines are registered at altitudes",
         CmRegisterCallbackEx(told, &low, driver, &second, &second.cookie, NULL) ==
                 STATUS_SUCCESS &&
             CmRegisterCallbackEx(told, &high, driver, &first, &first.cookie, NULL) ==
                 STATUS_SUCCESS);
    RULE("two have no altitude in common",
         CmRegisterCallbackEx(told, &same, driver, &second, &cookie, NULL) ==
             STATUS_FLT_INSTANCE_ALTITUDE_COLLISION);
    first.context = &first;
    second.context = &second;
    first.at = RegNtPreCreateKeyEx;
    first.answer = STATUS_ACCESS_DENIED;
    RULE("a key is not made if a driver says so", create(&key) == STATUS_ACCESS_DENIED);
    reset();
    RULE("a key is made", create(&key) == STATUS_SUCCESS);
    RULE("and told of before and after",
         first.told[RegNtPreCreateKeyEx] == 1 && first.told[RegNtPostCreateKeyEx] == 1);
    RULE("its object is given something", first.matches && second.matches);
    operations(key);
    reset();
    second.cleaned = NULL;
    RULE("a routine is taken back", CmUnRegisterCallback(second.cookie) == STATUS_SUCCESS);
    RULE("it cleans up what it gave to keys", second.cleaned == &second);
    RULE("a routine is taken back once",
         CmUnRegisterCallback(second.cookie) == STATUS_INVALID_PARAMETER);
    set(key, 6);
    RULE("a routine that is taken back is told nothing",
         second.told[RegNtPreSetValueKey] == 0 && first.told[RegNtPreSetValueKey] == 1);
    first.cleaned = NULL;
    ZwDeleteKey(key);
    ZwClose(key);
    RULE("a key's end is told before and after", first.told[RegNtPreKeyHandleClose] == 1 &&
                                                     first.told[RegNtPostKeyHandleClose] == 1);
    RULE("with it, what was given is cleaned up", first.cleaned == &first);
    RULE("a key's deletion is told", first.told[RegNtPreDeleteKey] == 1);
    CmUnRegisterCallback(first.cookie);
}
