/*
 * Tracing: activities, events with a text, and messages of software tracing.
 */
#include "rules.h"
#include <wmistr.h>

/* The DDK has it, its headers here do not. */
NTSTATUS NTAPI WmiTraceMessage(ULONG64 session, ULONG flags, LPCGUID id, USHORT number, ...);

enum { GET = 1, SET, CREATE, GET_SET, CREATE_SET };
static BOOLEAN same(const GUID *a, const GUID *b)
{
    return RtlCompareMemory(a, b, sizeof(*a)) == sizeof(*a);
}

static VOID activities(VOID)
{
    GUID mine = {0x01020304, 0, 0, {0}}, id, other;
    RULE("an activity is set", EtwActivityIdControl(SET, &mine) == STATUS_SUCCESS &&
                                   EtwActivityIdControl(GET, &id) == STATUS_SUCCESS &&
                                   same(&id, &mine));
    RULE("identifiers are made, each another",
         EtwActivityIdControl(CREATE, &id) == STATUS_SUCCESS &&
             EtwActivityIdControl(CREATE, &other) == STATUS_SUCCESS && !same(&id, &other));
    RULE("making one sets none",
         EtwActivityIdControl(GET, &id) == STATUS_SUCCESS && same(&id, &mine));
    RULE("a new one gives the one before",
         EtwActivityIdControl(CREATE_SET, &id) == STATUS_SUCCESS && same(&id, &mine) &&
             EtwActivityIdControl(GET, &other) == STATUS_SUCCESS && !same(&other, &mine));
    id = mine;
    RULE("one that is set gives the one before",
         EtwActivityIdControl(GET_SET, &id) == STATUS_SUCCESS && same(&id, &other));
    RULE("there are no other codes", EtwActivityIdControl(9, &id) == STATUS_INVALID_PARAMETER);
}

static VOID texts(VOID)
{
    GUID id = {0x11223344, 0, 0, {0}};
    ULONG64 provider;
    RULE("a provider is registered",
         EtwRegister(&id, NULL, NULL, &provider) == STATUS_SUCCESS);
    RULE("a text is an event, of the thread's activity",
         EtwWriteString(provider, 4, 0x10, NULL, L"hi") == STATUS_SUCCESS);
    EtwUnregister(provider);
    RULE("a provider that is gone writes nothing",
         EtwWriteString(provider, 4, 0x10, NULL, L"hi") == STATUS_INVALID_HANDLE);
}

static VOID messages(VOID)
{
    GUID class = {0x0a0b0c0d, 0, 0, {0}};
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"nthost");
    ULONG64 session = 0;
    UCHAR bytes[] = {1, 2, 3};
    WNODE_HEADER node = {0};
    ULONG needed = 0, value = 0;
    RULE("a session has a name",
         WmiQueryTraceInformation(TraceHandleByNameClass, &session, sizeof(session), &needed, &name) ==
                 STATUS_SUCCESS &&
             session && needed == sizeof(session));
    name.Length -= 2;
    RULE("another name is no session's",
         WmiQueryTraceInformation(TraceHandleByNameClass, &session, sizeof(session), NULL, &name) ==
             STATUS_INVALID_PARAMETER);
    node.HistoricalContext = session;
    RULE("a session has a level",
         WmiQueryTraceInformation(TraceEnableLevelClass, &value, sizeof(value), NULL, &node) == STATUS_SUCCESS &&
             value == 5);
    RULE("what asks for a session needs one",
         WmiQueryTraceInformation(TraceEnableLevelClass, &value, sizeof(value), NULL, NULL) ==
             STATUS_INVALID_PARAMETER_MIX);
    RULE("an answer has its size",
         WmiQueryTraceInformation(TraceEnableLevelClass, &value, 2, NULL, &node) == STATUS_INFO_LENGTH_MISMATCH);
    RULE("there is no global logger",
         WmiQueryTraceInformation(GlobalLoggerHandleClass, &session, sizeof(session), NULL, NULL) ==
             STATUS_NOT_FOUND);
    RULE("all sessions need room", WmiQueryTraceInformation(AllLoggerHandlesClass, &session, 0, NULL, NULL) ==
                                       STATUS_MORE_ENTRIES);
    /* Its flags: a sequence, the class, the time, who. */
    RULE("a message is written in pieces",
         WmiTraceMessage(session, 0x2b, &class, 7, bytes, (SIZE_T)3, "ab", (SIZE_T)2, NULL) ==
             STATUS_SUCCESS);
    RULE("a message needs its class", WmiTraceMessage(session, 0x29, &class, 7, NULL) ==
                                          STATUS_INVALID_PARAMETER);
    RULE("a message needs its session",
         WmiTraceMessage(77, 0x2b, &class, 7, NULL) == STATUS_INVALID_HANDLE);
}

VOID check_etw(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    activities();
    texts();
    messages();
}
