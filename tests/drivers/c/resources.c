/*
 * A bus whose devices ask for each kind of hardware resource, and the function driver of both: what
 * each device is started with is printed.
 *
 * Sources: IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_RESOURCES,
 * IRP_MN_FILTER_RESOURCE_REQUIREMENTS, IRP_MN_START_DEVICE, IO_RESOURCE_REQUIREMENTS_LIST.
 */
#include <ntddk.h>

#define TAG 'seRC'

enum { MEMORY, MORE_MEMORY, PORTS, LINE, OTHER_WAY, TOO_MUCH, SET_UP, FILTERED, CHILDREN };

/* The devices' objects: the bus's own, a child's physical one, and one of its function. */
typedef enum { BUS, PDO, FUNCTION } KIND;

typedef struct {
    KIND kind;
    ULONG number; /* of a child */
    PDEVICE_OBJECT next;
    PKINTERRUPT interrupt;
    ULONG64 memory; /* of the bus */
} EXTENSION;

static PDEVICE_OBJECT children[CHILDREN], the_bus;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS answer(PIRP irp, const VOID *bytes, SIZE_T length)
{
    PVOID copy = ExAllocatePoolWithTag(PagedPool, length, TAG);
    if (!copy)
        return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    RtlCopyMemory(copy, bytes, length);
    return finish(irp, STATUS_SUCCESS, (ULONG_PTR)copy);
}

static NTSTATUS answer_id(PIRP irp, ULONG number, BUS_QUERY_ID_TYPE type)
{
    static const WCHAR device[] = L"RBUS\\DEVICE\0";
    WCHAR instance[2] = {(WCHAR)(L'0' + number), 0};
    switch (type) {
    case BusQueryDeviceID:
    case BusQueryHardwareIDs:
        return answer(irp, device, sizeof(device));
    case BusQueryInstanceID:
        return answer(irp, instance, sizeof(instance));
    default:
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    }
}

static IO_RESOURCE_DESCRIPTOR range(UCHAR type, ULONG length, ULONG alignment)
{
    IO_RESOURCE_DESCRIPTOR made = {0};
    made.Type = type;
    made.ShareDisposition = CmResourceShareDeviceExclusive;
    made.Flags = type == CmResourceTypePort ? CM_RESOURCE_PORT_IO : CM_RESOURCE_MEMORY_READ_WRITE;
    made.u.Memory.Length = length;
    made.u.Memory.Alignment = alignment;
    made.u.Memory.MaximumAddress.QuadPart = -1;
    return made;
}

/* What a child needs; how many alternatives there are, of which the second is what is left. */
static ULONG needs(ULONG number, IO_RESOURCE_DESCRIPTOR *made)
{
    switch (number) {
    case MEMORY:
    case MORE_MEMORY:
        *made = range(CmResourceTypeMemory, 0x100, 0x100);
        return 1;
    case PORTS:
        made[0] = range(CmResourceTypePort, 16, 16);
        return 1;
    case LINE:
        RtlZeroMemory(made, sizeof(*made));
        made[0].Type = CmResourceTypeInterrupt;
        made[0].ShareDisposition = CmResourceShareDeviceExclusive;
        made[0].Flags = CM_RESOURCE_INTERRUPT_LATCHED;
        made[0].u.Interrupt.MaximumVector = (ULONG)-1;
        return 1;
    case OTHER_WAY:
        RtlZeroMemory(made, 2 * sizeof(*made));
        made[0].Type = CmResourceTypeDma;
        made[1].Type = CmResourceTypeDevicePrivate;
        made[1].u.DevicePrivate.Data[0] = 0x11;
        made[1].u.DevicePrivate.Data[1] = 0x22;
        made[1].u.DevicePrivate.Data[2] = 0x33;
        return 2;
    case TOO_MUCH:
        made[0] = range(CmResourceTypeMemory, 0x10000, 0x1000);
        return 1;
    case FILTERED:
        made[0] = range(CmResourceTypeMemory, 0x400, 4);
        return 1;
    default:
        return 0;
    }
}

static NTSTATUS answer_needs(PIRP irp, ULONG number)
{
    struct {
        IO_RESOURCE_REQUIREMENTS_LIST list;
        IO_RESOURCE_LIST second;
    } all;
    IO_RESOURCE_DESCRIPTOR made[2];
    ULONG ways = needs(number, made);
    if (!ways)
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    RtlZeroMemory(&all, sizeof(all));
    all.list.ListSize = sizeof(all);
    all.list.InterfaceType = Internal;
    all.list.BusNumber = 5;
    all.list.AlternativeLists = ways;
    all.list.List[0].Version = all.list.List[0].Revision = 1;
    all.list.List[0].Count = 1;
    all.list.List[0].Descriptors[0] = made[0];
    all.second = all.list.List[0];
    all.second.Descriptors[0] = made[1];
    return answer(irp, &all, sizeof(all));
}

/* What the firmware would have set up. */
static NTSTATUS answer_resources(PIRP irp, ULONG number)
{
    CM_RESOURCE_LIST list = {0};
    if (number != SET_UP)
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    list.Count = 1;
    list.List[0].InterfaceType = Internal;
    list.List[0].BusNumber = 6;
    list.List[0].PartialResourceList.Version = list.List[0].PartialResourceList.Revision = 1;
    list.List[0].PartialResourceList.Count = 1;
    list.List[0].PartialResourceList.PartialDescriptors[0].Type = CmResourceTypeMemory;
    list.List[0].PartialResourceList.PartialDescriptors[0].ShareDisposition =
        CmResourceShareDeviceExclusive;
    list.List[0].PartialResourceList.PartialDescriptors[0].u.Memory.Start.QuadPart =
        ((EXTENSION *)the_bus->DeviceExtension)->memory + 0xe00;
    list.List[0].PartialResourceList.PartialDescriptors[0].u.Memory.Length = 0x40;
    return answer(irp, &list, sizeof(list));
}

static NTSTATUS pnp_of_pdo(PDEVICE_OBJECT object, PIRP irp)
{
    EXTENSION *own = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    PDEVICE_RELATIONS relations;
    switch (location->MinorFunction) {
    case IRP_MN_QUERY_ID:
        return answer_id(irp, own->number, location->Parameters.QueryId.IdType);
    case IRP_MN_QUERY_RESOURCE_REQUIREMENTS:
        return answer_needs(irp, own->number);
    case IRP_MN_QUERY_RESOURCES:
        return answer_resources(irp, own->number);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        if (location->Parameters.QueryDeviceRelations.Type != TargetDeviceRelation)
            break;
        relations = ExAllocatePoolWithTag(PagedPool, sizeof(*relations), TAG);
        if (!relations)
            return finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
        ObReferenceObject(object);
        relations->Count = 1;
        relations->Objects[0] = object;
        return finish(irp, STATUS_SUCCESS, (ULONG_PTR)relations);
    case IRP_MN_QUERY_CAPABILITIES:
    case IRP_MN_START_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_REMOVE_DEVICE: /* the device is still there */
        return finish(irp, STATUS_SUCCESS, irp->IoStatus.Information);
    }
    return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
}

static VOID print(ULONG number, PCSTR which, PCM_RESOURCE_LIST list)
{
    PCM_FULL_RESOURCE_DESCRIPTOR full = list ? &list->List[0] : NULL;
    ULONG i;
    if (!list) {
        DbgPrint("resources: child %u: %s: none\n", number, which);
        return;
    }
    DbgPrint("resources: child %u: %s: bus %d.%u, %u\n", number, which, full->InterfaceType,
             full->BusNumber, full->PartialResourceList.Count);
    for (i = 0; i < full->PartialResourceList.Count; i++) {
        PCM_PARTIAL_RESOURCE_DESCRIPTOR part = &full->PartialResourceList.PartialDescriptors[i];
        DbgPrint("resources: child %u: %s: type %u share %u flags %#x: %#x %#x %#x\n", number, which,
                 part->Type, part->ShareDisposition, part->Flags, part->u.DevicePrivate.Data[0],
                 part->u.DevicePrivate.Data[1], part->u.DevicePrivate.Data[2]);
    }
}

static BOOLEAN NTAPI service(PKINTERRUPT interrupt, PVOID context)
{
    UNREFERENCED_PARAMETER(interrupt);
    UNREFERENCED_PARAMETER(context);
    return FALSE;
}

/* The line that a child was given can be connected. */
static VOID connect(EXTENSION *own, PCM_RESOURCE_LIST translated)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR part =
        &translated->List[0].PartialResourceList.PartialDescriptors[0];
    NTSTATUS status;
    if (own->number != LINE)
        return;
    status = IoConnectInterrupt(&own->interrupt, service, own, NULL, part->u.Interrupt.Vector,
                                (KIRQL)part->u.Interrupt.Level, (KIRQL)part->u.Interrupt.Level,
                                Latched, FALSE, part->u.Interrupt.Affinity, FALSE);
    DbgPrint("resources: child %u: its line connects: %#x\n", own->number, status);
}

/* The function driver needs less than the bus driver says. */
static VOID filter(EXTENSION *own, PIRP irp)
{
    PIO_RESOURCE_REQUIREMENTS_LIST list = (PVOID)irp->IoStatus.Information;
    if (own->number == FILTERED && list)
        list->List[0].Descriptors[0].u.Memory.Length = 0x20;
}

static NTSTATUS answer_children(PDEVICE_OBJECT object, PIRP irp)
{
    PDEVICE_RELATIONS answer = ExAllocatePoolWithTag(
        PagedPool, FIELD_OFFSET(DEVICE_RELATIONS, Objects) + CHILDREN * sizeof(PVOID), TAG);
    ULONG i;
    if (!answer)
        return STATUS_INSUFFICIENT_RESOURCES;
    answer->Count = 0;
    for (i = 0; i < CHILDREN; i++) {
        if (!children[i]) {
            EXTENSION *child;
            if (!NT_SUCCESS(IoCreateDevice(object->DriverObject, sizeof(EXTENSION), NULL,
                                           FILE_DEVICE_UNKNOWN, FILE_AUTOGENERATED_DEVICE_NAME,
                                           FALSE, &children[i])))
                continue;
            child = children[i]->DeviceExtension;
            child->kind = PDO;
            child->number = i;
            children[i]->Flags |= DO_POWER_PAGABLE;
            children[i]->Flags &= ~DO_DEVICE_INITIALIZING;
        }
        ObReferenceObject(children[i]);
        answer->Objects[answer->Count++] = children[i];
    }
    irp->IoStatus.Information = (ULONG_PTR)answer;
    irp->IoStatus.Status = STATUS_SUCCESS;
    return STATUS_SUCCESS;
}

static VOID started(EXTENSION *own, PIO_STACK_LOCATION location)
{
    PCM_RESOURCE_LIST raw = location->Parameters.StartDevice.AllocatedResources;
    PCM_RESOURCE_LIST translated = location->Parameters.StartDevice.AllocatedResourcesTranslated;
    if (own->kind == BUS) {
        own->memory = raw->List[0].PartialResourceList.PartialDescriptors[0].u.Memory.Start.QuadPart;
        return;
    }
    print(own->number, "raw", raw);
    print(own->number, "translated", translated);
    if (translated)
        connect(own, translated);
}

static NTSTATUS pnp_of_function(PDEVICE_OBJECT object, PIRP irp)
{
    EXTENSION *own = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status;
    ULONG i;
    switch (location->MinorFunction) {
    case IRP_MN_START_DEVICE:
    case IRP_MN_FILTER_RESOURCE_REQUIREMENTS:
        if (!IoForwardIrpSynchronously(own->next, irp))
            return finish(irp, STATUS_UNSUCCESSFUL, 0);
        status = irp->IoStatus.Status;
        if (location->MinorFunction == IRP_MN_START_DEVICE && NT_SUCCESS(status))
            started(own, location);
        if (location->MinorFunction == IRP_MN_FILTER_RESOURCE_REQUIREMENTS) {
            filter(own, irp);
            status = STATUS_SUCCESS;
        }
        return finish(irp, status, irp->IoStatus.Information);
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        if (own->kind != BUS || location->Parameters.QueryDeviceRelations.Type != BusRelations)
            break;
        status = answer_children(object, irp);
        if (!NT_SUCCESS(status))
            return finish(irp, status, 0);
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_STOP_DEVICE:
    case IRP_MN_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        if (own->interrupt)
            IoDisconnectInterrupt(own->interrupt);
        own->interrupt = NULL;
        if (location->MinorFunction == IRP_MN_STOP_DEVICE)
            break;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(own->next, irp);
        IoDetachDevice(own->next);
        for (i = 0; own->kind == BUS && i < CHILDREN; i++) {
            if (children[i])
                IoDeleteDevice(children[i]);
            children[i] = NULL;
        }
        IoDeleteDevice(object);
        return status;
    }
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(own->next, irp);
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    return ((EXTENSION *)object->DeviceExtension)->kind == PDO ? pnp_of_pdo(object, irp)
                                                               : pnp_of_function(object, irp);
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    EXTENSION *own = object->DeviceExtension;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    PoStartNextPowerIrp(irp);
    if (own->kind != PDO) {
        IoSkipCurrentIrpStackLocation(irp);
        return PoCallDriver(own->next, irp);
    }
    if (minor == IRP_MN_SET_POWER || minor == IRP_MN_QUERY_POWER)
        return finish(irp, STATUS_SUCCESS, 0);
    return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    EXTENSION *own = object->DeviceExtension;
    if (own->kind == PDO)
        return finish(irp, irp->IoStatus.Status, irp->IoStatus.Information);
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(own->next, irp);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    EXTENSION *own;
    PDEVICE_OBJECT object;
    NTSTATUS status = IoCreateDevice(driver, sizeof(EXTENSION), NULL, FILE_DEVICE_UNKNOWN,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    own = object->DeviceExtension;
    own->kind = pdo->DriverObject == driver ? FUNCTION : BUS;
    if (own->kind == FUNCTION)
        own->number = ((EXTENSION *)pdo->DeviceExtension)->number;
    else
        the_bus = object;
    own->next = IoAttachDeviceToDeviceStack(object, pdo);
    if (!own->next) {
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    object->Flags |= DO_POWER_PAGABLE;
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
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    driver->MajorFunction[IRP_MJ_SYSTEM_CONTROL] = dispatch_control;
    return STATUS_SUCCESS;
}
