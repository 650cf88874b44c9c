/*
 * A driver that does wrong with plug-and-play and power requests. The device is `edu`.
 *
 * Sources: bug check 0xC9; "Handling IRPs"; the pages of the minor codes.
 */
#define WRONG_DEVICE
#include "wrong.h"

/* From now on, the driver's requests of a kind are served by this routine. */
#define SERVE(name, major, kind)                                                                   \
    static NTSTATUS NTAPI name##_dispatch(PDEVICE_OBJECT object, PIRP irp);                        \
    static VOID name(PDRIVER_OBJECT driver)                                                        \
    {                                                                                              \
        driver->MajorFunction[major] = name##_dispatch;                                            \
        kind;                                                                                      \
    }                                                                                              \
    static NTSTATUS NTAPI name##_dispatch(__attribute__((unused)) PDEVICE_OBJECT object, PIRP irp)

/* The one that is served is among those that follow the start. */
#define SERVE_PNP(name) SERVE(name, IRP_MJ_PNP, )

static VOID request_power(VOID)
{
    POWER_STATE state = {.DeviceState = PowerDeviceD3};
    LARGE_INTEGER second = {.QuadPart = -10000000};
    PoRequestPowerIrp(physical, IRP_MN_SET_POWER, state, NULL, NULL, NULL);
    KeDelayExecutionThread(KernelMode, FALSE, &second);
}

#define SERVE_POWER(name) SERVE(name, IRP_MJ_POWER, request_power())

static NTSTATUS complete(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS pass_on(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(next, irp);
}

SERVE_PNP(complete_untouched)
{
    return complete(irp, STATUS_NOT_SUPPORTED);
}

SERVE_PNP(complete_successful)
{
    return complete(irp, STATUS_SUCCESS);
}

SERVE_PNP(pass_on_failed)
{
    return pass_on(irp, STATUS_UNSUCCESSFUL);
}

SERVE_POWER(complete_power_untouched)
{
    return complete(irp, STATUS_NOT_SUPPORTED);
}

SERVE_POWER(complete_power_successful)
{
    return complete(irp, STATUS_SUCCESS);
}

SERVE_POWER(pass_on_failed_power)
{
    return pass_on(irp, STATUS_UNSUCCESSFUL);
}

/* Its driver may not fail it: the device does not ask whether there is memory. */
SERVE_POWER(fail_power)
{
    return complete(irp, STATUS_INSUFFICIENT_RESOURCES);
}

/* The same when the drivers below have done their part of it. */
static NTSTATUS NTAPI fail_completed(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(context);
    complete(irp, STATUS_INSUFFICIENT_RESOURCES);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

SERVE_POWER(fail_completed_power)
{
    IoMarkIrpPending(irp);
    IoCopyCurrentIrpStackLocationToNext(irp);
    IoSetCompletionRoutine(irp, fail_completed, NULL, TRUE, TRUE, TRUE);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoCallDriver(next, irp);
    return STATUS_PENDING;
}

/* One request is served otherwise than it should be, the others as they should. */
#define SERVE_MINOR(name, minor)                                                                   \
    static NTSTATUS name##_dispatch(PIRP irp);                                                     \
    static NTSTATUS NTAPI name##_or_other(PDEVICE_OBJECT object, PIRP irp)                         \
    {                                                                                              \
        if (IoGetCurrentIrpStackLocation(irp)->MinorFunction == minor)                             \
            return name##_dispatch(irp);                                                           \
        return dispatch_pnp(object, irp);                                                          \
    }                                                                                              \
    static VOID name(PDRIVER_OBJECT driver)                                                        \
    {                                                                                              \
        driver->MajorFunction[IRP_MJ_PNP] = name##_or_other;                                       \
    }                                                                                              \
    static NTSTATUS name##_dispatch(PIRP irp)

SERVE_MINOR(leave_attached, IRP_MN_REMOVE_DEVICE)
{
    return pass_on(irp, STATUS_SUCCESS);
}

SERVE_MINOR(leave_undeleted, IRP_MN_REMOVE_DEVICE)
{
    NTSTATUS status = pass_on(irp, STATUS_SUCCESS);
    IoDetachDevice(next);
    return status;
}

SERVE_MINOR(fail_removal, IRP_MN_REMOVE_DEVICE)
{
    return complete(irp, STATUS_UNSUCCESSFUL);
}

SERVE_MINOR(fail_surprise_removal, IRP_MN_SURPRISE_REMOVAL)
{
    return complete(irp, STATUS_UNSUCCESSFUL);
}

SERVE_MINOR(detach_at_surprise_removal, IRP_MN_SURPRISE_REMOVAL)
{
    NTSTATUS status = pass_on(irp, STATUS_SUCCESS);
    IoDetachDevice(next);
    return status;
}

SERVE_MINOR(delete_at_surprise_removal, IRP_MN_SURPRISE_REMOVAL)
{
    NTSTATUS status = pass_on(irp, STATUS_SUCCESS);
    IoDetachDevice(next);
    IoDeleteDevice(self);
    return status;
}

/* Another device of the driver, above its own, succeeds; its own knows better. */
static NTSTATUS NTAPI take_status_back_dispatch(PDEVICE_OBJECT object, PIRP irp)
{
    if (object == self)
        return pass_on(irp, STATUS_NOT_SUPPORTED);
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(self, irp);
}

static VOID take_status_back(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT above;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &above)))
        return;
    IoAttachDeviceToDeviceStack(above, physical);
    above->Flags &= ~DO_DEVICE_INITIALIZING;
    driver->MajorFunction[IRP_MJ_PNP] = take_status_back_dispatch;
}

/* Sends a request of the driver's own. */
static VOID send(UCHAR major, UCHAR minor, NTSTATUS status)
{
    static KEVENT event;
    static IO_STATUS_BLOCK block;
    PIRP irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, next, NULL, 0, NULL, &event,
                                            &block);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    IoGetNextIrpStackLocation(irp)->MajorFunction = major;
    IoGetNextIrpStackLocation(irp)->MinorFunction = minor;
    irp->IoStatus.Status = status;
    IoCallDriver(next, irp);
}

static VOID send_without_status(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    send(IRP_MJ_PNP, IRP_MN_QUERY_CAPABILITIES, STATUS_SUCCESS);
}

static VOID send_power_without_status(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    send(IRP_MJ_POWER, IRP_MN_WAIT_WAKE, STATUS_SUCCESS);
}

static VOID send_control_without_status(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    send(IRP_MJ_SYSTEM_CONTROL, IRP_MN_REGINFO, STATUS_SUCCESS);
}

static VOID send_reserved(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    send(IRP_MJ_PNP, IRP_MN_QUERY_PNP_DEVICE_STATE, STATUS_NOT_SUPPORTED);
}

static VOID send_power(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    send(IRP_MJ_POWER, IRP_MN_SET_POWER, STATUS_NOT_SUPPORTED);
}

/* The system's own routine, which serves whatever a driver has none for, is what READ has. */
static VOID have_no_power_routine(PDRIVER_OBJECT driver)
{
    driver->MajorFunction[IRP_MJ_POWER] = driver->MajorFunction[IRP_MJ_READ];
    request_power();
}

const MISDEED misdeeds[] = {
    MISDEED(leave_attached),
    MISDEED(leave_undeleted),
    MISDEED(fail_removal),
    MISDEED(fail_surprise_removal),
    MISDEED(detach_at_surprise_removal),
    MISDEED(delete_at_surprise_removal),
    MISDEED(complete_untouched),
    MISDEED(complete_successful),
    MISDEED(pass_on_failed),
    MISDEED(take_status_back),
    MISDEED(send_without_status),
    MISDEED(send_power_without_status),
    MISDEED(send_control_without_status),
    MISDEED(send_reserved),
    MISDEED(send_power),
    MISDEED(complete_power_untouched),
    MISDEED(complete_power_successful),
    MISDEED(pass_on_failed_power),
    MISDEED(have_no_power_routine),
    MISDEED(fail_power),
    MISDEED(fail_completed_power),
    {NULL, NULL},
};
