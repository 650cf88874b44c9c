/*
 * A device that no bus has: made in DriverEntry, with a name and a symbolic link for programs. The
 * I/O manager clears DO_DEVICE_INITIALIZING of such a device, not its driver.
 *
 * Its request comes with METHOD_NEITHER: the addresses are the program's own, which it may have
 * made up, or may free meanwhile.
 */
#include "exceptions.h"

/* Answers with the sum of the input's bytes, 8 bytes long. */
#define IOCTL_SUM CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS)

static UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\EduExceptions");

static NTSTATUS sum_bytes(PIRP irp, PIO_STACK_LOCATION stack)
{
    PUCHAR input = stack->Parameters.DeviceIoControl.Type3InputBuffer;
    ULONG length = stack->Parameters.DeviceIoControl.InputBufferLength, i;
    ULONG64 sum = 0;
    UCHAR part[64];
    if (stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(sum))
        return STATUS_BUFFER_TOO_SMALL;
    __try {
        ProbeForRead(input, length, 1);
        ProbeForWrite(irp->UserBuffer, sizeof(sum), 1);
        if (length > sizeof(part))
            ExRaiseStatus(STATUS_INVALID_PARAMETER);
        /* It may be gone by now: the copy is what finds out. */
        RtlCopyMemory(part, input, length);
        for (i = 0; i < length; i++)
            sum += part[i];
        RtlCopyMemory(irp->UserBuffer, &sum, sizeof(sum));
    } __except (EXCEPTION_EXECUTE_HANDLER) {
        return GetExceptionCode();
    }
    irp->IoStatus.Information = sizeof(sum);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = STATUS_SUCCESS;
    UNREFERENCED_PARAMETER(device);
    irp->IoStatus.Information = 0;
    if (stack->MajorFunction == IRP_MJ_DEVICE_CONTROL)
        status = stack->Parameters.DeviceIoControl.IoControlCode == IOCTL_SUM
                     ? sum_bytes(irp, stack)
                     : STATUS_INVALID_DEVICE_REQUEST;
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

NTSTATUS make_device(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\EduExceptions");
    PDEVICE_OBJECT device;
    NTSTATUS status;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch;
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(device);
    return status;
}

VOID delete_device(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}
