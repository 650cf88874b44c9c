/*
 * A driver that leaves something behind when it is unloaded: handles, names, threads, callbacks.
 *
 * Sources: bug checks 0xC4 and 0xCE; the pages of the routines, each of which says what takes its
 * effect back.
 */
#include "wrong.h"

static KEVENT never;

static VOID leave_key(PDRIVER_OBJECT driver)
{
    UNICODE_STRING path = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System\\CurrentControlSet");
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    UNREFERENCED_PARAMETER(driver);
    InitializeObjectAttributes(&attributes, &path, OBJ_CASE_INSENSITIVE | OBJ_KERNEL_HANDLE, NULL,
                               NULL);
    ZwOpenKey(&key, KEY_READ, &attributes);
}

static VOID leave_event(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\Left");
    HANDLE handle;
    UNREFERENCED_PARAMETER(driver);
    IoCreateNotificationEvent(&name, &handle);
}

static VOID NTAPI wait_for_ever(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    KeWaitForSingleObject(&never, Executive, KernelMode, FALSE, NULL);
}

static VOID NTAPI end_at_once(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
}

static HANDLE start(PKSTART_ROUTINE routine)
{
    HANDLE thread = NULL;
    KeInitializeEvent(&never, NotificationEvent, FALSE);
    PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, NULL);
    return thread;
}

static VOID leave_thread(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    ZwClose(start(wait_for_ever));
}

static VOID leave_thread_handle(PDRIVER_OBJECT driver)
{
    HANDLE thread = start(end_at_once);
    PVOID object;
    UNREFERENCED_PARAMETER(driver);
    ObReferenceObjectByHandle(thread, SYNCHRONIZE, NULL, KernelMode, &object, NULL);
    KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(object);
}

static VOID leave_link(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Left");
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Left");
    UNREFERENCED_PARAMETER(driver);
    IoCreateSymbolicLink(&link, &name);
}

static NTSTATUS NTAPI hear(PVOID notification, PVOID context)
{
    UNREFERENCED_PARAMETER(notification);
    UNREFERENCED_PARAMETER(context);
    return STATUS_SUCCESS;
}

static VOID leave_notification(PDRIVER_OBJECT driver)
{
    static GUID class = {0x5b8c4d3e, 0x1f2a, 0x4c6b, {1, 2, 3, 4, 5, 6, 7, 8}};
    PVOID entry;
    IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, 0, &class, driver, hear,
                                   NULL, &entry);
}

static BOOLEAN NTAPI decline(PVOID context, BOOLEAN handled)
{
    UNREFERENCED_PARAMETER(context);
    return handled;
}

static VOID leave_nmi_callback(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    KeRegisterNmiCallback(decline, NULL);
}

static NTSTATUS NTAPI filter(PVOID context, PVOID class, PVOID information)
{
    UNREFERENCED_PARAMETER(context);
    UNREFERENCED_PARAMETER(class);
    UNREFERENCED_PARAMETER(information);
    return STATUS_SUCCESS;
}

static VOID leave_registry_callback(PDRIVER_OBJECT driver)
{
    LARGE_INTEGER cookie;
    UNREFERENCED_PARAMETER(driver);
    CmRegisterCallback(filter, NULL, &cookie);
}

static VOID NTAPI report(PVOID buffer, ULONG length)
{
    UNREFERENCED_PARAMETER(buffer);
    UNREFERENCED_PARAMETER(length);
}

static VOID leave_bugcheck_callback(PDRIVER_OBJECT driver)
{
    static KBUGCHECK_CALLBACK_RECORD storage;
    PKBUGCHECK_CALLBACK_RECORD record = &storage;
    static UCHAR component[] = "wrong";
    UNREFERENCED_PARAMETER(driver);
    KeInitializeCallbackRecord(record);
    KeRegisterBugCheckCallback(record, report, NULL, 0, component);
}

static VOID leave_provider(PDRIVER_OBJECT driver)
{
    static const GUID provider = {0x5b8c4d3e, 0x1f2a, 0x4c6b, {1, 2, 3, 4, 5, 6, 7, 9}};
    REGHANDLE handle;
    UNREFERENCED_PARAMETER(driver);
    EtwRegister(&provider, NULL, NULL, &handle);
}

static VOID take_provider_back_twice(PDRIVER_OBJECT driver)
{
    static const GUID provider = {0x5b8c4d3e, 0x1f2a, 0x4c6b, {1, 2, 3, 4, 5, 6, 7, 9}};
    REGHANDLE handle;
    UNREFERENCED_PARAMETER(driver);
    EtwRegister(&provider, NULL, NULL, &handle);
    EtwUnregister(handle);
    EtwUnregister(handle);
}

/* All of it, taken back. */
static VOID leave_nothing(PDRIVER_OBJECT driver)
{
    static KBUGCHECK_CALLBACK_RECORD storage;
    PKBUGCHECK_CALLBACK_RECORD record = &storage;
    static UCHAR component[] = "wrong";
    static GUID class = {0x5b8c4d3e, 0x1f2a, 0x4c6b, {1, 2, 3, 4, 5, 6, 7, 8}};
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Left");
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Left");
    UNICODE_STRING event_name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\Left");
    REGHANDLE provider;
    HANDLE handle, thread;
    PVOID entry, object;
    IoCreateNotificationEvent(&event_name, &handle);
    ZwClose(handle);
    IoCreateSymbolicLink(&link, &name);
    IoDeleteSymbolicLink(&link);
    IoRegisterPlugPlayNotification(EventCategoryDeviceInterfaceChange, 0, &class, driver, hear,
                                   NULL, &entry);
    IoUnregisterPlugPlayNotificationEx(entry);
    KeDeregisterNmiCallback(KeRegisterNmiCallback(decline, NULL));
    KeInitializeCallbackRecord(record);
    KeRegisterBugCheckCallback(record, report, NULL, 0, component);
    KeDeregisterBugCheckCallback(record);
    EtwRegister(&class, NULL, NULL, &provider);
    EtwUnregister(provider);
    thread = start(end_at_once);
    ObReferenceObjectByHandle(thread, SYNCHRONIZE, NULL, KernelMode, &object, NULL);
    ZwClose(thread);
    KeWaitForSingleObject(object, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(object);
}

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI open(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    return finish(irp, STATUS_SUCCESS);
}

/* Keeps what a client has passed by its address. */
static NTSTATUS NTAPI lock_buffer(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION stack = IoGetCurrentIrpStackLocation(irp);
    PVOID buffer = stack->Parameters.DeviceIoControl.Type3InputBuffer;
    PMDL mdl = IoAllocateMdl(buffer, stack->Parameters.DeviceIoControl.InputBufferLength, FALSE,
                             FALSE, NULL);
    UNREFERENCED_PARAMETER(device);
    MmProbeAndLockPages(mdl, UserMode, IoReadAccess);
    return finish(irp, STATUS_SUCCESS);
}

/* Its client brings it to light: see tests/verifier.rs. */
static VOID lock_pages_of_client(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\EduLeft");
    UNICODE_STRING link_name = RTL_CONSTANT_STRING(L"\\DosDevices\\EduLeft");
    PDEVICE_OBJECT device;
    driver->MajorFunction[IRP_MJ_CREATE] = open;
    driver->MajorFunction[IRP_MJ_CLEANUP] = open;
    driver->MajorFunction[IRP_MJ_CLOSE] = open;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = lock_buffer;
    IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE, &device);
    IoCreateSymbolicLink(&link_name, &name);
}

const MISDEED misdeeds[] = {
    MISDEED(leave_key),
    MISDEED(leave_event),
    MISDEED(leave_thread),
    MISDEED(leave_thread_handle),
    MISDEED(leave_link),
    MISDEED(leave_notification),
    MISDEED(leave_nmi_callback),
    MISDEED(leave_registry_callback),
    MISDEED(leave_bugcheck_callback),
    MISDEED(leave_provider),
    MISDEED(take_provider_back_twice),
    MISDEED(leave_nothing),
    MISDEED(lock_pages_of_client),
    {NULL, NULL},
};
