/*
 * What the drivers that do wrong have in common: the service's value "Misdeed" names what each
 * does when it is loaded, some of which comes to light only when it is unloaded.
 *
 * A driver's file includes this one, has a routine for each misdeed, and ends with their table.
 */
#include <ntddk.h>

#define TAG 'gnrW'

typedef VOID MISDEED_ROUTINE(PDRIVER_OBJECT driver);

typedef struct {
    PCWSTR name;
    MISDEED_ROUTINE *routine;
} MISDEED;

#define WIDE(text) L"" #text
#define MISDEED(name)                                                                              \
    {                                                                                              \
        WIDE(name), name                                                                           \
    }

/* The table ends with an entry without a name. */
extern const MISDEED misdeeds[];

static NTSTATUS misdeed_name(PUNICODE_STRING path, PWCHAR name, ULONG capacity)
{
    static UCHAR buffer[256];
    KEY_VALUE_PARTIAL_INFORMATION *value = (PVOID)buffer;
    UNICODE_STRING value_name = RTL_CONSTANT_STRING(L"Misdeed");
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    status = ZwOpenKey(&key, KEY_READ, &attributes);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwQueryValueKey(key, &value_name, KeyValuePartialInformation, buffer, sizeof(buffer),
                             &length);
    ZwClose(key);
    if (!NT_SUCCESS(status))
        return status;
    if (value->Type != REG_SZ || value->DataLength > capacity)
        return STATUS_INVALID_PARAMETER;
    RtlCopyMemory(name, value->Data, value->DataLength);
    return STATUS_SUCCESS;
}

static BOOLEAN same(PCWSTR a, PCWSTR b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

/* Finds the misdeed that the service's value names. */
static NTSTATUS choose(PUNICODE_STRING path, const MISDEED **chosen)
{
    static WCHAR name[64];
    const MISDEED *misdeed;
    NTSTATUS status = misdeed_name(path, name, sizeof(name));
    if (!NT_SUCCESS(status))
        return status;
    for (misdeed = misdeeds; misdeed->name; misdeed++) {
        if (same(misdeed->name, name)) {
            *chosen = misdeed;
            return STATUS_SUCCESS;
        }
    }
    DbgPrint("wrong: there is no misdeed %ws\n", name);
    return STATUS_INVALID_PARAMETER;
}

static VOID commit(const MISDEED *misdeed, PDRIVER_OBJECT driver)
{
    misdeed->routine(driver);
    DbgPrint("wrong: %ws was let through\n", misdeed->name);
}

#ifndef WRONG_DEVICE

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    const MISDEED *misdeed;
    NTSTATUS status = choose(path, &misdeed);
    if (!NT_SUCCESS(status))
        return status;
    driver->DriverUnload = unload;
    commit(misdeed, driver);
    return STATUS_SUCCESS;
}

#else /* The misdeed takes a device, and is done when that is started. */

static const MISDEED *chosen;
static PDEVICE_OBJECT physical, self, next;
static CM_PARTIAL_RESOURCE_DESCRIPTOR memory, interrupt;

static VOID find_resources(PCM_RESOURCE_LIST list)
{
    PCM_PARTIAL_RESOURCE_LIST partial = &list->List[0].PartialResourceList;
    ULONG i;
    for (i = partial->Count; i-- > 0;) {
        PCM_PARTIAL_RESOURCE_DESCRIPTOR descriptor = &partial->PartialDescriptors[i];
        if (descriptor->Type == CmResourceTypeMemory)
            memory = *descriptor;
        if (descriptor->Type == CmResourceTypeInterrupt)
            interrupt = *descriptor;
    }
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;
    switch (location->MinorFunction) {
    case IRP_MN_START_DEVICE:
        find_resources(location->Parameters.StartDevice.AllocatedResourcesTranslated);
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            commit(chosen, object->DriverObject);
        irp->IoStatus.Status = status;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_QUERY_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(next, irp);
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(next, irp);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    NTSTATUS status;
    /* One device is enough. */
    if (physical)
        return STATUS_DEVICE_ALREADY_ATTACHED;
    status =
        IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &self);
    if (!NT_SUCCESS(status))
        return status;
    physical = pdo;
    next = IoAttachDeviceToDeviceStack(self, pdo);
    self->Flags |= next->Flags & (DO_POWER_PAGABLE | DO_BUFFERED_IO | DO_DIRECT_IO);
    self->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    driver->DriverUnload = unload;
    driver->DriverExtension->AddDevice = add_device;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return choose(path, &chosen);
}

#endif
