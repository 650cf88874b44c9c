/*
 * Routines that few drivers call: a resource in a critical region, the comparison with a number, and
 * addresses of buses.
 *
 * Sources: ExEnterCriticalRegionAndAcquireResourceShared, ExReleaseResourceAndLeaveCriticalRegion,
 * RtlCompareMemoryUlong, HalTranslateBusAddress.
 */
#include "rules.h"

typedef SIZE_T NTAPI COMPARE_ULONG(PVOID start, SIZE_T length, ULONG pattern);
typedef PVOID NTAPI ENTER_SHARED(PERESOURCE resource);
typedef VOID NTAPI RELEASE_AND_LEAVE(PERESOURCE resource);
typedef BOOLEAN NTAPI TRANSLATE(ULONG kind, ULONG bus, PHYSICAL_ADDRESS address, PULONG space,
                                PPHYSICAL_ADDRESS translated);

static VOID numbers(VOID)
{
    COMPARE_ULONG *compare = routine(L"RtlCompareMemoryUlong");
    ULONG words[4] = {7, 7, 8, 7};
    RULE("nothing is equal to anything, wherever it is", compare(NULL, 0, 7) == 0);
    RULE("as many bytes are equal as are in the first numbers that are",
         compare(words, sizeof(words), 7) == 8 && compare(words + 3, 4, 7) == 4 &&
             compare(words, sizeof(words), 9) == 0);
}

static VOID regions(VOID)
{
    ENTER_SHARED *enter = routine(L"ExEnterCriticalRegionAndAcquireResourceShared");
    RELEASE_AND_LEAVE *leave = routine(L"ExReleaseResourceAndLeaveCriticalRegion");
    static ERESOURCE resource;
    BOOLEAN within;
    ExInitializeResourceLite(&resource);
    enter(&resource);
    within = KeAreApcsDisabled() && ExIsResourceAcquiredSharedLite(&resource) == 1 &&
             !ExIsResourceAcquiredExclusiveLite(&resource);
    leave(&resource);
    RULE("a resource is taken shared in a critical region", within);
    RULE("and the region is left with it",
         !KeAreApcsDisabled() && !ExIsResourceAcquiredSharedLite(&resource));
    ExDeleteResourceLite(&resource);
}

VOID check_seldom_rtl(VOID)
{
    numbers();
    regions();
}

VOID check_seldom_hal(VOID)
{
    TRANSLATE *translate = routine(L"HalTranslateBusAddress");
    PHYSICAL_ADDRESS address = {.QuadPart = 0xe0001234}, translated = {.QuadPart = -1};
    ULONG space = 0;
    RULE("an address of a PCI bus is the processor's",
         translate(PCIBus, 0, address, &space, &translated) &&
             translated.QuadPart == address.QuadPart && space == 0);
    RULE("a bus that is not there has no addresses",
         !translate(PCIBus, 0x10000, address, &space, &translated));
}
