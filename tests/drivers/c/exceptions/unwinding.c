/*
 * Termination handlers: run once each on the way to a handler, and without one.
 */
#include "exceptions.h"

static OPAQUE VOID raise(NTSTATUS status)
{
    ExRaiseStatus(status);
}

static OPAQUE LONG left_early(LONG how)
{
    LONG i;
    for (i = 0; i < 3; i++) {
        __try {
            happened(1);
            if (how == 0)
                return 40;
            if (how == 1)
                break;
            if (how == 2)
                __leave;
            happened(9);
        } __finally {
            happened(2);
        }
        happened(3);
        return 41;
    }
    return 42;
}

static OPAQUE VOID three_deep(VOID)
{
    __try {
        __try {
            __try {
                raise(STATUS_TOO_LATE);
            } __finally {
                happened(1);
            }
        } __finally {
            happened(2);
        }
    } __finally {
        happened(3);
    }
}

/* A termination handler that raises an exception of its own, in the midst of an unwinding. */
static OPAQUE VOID collides(VOID)
{
    __try {
        __try {
            raise(STATUS_TOO_LATE);
        } __finally {
            happened(1);
            raise(STATUS_DEVICE_BUSY);
        }
    } __finally {
        happened(2);
    }
}

static LONG filter_that_raises(VOID)
{
    happened(1);
    raise(STATUS_DEVICE_BUSY);
    return EXCEPTION_CONTINUE_SEARCH;
}

static OPAQUE VOID raises_in_filter(VOID)
{
    __try {
        raise(STATUS_TOO_LATE);
    } __except (GetExceptionCode() == STATUS_TOO_LATE ? filter_that_raises()
                                                      : EXCEPTION_CONTINUE_SEARCH) {
        happened(9);
    }
}

/* Exceptions within a termination handler that it handles itself are nobody else's. */
static OPAQUE VOID handles_within(VOID)
{
    __try {
        raise(STATUS_TOO_LATE);
    } __finally {
        __try {
            raise(STATUS_DEVICE_BUSY);
        } __except (GetExceptionCode() == STATUS_DEVICE_BUSY ? EXCEPTION_EXECUTE_HANDLER
                                                             : EXCEPTION_CONTINUE_SEARCH) {
            happened(1);
        }
        happened(2);
    }
}

static OPAQUE VOID raises_in_handler(VOID)
{
    __try {
        raise(STATUS_TOO_LATE);
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        happened(1);
        raise(STATUS_DEVICE_BUSY);
    }
}

/* What raises an exception, or has one. */
static VOID (*culprit)(VOID);

/* All registers that a function keeps for its caller have others' values when it raises. */
static OPAQUE VOID raises_with_registers(VOID)
{
    __asm__ volatile("xor %%ebx, %%ebx\n\txor %%esi, %%esi\n\txor %%edi, %%edi\n\t"
                     "xor %%r12d, %%r12d\n\txor %%r13d, %%r13d\n\txor %%r14d, %%r14d\n\t"
                     "xor %%r15d, %%r15d\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm15, %%xmm15"
                     :
                     :
                     : "rbx", "rsi", "rdi", "r12", "r13", "r14", "r15", "xmm6", "xmm15");
    culprit();
}

static VOID raises(VOID)
{
    raise(STATUS_TOO_LATE);
}

/* The fault is in a routine of the kernel. */
static VOID faults_in_kernel(VOID)
{
    RtlFillMemory((PVOID)0x1230, 100, 1);
}

/* Not static, as the next one is that: they are named in an assembler's text. */
OPAQUE VOID handles_registers(VOID)
{
    __try {
        raises_with_registers();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        happened(1);
    }
}

ULONG64 kept[9];

/* Calls the routine above with a number in each of those registers, and looks at them behind. */
__attribute__((naked)) static VOID keep_registers(VOID)
{
    __asm__("push %rbx\n\tpush %rbp\n\tpush %rsi\n\tpush %rdi\n\t"
            "push %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\tsub $72, %rsp\n\t"
            "movups %xmm6, 32(%rsp)\n\tmovups %xmm15, 48(%rsp)\n\t"
            "mov $1, %ebx\n\tmov $2, %esi\n\tmov $3, %edi\n\tmov $4, %r12d\n\t"
            "mov $5, %r13d\n\tmov $6, %r14d\n\tmov $7, %r15d\n\t"
            "movq %rbx, %xmm6\n\tmovq %rsi, %xmm15\n\t"
            "call handles_registers\n\tlea kept(%rip), %rax\n\t"
            "mov %rbx, (%rax)\n\tmov %rsi, 8(%rax)\n\tmov %rdi, 16(%rax)\n\t"
            "mov %r12, 24(%rax)\n\tmov %r13, 32(%rax)\n\tmov %r14, 40(%rax)\n\t"
            "mov %r15, 48(%rax)\n\tmovq %xmm6, 56(%rax)\n\tmovq %xmm15, 64(%rax)\n\t"
            "movups 32(%rsp), %xmm6\n\tmovups 48(%rsp), %xmm15\n\t"
            "add $72, %rsp\n\tpop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\t"
            "pop %rdi\n\tpop %rsi\n\tpop %rbp\n\tpop %rbx\n\tret");
}

static BOOLEAN registers_kept(VOID (*routine)(VOID))
{
    culprit = routine;
    RtlZeroMemory(kept, sizeof(kept));
    static const ULONG64 due[] = {1, 2, 3, 4, 5, 6, 7, 1, 2};
    keep_registers();
    return RtlCompareMemory(kept, due, sizeof(due)) == sizeof(due);
}

/* Calls it, and gives the code of what comes out of it; 0 if nothing does. */
static OPAQUE ULONG caught(VOID (*routine)(VOID))
{
    order = 0;
    __try {
        routine();
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    return 0;
}

VOID check_unwinding(VOID)
{
    order = 0;
    RULE("a return runs the termination handler first", left_early(0) == 40 && order == 12);
    order = 0;
    RULE("a break runs the termination handler first", left_early(1) == 42 && order == 12);
    order = 0;
    RULE("__leave goes to the termination handler", left_early(2) == 41 && order == 123);

    RULE("an exception comes through termination handlers",
         caught(three_deep) == (ULONG)STATUS_TOO_LATE);
    RULE("termination handlers run from the inside out, once each", order == 123);
    RULE("a termination handler's exception takes the place of the one before",
         caught(collides) == (ULONG)STATUS_DEVICE_BUSY);
    RULE("a termination handler that was left by an exception is not run again", order == 12);
    RULE("a filter's exception takes the place of the one before",
         caught(raises_in_filter) == (ULONG)STATUS_DEVICE_BUSY && order == 1);
    RULE("an exception within a termination handler does not end the unwinding",
         caught(handles_within) == (ULONG)STATUS_TOO_LATE && order == 12);
    RULE("an exception of a handler is for those further out",
         caught(raises_in_handler) == (ULONG)STATUS_DEVICE_BUSY && order == 1);
    RULE("a handler's function gives its caller's registers back", registers_kept(raises));
    RULE("it does so for a fault in a routine of the kernel", registers_kept(faults_in_kernel));
}
