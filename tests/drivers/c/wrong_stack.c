/*
 * A driver that does wrong with the IRPs that it passes from one device of a stack to the next.
 * Both devices are its own: the upper one misbehaves, the lower one completes or keeps what it
 * gets.
 *
 * Sources: "I/O Verification" of Driver Verifier; bug checks 0xC4 and 0xC9.
 */
#include "wrong.h"

typedef NTSTATUS BEHAVIOUR(PDEVICE_OBJECT below, PIRP irp);

/* Only the upper device has an extension. */
typedef struct {
    PDEVICE_OBJECT below;
    BEHAVIOUR *behaviour;
} UPPER;

static enum { COMPLETE, COMPLETE_PENDING, KEEP } lower_does;

static NTSTATUS lower(PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    if (lower_does != COMPLETE)
        IoMarkIrpPending(irp);
    if (lower_does == KEEP)
        return STATUS_PENDING;
    irp->IoStatus.Status = STATUS_SUCCESS;
    /* With METHOD_BUFFERED and DO_BUFFERED_IO, so many bytes are copied to the requester. */
    switch (location->MajorFunction) {
    case IRP_MJ_DEVICE_CONTROL:
        irp->IoStatus.Information = location->Parameters.DeviceIoControl.InputBufferLength;
        break;
    case IRP_MJ_READ:
        irp->IoStatus.Information = location->Parameters.Read.Length + 1;
        break;
    default:
        irp->IoStatus.Information = 0;
    }
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return lower_does == COMPLETE ? STATUS_SUCCESS : STATUS_PENDING;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    UPPER *upper = device->DeviceExtension;
    return upper ? upper->behaviour(upper->below, irp) : lower(irp);
}

static PDEVICE_OBJECT make_stack(PDRIVER_OBJECT driver, BEHAVIOUR *behaviour)
{
    PDEVICE_OBJECT upper, below;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    driver->MajorFunction[IRP_MJ_READ] = dispatch;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &below)) ||
        !NT_SUCCESS(
            IoCreateDevice(driver, sizeof(UPPER), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &upper)))
        return NULL;
    /* Nothing is attached to a device that is being initialized. */
    below->Flags &= ~DO_DEVICE_INITIALIZING;
    ((UPPER *)upper->DeviceExtension)->behaviour = behaviour;
    ((UPPER *)upper->DeviceExtension)->below = IoAttachDeviceToDeviceStack(upper, below);
    upper->Flags &= ~DO_DEVICE_INITIALIZING;
    return upper;
}

static KEVENT event;
static IO_STATUS_BLOCK block;

#define BELOW L"\\Device\\WrongBelow"

static NTSTATUS NTAPI succeed(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

/* Not wrong at all: a device for another driver, which keeps what it gets. */
static VOID keep_for_others(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(BELOW);
    PDEVICE_OBJECT device;
    lower_does = KEEP;
    driver->MajorFunction[IRP_MJ_CREATE] = succeed;
    driver->MajorFunction[IRP_MJ_CLEANUP] = succeed;
    driver->MajorFunction[IRP_MJ_CLOSE] = succeed;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    if (NT_SUCCESS(IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        device->Flags &= ~DO_DEVICE_INITIALIZING;
}

/* Sends a request to a device above that of another driver. */
static VOID flush_above_other(PDRIVER_OBJECT driver, BEHAVIOUR *behaviour)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(BELOW);
    PDEVICE_OBJECT upper, below;
    PFILE_OBJECT file;
    PIRP irp;
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = dispatch;
    if (!NT_SUCCESS(IoGetDeviceObjectPointer(&name, FILE_ALL_ACCESS, &file, &below)) ||
        !NT_SUCCESS(
            IoCreateDevice(driver, sizeof(UPPER), NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &upper)))
        return;
    ((UPPER *)upper->DeviceExtension)->behaviour = behaviour;
    ((UPPER *)upper->DeviceExtension)->below = IoAttachDeviceToDeviceStack(upper, below);
    upper->Flags &= ~DO_DEVICE_INITIALIZING;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, upper, NULL, 0, NULL, &event, &block);
    IoCallDriver(upper, irp);
}

static NTSTATUS send_twice(PDEVICE_OBJECT below, PIRP irp)
{
    IoMarkIrpPending(irp);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoCallDriver(below, irp);
    IoCallDriver(below, irp);
    return STATUS_PENDING;
}

static VOID send_irp_below(PDRIVER_OBJECT driver)
{
    flush_above_other(driver, send_twice);
}

static NTSTATUS send_and_complete(PDEVICE_OBJECT below, PIRP irp)
{
    IoMarkIrpPending(irp);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoCallDriver(below, irp);
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_PENDING;
}

static VOID complete_irp_below(PDRIVER_OBJECT driver)
{
    flush_above_other(driver, send_and_complete);
}

static VOID flush(PDRIVER_OBJECT driver, BEHAVIOUR *behaviour)
{
    PDEVICE_OBJECT upper = make_stack(driver, behaviour);
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, upper, NULL, 0, NULL, &event, &block);
    IoCallDriver(upper, irp);
}

#define BEHAVING(name)                                                                             \
    static BEHAVIOUR name##_behaviour;                                                             \
    static VOID name(PDRIVER_OBJECT driver)                                                        \
    {                                                                                              \
        flush(driver, name##_behaviour);                                                           \
    }                                                                                              \
    static NTSTATUS name##_behaviour(PDEVICE_OBJECT below, PIRP irp)

static NTSTATUS NTAPI raise_irql(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    return STATUS_SUCCESS;
}

BEHAVING(raise_irql_in_completion)
{
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, raise_irql, NULL, TRUE, TRUE, TRUE);
    return IoCallDriver(below, irp);
}

static NTSTATUS NTAPI enter_region(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    KeEnterCriticalRegion();
    return STATUS_SUCCESS;
}

BEHAVING(enter_region_in_completion)
{
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, enter_region, NULL, TRUE, TRUE, TRUE);
    return IoCallDriver(below, irp);
}

static NTSTATUS NTAPI do_nothing(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    return STATUS_SUCCESS;
}

/* Its completion routine owes the mark, if Irp->PendingReturned says so. */
BEHAVING(forget_pending)
{
    lower_does = COMPLETE_PENDING;
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, do_nothing, NULL, TRUE, TRUE, TRUE);
    return IoCallDriver(below, irp);
}

BEHAVING(change_status)
{
    IoSkipCurrentIrpStackLocation(irp);
    IoCallDriver(below, irp);
    return STATUS_UNSUCCESSFUL;
}

/* A client's request becomes one of the driver's own, whose status says that it was answered. */
BEHAVING(turn_into_read_config)
{
    PIO_STACK_LOCATION location = IoGetNextIrpStackLocation(irp);
    RtlZeroMemory(location, sizeof(*location));
    location->MajorFunction = IRP_MJ_PNP;
    location->MinorFunction = IRP_MN_READ_CONFIG;
    return IoCallDriver(below, irp);
}

BEHAVING(pend_what_was_passed_on)
{
    IoSkipCurrentIrpStackLocation(irp);
    IoCallDriver(below, irp);
    return STATUS_PENDING;
}

static NTSTATUS pass_on(PDEVICE_OBJECT below, PIRP irp)
{
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(below, irp);
}

/* The whole location: with it, the completion routine of whoever sent the IRP. */
static NTSTATUS copy_all(PDEVICE_OBJECT below, PIRP irp)
{
    *IoGetNextIrpStackLocation(irp) = *IoGetCurrentIrpStackLocation(irp);
    return IoCallDriver(below, irp);
}

static NTSTATUS NTAPI keep(PDEVICE_OBJECT device, PIRP irp, PVOID context)
{
    do_nothing(device, irp, context);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static VOID copy_completion_routine(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT upper = make_stack(driver, copy_all);
    PIRP irp = IoAllocateIrp(upper->StackSize, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(irp, keep, NULL, TRUE, TRUE, TRUE);
    IoCallDriver(upper, irp);
}

static VOID free_irp_below(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    PIRP irp = IoAllocateIrp(upper->StackSize, FALSE);
    lower_does = KEEP;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(irp, keep, NULL, TRUE, TRUE, TRUE);
    IoCallDriver(upper, irp);
    IoFreeIrp(irp);
}

static VOID reuse_irp_below(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    PIRP irp = IoAllocateIrp(upper->StackSize, FALSE);
    lower_does = KEEP;
    IoGetNextIrpStackLocation(irp)->MajorFunction = IRP_MJ_FLUSH_BUFFERS;
    IoSetCompletionRoutine(irp, keep, NULL, TRUE, TRUE, TRUE);
    IoCallDriver(upper, irp);
    IoReuseIrp(irp, STATUS_SUCCESS);
}

static VOID reuse_built_irp(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoReuseIrp(
        IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, upper, NULL, 0, NULL, &event, &block),
        STATUS_SUCCESS);
}

/* The lower device says that as much is to be copied as there was input. */
static VOID tell_too_much_information(PDRIVER_OBJECT driver)
{
    static UCHAR input[64], output[4];
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    ULONG code = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCallDriver(upper, IoBuildDeviceIoControlRequest(code, upper, input, sizeof(input), output,
                                                      sizeof(output), FALSE, &event, &block));
}

/* The same for a request that has no output at all. */
static VOID tell_information_without_output(PDRIVER_OBJECT driver)
{
    static UCHAR input[64];
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    ULONG code = CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCallDriver(upper, IoBuildDeviceIoControlRequest(code, upper, input, sizeof(input), NULL, 0,
                                                      FALSE, &event, &block));
}

/* The lower device says that it has read more than it was asked for. */
static VOID tell_too_much_read(PDRIVER_OBJECT driver)
{
    static UCHAR bytes[4];
    PDEVICE_OBJECT upper = make_stack(driver, pass_on);
    LARGE_INTEGER offset = {.QuadPart = 0};
    upper->Flags |= DO_BUFFERED_IO;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoCallDriver(upper, IoBuildSynchronousFsdRequest(IRP_MJ_READ, upper, bytes, sizeof(bytes),
                                                     &offset, &event, &block));
}

const MISDEED misdeeds[] = {
    MISDEED(keep_for_others),
    MISDEED(send_irp_below),
    MISDEED(complete_irp_below),
    MISDEED(raise_irql_in_completion),
    MISDEED(enter_region_in_completion),
    MISDEED(forget_pending),
    MISDEED(change_status),
    MISDEED(turn_into_read_config),
    MISDEED(pend_what_was_passed_on),
    MISDEED(copy_completion_routine),
    MISDEED(free_irp_below),
    MISDEED(reuse_irp_below),
    MISDEED(reuse_built_irp),
    MISDEED(tell_too_much_information),
    MISDEED(tell_information_without_output),
    MISDEED(tell_too_much_read),
    {NULL, NULL},
};
