/*
 * IRPs and their locations, completion, canceling, stacks of devices, remove locks, work items.
 */
#include "rules.h"

static struct {
    LONG dispatched, completed;
    PDEVICE_OBJECT device;
    PVOID context;
    BOOLEAN pending;
    ULONG length;
    NTSTATUS answer; /* what the dispatch routine completes with */
} seen;

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = seen.answer;
    seen.dispatched++;
    seen.device = device;
    seen.length = 0;
    irp->IoStatus.Information = 0;
    if (location->MajorFunction == IRP_MJ_DEVICE_CONTROL) {
        PUCHAR buffer = irp->AssociatedIrp.SystemBuffer;
        seen.length = location->Parameters.DeviceIoControl.InputBufferLength;
        buffer[0]++;
        irp->IoStatus.Information = 1;
    }
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI pass_on(PDEVICE_OBJECT device, PIRP irp)
{
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(*(PDEVICE_OBJECT *)device->DeviceExtension, irp);
}

/* Which of the two devices: the extension of the upper one holds the lower one. */
static NTSTATUS NTAPI choose(PDEVICE_OBJECT device, PIRP irp)
{
    return device->DeviceExtension ? pass_on(device, irp) : dispatch(device, irp);
}

static PDEVICE_OBJECT make_device(PDRIVER_OBJECT driver, ULONG extension)
{
    PDEVICE_OBJECT device = NULL;
    if (NT_SUCCESS(
            IoCreateDevice(driver, extension, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device))) {
        device->Flags |= DO_BUFFERED_IO;
        device->Flags &= ~DO_DEVICE_INITIALIZING;
    }
    return device;
}

static VOID devices(PDRIVER_OBJECT driver, PDEVICE_OBJECT lower, PDEVICE_OBJECT upper)
{
    PDEVICE_OBJECT top;
    UNREFERENCED_PARAMETER(driver);
    RULE("a device begins with a stack of one", lower->StackSize == 1 && upper->StackSize == 1);
    RULE("a device without an extension has none",
         !lower->DeviceExtension && upper->DeviceExtension);
    RULE("an extension is zeroed", !*(PVOID *)upper->DeviceExtension);
    RULE("IoAttachDeviceToDeviceStack gives what is below",
         IoAttachDeviceToDeviceStack(upper, lower) == lower);
    *(PDEVICE_OBJECT *)upper->DeviceExtension = lower;
    RULE("an attached device needs one location more", upper->StackSize == 2);
    RULE("a device knows what is attached to it", lower->AttachedDevice == upper);
    top = IoGetAttachedDeviceReference(lower);
    RULE("the top of a stack is found", top == upper);
    ObDereferenceObject(top);
}

static VOID allocation(VOID)
{
    PIRP irp = IoAllocateIrp(3, FALSE);
    RULE("an IRP has its locations", irp && irp->StackCount == 3 && irp->Type == IO_TYPE_IRP);
    if (!irp)
        return;
    RULE("an IRP begins above its locations", irp->CurrentLocation == 4);
    IoSetNextIrpStackLocation(irp);
    RULE("the next location becomes the current one",
         irp->CurrentLocation == 3 &&
             IoGetCurrentIrpStackLocation(irp) == IoGetNextIrpStackLocation(irp) + 1);
    IoReuseIrp(irp, STATUS_NOT_SUPPORTED);
    RULE("a reused IRP is as new, with its status",
         irp->CurrentLocation == 4 && irp->StackCount == 3 && !irp->Cancel &&
             irp->IoStatus.Status == STATUS_NOT_SUPPORTED);
    IoFreeIrp(irp);
}

static NTSTATUS NTAPI completed(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    seen.completed++;
    seen.context = context;
    seen.pending = irp->PendingReturned;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

/* Sends an IRP of its own, whose completion routine is called for what is asked. */
static LONG calls(PDEVICE_OBJECT device, NTSTATUS answer, BOOLEAN success, BOOLEAN error,
                  BOOLEAN cancel)
{
    PIRP irp = IoAllocateIrp(device->StackSize, FALSE);
    LONG before = seen.completed;
    if (!irp)
        return -1;
    seen.answer = answer;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    /* One that always is keeps the IRP from being finished, which nobody would wait for. */
    IoSetCompletionRoutine(irp, completed, &seen, success, error, cancel);
    IoCallDriver(device, irp);
    IoFreeIrp(irp);
    return seen.completed - before;
}

static VOID completion(PDEVICE_OBJECT lower, PDEVICE_OBJECT upper)
{
    RULE("a completion routine is called on success",
         calls(lower, STATUS_SUCCESS, TRUE, TRUE, TRUE) == 1);
    RULE("a completion routine gets its context", seen.context == &seen);
    RULE("what nobody returned as pending is not marked so", !seen.pending);
    RULE("a completion routine is called on an error",
         calls(lower, STATUS_UNSUCCESSFUL, FALSE, TRUE, FALSE) == 1);
    RULE("an IRP passes all devices of a stack",
         calls(upper, STATUS_SUCCESS, TRUE, TRUE, TRUE) == 1 && seen.device == lower);
}

/*
 * Whoever needs a location of its own makes an IRP with one more than the stack has
 * (IoSetNextIrpStackLocation): its completion routine gets that location's device, and may free the
 * IRP or use it again, though it is not at its top.
 */
static NTSTATUS NTAPI completed_with_location(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    PIO_STACK_LOCATION own = IoGetCurrentIrpStackLocation(irp);
    RULE("a completion routine finds the location that its driver made for itself",
         device == context && own->DeviceObject == device &&
             own->Parameters.Others.Argument1 == &seen);
    seen.completed++;
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID own_location(PDEVICE_OBJECT lower, PDEVICE_OBJECT upper)
{
    PIRP irp = IoAllocateIrp(upper->StackSize + 1, FALSE);
    LONG before = seen.completed, i;
    seen.answer = STATUS_SUCCESS;
    for (i = 0; i < 2; i++) {
        IoSetNextIrpStackLocation(irp);
        IoGetCurrentIrpStackLocation(irp)->DeviceObject = lower;
        IoGetCurrentIrpStackLocation(irp)->Parameters.Others.Argument1 = &seen;
        IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
        IoSetCompletionRoutine(irp, completed_with_location, lower, TRUE, TRUE, TRUE);
        IoCallDriver(upper, irp);
        if (!i)
            IoReuseIrp(irp, STATUS_SUCCESS);
    }
    IoFreeIrp(irp);
    RULE("an IRP with a location of its maker's is used again and freed",
         seen.completed == before + 2);
}

/* IoInitializeIrp: the memory is the driver's, which frees it as that, and not with IoFreeIrp. */
static VOID own_memory(PDEVICE_OBJECT lower)
{
    USHORT size = IoSizeOfIrp(1);
    LONG before = seen.completed, i;
    for (i = 0; i < 2; i++) {
        PIRP irp = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
        IoInitializeIrp(irp, size, 1);
        IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
        IoSetCompletionRoutine(irp, completed, &seen, TRUE, TRUE, TRUE);
        IoCallDriver(lower, irp);
        ExFreePoolWithTag(irp, TAG);
    }
    RULE("an IRP in a driver's own memory goes with it", seen.completed == before + 2);
}

static VOID built(PDEVICE_OBJECT lower, PDEVICE_OBJECT upper)
{
    KEVENT event;
    IO_STATUS_BLOCK block = {.Status = -1};
    UCHAR input[4] = {41, 0, 0, 0}, output[4] = {9, 9, 9, 9};
    PIRP irp;
    NTSTATUS status;
    seen.answer = STATUS_SUCCESS;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildDeviceIoControlRequest(
        CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS), upper, input, 4,
        output, 4, FALSE, &event, &block);
    RULE("a request for a stack has as many locations", irp && irp->StackCount >= 2);
    if (!irp)
        return;
    RULE("a request is in the next location",
         IoGetNextIrpStackLocation(irp)->MajorFunction == IRP_MJ_DEVICE_CONTROL);
    status = IoCallDriver(upper, irp);
    RULE("IoCallDriver gives what the driver returned", status == STATUS_SUCCESS);
    RULE("a finished request sets its event", KeReadStateEvent(&event));
    RULE("a finished request fills its status block",
         block.Status == STATUS_SUCCESS && block.Information == 1);
    RULE("the driver got the input", seen.length == 4 && seen.device == lower);
    RULE("as much of the output is copied as the driver says", output[0] == 42 && output[1] == 9);
    seen.answer = STATUS_UNSUCCESSFUL;
    KeClearEvent(&event);
    output[0] = 9;
    irp = IoBuildDeviceIoControlRequest(
        CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS), upper, input, 4,
        output, 4, FALSE, &event, &block);
    status = IoCallDriver(upper, irp);
    RULE("a failed request copies no output", status == STATUS_UNSUCCESSFUL && output[0] == 9);
}

static struct {
    LONG calls;
    KIRQL irql;
    PVOID routine;
} canceled;

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    canceled.calls++;
    canceled.irql = KeGetCurrentIrql();
    canceled.routine = (PVOID)irp->CancelRoutine;
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

static VOID canceling(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    IoSetNextIrpStackLocation(irp);
    RULE("an IRP begins without a cancel routine", !IoSetCancelRoutine(irp, cancel));
    RULE("IoSetCancelRoutine gives the one before", IoSetCancelRoutine(irp, NULL) == cancel);
    RULE("an IRP without a cancel routine is only marked",
         !IoCancelIrp(irp) && irp->Cancel && canceled.calls == 0);
    irp->Cancel = FALSE;
    IoSetCancelRoutine(irp, cancel);
    RULE("an IRP's cancel routine is called",
         IoCancelIrp(irp) && irp->Cancel && canceled.calls == 1);
    RULE("a cancel routine runs at DISPATCH_LEVEL, and is not set any more",
         canceled.irql == DISPATCH_LEVEL && !canceled.routine);
    RULE("a cancel routine's lock is released to the level before",
         KeGetCurrentIrql() == PASSIVE_LEVEL);
    RULE("a cancel routine is called once", !IoCancelIrp(irp) && canceled.calls == 1);
    IoFreeIrp(irp);
}

/* An IRP that is above its locations: it was not sent, is back at its maker, or is complete. */
static VOID above_locations(PDEVICE_OBJECT lower)
{
    IO_STATUS_BLOCK block = {.Status = -1};
    PIRP irp = IoAllocateIrp(1, FALSE);
    LONG before = canceled.calls;
    KEVENT event;
    KIRQL irql;
    IoSetCancelRoutine(irp, cancel);
    RULE("an IRP that was never sent can be canceled",
         IoCancelIrp(irp) && canceled.calls == before + 1 && irp->CurrentLocation == 2);
    IoFreeIrp(irp);
    /* As many as a CHAR can count: the one above them it cannot. */
    irp = IoAllocateIrp(127, FALSE);
    IoSetCancelRoutine(irp, cancel);
    RULE("an IRP of 127 locations can be canceled",
         IoCancelIrp(irp) && canceled.calls == before + 2);
    IoFreeIrp(irp);
    seen.answer = STATUS_SUCCESS;
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, lower, NULL, 0, NULL, &block);
    IoSetCompletionRoutine(irp, completed, &seen, TRUE, TRUE, TRUE);
    IoCallDriver(lower, irp);
    RULE("an IRP that its maker keeps is one above its locations",
         irp->CurrentLocation == irp->StackCount + 1 && block.Status == -1);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    RULE("an IRP that its maker kept can be completed", block.Status == STATUS_SUCCESS);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, lower, NULL, 0, NULL, &event, &block);
    /* It is finished by an APC, which waits so long. */
    KeRaiseIrql(APC_LEVEL, &irql);
    IoCallDriver(lower, irp);
    RULE("an IRP that is complete is two above its locations",
         irp->CurrentLocation == irp->StackCount + 2 && !KeReadStateEvent(&event));
    KeLowerIrql(irql);
    RULE("an IRP that is complete is finished in its thread", KeReadStateEvent(&event));
}

static VOID remove_locks(VOID)
{
    static IO_REMOVE_LOCK lock;
    IoInitializeRemoveLock(&lock, TAG, 0, 0);
    RULE("a remove lock is given", IoAcquireRemoveLock(&lock, &lock) == STATUS_SUCCESS);
    RULE("a remove lock is given again", IoAcquireRemoveLock(&lock, &canceled) == STATUS_SUCCESS);
    IoReleaseRemoveLock(&lock, &lock);
    IoReleaseRemoveLockAndWait(&lock, &canceled);
    RULE("none is given after the wait",
         IoAcquireRemoveLock(&lock, &lock) == STATUS_DELETE_PENDING);
}

/* A lock in memory that was a removed device's before, and is something else's now. */
static VOID remove_locks_in_pool(VOID)
{
    ULONG i;
    for (i = 0; i < 2; i++) {
        IO_REMOVE_LOCK *lock = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*lock), TAG);
        IoInitializeRemoveLock(lock, TAG, 0, 0);
        RULE("a remove lock is new where another was",
             IoAcquireRemoveLock(lock, lock) == STATUS_SUCCESS);
        IoReleaseRemoveLockAndWait(lock, lock);
        ExFreePoolWithTag(lock, TAG);
    }
}

static struct {
    KIRQL irql;
    PVOID device, context;
    KEVENT done;
} worked;

static VOID NTAPI work(PDEVICE_OBJECT device, PVOID context)
{
    worked.irql = KeGetCurrentIrql();
    worked.device = device;
    worked.context = context;
    KeSetEvent(&worked.done, 0, FALSE);
}

static VOID work_items(PDEVICE_OBJECT device)
{
    PIO_WORKITEM item = IoAllocateWorkItem(device);
    KeInitializeEvent(&worked.done, NotificationEvent, FALSE);
    IoQueueWorkItem(item, work, DelayedWorkQueue, &seen);
    KeWaitForSingleObject(&worked.done, Executive, KernelMode, FALSE, NULL);
    RULE("a work item runs at PASSIVE_LEVEL with its device and context",
         worked.irql == PASSIVE_LEVEL && worked.device == device && worked.context == &seen);
    IoFreeWorkItem(item);
}

static BOOLEAN NTAPI never(PKINTERRUPT object, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(context);
    return FALSE;
}

/* Whoever forgets the status disconnects what it takes for an interrupt. */
static VOID no_interrupt(VOID)
{
    PKINTERRUPT connected = (PKINTERRUPT)&seen;
    RULE("no interrupt is connected to a vector that is no device's, and none is given",
         !NT_SUCCESS(IoConnectInterrupt(&connected, never, NULL, NULL, 0xfff, 5, 5, LevelSensitive,
                                        TRUE, 1, FALSE)) &&
             !connected);
}

static VOID extensions(PDRIVER_OBJECT driver)
{
    PVOID extension, other;
    RULE("a driver has no extension of its own at first",
         !IoGetDriverObjectExtension(driver, &seen));
    RULE("a driver is given an extension",
         IoAllocateDriverObjectExtension(driver, &seen, 16, &extension) == STATUS_SUCCESS);
    RULE("an extension is found by its identifier",
         IoGetDriverObjectExtension(driver, &seen) == extension);
    RULE("an identifier is used once", IoAllocateDriverObjectExtension(driver, &seen, 16, &other) ==
                                           STATUS_OBJECT_NAME_COLLISION);
}

VOID check_io(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT lower = make_device(driver, 0), upper = make_device(driver, sizeof(PVOID));
    RULE("devices are made", lower && upper);
    if (!lower || !upper)
        return;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = choose;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = choose;
    devices(driver, lower, upper);
    allocation();
    completion(lower, upper);
    own_location(lower, upper);
    own_memory(lower);
    built(lower, upper);
    canceling();
    above_locations(lower);
    remove_locks();
    remove_locks_in_pool();
    work_items(lower);
    extensions(driver);
    no_interrupt();
    check_interface_names();
    IoDetachDevice(lower);
    RULE("a detached device is attached to nothing", !lower->AttachedDevice);
    IoDeleteDevice(upper);
    IoDeleteDevice(lower);
    RULE("a driver's deleted devices are not listed", !driver->DeviceObject);
}
