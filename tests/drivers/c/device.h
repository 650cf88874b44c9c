/*
 * The device of a driver that has one, and does all that it is for when that is started.
 *
 * A driver's file has a routine `started`, which is called at PASSIVE_LEVEL within
 * IRP_MN_START_DEVICE, and a DriverEntry that calls `serve_device`.
 */
#pragma once
#include <ntddk.h>

static VOID started(PDRIVER_OBJECT driver);

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
            started(object->DriverObject);
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

static VOID serve_device(PDRIVER_OBJECT driver)
{
    driver->DriverExtension->AddDevice = add_device;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
}
