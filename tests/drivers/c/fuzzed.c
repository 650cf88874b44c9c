/*
 * A legacy driver with mistakes that drivers make in their control codes, each behind something that
 * a request must get right first. A fuzzer is to find all of them.
 *
 * Sources: "Security Issues for I/O Control Codes", "Failure to Validate Variable-Length Buffers",
 * "Errors in Referencing User-Space Addresses".
 */
#include <ntddk.h>

#define TAG 'zzuF'
#define CODE(function, method) \
    (ULONG)CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (function), method, FILE_ANY_ACCESS)

/* Copies as many bytes as the input's first field says, and does not ask how many there are. */
#define IOCTL_COPY CODE(0, METHOD_BUFFERED)
/* Reads from the address that the process has given, as if it could not be wrong. */
#define IOCTL_NEITHER CODE(1, METHOD_NEITHER)
/* Divides by a field of the input, behind a version. */
#define IOCTL_DIVIDE CODE(2, METHOD_BUFFERED)
/* These three make a state of several requests. */
#define IOCTL_ALLOCATE CODE(3, METHOD_BUFFERED)
#define IOCTL_FREE CODE(4, METHOD_BUFFERED)
#define IOCTL_USE CODE(5, METHOD_BUFFERED)
/* Falls if the input is a word, which is compared byte by byte. */
#define IOCTL_WORD CODE(6, METHOD_BUFFERED)
/* Is right. */
#define IOCTL_ECHO CODE(7, METHOD_BUFFERED)

#define VERSION 0x31415926

typedef struct {
    ULONG version;
    ULONG divisor;
} DIVIDE;

static const UCHAR word[4] = {'p', 'i', 'e', 'r'};
static UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Fuzzed");
static ULONG *volatile allocation;
static volatile ULONG sink;

static NTSTATUS copy(const UCHAR *input, ULONG length)
{
    UCHAR *bytes;
    ULONG count;
    if (length < sizeof(ULONG))
        return STATUS_BUFFER_TOO_SMALL;
    count = *(const ULONG *)input;
    bytes = ExAllocatePoolWithTag(NonPagedPoolNx, 64, TAG);
    if (!bytes)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (count > 4096)
        count = 4096;
    for (ULONG at = 0; at < count; at++)
        bytes[at] = (UCHAR)at;
    sink = bytes[0];
    ExFreePoolWithTag(bytes, TAG);
    return STATUS_SUCCESS;
}

static NTSTATUS neither(const volatile ULONG *address, ULONG length)
{
    if (length < sizeof(ULONG))
        return STATUS_BUFFER_TOO_SMALL;
    sink = *address;
    return STATUS_SUCCESS;
}

static NTSTATUS divide(const DIVIDE *input, ULONG length)
{
    if (length < sizeof(DIVIDE))
        return STATUS_BUFFER_TOO_SMALL;
    if (input->version != VERSION)
        return STATUS_REVISION_MISMATCH;
    sink = 1000 / *(const volatile ULONG *)&input->divisor;
    return STATUS_SUCCESS;
}

static NTSTATUS allocate(void)
{
    if (!allocation)
        allocation = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(ULONG), TAG);
    return allocation ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static BOOLEAN is_freed;

static NTSTATUS release(void)
{
    if (!allocation || is_freed)
        return STATUS_INVALID_DEVICE_STATE;
    ExFreePoolWithTag(allocation, TAG);
    is_freed = TRUE;
    return STATUS_SUCCESS;
}

static NTSTATUS use(void)
{
    if (!allocation)
        return STATUS_INVALID_DEVICE_STATE;
    *allocation = 1;
    return STATUS_SUCCESS;
}

static NTSTATUS spell(const volatile UCHAR *input, ULONG length)
{
    for (ULONG at = 0; at < sizeof(word); at++)
        if (at >= length)
            return STATUS_BUFFER_TOO_SMALL;
    /* One comparison after the other, each of them a branch of its own. */
    if (input[0] != word[0])
        return STATUS_INVALID_PARAMETER_1;
    if (input[1] != word[1])
        return STATUS_INVALID_PARAMETER_2;
    if (input[2] != word[2])
        return STATUS_INVALID_PARAMETER_3;
    if (input[3] != word[3])
        return STATUS_INVALID_PARAMETER_4;
    *(volatile ULONG *)0 = 1;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    void *buffer = irp->AssociatedIrp.SystemBuffer;
    ULONG length = location->Parameters.DeviceIoControl.InputBufferLength;
    ULONG room = location->Parameters.DeviceIoControl.OutputBufferLength;
    ULONG_PTR information = 0;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(object);
    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_COPY:
        status = copy(buffer, length);
        break;
    case IOCTL_NEITHER:
        status = neither(location->Parameters.DeviceIoControl.Type3InputBuffer, length);
        break;
    case IOCTL_DIVIDE:
        status = divide(buffer, length);
        break;
    case IOCTL_ALLOCATE:
        status = allocate();
        break;
    case IOCTL_FREE:
        status = release();
        break;
    case IOCTL_USE:
        status = use();
        break;
    case IOCTL_WORD:
        status = spell(buffer, length);
        break;
    case IOCTL_ECHO:
        information = length < room ? length : room;
        status = STATUS_SUCCESS;
        break;
    default:
        status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    if (allocation && !is_freed)
        ExFreePoolWithTag(allocation, TAG);
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Fuzzed");
    PDEVICE_OBJECT object;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &object);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(object);
    return status;
}
