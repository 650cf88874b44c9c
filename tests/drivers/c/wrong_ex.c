/*
 * A driver that does wrong with resources, lookaside lists, lists, run-down protection, objects.
 *
 * Sources: bug checks 0x18, 0x139, 0xC4, 0xCE and 0xE3.
 */
#include "wrong.h"

static ERESOURCE resource;
static NPAGED_LOOKASIDE_LIST __attribute__((aligned(64))) lookaside;

static VOID initialize_resource_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    ExInitializeResourceLite(&resource);
}

static VOID delete_resource_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    ExDeleteResourceLite(&resource);
    ExDeleteResourceLite(&resource);
}

static VOID free_resource(PDRIVER_OBJECT driver)
{
    PERESOURCE made = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*made), TAG);
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(made);
    ExFreePoolWithTag(made, TAG);
}

static VOID take_uninitialized_resource(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&resource, TRUE);
}

static VOID take_resource_with_apcs(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    ExAcquireResourceExclusiveLite(&resource, TRUE);
}

static VOID release_resource_with_apcs(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    KeEnterCriticalRegion();
    ExAcquireResourceExclusiveLite(&resource, TRUE);
    KeLeaveCriticalRegion();
    ExReleaseResourceLite(&resource);
}

static VOID take_shared_resource_exclusively(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    KeEnterCriticalRegion();
    ExAcquireResourceSharedLite(&resource, TRUE);
    ExAcquireResourceExclusiveLite(&resource, TRUE);
}

static VOID release_resource_of_nobody(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
    KeEnterCriticalRegion();
    ExReleaseResourceLite(&resource);
}

static VOID initialize_lookaside_list_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeNPagedLookasideList(&lookaside, NULL, NULL, 0, 64, TAG, 0);
    ExInitializeNPagedLookasideList(&lookaside, NULL, NULL, 0, 64, TAG, 0);
}

static VOID delete_lookaside_list_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeNPagedLookasideList(&lookaside, NULL, NULL, 0, 64, TAG, 0);
    ExDeleteNPagedLookasideList(&lookaside);
    ExDeleteNPagedLookasideList(&lookaside);
}

static VOID make_lookaside_list_of_nothing(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeNPagedLookasideList(&lookaside, NULL, NULL, 0, 1, TAG, 0);
}

static VOID free_lookaside_list(PDRIVER_OBJECT driver)
{
    PNPAGED_LOOKASIDE_LIST made = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    UNREFERENCED_PARAMETER(driver);
    ExInitializeNPagedLookasideList(made, NULL, NULL, 0, 64, TAG, 0);
    ExFreePoolWithTag(made, TAG);
}

static VOID leave_critical_region(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    KeLeaveCriticalRegion();
}

static VOID damage_list(PDRIVER_OBJECT driver)
{
    static LIST_ENTRY head, a, b;
    static KSPIN_LOCK lock;
    UNREFERENCED_PARAMETER(driver);
    InitializeListHead(&head);
    ExInterlockedInsertTailList(&head, &a, &lock);
    head.Flink = &b;
    b.Flink = b.Blink = &b;
    ExInterlockedRemoveHeadList(&head, &lock);
}

/* These come to light when the driver is unloaded. */

static VOID leave_resource(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeResourceLite(&resource);
}

static VOID leave_lookaside_list(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExInitializeNPagedLookasideList(&lookaside, NULL, NULL, 0, 64, TAG, 0);
}

static VOID NTAPI notify(PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(first);
    UNREFERENCED_PARAMETER(second);
}

static VOID leave_callback(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Callback\\PowerState");
    OBJECT_ATTRIBUTES attributes;
    PCALLBACK_OBJECT object;
    UNREFERENCED_PARAMETER(driver);
    InitializeObjectAttributes(&attributes, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
    if (NT_SUCCESS(ExCreateCallback(&object, &attributes, FALSE, TRUE)))
        ExRegisterCallback(object, notify, NULL);
}

/* What turns UTF-16 into what is printed is pageable. */
static VOID print_wide_at_dispatch(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    DbgPrint("wrong: %ws\n", L"text");
    KeLowerIrql(irql);
}

const MISDEED misdeeds[] = {
    MISDEED(initialize_resource_twice),
    MISDEED(delete_resource_twice),
    MISDEED(free_resource),
    MISDEED(take_uninitialized_resource),
    MISDEED(take_resource_with_apcs),
    MISDEED(release_resource_with_apcs),
    MISDEED(take_shared_resource_exclusively),
    MISDEED(release_resource_of_nobody),
    MISDEED(initialize_lookaside_list_twice),
    MISDEED(delete_lookaside_list_twice),
    MISDEED(make_lookaside_list_of_nothing),
    MISDEED(free_lookaside_list),
    MISDEED(leave_critical_region),
    MISDEED(damage_list),
    MISDEED(leave_resource),
    MISDEED(leave_lookaside_list),
    MISDEED(leave_callback),
    MISDEED(print_wide_at_dispatch),
    {NULL, NULL},
};
