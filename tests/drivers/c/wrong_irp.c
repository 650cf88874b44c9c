/*
 * A driver that does wrong with what IRPs, waits and objects are made of: sends what is none, at a
 * wrong IRQL, from or in memory that is not theirs.
 *
 * Sources: bug checks 0xC4 and 0xC9; the pages of the routines.
 */
#include "wrong.h"

#define DEVICE_IRQL 8

static KEVENT event;
static IO_STATUS_BLOCK block;

static NTSTATUS complete(PIRP irp)
{
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI succeed(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return complete(irp);
}

static PDEVICE_OBJECT make_device(PDRIVER_OBJECT driver, PDRIVER_DISPATCH dispatch)
{
    PDEVICE_OBJECT device = NULL;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    if (NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        device->Flags &= ~DO_DEVICE_INITIALIZING;
    return device;
}

/* A request that has not been sent, with an event in this state. */
static PIRP make_request(PDEVICE_OBJECT device, BOOLEAN signalled)
{
    KeInitializeEvent(&event, NotificationEvent, signalled);
    return IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL, &event,
                                        &block);
}

static VOID flush(PDRIVER_OBJECT driver, PDRIVER_DISPATCH dispatch)
{
    PDEVICE_OBJECT device = make_device(driver, dispatch);
    IoCallDriver(device, make_request(device, FALSE));
}

static PIRP make_irp(UCHAR major)
{
    PIRP irp = IoAllocateIrp(2, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = major;
    return irp;
}

static VOID send_no_irp(PDRIVER_OBJECT driver)
{
    PIRP irp = ExAllocatePoolWithTag(NonPagedPoolNx, IoSizeOfIrp(2), TAG);
    RtlZeroMemory(irp, IoSizeOfIrp(2));
    IoCallDriver(make_device(driver, succeed), irp);
}

static VOID send_to_no_device(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*device), TAG);
    UNREFERENCED_PARAMETER(driver);
    RtlZeroMemory(device, sizeof(*device));
    IoCallDriver(device, make_irp(IRP_MJ_FLUSH_BUFFERS));
}

static VOID NTAPI tick(PDEVICE_OBJECT device, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(context);
}

static VOID initialize_timer_twice(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, succeed);
    IoInitializeTimer(device, tick, NULL);
    IoInitializeTimer(device, tick, NULL);
}

static NTSTATUS NTAPI complete_at_device_irql_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(device);
    KeRaiseIrql(DEVICE_IRQL, &irql);
    return complete(irp);
}

static VOID complete_at_device_irql(PDRIVER_OBJECT driver)
{
    flush(driver, complete_at_device_irql_dispatch);
}

static VOID send_at_device_irql(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, succeed);
    PIRP irp = make_irp(IRP_MJ_FLUSH_BUFFERS);
    KIRQL irql;
    KeRaiseIrql(DEVICE_IRQL, &irql);
    IoCallDriver(device, irp);
}

static VOID send_marked_location(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, succeed);
    PIRP irp = make_irp(IRP_MJ_FLUSH_BUFFERS);
    IoGetNextIrpStackLocation(irp)->Control = SL_PENDING_RETURNED;
    IoCallDriver(device, irp);
}

static VOID initialize_allocated_irp(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    IoInitializeIrp(make_irp(IRP_MJ_FLUSH_BUFFERS), IoSizeOfIrp(2), 2);
}

static NTSTATUS NTAPI return_minus_one_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    complete(irp);
    return -1;
}

static VOID return_minus_one(PDRIVER_OBJECT driver)
{
    flush(driver, return_minus_one_dispatch);
}

static VOID create_at_dispatch(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, succeed);
    PIRP irp = make_irp(IRP_MJ_CREATE);
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    IoCallDriver(device, irp);
}

static NTSTATUS NTAPI keep(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    IoMarkIrpPending(irp);
    return STATUS_PENDING;
}

static VOID send_with_signalled_event(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, keep);
    IoCallDriver(device, make_request(device, TRUE));
}

static VOID send_without_interrupts(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device = make_device(driver, succeed);
    PIRP irp = make_request(device, FALSE);
    __asm__ volatile("cli");
    IoCallDriver(device, irp);
}

static NTSTATUS NTAPI return_without_interrupts_dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    complete(irp);
    __asm__ volatile("cli");
    return STATUS_SUCCESS;
}

static VOID return_without_interrupts(PDRIVER_OBJECT driver)
{
    flush(driver, return_without_interrupts_dispatch);
}

static VOID wait_for_what_is_on_stack(PDRIVER_OBJECT driver)
{
    KEVENT local;
    UNREFERENCED_PARAMETER(driver);
    KeInitializeEvent(&local, NotificationEvent, TRUE);
    KeWaitForSingleObject(&local, Executive, UserMode, FALSE, NULL);
}

static VOID NTAPI work(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
}

static VOID queue_pageable_work_item(PDRIVER_OBJECT driver)
{
    PWORK_QUEUE_ITEM item = ExAllocatePoolWithTag(PagedPool, sizeof(*item), TAG);
    UNREFERENCED_PARAMETER(driver);
    ExInitializeWorkItem(item, work, NULL);
    ExQueueWorkItem(item, DelayedWorkQueue);
}

static VOID make_pageable_event(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    KeInitializeEvent(ExAllocatePoolWithTag(PagedPool, sizeof(KEVENT), TAG), NotificationEvent,
                      FALSE);
}

static VOID reference_null_handle(PDRIVER_OBJECT driver)
{
    PVOID object;
    UNREFERENCED_PARAMETER(driver);
    ObReferenceObjectByHandle(NULL, SYNCHRONIZE, NULL, KernelMode, &object, NULL);
}

static VOID free_at_device_irql(PDRIVER_OBJECT driver)
{
    PVOID memory = ExAllocatePoolWithTag(NonPagedPoolNx, 64, TAG);
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DEVICE_IRQL, &irql);
    ExFreePoolWithTag(memory, TAG);
}

const MISDEED misdeeds[] = {
    MISDEED(send_no_irp),
    MISDEED(send_to_no_device),
    MISDEED(initialize_timer_twice),
    MISDEED(complete_at_device_irql),
    MISDEED(send_at_device_irql),
    MISDEED(send_marked_location),
    MISDEED(initialize_allocated_irp),
    MISDEED(return_minus_one),
    MISDEED(create_at_dispatch),
    MISDEED(send_with_signalled_event),
    MISDEED(send_without_interrupts),
    MISDEED(return_without_interrupts),
    MISDEED(wait_for_what_is_on_stack),
    MISDEED(queue_pageable_work_item),
    MISDEED(make_pageable_event),
    MISDEED(reference_null_handle),
    MISDEED(free_at_device_irql),
    {NULL, NULL},
};
