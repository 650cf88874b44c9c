/* What the linker has the loader do for this driver: what `cargo xtask cc` gives any other. */
#include "exceptions.h"

#include "../../../../cross/cc/lib/security.c"

static OPAQUE ULONG sum(PULONG numbers)
{
    return numbers[0] + numbers[1] + numbers[2] + numbers[3];
}

/* Has a buffer on the stack, and hence a cookie. */
static OPAQUE ULONG with_buffer(ULONG seed)
{
    ULONG numbers[64], i;
    for (i = 0; i < RTL_NUMBER_OF(numbers); i++)
        numbers[i] = seed + i;
    return sum(numbers);
}

VOID check_security(VOID)
{
    ULONG (*volatile routine)(ULONG) = with_buffer;
    RULE("the loader makes a stack cookie for the driver",
         __security_cookie != DEFAULT_COOKIE && __security_cookie != 0);
    RULE("a stack cookie has two zero bytes, which end a text", __security_cookie >> 48 == 0);
    RULE("a guarded call of a routine with a buffer comes back", routine(1) == 10);
}
