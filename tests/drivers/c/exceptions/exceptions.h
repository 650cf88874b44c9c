/*
 * A driver with structured exceptions, a stack cookie and guarded calls, as Microsoft's compiler
 * makes them: each rule has a name, and one that does not hold is told with its place.
 */
#pragma once
#include <ntddk.h>

/* Calls that the compiler must not look into: what is thrown there is not known here. */
#define OPAQUE __attribute__((noinline, optnone))

VOID rule(PCSTR name, BOOLEAN holds, int line);
#define RULE(name, condition) rule(name, !!(condition), __LINE__)

/* What happened, in its order: a digit each. */
extern ULONG order;
VOID happened(ULONG digit);

VOID check_handlers(VOID);
VOID check_unwinding(VOID);
VOID check_raised(VOID);
VOID check_faults(VOID);
VOID check_security(VOID);

/* Makes the device, which clients open by its name, and takes it away. */
NTSTATUS make_device(PDRIVER_OBJECT driver);
VOID delete_device(PDRIVER_OBJECT driver);
