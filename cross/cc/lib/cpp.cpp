/*
 * What Microsoft's compiler takes from its run-time library for C++ without exceptions: the routine
 * behind a pure virtual function that is called all the same, which ends the system. New and delete
 * are each driver's own.
 */
#include <ntddk.h>

extern "C" int __cdecl _purecall(void)
{
    /* int 0x29 with FAST_FAIL_INVALID_ARG: nothing can be returned to. */
    __asm__ volatile("int $0x29" : : "c"(5));
    return 0;
}
