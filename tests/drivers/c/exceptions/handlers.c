/*
 * Filters and handlers: who is asked, in which order, and what they are told.
 */
#include "exceptions.h"

/* Nobody maps the lowest pages of a process. */
#define NOWHERE ((volatile ULONG *)0x1238)

static OPAQUE ULONG read(volatile ULONG *from)
{
    return *from;
}

static OPAQUE VOID write(volatile ULONG *to)
{
    *to = 1;
}

static LONG told(PEXCEPTION_POINTERS pointers, ULONG_PTR access, BOOLEAN *right)
{
    PEXCEPTION_RECORD record = pointers->ExceptionRecord;
    *right = record->ExceptionCode == STATUS_ACCESS_VIOLATION && record->NumberParameters == 2 &&
             record->ExceptionInformation[0] == access &&
             record->ExceptionInformation[1] == (ULONG_PTR)NOWHERE &&
             (ULONG64)record->ExceptionAddress == pointers->ContextRecord->Rip;
    return EXCEPTION_EXECUTE_HANDLER;
}

static LONG note(ULONG digit, LONG answer)
{
    happened(digit);
    return answer;
}

static OPAQUE VOID inner(VOID)
{
    __try {
        __try {
            happened(1);
            read(NOWHERE);
            happened(9);
        } __finally {
            happened(AbnormalTermination() ? 4 : 9);
        }
    } __except (note(2, EXCEPTION_CONTINUE_SEARCH)) {
        happened(9);
    }
}

static OPAQUE LONG divide(LONG by)
{
    volatile LONG divisor = by;
    return 100 / divisor;
}

/* The filter steps over an instruction of two bytes. */
static LONG step_over(PEXCEPTION_POINTERS pointers)
{
    if (pointers->ExceptionRecord->ExceptionCode != STATUS_ILLEGAL_INSTRUCTION)
        return EXCEPTION_CONTINUE_SEARCH;
    pointers->ContextRecord->Rip += 2;
    pointers->ContextRecord->Rax = 77;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static OPAQUE VOID flags_after_mended(ULONG64 *value, BOOLEAN *carry)
{
    __asm__ volatile("stc\n\tud2\n\tsetc %1" : "=a"(*value), "=r"(*carry) : "a"(5) : "cc");
}

static OPAQUE ULONG recursive(ULONG depth)
{
    __try {
        if (depth == 0)
            return read(NOWHERE);
        recursive(depth - 1);
    } __except (depth == 3 ? EXCEPTION_EXECUTE_HANDLER : EXCEPTION_CONTINUE_SEARCH) {
        order = depth;
    }
    return depth;
}

static LONG go_on(ULONG code)
{
    return code == (ULONG)STATUS_TOO_LATE ? EXCEPTION_CONTINUE_EXECUTION
                                          : EXCEPTION_CONTINUE_SEARCH;
}

static OPAQUE VOID cannot_go_on(VOID)
{
    __try {
        ExRaiseStatus(STATUS_TOO_LATE);
    } __except (go_on(GetExceptionCode())) {
        happened(9);
    }
}

VOID check_handlers(VOID)
{
    volatile ULONG code = 0;
    volatile BOOLEAN right = FALSE;
    ULONG64 value = 0;
    BOOLEAN carry = FALSE;
    __try {
        read(NOWHERE);
    } __except (told(GetExceptionInformation(), 0, (BOOLEAN *)&right)) {
        code = GetExceptionCode();
    }
    RULE("a filter is told of a read", right);
    RULE("a handler is told the code", code == (ULONG)STATUS_ACCESS_VIOLATION);
    right = FALSE;
    __try {
        write(NOWHERE);
    } __except (told(GetExceptionInformation(), 1, (BOOLEAN *)&right)) {
        NOTHING;
    }
    RULE("a filter is told of a write", right);

    order = 0;
    __try {
        inner();
        happened(9);
    } __except (note(3, EXCEPTION_EXECUTE_HANDLER)) {
        happened(5);
    }
    RULE("all filters are asked before anything is unwound", order == 12345);

    code = 0;
    __try {
        order = divide(0);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    RULE("a division by zero is an exception", code == (ULONG)STATUS_INTEGER_DIVIDE_BY_ZERO);

    __try {
        flags_after_mended(&value, &carry);
    } __except (step_over(GetExceptionInformation())) {
        value = 0;
    }
    RULE("execution goes on with the registers that a filter left", value == 77);
    RULE("execution goes on with the flags that it had", carry == TRUE);

    code = 0;
    order = 0;
    __try {
        cannot_go_on();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        code = GetExceptionCode();
    }
    RULE("nobody goes on behind a routine that raised",
         code == (ULONG)STATUS_NONCONTINUABLE_EXCEPTION && order == 0);

    order = 0;
    recursive(6);
    RULE("a function that is called by itself handles what its inner calls did not", order == 3);
}
