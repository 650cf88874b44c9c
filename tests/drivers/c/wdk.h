/*
 * Read before anything else of each driver here (build.sh): what mingw-w64's headers have inline
 * and the WDK's import. With it a call of these reaches the kernel, as that of a driver does that
 * was built with the WDK; without, the driver would raise and lower the IRQL by itself, and no
 * kernel could look at how.
 *
 * What is inline there stays so: KeGetCurrentThread, KeRaiseIrqlToDpcLevel. The tables that say
 * which is which are those of cross/genuine.
 */
#pragma once

#define KeGetCurrentIrql EduwdmInlineKeGetCurrentIrql
#define KeLowerIrql EduwdmInlineKeLowerIrql
#define KfRaiseIrql EduwdmInlineKfRaiseIrql
#define KeRaiseIrqlToDpcLevel EduwdmInlineKeRaiseIrqlToDpcLevel
#include <ntddk.h>
#undef KeGetCurrentIrql
#undef KeLowerIrql
#undef KfRaiseIrql
#undef KeRaiseIrqlToDpcLevel

/* nf-wdm-kegetcurrentirql, nf-wdm-kelowerirql, nf-wdm-keraiseirql */
NTHALAPI KIRQL NTAPI KeGetCurrentIrql(VOID);
NTHALAPI VOID NTAPI KeLowerIrql(KIRQL NewIrql);
NTHALAPI KIRQL NTAPI KfRaiseIrql(KIRQL NewIrql);

/* nf-wdm-keraiseirqltodpclevel */
static __inline KIRQL KeRaiseIrqlToDpcLevel(VOID)
{
    return KfRaiseIrql(DISPATCH_LEVEL);
}
