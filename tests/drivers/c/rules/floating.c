/*
 * Floating-point state.
 */
#include "rules.h"

/* KFLOATING_SAVE has four bytes in the headers for amd64. */
VOID check_floating_point(VOID)
{
    NTSTATUS(NTAPI * save)(PVOID) = routine(L"KeSaveFloatingPointState");
    NTSTATUS(NTAPI * restore)(PVOID) = routine(L"KeRestoreFloatingPointState");
    ULONG outer[3] = {1, 2, 3}, inner[2] = {4, 5};
    RULE("floating-point state is saved in four bytes",
         save(&outer[1]) == STATUS_SUCCESS && save(inner) == STATUS_SUCCESS && outer[0] == 1 &&
             outer[2] == 3 && inner[1] == 5);
    RULE("and restored from them",
         restore(inner) == STATUS_SUCCESS && restore(&outer[1]) == STATUS_SUCCESS);
}
