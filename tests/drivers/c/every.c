/*
 * Calls every routine of the kernel with what no driver should: null, odd, huge and vanished
 * addresses, and as bad numbers. What is called, and with which kinds of arguments, the service's
 * value "Routines" says: a line for each, its name, the pattern's number, and a letter for each
 * argument, `p` for an address, `n` for a number.
 *
 * Each call is announced in the log, and what became of it is told, so that a call that ends the
 * system is the last one that was announced.
 *
 * Compiler: clang
 */
#include <ntddk.h>

/* No stack cookie: the driver has none of the run-time library. */
#define UNGUARDED __attribute__((no_stack_protector))
#define ARGUMENTS 12
/* As much as the largest structure that a routine fills without being told a length. */
#define ROOM 2048

typedef ULONG_PTR NTAPI ROUTINE(ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR,
                                ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR, ULONG_PTR);

typedef enum {
    /* No address, and nothing. */
    Null,
    /* Zeros at an odd address, and one. */
    Odd,
    /* Zeros at an odd address, and as much as can be said. */
    OddHuge,
    /* What is no address at all, and as much as can be said. */
    Huge,
    /* An address of user mode that nothing is at, and some. */
    Gone,
    Patterns,
} PATTERN;

static const PCSTR names[Patterns] = {"null", "odd", "odd-huge", "huge", "gone"};

/* A value of the service's, as the registry gives it. */
typedef struct {
    KEY_VALUE_PARTIAL_INFORMATION header;
    UCHAR room[60000];
} VALUE;

static VALUE value;

static UNGUARDED NTSTATUS query(PUNICODE_STRING path, PCWSTR name)
{
    UNICODE_STRING value_name;
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length;
    NTSTATUS status;
    RtlInitUnicodeString(&value_name, name);
    InitializeObjectAttributes(&attributes, path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    status = ZwOpenKey(&key, KEY_READ, &attributes);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwQueryValueKey(key, &value_name, KeyValuePartialInformation, &value, sizeof(value),
                             &length);
    ZwClose(key);
    return status;
}

/* Those of the executive that take locks want normal kernel APCs held back meanwhile. */
static BOOLEAN in_region(PCSTR name)
{
    return name[0] == 'E' && name[1] == 'x';
}

/* Whatever it did, the next call begins as this one did. */
static VOID restore(PCSTR name)
{
    if (in_region(name))
        KeLeaveCriticalRegion();
    if (KeGetCurrentIrql() != PASSIVE_LEVEL)
        KeLowerIrql(PASSIVE_LEVEL);
    __asm__ volatile("sti");
}

/* What is called is the kernel's: no table of the driver's has it. */
static __declspec(guard(nocf)) __attribute__((noinline, optnone)) UNGUARDED VOID
call(ROUTINE *routine, PCSTR name, PCSTR kinds, PATTERN pattern)
{
    static ULONG_PTR a[ARGUMENTS];
    PUCHAR memory = NULL;
    ULONG i;
    if (pattern == Odd || pattern == OddHuge) {
        /* A call's own, for good: what it is used for may go on. Nothing is mapped behind it. */
        memory = MmAllocateNonCachedMemory(ARGUMENTS * ROOM);
        if (!memory) {
            DbgPrint("every: no memory\n");
            return;
        }
        RtlZeroMemory(memory, ARGUMENTS * ROOM);
    }
    for (i = 0; i < ARGUMENTS; i++) {
        BOOLEAN address = *kinds == 'p';
        if (*kinds)
            kinds++;
        switch (pattern) {
        case Odd:
            a[i] = address ? (ULONG_PTR)memory + i * ROOM + 1 : 1;
            break;
        case OddHuge:
            a[i] = address ? (ULONG_PTR)memory + i * ROOM + 1 : ~(ULONG_PTR)0;
            break;
        case Huge:
            a[i] = address ? 0x0123456789abcdef : ~(ULONG_PTR)0;
            break;
        case Gone:
            a[i] = address ? 0x12340001 + i * 0x10000 : 16;
            break;
        default:
            a[i] = 0;
        }
    }
    DbgPrint("every: > %s %s\n", name, names[pattern]);
    if (in_region(name))
        KeEnterCriticalRegion();
    __try {
        ULONG_PTR result =
            routine(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11]);
        restore(name);
        DbgPrint("every: = %p\n", (PVOID)result);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        restore(name);
        DbgPrint("every: ! %x\n", GetExceptionCode());
    }
}

/* The word at a place in the text: its end is made one of a string. */
static PCHAR word(PCHAR *at, PCHAR end)
{
    PCHAR start = *at;
    while (*at < end && **at != ' ' && **at != '\n')
        (*at)++;
    if (*at < end)
        *(*at)++ = 0;
    return start;
}

static UNGUARDED ROUTINE *find(PCSTR name)
{
    static WCHAR wide[80];
    UNICODE_STRING string;
    ULONG i;
    for (i = 0; i < 79 && name[i]; i++)
        wide[i] = name[i];
    wide[i] = 0;
    RtlInitUnicodeString(&string, wide);
    return (ROUTINE *)MmGetSystemRoutineAddress(&string);
}

UNGUARDED NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    ULONG count = 0;
    PCHAR at, end;
    UNREFERENCED_PARAMETER(driver);
    if (!NT_SUCCESS(query(path, L"Routines")))
        return STATUS_UNSUCCESSFUL;
    at = (PCHAR)value.header.Data;
    end = at + value.header.DataLength;
    while (at < end) {
        PCHAR name = word(&at, end), pattern = word(&at, end), kinds = word(&at, end);
        ROUTINE *routine = find(name);
        if (!routine || *pattern < '0' || *pattern >= '0' + Patterns) {
            DbgPrint("every: there is no %s %s\n", name, pattern);
            continue;
        }
        call(routine, name, kinds, (PATTERN)(*pattern - '0'));
        count++;
    }
    DbgPrint("every: done with %u calls\n", count);
    return STATUS_UNSUCCESSFUL;
}
