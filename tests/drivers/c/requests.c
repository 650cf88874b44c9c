/*
 * A driver that is its own client: it opens its device by name, and makes requests of it in all
 * the ways that the kernel has for drivers. It has no use for hardware, and says in the end
 * whether all was as documented, or else at which line it was not.
 *
 * Sources: ZwCreateFile, ZwReadFile, ZwWriteFile, ZwDeviceIoControlFile,
 * IoGetDeviceObjectPointer, IoBuildSynchronousFsdRequest, IoBuildAsynchronousFsdRequest,
 * IoBuildDeviceIoControlRequest, IoSetCompletionRoutineEx, IoCreateNotificationEvent,
 * IoCreateSynchronizationEvent, PoRegisterPowerSettingCallback, IoCheckShareAccess.
 */
#include <ntddk.h>

#define CODE(function, method) (ULONG)CTL_CODE(0x9030, function, method, FILE_ANY_ACCESS)
#define IOCTL_DOUBLE(method) CODE(0x800, method)
#define IOCTL_KEEP CODE(0x801, METHOD_BUFFERED)

/* In Microsoft's headers it is *IoFileObjectType: there the name stands for the import's slot,
 * with mingw-w64's headers, which say dllimport, for what the slot points to. */
#define FILE_TYPE ((POBJECT_TYPE)IoFileObjectType)

#define CHECK(condition)          \
    do {                          \
        if (!(condition))         \
            return __LINE__;      \
    } while (0)

static PDEVICE_OBJECT device;
static PIRP volatile kept;
static SHARE_ACCESS shared;
static LONG opened, cleaned, closed;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI dispatch_file(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;
    UNREFERENCED_PARAMETER(object);
    switch (location->MajorFunction) {
    case IRP_MJ_CREATE:
        status = IoCheckShareAccess(location->Parameters.Create.SecurityContext->DesiredAccess,
                                    location->Parameters.Create.ShareAccess, location->FileObject,
                                    &shared, TRUE);
        if (NT_SUCCESS(status))
            opened++;
        return finish(irp, status, NT_SUCCESS(status) ? FILE_OPENED : 0);
    case IRP_MJ_CLEANUP:
        IoRemoveShareAccess(location->FileObject, &shared);
        cleaned++;
        return finish(irp, STATUS_SUCCESS, 0);
    default:
        closed++;
        return finish(irp, STATUS_SUCCESS, 0);
    }
}

/* Gives the bytes from the offset on, and wants them so. */
static NTSTATUS NTAPI dispatch_transfer(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    PUCHAR data = irp->AssociatedIrp.SystemBuffer;
    ULONG i, length = location->Parameters.Read.Length;
    UCHAR first = (UCHAR)location->Parameters.Read.ByteOffset.QuadPart;
    UNREFERENCED_PARAMETER(object);
    for (i = 0; i < length; i++) {
        if (location->MajorFunction == IRP_MJ_READ)
            data[i] = first + i;
        else if (data[i] != (UCHAR)(first + i))
            return finish(irp, STATUS_INVALID_PARAMETER, i);
    }
    return finish(irp, STATUS_SUCCESS, length);
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    ULONG *in = irp->AssociatedIrp.SystemBuffer, *out = in;
    UNREFERENCED_PARAMETER(object);
    if (code == IOCTL_KEEP) {
        IoMarkIrpPending(irp);
        kept = irp;
        return STATUS_PENDING;
    }
    switch (code & 3) {
    case METHOD_BUFFERED:
        break;
    case METHOD_NEITHER:
        in = location->Parameters.DeviceIoControl.Type3InputBuffer;
        out = irp->UserBuffer;
        break;
    default:
        out = MmGetSystemAddressForMdlSafe(irp->MdlAddress, NormalPagePriority);
        if (!out)
            return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
        break;
    }
    if (location->Parameters.DeviceIoControl.InputBufferLength != sizeof(ULONG) ||
        location->Parameters.DeviceIoControl.OutputBufferLength != sizeof(ULONG))
        return finish(irp, STATUS_INVALID_PARAMETER, 0);
    *out = 2 * *in;
    return finish(irp, STATUS_SUCCESS, sizeof(ULONG));
}

static const ULONG methods[] = {IOCTL_DOUBLE(METHOD_BUFFERED), IOCTL_DOUBLE(METHOD_IN_DIRECT),
                                IOCTL_DOUBLE(METHOD_OUT_DIRECT), IOCTL_DOUBLE(METHOD_NEITHER)};

static UNICODE_STRING device_name = RTL_CONSTANT_STRING(L"\\Device\\Requests");

static int by_handle(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;
    LARGE_INTEGER offset;
    HANDLE handle, other;
    UCHAR bytes[4];
    ULONG i, number;
    PFILE_OBJECT file;
    InitializeObjectAttributes(&attributes, &device_name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwCreateFile(&handle, GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE, &attributes, &block,
                       NULL, 0, FILE_SHARE_READ, FILE_OPEN, FILE_SYNCHRONOUS_IO_NONALERT, NULL,
                       0) == STATUS_SUCCESS);
    CHECK(block.Status == STATUS_SUCCESS && block.Information == FILE_OPENED && opened == 1);
    CHECK(ZwOpenFile(&other, GENERIC_WRITE, &attributes, &block, FILE_SHARE_READ, 0) ==
          STATUS_SHARING_VIOLATION);
    CHECK(ZwReadFile(handle, NULL, NULL, NULL, &block, bytes, 2, NULL, NULL) == STATUS_SUCCESS);
    CHECK(block.Information == 2 && bytes[0] == 0 && bytes[1] == 1);
    CHECK(ZwReadFile(handle, NULL, NULL, NULL, &block, bytes, 2, NULL, NULL) == STATUS_SUCCESS);
    CHECK(bytes[0] == 2 && bytes[1] == 3);
    offset.QuadPart = 3;
    bytes[0] = 3;
    CHECK(ZwWriteFile(handle, NULL, NULL, NULL, &block, bytes, 1, &offset, NULL) ==
          STATUS_SUCCESS);
    CHECK(ZwWriteFile(handle, NULL, NULL, NULL, &block, bytes, 1, &offset, NULL) ==
          STATUS_SUCCESS);
    CHECK(ZwWriteFile(handle, NULL, NULL, NULL, &block, bytes, 1, NULL, NULL) ==
          STATUS_INVALID_PARAMETER);
    for (i = 0; i < ARRAYSIZE(methods); i++) {
        number = 21;
        CHECK(ZwDeviceIoControlFile(handle, NULL, NULL, NULL, &block, methods[i], &number,
                                    sizeof(number), &number, sizeof(number)) == STATUS_SUCCESS);
        CHECK(block.Information == sizeof(number) && number == 42);
    }
    CHECK(ObReferenceObjectByHandle(handle, FILE_READ_DATA, FILE_TYPE, KernelMode,
                                    (PVOID *)&file, NULL) == STATUS_SUCCESS);
    CHECK(file->DeviceObject == device && IoGetRelatedDeviceObject(file) == device);
    CHECK(ZwClose(handle) == STATUS_SUCCESS && cleaned == 1 && closed == 0);
    ObDereferenceObject(file);
    CHECK(closed == 1);
    return 0;
}

static int by_pointer(VOID)
{
    PDEVICE_OBJECT top;
    PFILE_OBJECT file;
    IO_STATUS_BLOCK block;
    LARGE_INTEGER offset;
    KEVENT event;
    UCHAR bytes[4];
    ULONG i, in, out;
    PIRP irp;
    CHECK(IoGetDeviceObjectPointer(&device_name, FILE_READ_DATA, &file, &top) == STATUS_SUCCESS);
    CHECK(top == device && opened == 2 && cleaned == 2 && closed == 1);
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    offset.QuadPart = 0x30;
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_READ, top, bytes, sizeof(bytes), &offset, &event,
                                       &block);
    CHECK(irp && IoCallDriver(top, irp) == STATUS_SUCCESS);
    CHECK(KeReadStateEvent(&event) && block.Information == sizeof(bytes) && bytes[3] == 0x33);
    for (i = 0; i < ARRAYSIZE(methods); i++) {
        KeClearEvent(&event);
        in = 50 + i;
        irp = IoBuildDeviceIoControlRequest(methods[i], top, &in, sizeof(in), &out, sizeof(out),
                                            FALSE, &event, &block);
        CHECK(irp && IoCallDriver(top, irp) == STATUS_SUCCESS);
        CHECK(KeReadStateEvent(&event) && block.Information == sizeof(out) && out == 2 * in);
    }
    /* One that is complete later. */
    KeClearEvent(&event);
    irp = IoBuildDeviceIoControlRequest(IOCTL_KEEP, top, NULL, 0, NULL, 0, FALSE, &event, &block);
    CHECK(irp && IoCallDriver(top, irp) == STATUS_PENDING);
    CHECK(kept == irp && !KeReadStateEvent(&event));
    finish(kept, STATUS_SUCCESS, 0);
    CHECK(KeReadStateEvent(&event) && block.Status == STATUS_SUCCESS);
    ObDereferenceObject(file);
    CHECK(closed == 2);
    return 0;
}

static NTSTATUS NTAPI take_down(PDEVICE_OBJECT object, PIRP irp, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    *(NTSTATUS *)context = irp->IoStatus.Status;
    if (irp->AssociatedIrp.SystemBuffer && (irp->Flags & IRP_DEALLOCATE_BUFFER))
        ExFreePool(irp->AssociatedIrp.SystemBuffer);
    IoFreeIrp(irp);
    return STATUS_MORE_PROCESSING_REQUIRED;
}

static int asynchronous(VOID)
{
    NTSTATUS status = STATUS_PENDING;
    UCHAR bytes[] = {7, 8, 9};
    LARGE_INTEGER offset;
    PIRP irp;
    offset.QuadPart = 7;
    irp = IoBuildAsynchronousFsdRequest(IRP_MJ_WRITE, device, bytes, sizeof(bytes), &offset, NULL);
    CHECK(irp);
    CHECK(IoSetCompletionRoutineEx(device, irp, take_down, &status, TRUE, TRUE, TRUE) ==
          STATUS_SUCCESS);
    CHECK(IoCallDriver(device, irp) == STATUS_SUCCESS && status == STATUS_SUCCESS);
    return 0;
}

static int events(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\Requests");
    HANDLE first, second;
    PKEVENT event = IoCreateNotificationEvent(&name, &first);
    LARGE_INTEGER now;
    CHECK(event && KeReadStateEvent(event));
    KeClearEvent(event);
    CHECK(IoCreateSynchronizationEvent(&name, &second) == event);
    now.QuadPart = 0;
    CHECK(KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &now) == STATUS_TIMEOUT);
    KeSetEvent(event, IO_NO_INCREMENT, FALSE);
    CHECK(KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &now) == STATUS_SUCCESS);
    CHECK(ZwClose(first) == STATUS_SUCCESS && ZwClose(second) == STATUS_SUCCESS);
    return 0;
}

static ULONG source = ~0u;

static NTSTATUS NTAPI setting_changed(LPCGUID setting, PVOID value, ULONG length, PVOID context)
{
    UNREFERENCED_PARAMETER(setting);
    if (length == sizeof(ULONG))
        *(ULONG *)context = *(ULONG *)value;
    return STATUS_SUCCESS;
}

static int others(VOID)
{
    /* GUID_ACDC_POWER_SOURCE */
    static const GUID setting = {
        0x5d3e9a59, 0xe9d5, 0x4b00, {0xa6, 0xbd, 0xff, 0x34, 0xff, 0x51, 0x65, 0x48}};
    ULONG_PTR low, high;
    PULONG idle;
    PVOID handle;
    CHECK(PoRegisterPowerSettingCallback(NULL, &setting, setting_changed, &source, &handle) ==
          STATUS_SUCCESS);
    CHECK(source == 0); /* PoAc */
    CHECK(PoUnregisterPowerSettingCallback(handle) == STATUS_SUCCESS);
    idle = PoRegisterDeviceForIdleDetection(device, 0, 1000, PowerDeviceD3);
    CHECK(idle);
    PoSetDeviceBusy(idle);
    CHECK(!PoRegisterDeviceForIdleDetection(device, 0, 0, PowerDeviceD3));
    IoGetStackLimits(&low, &high);
    CHECK(low < (ULONG_PTR)&handle && (ULONG_PTR)&handle < high);
    CHECK((ULONG_PTR)IoGetInitialStack() == high);
    CHECK(IoIsWdmVersionAvailable(6, 0) && !IoIsWdmVersionAvailable(7, 0));
    return 0;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    static int (*const tests[])(VOID) = {by_handle, by_pointer, asynchronous, events, others};
    NTSTATUS status;
    int line = 0;
    ULONG i;
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_file;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_file;
    driver->MajorFunction[IRP_MJ_READ] = dispatch_transfer;
    driver->MajorFunction[IRP_MJ_WRITE] = dispatch_transfer;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    status = IoCreateDevice(driver, 0, &device_name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    device->Flags |= DO_BUFFERED_IO;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    for (i = 0; i < ARRAYSIZE(tests) && !line; i++)
        line = tests[i]();
    if (line)
        DbgPrint("requests: line %d is not as documented\n", line);
    else
        DbgPrint("requests: all is as documented\n");
    return STATUS_SUCCESS;
}
