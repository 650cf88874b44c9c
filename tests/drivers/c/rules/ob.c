/*
 * Objects, handles, names, threads.
 */
#include <ntifs.h>
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

/* Directories and links: names below a handle, and what a link stands for. */
static HANDLE opened(PCWSTR text, HANDLE root, ULONG flags, ULONG kind, PNTSTATUS status)
{
    OBJECT_ATTRIBUTES attributes;
    UNICODE_STRING name;
    HANDLE handle = NULL;
    RtlInitUnicodeString(&name, text);
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | flags, root, NULL);
    switch (kind) {
    case 0:
        *status = ZwCreateDirectoryObject(&handle, DIRECTORY_ALL_ACCESS, &attributes);
        break;
    case 1:
        *status = ZwOpenDirectoryObject(&handle, DIRECTORY_QUERY, &attributes);
        break;
    case 2:
        *status = ZwOpenSymbolicLinkObject(&handle, GENERIC_READ, &attributes);
        break;
    default:
        *status = ZwCreateEvent(&handle, EVENT_ALL_ACCESS, &attributes, NotificationEvent, FALSE);
    }
    return handle;
}

static VOID directories(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\RulesLink");
    UNICODE_STRING target = RTL_CONSTANT_STRING(L"\\Device\\RulesDirectory\\Device");
    HANDLE directory, other, event, devices;
    PDEVICE_OBJECT device;
    NTSTATUS status;
    WCHAR buffer[64];
    UCHAR bytes[256];
    POBJECT_NAME_INFORMATION name = (POBJECT_NAME_INFORMATION)bytes;
    UNICODE_STRING text = {0, 8, buffer};
    ULONG length = 0;
    PVOID object;

    RULE("a device needs its directory",
         IoCreateDevice(driver, 0, &target, FILE_DEVICE_UNKNOWN, 0, FALSE, &device) ==
             STATUS_OBJECT_PATH_NOT_FOUND);
    devices = opened(L"\\Device", NULL, 0, 1, &status);
    RULE("a directory is opened", status == STATUS_SUCCESS);
    directory = opened(L"RulesDirectory", devices, 0, 0, &status);
    RULE("a directory is made below another's handle", status == STATUS_SUCCESS);
    RULE("a kernel handle is one", ObIsKernelHandle(directory) && !ObIsKernelHandle((HANDLE)8));
    opened(L"\\Device\\RulesDirectory", NULL, 0, 0, &status);
    RULE("a directory's name is in use", status == STATUS_OBJECT_NAME_COLLISION);
    other = opened(L"\\Device\\RulesDirectory", NULL, OBJ_OPENIF, 0, &status);
    RULE("one that exists is opened", status == STATUS_OBJECT_NAME_EXISTS);
    ZwClose(other);
    opened(L"\\RulesDirectory", devices, 0, 1, &status);
    RULE("a name below a handle has no backslash before it",
         status == STATUS_OBJECT_PATH_SYNTAX_BAD);
    event = opened(L"Event", directory, 0, 3, &status);
    RULE("an event is named below a handle", status == STATUS_SUCCESS);
    ObReferenceObjectByHandle(event, 0, NULL, KernelMode, &object, NULL);
    RULE("a name needs room", ObQueryNameString(object, NULL, 0, &length) ==
                                      STATUS_INFO_LENGTH_MISMATCH &&
                                  length > sizeof(UNICODE_STRING));
    RULE("an object tells its name",
         ObQueryNameString(object, name, sizeof(bytes), &length) == STATUS_SUCCESS &&
             EQUAL_TEXT(&name->Name, L"\\Device\\RulesDirectory\\Event"));
    ObDereferenceObject(object);
    ZwClose(event);

    status = IoCreateDevice(driver, 0, &target, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    RULE("a device is named in a directory that was made", status == STATUS_SUCCESS);
    IoCreateSymbolicLink(&link, &target);
    other = opened(L"\\??\\RulesLink", NULL, 0, 2, &status);
    RULE("a link itself is opened", status == STATUS_SUCCESS);
    RULE("a link's target needs room",
         ZwQuerySymbolicLinkObject(other, &text, &length) == STATUS_BUFFER_TOO_SMALL &&
             length == target.Length);
    text.MaximumLength = sizeof(buffer);
    RULE("a link tells its target",
         ZwQuerySymbolicLinkObject(other, &text, NULL) == STATUS_SUCCESS &&
             RtlEqualUnicodeString(&text, &target, FALSE));
    RULE("a link is made temporary", ZwMakeTemporaryObject(other) == STATUS_SUCCESS);
    ZwClose(other);
    opened(L"\\??\\RulesLink", NULL, 0, 2, &status);
    RULE("a temporary link goes with its last handle", status == STATUS_OBJECT_NAME_NOT_FOUND);
    opened(L"\\Device\\RulesDirectory\\Device", NULL, 0, 2, &status);
    RULE("a device is no link", status == STATUS_OBJECT_TYPE_MISMATCH);
    IoDeleteDevice(device);
    ZwClose(directory);
    opened(L"RulesDirectory", devices, 0, 1, &status);
    RULE("a directory goes with its last handle", status == STATUS_OBJECT_NAME_NOT_FOUND);
    directory = opened(L"RulesDirectory", devices, OBJ_PERMANENT, 0, &status);
    ZwClose(directory);
    directory = opened(L"RulesDirectory", devices, 0, 1, &status);
    RULE("a permanent one stays", status == STATUS_SUCCESS);
    ZwMakeTemporaryObject(directory);
    ZwClose(directory);
    opened(L"RulesDirectory", devices, 0, 1, &status);
    RULE("until it is made temporary", status == STATUS_OBJECT_NAME_NOT_FOUND);
    ZwClose(devices);
}

/*
 * ZwCreateDirectoryObject: a directory needs no name; what is in it is found by its handle. What is
 * told of a name there begins with dots, as in Windows.
 */
static VOID nameless_directory(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    UCHAR bytes[128];
    POBJECT_NAME_INFORMATION name = (POBJECT_NAME_INFORMATION)bytes;
    HANDLE directory, other, event, again;
    NTSTATUS status;
    ULONG length;
    PVOID object;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    RULE("a directory is made without a name",
         ZwCreateDirectoryObject(&directory, DIRECTORY_ALL_ACCESS, &attributes) ==
                 STATUS_SUCCESS &&
             ZwCreateDirectoryObject(&other, DIRECTORY_ALL_ACCESS, &attributes) == STATUS_SUCCESS);
    event = opened(L"Event", directory, 0, 3, &status);
    RULE("an event is named in it", status == STATUS_SUCCESS);
    opened(L"Event", directory, 0, 3, &status);
    RULE("once", status == STATUS_OBJECT_NAME_COLLISION);
    again = opened(L"Event", other, 0, 3, &status);
    RULE("another such directory is another", status == STATUS_SUCCESS);
    ObReferenceObjectByHandle(event, 0, NULL, KernelMode, &object, NULL);
    RULE("dots are told in its place",
         ObQueryNameString(object, name, sizeof(bytes), &length) == STATUS_SUCCESS &&
             EQUAL_TEXT(&name->Name, L"...\\Event"));
    ObDereferenceObject(object);
    ObReferenceObjectByHandle(directory, 0, NULL, KernelMode, &object, NULL);
    RULE("it has no name itself",
         ObQueryNameString(object, name, sizeof(bytes), &length) == STATUS_SUCCESS &&
             name->Name.Length == 0);
    ObDereferenceObject(object);
    ZwClose(event);
    ZwClose(again);
    ZwClose(directory);
    ZwClose(other);
}

/* A section, too, is named below a directory's handle. */
static VOID section_in_directory(VOID)
{
    UNICODE_STRING text = RTL_CONSTANT_STRING(L"Section");
    LARGE_INTEGER size = {.QuadPart = PAGE_SIZE};
    OBJECT_ATTRIBUTES attributes;
    HANDLE directory, section, again;
    NTSTATUS status;
    directory = opened(L"\\Device\\RulesSections", NULL, 0, 0, &status);
    InitializeObjectAttributes(&attributes, &text, OBJ_KERNEL_HANDLE, directory, NULL);
    RULE("a section is named below a handle and opened there",
         ZwCreateSection(&section, SECTION_ALL_ACCESS, &attributes, &size, PAGE_READWRITE,
                         SEC_COMMIT, NULL) == STATUS_SUCCESS &&
             ZwOpenSection(&again, SECTION_ALL_ACCESS, &attributes) == STATUS_SUCCESS);
    ZwClose(again);
    ZwClose(section);
    ZwClose(directory);
}

/* A link that is left when the driver is unloaded ends the machine. */
static VOID links(VOID)
{
    UNICODE_STRING made = RTL_CONSTANT_STRING(L"\\DosDevices\\RulesAlias");
    UNICODE_STRING taken = RTL_CONSTANT_STRING(L"\\??\\RulesAlias");
    UNICODE_STRING target = RTL_CONSTANT_STRING(L"\\Device\\Nothing");
    RULE("a link is taken back by another of its names",
         IoCreateSymbolicLink(&made, &target) == STATUS_SUCCESS &&
             IoDeleteSymbolicLink(&taken) == STATUS_SUCCESS);
}

/*
 * ObCloseHandle: with UserMode the handle is the client's, and one that is none is its mistake.
 */
NTKERNELAPI NTSTATUS NTAPI ObCloseHandle(HANDLE handle, KPROCESSOR_MODE mode);

static VOID clients_handles(VOID)
{
    NTSTATUS status;
    HANDLE event = opened(L"\\RulesEvent", NULL, 0, 3, &status);
    RULE("a client's handle that is none is told to be none",
         ObCloseHandle((HANDLE)0x7ffc, UserMode) == STATUS_INVALID_HANDLE &&
             ObCloseHandle(NULL, UserMode) == STATUS_INVALID_HANDLE);
    RULE("a client closes no handle of the kernel's",
         ObCloseHandle(event, UserMode) == STATUS_INVALID_HANDLE &&
             ObCloseHandle(event, KernelMode) == STATUS_SUCCESS);
}

VOID check_ob(PDRIVER_OBJECT driver)
{
    links();
    threads();
    names(driver);
    directories(driver);
    clients_handles();
    nameless_directory();
    section_in_directory();
    check_objects(driver);
    check_handles();
}
