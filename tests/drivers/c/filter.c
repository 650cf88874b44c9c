/*
 * A filter driver: it attaches to the stack of a device and passes everything on, some of it
 * with a completion routine, as the filters of bus drivers do.
 *
 * It follows the rules for completion routines: one that lets completion go on marks the IRP
 * pending if the driver below did; one that stops it (STATUS_MORE_PROCESSING_REQUIRED) owns the
 * IRP again. What passed is counted, and printed when the device is removed.
 *
 * Sources: "Using IRP Completion Routines", IoSetCompletionRoutine, IoMarkIrpPending,
 * "Passing IRPs down the Driver Stack".
 */
#include <ntddk.h>

#define TAG 'tliF'

typedef struct {
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    volatile LONG passed;
    volatile LONG completed;
    volatile LONG pending;
} FILTER;

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI completed(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    FILTER *filter = context;
    UNREFERENCED_PARAMETER(object);
    if (irp->PendingReturned) {
        InterlockedIncrement(&filter->pending);
        IoMarkIrpPending(irp);
    }
    InterlockedIncrement(&filter->completed);
    IoReleaseRemoveLock(&filter->remove_lock, irp);
    return STATUS_CONTINUE_COMPLETION;
}

static NTSTATUS NTAPI pass_and_count(PDEVICE_OBJECT object, PIRP irp)
{
    FILTER *filter = object->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&filter->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status);
    InterlockedIncrement(&filter->passed);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, completed, filter, TRUE, TRUE, TRUE);
    return IoCallDriver(filter->next, irp);
}

static NTSTATUS NTAPI wake(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(irp);
    KeSetEvent(context, IO_NO_INCREMENT, FALSE);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* What IoForwardIrpSynchronously does, by hand. */
static NTSTATUS forward_and_wait(PDEVICE_OBJECT next, PIRP irp)
{
    KEVENT event;
    NTSTATUS status;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, wake, &event, TRUE, TRUE, TRUE);
    status = IoCallDriver(next, irp);
    if (status == STATUS_PENDING) {
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
        status = irp->IoStatus.Status;
    }
    return status;
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    FILTER *filter = object->DeviceExtension;
    PDEVICE_OBJECT next = filter->next;
    NTSTATUS status = IoAcquireRemoveLock(&filter->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status);
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = forward_and_wait(next, irp);
        /* The device below may say only now what it is. */
        if (NT_SUCCESS(status) && (next->Characteristics & FILE_REMOVABLE_MEDIA))
            object->Characteristics |= FILE_REMOVABLE_MEDIA;
        finish(irp, status);
        IoReleaseRemoveLock(&filter->remove_lock, irp);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoReleaseRemoveLockAndWait(&filter->remove_lock, irp);
        DbgPrint("filter: passed %ld completed %ld pending %ld\n", filter->passed,
                 filter->completed, filter->pending);
        IoDetachDevice(next);
        IoDeleteDevice(object);
        return status;
    default:
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoReleaseRemoveLock(&filter->remove_lock, irp);
        return status;
    }
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    FILTER *filter = object->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&filter->remove_lock, irp);
    PoStartNextPowerIrp(irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status);
    IoSkipCurrentIrpStackLocation(irp);
    status = PoCallDriver(filter->next, irp);
    IoReleaseRemoveLock(&filter->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    FILTER *filter;
    NTSTATUS status =
        IoCreateDevice(driver, sizeof(FILTER), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    filter = object->DeviceExtension;
    IoInitializeRemoveLock(&filter->remove_lock, TAG, 0, 0);
    filter->next = IoAttachDeviceToDeviceStack(object, pdo);
    if (!filter->next) {
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    /* A filter looks like what it filters. */
    object->DeviceType = filter->next->DeviceType;
    object->Characteristics = filter->next->Characteristics;
    object->Flags |= filter->next->Flags & (DO_BUFFERED_IO | DO_DIRECT_IO | DO_POWER_PAGABLE);
    object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    ULONG i;
    UNREFERENCED_PARAMETER(path);
    for (i = 0; i <= IRP_MJ_MAXIMUM_FUNCTION; i++)
        driver->MajorFunction[i] = pass_and_count;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    return STATUS_SUCCESS;
}
