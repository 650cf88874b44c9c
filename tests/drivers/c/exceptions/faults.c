/*
 * Faults in routines of the kernel, at addresses that the driver gave: they are exceptions of the
 * driver's.
 */
#include "exceptions.h"

/* Nobody maps the lowest pages of a process; the other is no address of the processor's. */
#define NOWHERE 0x1230
#define NO_ADDRESS 0x0123456789abcde0

typedef struct {
    PCSTR name;
    VOID (*routine)(PVOID address);
    /* What it does there, as the exception says it: 0 reads, 1 writes. */
    ULONG_PTR access;
} CULPRIT;

static ULONG64 local[8];

static VOID copies_from(PVOID address)
{
    RtlCopyMemory(local, address, sizeof(local));
}
static VOID copies_to(PVOID address)
{
    RtlCopyMemory(address, local, sizeof(local));
}
static VOID moves_from(PVOID address)
{
    RtlMoveMemory(local, address, 13);
}
/* The target begins within the source, so that it is moved from its end. */
static VOID moves_up(PVOID address)
{
    RtlMoveMemory((PUCHAR)address + 1, address, 8);
}
static VOID fills(PVOID address)
{
    RtlFillMemory(address, 5, 0xaa);
}
static VOID zeroes(PVOID address)
{
    RtlZeroMemory(address, 64);
}
static VOID compares(PVOID address)
{
    local[0] = RtlCompareMemory(address, local, sizeof(local));
}
static VOID measures(PVOID address)
{
    ANSI_STRING string;
    RtlInitAnsiString(&string, address);
}
static VOID measures_wide(PVOID address)
{
    UNICODE_STRING string;
    RtlInitUnicodeString(&string, address);
}
static VOID makes_string(PVOID address)
{
    RtlInitUnicodeString(address, L"text");
}
static VOID copies_string(PVOID address)
{
    WCHAR buffer[4];
    UNICODE_STRING to = {0, sizeof(buffer), buffer}, from = {4, 4, address};
    RtlCopyUnicodeString(&to, &from);
}
static VOID makes_event(PVOID address)
{
    KeInitializeEvent(address, NotificationEvent, FALSE);
}
static VOID makes_timer(PVOID address)
{
    KeInitializeTimer(address);
}
static VOID tells_local_time(PVOID address)
{
    ExSystemTimeToLocalTime((PLARGE_INTEGER)local, address);
}
static VOID opens_key(PVOID address)
{
    HANDLE key;
    UNICODE_STRING name = {8, 8, address};
    OBJECT_ATTRIBUTES attributes;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    ZwOpenKey(&key, KEY_READ, &attributes);
}

static const CULPRIT culprits[] = {
    {"RtlCopyMemory, from", copies_from, 0},
    {"RtlCopyMemory, to", copies_to, 1},
    {"RtlMoveMemory, forward", moves_from, 0},
    {"RtlMoveMemory, backward", moves_up, 0},
    {"RtlFillMemory", fills, 1},
    {"RtlZeroMemory", zeroes, 1},
    {"RtlCompareMemory", compares, 0},
    {"RtlInitAnsiString, of", measures, 0},
    {"RtlInitUnicodeString, of", measures_wide, 0},
    {"RtlInitUnicodeString, at", makes_string, 1},
    {"RtlCopyUnicodeString", copies_string, 0},
    {"KeInitializeEvent", makes_event, 1},
    {"KeInitializeTimer", makes_timer, 1},
    {"ExSystemTimeToLocalTime", tells_local_time, 1},
    {"ZwOpenKey", opens_key, 0},
};

/* The exception that came, if it is an access violation and says what is due. */
static LONG told(PEXCEPTION_POINTERS pointers, ULONG_PTR access, ULONG_PTR address, BOOLEAN *right)
{
    PEXCEPTION_RECORD record = pointers->ExceptionRecord;
    ULONG_PTR where = record->ExceptionInformation[1];
    *right = record->ExceptionCode == STATUS_ACCESS_VIOLATION && record->NumberParameters == 2 &&
             record->ExceptionInformation[0] == access &&
             (address == ~(ULONG_PTR)0 ? where == address
                                       : where >= address && where < address + 64);
    return EXCEPTION_EXECUTE_HANDLER;
}

static OPAQUE BOOLEAN faults(const CULPRIT *culprit, ULONG_PTR address, ULONG_PTR access,
                             ULONG_PTR due)
{
    BOOLEAN right = FALSE;
    __try {
        culprit->routine((PVOID)address);
    } __except (told(GetExceptionInformation(), access, due, &right)) {
        return right;
    }
    return FALSE;
}

/* The filter has the instruction in the kernel tried again, at memory that is there. */
static LONG mend(PEXCEPTION_POINTERS pointers)
{
    if (pointers->ContextRecord->Rsi - NOWHERE >= 64)
        return EXCEPTION_CONTINUE_SEARCH;
    pointers->ContextRecord->Rsi = (ULONG64)&local[4];
    return EXCEPTION_CONTINUE_EXECUTION;
}

static OPAQUE BOOLEAN mends(VOID)
{
    ULONG64 copied = 0;
    local[4] = 0x5a5a;
    __try {
        RtlCopyMemory(&copied, (PVOID)NOWHERE, sizeof(copied));
    } __except (mend(GetExceptionInformation())) {
        return FALSE;
    }
    return copied == 0x5a5a;
}

static ULONG limit_of_mutex(BOOLEAN several)
{
    static KMUTEX mutex;
    PVOID objects[] = {&mutex};
    ULONG code = 0;
    KeInitializeMutex(&mutex, 0);
    KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    mutex.Header.SignalState = MINLONG;
    __try {
        if (several)
            KeWaitForMultipleObjects(1, objects, WaitAny, Executive, KernelMode, FALSE, NULL, NULL);
        else
            KeWaitForSingleObject(&mutex, Executive, KernelMode, FALSE, NULL);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    mutex.Header.SignalState = 0;
    KeReleaseMutex(&mutex, FALSE);
    return code;
}

VOID check_faults(VOID)
{
    ULONG i;
    for (i = 0; i < RTL_NUMBER_OF(culprits); i++) {
        const CULPRIT *culprit = &culprits[i];
        RULE(culprit->name, faults(culprit, NOWHERE, culprit->access, NOWHERE));
        RULE(culprit->name, faults(culprit, NO_ADDRESS, 0, ~(ULONG_PTR)0));
    }
    RULE("a filter mends what a routine of the kernel stumbled over", mends());
    RULE("a wait for a mutex that is owned too often raises its status",
         limit_of_mutex(FALSE) == 0xc0000191);
    RULE("a wait for several objects does, too", limit_of_mutex(TRUE) == 0xc0000191);
}
