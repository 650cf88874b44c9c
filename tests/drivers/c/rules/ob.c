/*
 * Objects, handles, names, threads.
 */
#include "rules.h"

/*
 * What the DDK means by these is the entry of the import table; mingw-w64's import library takes
 * them for routines.
 */
extern POBJECT_TYPE *__imp_PsThreadType, *__imp_ExEventObjectType;
#define PsThreadType __imp_PsThreadType
#define ExEventObjectType __imp_ExEventObjectType

static VOID NTAPI end_at_once(PVOID context)
{
    PsTerminateSystemThread(*(NTSTATUS *)context);
}

static VOID threads(VOID)
{
    NTSTATUS status = STATUS_MORE_ENTRIES;
    HANDLE handle;
    PVOID thread, other;
    NTSTATUS made =
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, end_at_once, &status);
    RULE("a thread is made", made == STATUS_SUCCESS);
    if (!NT_SUCCESS(made))
        return;
    RULE("a handle leads to its object",
         ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, *PsThreadType, KernelMode, &thread,
                                   NULL) == STATUS_SUCCESS);
    RULE("an object of another type is refused",
         ObReferenceObjectByHandle(handle, EVENT_ALL_ACCESS, *ExEventObjectType, KernelMode, &other,
                                   NULL) == STATUS_OBJECT_TYPE_MISMATCH);
    RULE("an object is referenced by its address and type",
         ObReferenceObjectByPointer(thread, 0, *PsThreadType, KernelMode) == STATUS_SUCCESS);
    ObDereferenceObject(thread);
    RULE("an object's address with another type is refused",
         ObReferenceObjectByPointer(thread, 0, *ExEventObjectType, KernelMode) ==
             STATUS_OBJECT_TYPE_MISMATCH);
    RULE("a handle is closed", ZwClose(handle) == STATUS_SUCCESS);
    RULE("a thread is signalled when it has ended",
         KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL) == STATUS_SUCCESS);
    ObDereferenceObject(thread);
    RULE("the current thread is itself",
         ObReferenceObjectByHandle((HANDLE)(LONG_PTR)-2, 0, *PsThreadType, KernelMode, &thread,
                                   NULL) == STATUS_SUCCESS &&
             thread == (PVOID)KeGetCurrentThread());
    ObDereferenceObject(thread);
}

static VOID names(PDRIVER_OBJECT driver)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Rules"),
                   link = RTL_CONSTANT_STRING(L"\\DosDevices\\Rules");
    UNICODE_STRING upper = RTL_CONSTANT_STRING(L"\\DEVICE\\RULES"),
                   deep = RTL_CONSTANT_STRING(L"\\NoSuchDirectory\\Rules");
    PDEVICE_OBJECT device, other;
    NTSTATUS status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    RULE("a device gets a name", status == STATUS_SUCCESS);
    if (!NT_SUCCESS(status))
        return;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    RULE("a name is given once", IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE,
                                                &other) == STATUS_OBJECT_NAME_COLLISION);
    RULE("a name is the same in any case",
         IoCreateDevice(driver, 0, &upper, FILE_DEVICE_UNKNOWN, 0, FALSE, &other) ==
             STATUS_OBJECT_NAME_COLLISION);
    RULE("a name's directory must be there",
         !NT_SUCCESS(IoCreateDevice(driver, 0, &deep, FILE_DEVICE_UNKNOWN, 0, FALSE, &other)));
    RULE("a link is made once",
         IoCreateSymbolicLink(&link, &name) == STATUS_SUCCESS &&
             IoCreateSymbolicLink(&link, &name) == STATUS_OBJECT_NAME_COLLISION);
    RULE("a link is deleted once", IoDeleteSymbolicLink(&link) == STATUS_SUCCESS &&
                                       IoDeleteSymbolicLink(&link) == STATUS_OBJECT_NAME_NOT_FOUND);
    IoDeleteDevice(device);
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    RULE("a deleted device's name is free again", status == STATUS_SUCCESS);
    if (NT_SUCCESS(status))
        IoDeleteDevice(device);
}

VOID check_ob(PDRIVER_OBJECT driver)
{
    threads();
    names(driver);
}
