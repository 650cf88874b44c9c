/*
 * A WDM driver that provides a WMI data block with two instances, a method and an event, by the
 * WMI library, and that uses them itself: what came of that its client asks for.
 *
 * Sources: WmiSystemControl, WmiCompleteRequest, WmiFireEvent, IoWMIRegistrationControl,
 * IoWMIOpenBlock, IoWMIQueryAllData, IoWMIQuerySingleInstance, IoWMISetSingleInstance,
 * IoWMISetSingleItem, IoWMIExecuteMethod, IoWMISetNotificationCallback.
 */
#include <ntddk.h>
#include <wmistr.h>
#include <wmilib.h>

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0050} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x50}};
static const GUID DATA_BLOCK = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x51}};
static const GUID EVENT_BLOCK = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x52}};
/* Nobody provides it. */
static const GUID NO_BLOCK = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x53}};

#define TAG 'imWT'
/* Uses the blocks; gives the number of the step that failed, and its status. */
#define IOCTL_USE (ULONG)CTL_CODE(0x9050, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)
/* How often a routine of the library's was called: the COUNTS. */
#define IOCTL_COUNTS (ULONG)CTL_CODE(0x9050, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

#define DATA_INDEX 0
#define EVENT_INDEX 1
#define METHOD_ADD 7
#define ITEM_FIRST 1

typedef struct {
    LONG reginfo;
    LONG collection_on;
    LONG collection_off;
    LONG events_on;
    LONG events_off;
} COUNTS;

/* Instances of different sizes: 12 and 20 bytes. */
#define FIRST_SIZE 12
#define SECOND_SIZE 20

typedef struct {
    PDEVICE_OBJECT pdo;
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    BOOLEAN registered;
    UCHAR data[2][SECOND_SIZE];
    COUNTS counts;
    KEVENT event_came;
    ULONG event_value;
    BOOLEAN event_named;
} DEVICE;

static WMIGUIDREGINFO blocks[] = {
    {&DATA_BLOCK, 2, WMIREG_FLAG_EXPENSIVE},
    {&EVENT_BLOCK, 1, WMIREG_FLAG_EVENT_ONLY_GUID},
};

static UNICODE_STRING registry_path;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static ULONG size_of(ULONG instance)
{
    return instance == 0 ? FIRST_SIZE : SECOND_SIZE;
}

/* --- What the library calls. --- */

static NTSTATUS NTAPI query_reginfo(PDEVICE_OBJECT object, PULONG flags, PUNICODE_STRING name,
                                    PUNICODE_STRING *path, PUNICODE_STRING mof,
                                    PDEVICE_OBJECT *pdo)
{
    DEVICE *device = object->DeviceExtension;
    UNREFERENCED_PARAMETER(name);
    UNREFERENCED_PARAMETER(mof);
    InterlockedIncrement(&device->counts.reginfo);
    *flags = WMIREG_FLAG_INSTANCE_PDO;
    *path = &registry_path;
    *pdo = device->pdo;
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI query_data(PDEVICE_OBJECT object, PIRP irp, ULONG guid, ULONG instance,
                                 ULONG count, PULONG lengths, ULONG room, PUCHAR buffer)
{
    DEVICE *device = object->DeviceExtension;
    ULONG needed = 0, at = 0, end = instance + count, which;
    NTSTATUS status = STATUS_SUCCESS;
    if (guid != DATA_INDEX)
        return WmiCompleteRequest(object, irp, STATUS_WMI_GUID_NOT_FOUND, 0, IO_NO_INCREMENT);
    for (which = instance; which < end; which++)
        needed = ((needed + 7) & ~7u) + size_of(which);
    if (room < needed) {
        status = STATUS_BUFFER_TOO_SMALL;
    } else {
        for (which = instance; which < end; which++) {
            at = (at + 7) & ~7u;
            RtlCopyMemory(buffer + at, device->data[which], size_of(which));
            lengths[which - instance] = size_of(which);
            at += size_of(which);
        }
    }
    return WmiCompleteRequest(object, irp, status, needed, IO_NO_INCREMENT);
}

static NTSTATUS NTAPI set_data(PDEVICE_OBJECT object, PIRP irp, ULONG guid, ULONG instance,
                               ULONG size, PUCHAR buffer)
{
    DEVICE *device = object->DeviceExtension;
    NTSTATUS status = STATUS_SUCCESS;
    if (guid != DATA_INDEX)
        status = STATUS_WMI_GUID_NOT_FOUND;
    else if (size != size_of(instance))
        status = STATUS_WMI_SET_FAILURE;
    else
        RtlCopyMemory(device->data[instance], buffer, size);
    return WmiCompleteRequest(object, irp, status, 0, IO_NO_INCREMENT);
}

static NTSTATUS NTAPI set_item(PDEVICE_OBJECT object, PIRP irp, ULONG guid, ULONG instance,
                               ULONG item, ULONG size, PUCHAR buffer)
{
    DEVICE *device = object->DeviceExtension;
    NTSTATUS status = STATUS_SUCCESS;
    if (guid != DATA_INDEX)
        status = STATUS_WMI_GUID_NOT_FOUND;
    else if (item != ITEM_FIRST)
        status = STATUS_WMI_ITEMID_NOT_FOUND;
    else if (size != 1)
        status = STATUS_WMI_SET_FAILURE;
    else
        device->data[instance][0] = buffer[0];
    return WmiCompleteRequest(object, irp, status, 0, IO_NO_INCREMENT);
}

/* Adds its two inputs, and says of which instance. */
static NTSTATUS NTAPI execute(PDEVICE_OBJECT object, PIRP irp, ULONG guid, ULONG instance,
                              ULONG method, ULONG in_size, ULONG out_size, PUCHAR buffer)
{
    ULONG *numbers = (ULONG *)buffer;
    NTSTATUS status = STATUS_SUCCESS;
    ULONG used = 0;
    if (guid != DATA_INDEX) {
        status = STATUS_WMI_GUID_NOT_FOUND;
    } else if (method != METHOD_ADD) {
        status = STATUS_WMI_ITEMID_NOT_FOUND;
    } else if (in_size != 2 * sizeof(ULONG)) {
        status = STATUS_INVALID_PARAMETER;
    } else {
        used = 3 * sizeof(ULONG);
        if (out_size < used) {
            status = STATUS_BUFFER_TOO_SMALL;
        } else {
            ULONG sum = numbers[0] + numbers[1];
            numbers[0] = sum;
            numbers[1] = instance;
            numbers[2] = 0x1234;
        }
    }
    return WmiCompleteRequest(object, irp, status, used, IO_NO_INCREMENT);
}

static NTSTATUS NTAPI control(PDEVICE_OBJECT object, PIRP irp, ULONG guid,
                              WMIENABLEDISABLECONTROL function, BOOLEAN enable)
{
    DEVICE *device = object->DeviceExtension;
    if (function == WmiEventControl && guid == EVENT_INDEX)
        InterlockedIncrement(enable ? &device->counts.events_on : &device->counts.events_off);
    if (function == WmiDataBlockControl && guid == DATA_INDEX)
        InterlockedIncrement(enable ? &device->counts.collection_on
                                    : &device->counts.collection_off);
    return WmiCompleteRequest(object, irp, STATUS_SUCCESS, 0, IO_NO_INCREMENT);
}

static WMILIB_CONTEXT context = {ARRAYSIZE(blocks), blocks,   query_reginfo, query_data,
                                 set_data,          set_item, execute,       control};

/* --- What it does with the blocks itself. --- */

static VOID NTAPI event_came(PVOID wnode, PVOID argument)
{
    PWNODE_SINGLE_INSTANCE event = wnode;
    DEVICE *device = argument;
    if (event->SizeDataBlock == sizeof(ULONG))
        device->event_value = *(ULONG *)((PUCHAR)event + event->DataBlockOffset);
    /* The name was added: the device's instance path, and the index. */
    device->event_named = event->OffsetInstanceName != 0 &&
                          *(USHORT *)((PUCHAR)event + event->OffsetInstanceName) > 4;
    KeSetEvent(&device->event_came, IO_NO_INCREMENT, FALSE);
}

/* Waits until the driver was asked for its blocks: a system thread does that. */
static NTSTATUS query_until_there(PVOID block, PULONG size, PVOID buffer)
{
    LARGE_INTEGER moment;
    ULONG room = *size;
    int tries;
    moment.QuadPart = -10 * 10000;
    for (tries = 0; tries < 500; tries++) {
        NTSTATUS status;
        *size = room;
        status = IoWMIQueryAllData(block, size, buffer);
        if (status != STATUS_WMI_GUID_NOT_FOUND)
            return status;
        KeDelayExecutionThread(KernelMode, FALSE, &moment);
    }
    return STATUS_TIMEOUT;
}

#define STEP(number, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            *step = number;                                                                        \
            return status;                                                                         \
        }                                                                                          \
    } while (0)

static NTSTATUS use_data(DEVICE *device, PVOID block, PVOID other, PUCHAR buffer, ULONG *step)
{
    PWNODE_ALL_DATA all = (PVOID)buffer;
    PWNODE_SINGLE_INSTANCE one = (PVOID)buffer;
    UNICODE_STRING second = {0, 0, NULL}, wrong;
    UCHAR value[SECOND_SIZE];
    ULONG size, *names, *numbers = (ULONG *)buffer;
    NTSTATUS status;
    PWCH name;

    /* All: their data, and their names. */
    size = 8;
    status = query_until_there(block, &size, buffer);
    STEP(1, status == STATUS_BUFFER_TOO_SMALL && size > 100);
    size = PAGE_SIZE;
    status = IoWMIQueryAllData(block, &size, buffer);
    STEP(2, NT_SUCCESS(status) && all->InstanceCount == 2 && all->WnodeHeader.BufferSize == size);
    STEP(3, all->OffsetInstanceDataAndLength[0].LengthInstanceData == FIRST_SIZE &&
                all->OffsetInstanceDataAndLength[1].LengthInstanceData == SECOND_SIZE);
    STEP(4, buffer[all->OffsetInstanceDataAndLength[0].OffsetInstanceData] == 0x11 &&
                buffer[all->OffsetInstanceDataAndLength[1].OffsetInstanceData] == 0x22 &&
                buffer[all->OffsetInstanceDataAndLength[1].OffsetInstanceData + 19] == 0x22);
    STEP(5, all->OffsetInstanceDataAndLength[1].OffsetInstanceData % 8 == 0);
    names = (ULONG *)(buffer + all->OffsetInstanceNameOffsets);
    second.Length = second.MaximumLength = *(USHORT *)(buffer + names[1]);
    name = ExAllocatePoolWithTag(PagedPool, second.Length, TAG);
    if (!name)
        return STATUS_INSUFFICIENT_RESOURCES;
    RtlCopyMemory(name, buffer + names[1] + sizeof(USHORT), second.Length);
    second.Buffer = name;

    /* One, set as a whole, and one byte of it. */
    *step = 0;
    size = PAGE_SIZE;
    status = IoWMIQuerySingleInstance(block, &second, &size, buffer);
    if (!NT_SUCCESS(status) || one->InstanceIndex != 1 || one->SizeDataBlock != SECOND_SIZE ||
        buffer[one->DataBlockOffset] != 0x22)
        *step = 6;
    RtlFillMemory(value, sizeof(value), 0x33);
    if (!*step && !NT_SUCCESS(status = IoWMISetSingleInstance(block, &second, 0, SECOND_SIZE, value)))
        *step = 7;
    if (!*step && IoWMISetSingleInstance(block, &second, 0, 1, value) != STATUS_WMI_SET_FAILURE)
        *step = 8;
    value[0] = 0x44;
    if (!*step && !NT_SUCCESS(status = IoWMISetSingleItem(block, &second, ITEM_FIRST, 0, 1, value)))
        *step = 9;
    if (!*step && IoWMISetSingleItem(block, &second, 99, 0, 1, value) != STATUS_WMI_ITEMID_NOT_FOUND)
        *step = 10;
    if (!*step && (device->data[1][0] != 0x44 || device->data[1][19] != 0x33 ||
                   device->data[0][0] != 0x11))
        *step = 11;

    /* The method: its output does not fit, then does; and one that is none. */
    numbers[0] = 30;
    numbers[1] = 12;
    size = 2 * sizeof(ULONG);
    if (!*step && (IoWMIExecuteMethod(block, &second, METHOD_ADD, 8, &size, buffer) !=
                       STATUS_BUFFER_TOO_SMALL ||
                   size != 3 * sizeof(ULONG)))
        *step = 12;
    if (!*step && (!NT_SUCCESS(status = IoWMIExecuteMethod(block, &second, METHOD_ADD, 8, &size,
                                                           buffer)) ||
                   size != 3 * sizeof(ULONG) || numbers[0] != 42 || numbers[1] != 1 ||
                   numbers[2] != 0x1234))
        *step = 13;
    if (!*step && IoWMIExecuteMethod(block, &second, 99, 8, &size, buffer) !=
                      STATUS_WMI_ITEMID_NOT_FOUND)
        *step = 14;
    ExFreePoolWithTag(name, TAG);
    if (*step)
        return status;

    /* What is not there. */
    RtlInitUnicodeString(&wrong, L"nothing of that name");
    size = PAGE_SIZE;
    status = IoWMIQuerySingleInstance(block, &wrong, &size, buffer);
    STEP(15, status == STATUS_WMI_INSTANCE_NOT_FOUND);
    status = IoWMIQueryAllData(other, &size, buffer);
    STEP(16, status == STATUS_WMI_GUID_NOT_FOUND);
    return STATUS_SUCCESS;
}

static NTSTATUS use_event(PDEVICE_OBJECT object, DEVICE *device, ULONG *step)
{
    PVOID block;
    ULONG *value;
    LARGE_INTEGER limit;
    NTSTATUS status = IoWMIOpenBlock((GUID *)&EVENT_BLOCK, WMIGUID_NOTIFICATION | SYNCHRONIZE, &block);
    STEP(20, NT_SUCCESS(status));
    status = IoWMISetNotificationCallback(block, event_came, device);
    if (NT_SUCCESS(status) && (device->counts.events_on != 1 || device->counts.events_off != 0))
        *step = 21;
    value = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*value), TAG);
    if (value) {
        *value = 0xfeed;
        status = WmiFireEvent(object, (GUID *)&EVENT_BLOCK, 0, sizeof(*value), value);
    }
    limit.QuadPart = -60LL * 1000 * 10000;
    if (NT_SUCCESS(status))
        status = KeWaitForSingleObject(&device->event_came, Executive, KernelMode, FALSE, &limit);
    ObDereferenceObject(block);
    if (*step)
        return status;
    STEP(22, status == STATUS_SUCCESS && device->event_value == 0xfeed && device->event_named);
    /* An event that there is no memory for: its data are freed as well, or pool is left at unload. */
    value = ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(*value), TAG);
    STEP(23, value != NULL);
    status = WmiFireEvent(object, (GUID *)&EVENT_BLOCK, 0, 0xffffffff, value);
    STEP(24, status == STATUS_INSUFFICIENT_RESOURCES);
    return STATUS_SUCCESS;
}

static NTSTATUS use(PDEVICE_OBJECT object, ULONG *step)
{
    DEVICE *device = object->DeviceExtension;
    ULONG first, second;
    UNICODE_STRING suggested;
    PVOID block, other, buffer;
    NTSTATUS status = IoWMIOpenBlock((GUID *)&DATA_BLOCK,
                                     WMIGUID_QUERY | WMIGUID_SET | WMIGUID_EXECUTE, &block);
    *step = 0;
    STEP(30, NT_SUCCESS(status));
    status = IoWMIOpenBlock((GUID *)&NO_BLOCK, WMIGUID_QUERY, &other);
    STEP(31, NT_SUCCESS(status));
    buffer = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    if (buffer) {
        status = use_data(device, block, other, buffer, step);
        ExFreePoolWithTag(buffer, TAG);
        if (NT_SUCCESS(status) && device->counts.collection_on != 1)
            *step = 32;
    }
    ObDereferenceObject(block);
    ObDereferenceObject(other);
    if (*step)
        return status;
    status = use_event(object, device, step);
    if (*step)
        return status;
    STEP(33, IoWMIDeviceObjectToProviderId(object) != 0 &&
                 IoWMIDeviceObjectToProviderId(device->next) == 0);
    IoWMIAllocateInstanceIds((GUID *)&DATA_BLOCK, 6, &first);
    IoWMIAllocateInstanceIds((GUID *)&DATA_BLOCK, 1, &second);
    STEP(34, second == first + 6);
    status = IoWMISuggestInstanceName(device->pdo, NULL, FALSE, &suggested);
    STEP(35, NT_SUCCESS(status) && suggested.Length > 0);
    ExFreePool(suggested.Buffer);
    return STATUS_SUCCESS;
}

/* --- The driver. --- */

static NTSTATUS NTAPI dispatch_system(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    SYSCTL_IRP_DISPOSITION disposition;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    status = WmiSystemControl(&context, object, irp, &disposition);
    switch (disposition) {
    case IrpProcessed:
        break;
    case IrpNotCompleted:
        IoCompleteRequest(irp, IO_NO_INCREMENT);
        break;
    default:
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(device->next, irp);
        break;
    }
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}

static VOID deregister(PDEVICE_OBJECT object)
{
    DEVICE *device = object->DeviceExtension;
    if (device->registered)
        IoWMIRegistrationControl(object, WMIREG_ACTION_DEREGISTER);
    device->registered = FALSE;
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PDEVICE_OBJECT next = device->next;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&device->interface_name, TRUE);
        if (NT_SUCCESS(status) && !device->registered) {
            status = IoWMIRegistrationControl(object, WMIREG_ACTION_REGISTER);
            device->registered = NT_SUCCESS(status);
        }
        finish(irp, status, 0);
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        deregister(object);
        IoReleaseRemoveLockAndWait(&device->remove_lock, irp);
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_SURPRISE_REMOVAL:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        deregister(object);
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
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

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG room = location->Parameters.DeviceIoControl.OutputBufferLength;
    ULONG *answer = irp->AssociatedIrp.SystemBuffer;
    switch (location->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_USE:
        if (room < 2 * sizeof(ULONG))
            return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
        answer[1] = use(object, &answer[0]);
        return finish(irp, STATUS_SUCCESS, 2 * sizeof(ULONG));
    case IOCTL_COUNTS:
        if (room < sizeof(COUNTS))
            return finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
        *(COUNTS *)answer = device->counts;
        return finish(irp, STATUS_SUCCESS, sizeof(COUNTS));
    }
    return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
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
    device->pdo = pdo;
    RtlFillMemory(device->data[0], SECOND_SIZE, 0x11);
    RtlFillMemory(device->data[1], SECOND_SIZE, 0x22);
    KeInitializeEvent(&device->event_came, SynchronizationEvent, FALSE);
    IoInitializeRemoveLock(&device->remove_lock, TAG, 0, 0);
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
    ExFreePoolWithTag(registry_path.Buffer, TAG);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    registry_path.Buffer = ExAllocatePoolWithTag(PagedPool, path->Length, TAG);
    if (!registry_path.Buffer)
        return STATUS_INSUFFICIENT_RESOURCES;
    registry_path.Length = registry_path.MaximumLength = path->Length;
    RtlCopyMemory(registry_path.Buffer, path->Buffer, path->Length);
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    driver->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = dispatch_system;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return STATUS_SUCCESS;
}
