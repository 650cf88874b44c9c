/*
 * A WDM driver with a cancel-safe queue, and nothing else: reads wait in the queue, a write
 * completes the oldest of them with its bytes. It has no use for the device it is loaded for.
 *
 * It shows that the test kernel serves drivers written in C against the DDK's own headers, and
 * its IO_CSQ routines to one that was not made by the same people.
 *
 * Sources: "Cancel-Safe IRP Queues", IoCsqInitializeEx, IoCsqInsertIrpEx, IoCsqRemoveNextIrp.
 */
#include <ntddk.h>

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0001} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x01}};

#define TAG 'qsCT'
/* How many reads may wait; one more gets STATUS_DEVICE_BUSY from the insert routine. */
#define QUEUE_LIMIT 64

typedef struct {
    PDEVICE_OBJECT self;
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    IO_CSQ csq;
    KSPIN_LOCK lock; /* protects queue and depth */
    LIST_ENTRY queue;
    ULONG depth;
} DEVICE;

static DEVICE *device_of(PIO_CSQ csq)
{
    return CONTAINING_RECORD(csq, DEVICE, csq);
}

static NTSTATUS NTAPI csq_insert(PIO_CSQ csq, PIRP irp, PVOID context)
{
    DEVICE *device = device_of(csq);
    UNREFERENCED_PARAMETER(context);
    if (device->depth == QUEUE_LIMIT)
        return STATUS_DEVICE_BUSY;
    device->depth++;
    InsertTailList(&device->queue, &irp->Tail.Overlay.ListEntry);
    return STATUS_SUCCESS;
}

static VOID NTAPI csq_remove(PIO_CSQ csq, PIRP irp)
{
    device_of(csq)->depth--;
    RemoveEntryList(&irp->Tail.Overlay.ListEntry);
}

static PIRP NTAPI csq_peek_next(PIO_CSQ csq, PIRP irp, PVOID file)
{
    DEVICE *device = device_of(csq);
    PLIST_ENTRY entry = irp ? irp->Tail.Overlay.ListEntry.Flink : device->queue.Flink;
    for (; entry != &device->queue; entry = entry->Flink) {
        PIRP next = CONTAINING_RECORD(entry, IRP, Tail.Overlay.ListEntry);
        if (!file || IoGetCurrentIrpStackLocation(next)->FileObject == file)
            return next;
    }
    return NULL;
}

static VOID NTAPI csq_acquire(PIO_CSQ csq, PKIRQL irql)
{
    *irql = KeAcquireSpinLockRaiseToDpc(&device_of(csq)->lock);
}

static VOID NTAPI csq_release(PIO_CSQ csq, KIRQL irql)
{
    KeReleaseSpinLock(&device_of(csq)->lock, irql);
}

static NTSTATUS complete(DEVICE *device, PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}

static VOID NTAPI csq_complete_canceled(PIO_CSQ csq, PIRP irp)
{
    complete(device_of(csq), irp, STATUS_CANCELLED, 0);
}

static NTSTATUS NTAPI dispatch_read(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status)) {
        irp->IoStatus.Status = status;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return status;
    }
    /* On success the IRP is pending, and may be completed and gone already. */
    status = IoCsqInsertIrpEx(&device->csq, irp, NULL, NULL);
    if (!NT_SUCCESS(status))
        return complete(device, irp, status, 0);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI dispatch_write(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    ULONG length = IoGetCurrentIrpStackLocation(irp)->Parameters.Write.Length;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    PIRP waiting;
    if (!NT_SUCCESS(status)) {
        irp->IoStatus.Status = status;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return status;
    }
    waiting = IoCsqRemoveNextIrp(&device->csq, NULL);
    if (!waiting)
        return complete(device, irp, STATUS_NO_MORE_ENTRIES, 0);
    if (length > IoGetCurrentIrpStackLocation(waiting)->Parameters.Read.Length)
        length = IoGetCurrentIrpStackLocation(waiting)->Parameters.Read.Length;
    if (length)
        RtlCopyMemory(waiting->AssociatedIrp.SystemBuffer, irp->AssociatedIrp.SystemBuffer, length);
    complete(device, waiting, STATUS_SUCCESS, length);
    return complete(device, irp, STATUS_SUCCESS, length);
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID cancel_all(DEVICE *device, PFILE_OBJECT file)
{
    PIRP irp;
    while ((irp = IoCsqRemoveNextIrp(&device->csq, file)) != NULL)
        complete(device, irp, STATUS_CANCELLED, 0);
}

/* The last handle of this file object is closed: its requests must not keep it alive. */
static NTSTATUS NTAPI dispatch_cleanup(PDEVICE_OBJECT object, PIRP irp)
{
    cancel_all(object->DeviceExtension, IoGetCurrentIrpStackLocation(irp)->FileObject);
    return dispatch_create_close(object, irp);
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PDEVICE_OBJECT next = device->next;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status)) {
        irp->IoStatus.Status = status;
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        return status;
    }
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&device->interface_name, TRUE);
        return complete(device, irp, status, 0);
    case IRP_MN_REMOVE_DEVICE:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        IoReleaseRemoveLockAndWait(&device->remove_lock, irp);
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_QUERY_REMOVE_DEVICE:
        /* Nothing may be left waiting for a device that goes away. */
        cancel_all(device, NULL);
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    default:
        break;
    }
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(next, irp);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(((DEVICE *)object->DeviceExtension)->next, irp);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    DEVICE *device;
    NTSTATUS status = IoCreateDevice(driver, sizeof(DEVICE), NULL, FILE_DEVICE_UNKNOWN,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    device = object->DeviceExtension;
    device->self = object;
    IoInitializeRemoveLock(&device->remove_lock, TAG, 0, 0);
    KeInitializeSpinLock(&device->lock);
    InitializeListHead(&device->queue);
    status = IoCsqInitializeEx(&device->csq, csq_insert, csq_remove, csq_peek_next, csq_acquire,
                               csq_release, csq_complete_canceled);
    if (NT_SUCCESS(status))
        status = IoRegisterDeviceInterface(pdo, &INTERFACE_CLASS, NULL, &device->interface_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(object);
        return status;
    }
    device->next = IoAttachDeviceToDeviceStack(object, pdo);
    if (!device->next) {
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    object->Flags |= DO_BUFFERED_IO | (device->next->Flags & DO_POWER_PAGABLE);
    object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_cleanup;
    driver->MajorFunction[IRP_MJ_READ] = dispatch_read;
    driver->MajorFunction[IRP_MJ_WRITE] = dispatch_write;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return STATUS_SUCCESS;
}
