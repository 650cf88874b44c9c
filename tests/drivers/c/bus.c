/*
 * The WDM driver of a bus: function driver of the bus's own device, and bus driver of the
 * devices on it, which its client plugs and unplugs. It keeps a journal of what the
 * plug-and-play manager asks of it.
 *
 * Sources: IRP_MN_QUERY_DEVICE_RELATIONS, "Removing a Device in a Bus Driver", "Adding a PnP
 * Device to a Running System", IRP_MN_QUERY_ID, IRP_MN_QUERY_CAPABILITIES.
 */
#include <ntddk.h>

#include "bus.h"

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0030} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x30}};
/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0031} */
static const GUID BUS_TYPE = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x31}};

#define TAG 'suBC'

/* Both kinds of device objects begin with this. */
typedef struct {
    BOOLEAN is_child;
} COMMON;

typedef struct {
    COMMON common;
    PDEVICE_OBJECT bus;
    ULONG slot;
    BOOLEAN reported; /* it was in the list that was returned last */
    ULONG related[5]; /* by DEVICE_RELATION_TYPE: the slot of another, and 1 */
} CHILD;

typedef struct {
    COMMON common;
    PDEVICE_OBJECT pdo;
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    FAST_MUTEX lock;                /* of what follows */
    BOOLEAN plugged[SLOTS];         /* what is there */
    PDEVICE_OBJECT children[SLOTS]; /* a device object, also for what is there no more */
    JOURNAL journal;
} BUS;

/* The journal of the one bus, in which the children's driver writes as well. */
static BUS *the_bus;

static VOID note(BUS *bus, ULONG who, ULONG what)
{
    ExAcquireFastMutex(&bus->lock);
    if (bus->journal.count < ENTRIES)
        bus->journal.entries[bus->journal.count++] = who << 16 | what;
    ExReleaseFastMutex(&bus->lock);
}

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* The text of a number's last digit behind another. */
static PWSTR text(PCWSTR start, BOOLEAN with_slot, ULONG slot, ULONG nuls)
{
    SIZE_T length = wcslen(start);
    PWSTR copy = ExAllocatePoolWithTag(PagedPool, (length + 1 + nuls) * sizeof(WCHAR), TAG);
    if (!copy)
        return NULL;
    RtlZeroMemory(copy, (length + 1 + nuls) * sizeof(WCHAR));
    RtlCopyMemory(copy, start, length * sizeof(WCHAR));
    if (with_slot)
        copy[length] = (WCHAR)(L'0' + slot);
    return copy;
}

static NTSTATUS answer_text(PIRP irp, PWSTR answer)
{
    return answer ? finish(irp, STATUS_SUCCESS, (ULONG_PTR)answer)
                  : finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
}

static NTSTATUS answer_id(PIRP irp, CHILD *child, BUS_QUERY_ID_TYPE type)
{
    switch (type) {
    case BusQueryDeviceID:
        return answer_text(irp, text(L"CBUS\\DEVICE", FALSE, 0, 1));
    case BusQueryHardwareIDs:
        return answer_text(irp, text(L"CBUS\\DEVICE&SLOT_", TRUE, child->slot, 2));
    case BusQueryCompatibleIDs:
        return answer_text(irp, text(L"CBUS\\ANY", FALSE, 0, 2));
    case BusQueryInstanceID:
        return answer_text(irp, text(L"0", TRUE, child->slot, 1));
    default:
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    }
}

static NTSTATUS answer_bus(PIRP irp)
{
    PNP_BUS_INFORMATION *answer = ExAllocatePoolWithTag(PagedPool, sizeof(*answer), TAG);
    if (!answer)
        return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    answer->BusTypeGuid = BUS_TYPE;
    answer->LegacyBusType = InternalPowerBus;
    answer->BusNumber = 7;
    return finish(irp, STATUS_SUCCESS, (ULONG_PTR)answer);
}

/* One device, related to that which was asked about: itself or another. */
static NTSTATUS answer_one(PDEVICE_OBJECT object, PIRP irp)
{
    PDEVICE_RELATIONS answer = ExAllocatePoolWithTag(PagedPool, sizeof(*answer), TAG);
    if (!answer)
        return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    ObReferenceObject(object);
    answer->Count = 1;
    answer->Objects[0] = object;
    return finish(irp, STATUS_SUCCESS, (ULONG_PTR)answer);
}

/* A child's device object goes with its removal, unless its device was still there when the bus
 * was asked last. */
static NTSTATUS remove_child(PDEVICE_OBJECT object, CHILD *child, PIRP irp)
{
    BUS *bus = child->bus->DeviceExtension;
    NTSTATUS status;
    BOOLEAN gone;
    ExAcquireFastMutex(&bus->lock);
    gone = !child->reported;
    if (gone && bus->children[child->slot] == object)
        bus->children[child->slot] = NULL;
    ExReleaseFastMutex(&bus->lock);
    status = finish(irp, STATUS_SUCCESS, 0);
    if (gone)
        IoDeleteDevice(object);
    return status;
}

static NTSTATUS pnp_of_child(PDEVICE_OBJECT object, PIRP irp)
{
    CHILD *child = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    PDEVICE_CAPABILITIES capabilities;
    BUS *bus = child->bus->DeviceExtension;
    ULONG type;
    note(bus, CHILD_PDO + child->slot, location->MinorFunction);
    switch (location->MinorFunction) {
    case IRP_MN_QUERY_ID:
        return answer_id(irp, child, location->Parameters.QueryId.IdType);
    case IRP_MN_QUERY_DEVICE_TEXT:
        if (location->Parameters.QueryDeviceText.DeviceTextType == DeviceTextDescription)
            return answer_text(irp, text(L"Device in slot ", TRUE, child->slot, 1));
        break;
    case IRP_MN_QUERY_BUS_INFORMATION:
        return answer_bus(irp);
    case IRP_MN_QUERY_CAPABILITIES:
        capabilities = location->Parameters.DeviceCapabilities.Capabilities;
        capabilities->Address = child->slot;
        capabilities->UINumber = child->slot + 1;
        capabilities->EjectSupported = TRUE;
        capabilities->Removable = TRUE;
        capabilities->SurpriseRemovalOK = TRUE;
        /* What is in the last slot could do without a driver. */
        capabilities->RawDeviceOK = child->slot == SLOTS - 1;
        capabilities->DeviceState[PowerSystemWorking] = PowerDeviceD0;
        return finish(irp, STATUS_SUCCESS, 0);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        type = location->Parameters.QueryDeviceRelations.Type;
        if (type == TargetDeviceRelation) {
            note(bus, CHILD_PDO + child->slot, TARGET_ASKED + (location->FileObject != NULL));
            return answer_one(object, irp);
        }
        if (type < ARRAYSIZE(child->related) && child->related[type] &&
            bus->children[child->related[type] - 1])
            return answer_one(bus->children[child->related[type] - 1], irp);
        break;
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_QUERY_PNP_DEVICE_STATE:
    case IRP_MN_DEVICE_ENUMERATED:
        return finish(irp, STATUS_SUCCESS, irp->IoStatus.Information);
    case IRP_MN_EJECT:
        ExAcquireFastMutex(&bus->lock);
        bus->plugged[child->slot] = FALSE;
        ExReleaseFastMutex(&bus->lock);
        return finish(irp, STATUS_SUCCESS, 0);
    case IRP_MN_REMOVE_DEVICE:
        return remove_child(object, child, irp);
    }
    return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
}

/* The device object of what was plugged in. */
static NTSTATUS make_child(PDEVICE_OBJECT object, ULONG slot)
{
    BUS *bus = object->DeviceExtension;
    CHILD *child;
    PDEVICE_OBJECT made;
    NTSTATUS status = IoCreateDevice(object->DriverObject, sizeof(CHILD), NULL, FILE_DEVICE_UNKNOWN,
                                     FILE_AUTOGENERATED_DEVICE_NAME | FILE_DEVICE_SECURE_OPEN,
                                     FALSE, &made);
    if (!NT_SUCCESS(status))
        return status;
    child = made->DeviceExtension;
    child->common.is_child = TRUE;
    child->bus = object;
    child->slot = slot;
    bus->children[slot] = made;
    made->Flags |= DO_POWER_PAGABLE;
    made->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

/* What is on the bus. PASSIVE_LEVEL; the plug-and-play manager asks one thing at a time. */
static NTSTATUS answer_children(PDEVICE_OBJECT object, PIRP irp)
{
    BUS *bus = object->DeviceExtension;
    PDEVICE_RELATIONS answer = ExAllocatePoolWithTag(
        PagedPool, FIELD_OFFSET(DEVICE_RELATIONS, Objects) + SLOTS * sizeof(PDEVICE_OBJECT), TAG);
    BOOLEAN plugged[SLOTS];
    ULONG slot;
    if (!answer)
        return STATUS_INSUFFICIENT_RESOURCES;
    answer->Count = 0;
    ExAcquireFastMutex(&bus->lock);
    RtlCopyMemory(plugged, bus->plugged, sizeof(plugged));
    ExReleaseFastMutex(&bus->lock);
    for (slot = 0; slot < SLOTS; slot++) {
        PDEVICE_OBJECT known = bus->children[slot];
        if (!plugged[slot]) {
            if (known)
                ((CHILD *)known->DeviceExtension)->reported = FALSE;
            continue;
        }
        /* What is unplugged and not removed yet keeps its slot until it is. */
        if (known && !((CHILD *)known->DeviceExtension)->reported)
            continue;
        if (!known && !NT_SUCCESS(make_child(object, slot)))
            continue;
        known = bus->children[slot];
        ((CHILD *)known->DeviceExtension)->reported = TRUE;
        ObReferenceObject(known);
        answer->Objects[answer->Count++] = known;
    }
    irp->IoStatus.Information = (ULONG_PTR)answer;
    return STATUS_SUCCESS;
}

static NTSTATUS remove_bus(PDEVICE_OBJECT object, PIRP irp)
{
    BUS *bus = object->DeviceExtension;
    NTSTATUS status;
    ULONG slot;
    IoSetDeviceInterfaceState(&bus->interface_name, FALSE);
    IoReleaseRemoveLockAndWait(&bus->remove_lock, irp);
    /* The children were removed before. */
    for (slot = 0; slot < SLOTS; slot++) {
        if (bus->children[slot])
            IoDeleteDevice(bus->children[slot]);
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(bus->next, irp);
    IoDetachDevice(bus->next);
    RtlFreeUnicodeString(&bus->interface_name);
    the_bus = NULL;
    IoDeleteDevice(object);
    return status;
}

static NTSTATUS pnp_of_bus(PDEVICE_OBJECT object, PIRP irp)
{
    BUS *bus = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = IoAcquireRemoveLock(&bus->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    note(bus, BUS_FDO, location->MinorFunction);
    switch (location->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(bus->next, irp) ? irp->IoStatus.Status
                                                           : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&bus->interface_name, TRUE);
        if (status == STATUS_OBJECT_NAME_EXISTS)
            status = STATUS_SUCCESS;
        finish(irp, status, 0);
        IoReleaseRemoveLock(&bus->remove_lock, irp);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        return remove_bus(object, irp);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        if (location->Parameters.QueryDeviceRelations.Type != BusRelations)
            break;
        status = answer_children(object, irp);
        if (!NT_SUCCESS(status)) {
            finish(irp, status, 0);
            IoReleaseRemoveLock(&bus->remove_lock, irp);
            return status;
        }
        irp->IoStatus.Status = status;
        break;
    case IRP_MN_SURPRISE_REMOVAL:
        IoSetDeviceInterfaceState(&bus->interface_name, FALSE);
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
    status = IoCallDriver(bus->next, irp);
    IoReleaseRemoveLock(&bus->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    return ((COMMON *)object->DeviceExtension)->is_child ? pnp_of_child(object, irp)
                                                         : pnp_of_bus(object, irp);
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    COMMON *common = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG what = POWER_NOTE | location->MinorFunction << 8 |
                 location->Parameters.Power.Type << 4 | location->Parameters.Power.State.DeviceState;
    PoStartNextPowerIrp(irp);
    if (common->is_child) {
        note(((CHILD *)common)->bus->DeviceExtension, CHILD_PDO + ((CHILD *)common)->slot, what);
        if (location->MinorFunction == IRP_MN_SET_POWER ||
            location->MinorFunction == IRP_MN_QUERY_POWER)
            return finish(irp, STATUS_SUCCESS, 0);
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    }
    note((BUS *)common, BUS_FDO, what);
    if (location->Parameters.Power.Type == SystemPowerState)
        note((BUS *)common, BUS_FDO,
             CONTEXT_NOTE | (location->Parameters.Power.SystemContext >> 8 & 0xff));
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(((BUS *)common)->next, irp);
}

static NTSTATUS NTAPI changed(PVOID notification, PVOID context)
{
    UNREFERENCED_PARAMETER(notification);
    UNREFERENCED_PARAMETER(context);
    return STATUS_SUCCESS;
}

/* Registers for changes of a device, and takes that back. */
static NTSTATUS watch(PDEVICE_OBJECT child)
{
    WCHAR buffer[64];
    UNICODE_STRING name;
    PFILE_OBJECT file;
    PDEVICE_OBJECT top;
    PVOID entry;
    ULONG length;
    NTSTATUS status = IoGetDeviceProperty(child, DevicePropertyPhysicalDeviceObjectName,
                                          sizeof(buffer), buffer, &length);
    if (!NT_SUCCESS(status))
        return status;
    RtlInitUnicodeString(&name, buffer);
    status = IoGetDeviceObjectPointer(&name, FILE_READ_DATA, &file, &top);
    if (!NT_SUCCESS(status))
        return status;
    status = IoRegisterPlugPlayNotification(EventCategoryTargetDeviceChange, 0, file,
                                            child->DriverObject, changed, NULL, &entry);
    if (NT_SUCCESS(status))
        IoUnregisterPlugPlayNotification(entry);
    ObDereferenceObject(file);
    return status;
}

/* The client's other wishes. */
static NTSTATUS relate(BUS *bus, ULONG code, ULONG argument)
{
    ULONG type = argument >> 16, slot = code == IOCTL_RELATE ? argument >> 8 & 0xff : argument;
    CHILD *child;
    if (slot >= SLOTS || !bus->children[slot] || type >= ARRAYSIZE(child->related) ||
        (argument & 0xff) >= SLOTS)
        return STATUS_INVALID_PARAMETER;
    if (code == IOCTL_WATCH)
        return watch(bus->children[slot]);
    if (code == IOCTL_EJECT) {
        IoRequestDeviceEject(bus->children[slot]);
        return STATUS_SUCCESS;
    }
    child = bus->children[slot]->DeviceExtension;
    child->related[type] = (argument & 0xff) + 1;
    IoInvalidateDeviceRelations(bus->children[slot], type);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    BUS *bus = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    ULONG *argument = irp->AssociatedIrp.SystemBuffer;
    ULONG_PTR information = 0;
    NTSTATUS status;
    if (bus->common.is_child)
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    status = IoAcquireRemoveLock(&bus->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    switch (code) {
    case IOCTL_PLUG:
    case IOCTL_UNPLUG:
        if (location->Parameters.DeviceIoControl.InputBufferLength != sizeof(ULONG) ||
            *argument >= SLOTS) {
            status = STATUS_INVALID_PARAMETER;
            break;
        }
        ExAcquireFastMutex(&bus->lock);
        bus->plugged[*argument] = code == IOCTL_PLUG;
        ExReleaseFastMutex(&bus->lock);
        IoInvalidateDeviceRelations(bus->pdo, BusRelations);
        break;
    case IOCTL_RELATE:
    case IOCTL_WATCH:
    case IOCTL_EJECT:
        status = location->Parameters.DeviceIoControl.InputBufferLength == sizeof(ULONG)
                     ? relate(bus, code, *argument)
                     : STATUS_INFO_LENGTH_MISMATCH;
        break;
    case IOCTL_JOURNAL:
        if (location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(JOURNAL)) {
            status = STATUS_BUFFER_TOO_SMALL;
            break;
        }
        ExAcquireFastMutex(&bus->lock);
        *(JOURNAL *)argument = bus->journal;
        bus->journal.count = 0;
        ExReleaseFastMutex(&bus->lock);
        information = sizeof(JOURNAL);
        break;
    default:
        status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
    finish(irp, status, information);
    IoReleaseRemoveLock(&bus->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
}

/* The children's driver has its requests noted here: one journal shows the order. */
static NTSTATUS NTAPI dispatch_internal(PDEVICE_OBJECT object, PIRP irp)
{
    CHILD *child = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    if (!child->common.is_child)
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    note(child->bus->DeviceExtension, CHILD_FDO + child->slot,
         (ULONG)(ULONG_PTR)location->Parameters.Others.Argument1);
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    BUS *bus;
    NTSTATUS status;
    if (the_bus)
        return STATUS_DEVICE_BUSY;
    status = IoCreateDevice(driver, sizeof(BUS), NULL, FILE_DEVICE_BUS_EXTENDER,
                            FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    bus = object->DeviceExtension;
    bus->pdo = pdo;
    ExInitializeFastMutex(&bus->lock);
    IoInitializeRemoveLock(&bus->remove_lock, TAG, 0, 0);
    status = IoRegisterDeviceInterface(pdo, &INTERFACE_CLASS, NULL, &bus->interface_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(object);
        return status;
    }
    bus->next = IoAttachDeviceToDeviceStack(object, pdo);
    if (!bus->next) {
        RtlFreeUnicodeString(&bus->interface_name);
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    the_bus = bus;
    /* There from the beginning. */
    bus->plugged[0] = TRUE;
    object->Flags |= DO_BUFFERED_IO | (bus->next->Flags & DO_POWER_PAGABLE);
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
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    driver->MajorFunction[IRP_MJ_INTERNAL_DEVICE_CONTROL] = dispatch_internal;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return STATUS_SUCCESS;
}
