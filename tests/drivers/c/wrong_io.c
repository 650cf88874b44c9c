/*
 * A driver that does wrong with IRPs, device objects, work items, DPCs and timers. It sends IRPs
 * to a device of its own, whose dispatch routine each misdeed chooses.
 *
 * Sources: "I/O Verification" and "Miscellaneous Checks" of Driver Verifier; bug checks 0x35,
 * 0x44, 0xC4, 0xC7, 0xC9, 0xCE, 0xD5 and 0xE4.
 */
#include "wrong.h"

static volatile UCHAR seen;

static PDEVICE_OBJECT make_device(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return NULL;
    device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return device;
}

/* Sends a flush, which has no buffer, to a device of its own. */
static NTSTATUS send(PDRIVER_OBJECT driver, PDRIVER_DISPATCH dispatch)
{
    PDEVICE_OBJECT device = make_device(driver);
    /* A request that ends at raised IRQL writes them later. */
    static KEVENT event;
    static IO_STATUS_BLOCK block;
    LARGE_INTEGER second;
    PIRP irp;
    NTSTATUS status;
    second.QuadPart = -10000000;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL, &event, &block);
    if (!irp)
        return STATUS_INSUFFICIENT_RESOURCES;
    status = IoCallDriver(device, irp);
    /* A request that was not marked pending never sets it. */
    if (status == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, &second);
    IoDeleteDevice(device);
    return status;
}

static NTSTATUS end(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

#define DISPATCH(name) static NTSTATUS NTAPI name(PDEVICE_OBJECT device, PIRP irp)
#define SENDING(name)                                                                              \
    DISPATCH(name##_dispatch);                                                                     \
    static VOID name(PDRIVER_OBJECT driver)                                                        \
    {                                                                                              \
        send(driver, name##_dispatch);                                                             \
    }                                                                                              \
    DISPATCH(name##_dispatch)

SENDING(complete_twice)
{
    UNREFERENCED_PARAMETER(device);
    end(irp, STATUS_SUCCESS);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID NTAPI cancel(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    IoReleaseCancelSpinLock(irp->CancelIrql);
}

SENDING(complete_with_cancel_routine)
{
    UNREFERENCED_PARAMETER(device);
    IoSetCancelRoutine(irp, cancel);
    return end(irp, STATUS_SUCCESS);
}

SENDING(complete_as_pending)
{
    UNREFERENCED_PARAMETER(device);
    return end(irp, STATUS_PENDING);
}

SENDING(return_pending_unmarked)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    return STATUS_PENDING;
}

SENDING(mark_and_return_success)
{
    UNREFERENCED_PARAMETER(device);
    IoMarkIrpPending(irp);
    return end(irp, STATUS_SUCCESS);
}

SENDING(forget_irp)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    return STATUS_SUCCESS;
}

SENDING(return_other_status)
{
    UNREFERENCED_PARAMETER(device);
    end(irp, STATUS_SUCCESS);
    return STATUS_UNSUCCESSFUL;
}

/* It gives the lock back, and not the IRQL. */
static VOID NTAPI cancel_and_stay_raised(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    IoReleaseCancelSpinLock(DISPATCH_LEVEL);
}

DISPATCH(keep_cancelable)
{
    UNREFERENCED_PARAMETER(device);
    IoMarkIrpPending(irp);
    IoSetCancelRoutine(irp, cancel_and_stay_raised);
    return STATUS_PENDING;
}

static VOID return_raised_from_cancel(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver);
    static KEVENT event;
    static IO_STATUS_BLOCK block;
    PIRP irp;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = keep_cancelable;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL, &event, &block);
    IoCallDriver(device, irp);
    IoCancelIrp(irp);
}

static IO_REMOVE_LOCK remove_lock;

static VOID NTAPI remove_and_wait(PVOID context)
{
    IoReleaseRemoveLockAndWait(&remove_lock, context);
}

/* Whoever took it with the tag 0x1234 never gives it back. */
static VOID keep_remove_lock(PDRIVER_OBJECT driver)
{
    HANDLE thread;
    UNREFERENCED_PARAMETER(driver);
    IoInitializeRemoveLock(&remove_lock, TAG, 0, 0);
    if (!NT_SUCCESS(IoAcquireRemoveLock(&remove_lock, (PVOID)0x1234)) ||
        !NT_SUCCESS(IoAcquireRemoveLock(&remove_lock, &remove_lock)))
        return;
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, remove_and_wait,
                         &remove_lock);
    ZwClose(thread);
}

SENDING(return_raised)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(device);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    return end(irp, STATUS_SUCCESS);
}

/* As with every synchronous IRP, the I/O manager frees it. */
SENDING(touch_after_completion)
{
    UNREFERENCED_PARAMETER(device);
    end(irp, STATUS_SUCCESS);
    seen = ((volatile IRP *)irp)->PendingReturned;
    return STATUS_SUCCESS;
}

SENDING(pass_on_with_cancel_routine)
{
    static PDEVICE_OBJECT other;
    if (device == other) {
        IoSetCancelRoutine(irp, NULL);
        return end(irp, STATUS_SUCCESS);
    }
    other = make_device(device->DriverObject);
    IoSetCancelRoutine(irp, cancel);
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(other, irp);
}

SENDING(pass_on_to_nobody)
{
    UNREFERENCED_PARAMETER(device);
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(NULL, irp);
}

SENDING(pass_on_without_location)
{
    PDEVICE_OBJECT other = make_device(device->DriverObject);
    return IoCallDriver(other, irp);
}

SENDING(complete_with_minus_one)
{
    UNREFERENCED_PARAMETER(device);
    return end(irp, -1);
}

SENDING(free_irp_of_thread)
{
    UNREFERENCED_PARAMETER(device);
    IoFreeIrp(irp);
    return STATUS_SUCCESS;
}

static VOID free_irp_as_pool(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ExFreePool(IoAllocateIrp(1, FALSE));
}

static VOID free_irp_twice(PDRIVER_OBJECT driver)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    UNREFERENCED_PARAMETER(driver);
    IoFreeIrp(irp);
    IoFreeIrp(irp);
}

static VOID use_location_below_last(PDRIVER_OBJECT driver)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    UNREFERENCED_PARAMETER(driver);
    /* Locations follow the IRP: this one begins where they end. */
    ((volatile IO_STACK_LOCATION *)(irp + 1))[1].Context = NULL;
}

static VOID delete_device_twice(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver);
    IoDeleteDevice(device);
    IoDeleteDevice(device);
}

static VOID delete_attached_device(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT lower = make_device(driver), upper = make_device(driver);
    IoAttachDeviceToDeviceStack(upper, lower);
    IoDeleteDevice(upper);
}

static VOID detach_from_nothing(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT lower = make_device(driver);
    IoDetachDevice(lower);
}

/* These come to light when the driver is unloaded. */

static VOID leave_device(PDRIVER_OBJECT driver)
{
    make_device(driver);
}

static VOID fail_and_leave_device(PDRIVER_OBJECT driver)
{
    make_device(driver);
    entry_status = STATUS_UNSUCCESSFUL;
}

static VOID leave_irp(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    IoAllocateIrp(1, FALSE);
}

static KTIMER timer;

static VOID NTAPI deferred(PKDPC object, PVOID context, PVOID first, PVOID second)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(first);
    UNREFERENCED_PARAMETER(second);
}

#define HOUR -36000000000LL

static VOID leave_timer_set(PDRIVER_OBJECT driver)
{
    LARGE_INTEGER due = {.QuadPart = HOUR};
    UNREFERENCED_PARAMETER(driver);
    KeInitializeTimer(&timer);
    KeSetTimer(&timer, due, NULL);
}

static VOID free_set_timer(PDRIVER_OBJECT driver)
{
    LARGE_INTEGER due = {.QuadPart = HOUR};
    PKTIMER set = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*set), TAG);
    UNREFERENCED_PARAMETER(driver);
    KeInitializeTimer(set);
    KeSetTimer(set, due, NULL);
    ExFreePoolWithTag(set, TAG);
}

static VOID free_queued_dpc(PDRIVER_OBJECT driver)
{
    PKDPC queued = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*queued), TAG);
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeDpc(queued, deferred, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    KeInsertQueueDpc(queued, NULL, NULL);
    ExFreePoolWithTag(queued, TAG);
    KeLowerIrql(irql);
}

static VOID NTAPI work(PVOID parameter)
{
    UNREFERENCED_PARAMETER(parameter);
}

static VOID NTAPI io_work(PDEVICE_OBJECT device, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
}

static WORK_QUEUE_ITEM item;

/* At DISPATCH_LEVEL no thread of this processor gets to it in between. */
static VOID queue_work_item_twice(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    ExInitializeWorkItem(&item, work, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExQueueWorkItem(&item, DelayedWorkQueue);
    ExQueueWorkItem(&item, DelayedWorkQueue);
    KeLowerIrql(irql);
}

static VOID queue_io_work_item_twice(PDRIVER_OBJECT driver)
{
    PIO_WORKITEM queued = IoAllocateWorkItem(make_device(driver));
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoQueueWorkItem(queued, io_work, DelayedWorkQueue, NULL);
    IoQueueWorkItem(queued, io_work, DelayedWorkQueue, NULL);
    KeLowerIrql(irql);
}

static VOID free_queued_io_work_item(PDRIVER_OBJECT driver)
{
    PIO_WORKITEM queued = IoAllocateWorkItem(make_device(driver));
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoQueueWorkItem(queued, io_work, DelayedWorkQueue, NULL);
    IoFreeWorkItem(queued);
    KeLowerIrql(irql);
}

static VOID free_queued_work_item(PDRIVER_OBJECT driver)
{
    PWORK_QUEUE_ITEM queued = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*queued), TAG);
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    ExInitializeWorkItem(queued, work, NULL);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    ExQueueWorkItem(queued, DelayedWorkQueue);
    ExFreePoolWithTag(queued, TAG);
    KeLowerIrql(irql);
}

const MISDEED misdeeds[] = {
    MISDEED(complete_twice),
    MISDEED(complete_with_cancel_routine),
    MISDEED(complete_as_pending),
    MISDEED(complete_with_minus_one),
    MISDEED(return_pending_unmarked),
    MISDEED(mark_and_return_success),
    MISDEED(forget_irp),
    MISDEED(return_other_status),
    MISDEED(return_raised),
    MISDEED(return_raised_from_cancel),
    MISDEED(keep_remove_lock),
    MISDEED(touch_after_completion),
    MISDEED(pass_on_with_cancel_routine),
    MISDEED(pass_on_to_nobody),
    MISDEED(pass_on_without_location),
    MISDEED(free_irp_of_thread),
    MISDEED(free_irp_as_pool),
    MISDEED(free_irp_twice),
    MISDEED(use_location_below_last),
    MISDEED(delete_device_twice),
    MISDEED(delete_attached_device),
    MISDEED(detach_from_nothing),
    MISDEED(leave_device),
    MISDEED(fail_and_leave_device),
    MISDEED(leave_irp),
    MISDEED(leave_timer_set),
    MISDEED(free_set_timer),
    MISDEED(free_queued_dpc),
    MISDEED(queue_work_item_twice),
    MISDEED(queue_io_work_item_twice),
    MISDEED(free_queued_io_work_item),
    MISDEED(free_queued_work_item),
    {NULL, NULL},
};
