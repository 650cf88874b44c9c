/*
 * Who asks for what an IRP carries, how urgent it is, and errors that a person would be told of.
 */
#include "rules.h"

NTKERNELAPI PEPROCESS NTAPI IoGetRequestorProcess(PIRP irp);
NTKERNELAPI ULONG NTAPI IoGetRequestorProcessId(PIRP irp);
NTKERNELAPI PEPROCESS NTAPI IoThreadToProcess(PETHREAD thread);
NTKERNELAPI BOOLEAN NTAPI IoIsSystemThread(PETHREAD thread);
NTKERNELAPI BOOLEAN NTAPI IoIsOperationSynchronous(PIRP irp);
NTKERNELAPI PIRP NTAPI IoGetTopLevelIrp(VOID);
NTKERNELAPI VOID NTAPI IoSetTopLevelIrp(PIRP irp);
NTKERNELAPI PDEVICE_OBJECT NTAPI IoGetDeviceToVerify(PETHREAD thread);
NTKERNELAPI VOID NTAPI IoSetDeviceToVerify(PETHREAD thread, PDEVICE_OBJECT device);

/* A control code without buffers of the system's. */
#define NEITHER CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS)
#define BUFFERED CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* The processes that an IRP of no thread's and one of this thread's come from. */
static VOID processes(PDEVICE_OBJECT device)
{
    PIRP none = IoAllocateIrp(1, FALSE), own;
    IO_STATUS_BLOCK block;
    KEVENT event;
    if (none) {
        RULE("an IRP of no thread has no requestor", IoGetRequestorProcess(none) == NULL &&
                                                         IoGetRequestorProcessId(none) == 0);
        none->Tail.Overlay.Thread = PsGetCurrentThread();
        RULE("an IRP's thread says who its requestor is",
             IoGetRequestorProcess(none) == PsGetCurrentProcess() &&
                 IoGetRequestorProcessId(none) == (ULONG)(ULONG_PTR)PsGetCurrentProcessId());
        IoFreeIrp(none);
    }
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    own = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL, &event, &block);
    if (own) {
        RULE("an IRP that the I/O manager makes belongs to the thread that asks for it",
             IoGetRequestorProcess(own) == PsGetCurrentProcess());
        IoCallDriver(device, own);
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    }
    RULE("this thread is the system's", IoIsSystemThread(PsGetCurrentThread()));
    RULE("a thread's process is the system's",
         IoThreadToProcess(PsGetCurrentThread()) == PsInitialSystemProcess);
}

static VOID synchronous(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION location;
    if (!irp)
        return;
    IoSetNextIrpStackLocation(irp);
    location = IoGetCurrentIrpStackLocation(irp);
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->Parameters.DeviceIoControl.IoControlCode = NEITHER;
    RULE("a control request of method neither without a file is asynchronous",
         !IoIsOperationSynchronous(irp));
    location->Parameters.DeviceIoControl.IoControlCode = BUFFERED;
    RULE("a buffered control request counts as synchronous", IoIsOperationSynchronous(irp));
    location->MajorFunction = IRP_MJ_READ;
    RULE("a read without a file is asynchronous", !IoIsOperationSynchronous(irp));
    irp->Flags |= IRP_SYNCHRONOUS_API;
    RULE("a call that waits is synchronous", IoIsOperationSynchronous(irp));
    IoFreeIrp(irp);
}

/* Who may send a control request, by what its file was opened for. */
static VOID access(VOID)
{
    NTSTATUS(NTAPI * validate)(PIRP, ULONG) = routine(L"IoValidateDeviceIoControlAccess");
    PIRP irp = IoAllocateIrp(1, FALSE);
    PIO_STACK_LOCATION location;
    FILE_OBJECT file = {0};
    RULE("the access of control requests can be asked for", validate != NULL);
    if (!irp || !validate)
        return;
    IoSetNextIrpStackLocation(irp);
    location = IoGetCurrentIrpStackLocation(irp);
    location->MajorFunction = IRP_MJ_READ;
    RULE("a read is no control request",
         validate(irp, FILE_READ_ACCESS) == STATUS_INVALID_PARAMETER);
    location->MajorFunction = IRP_MJ_DEVICE_CONTROL;
    location->FileObject = &file;
    RULE("the kernel may send every control request",
         validate(irp, FILE_READ_ACCESS | FILE_WRITE_ACCESS) == STATUS_SUCCESS);
    RULE("no other right can be asked for", validate(irp, 4) == STATUS_INVALID_PARAMETER);
    irp->RequestorMode = UserMode;
    file.ReadAccess = TRUE;
    RULE("who reads may send what demands reading",
         validate(irp, FILE_READ_ACCESS) == STATUS_SUCCESS);
    RULE("who reads may not send what demands writing",
         validate(irp, FILE_WRITE_ACCESS) == STATUS_ACCESS_DENIED &&
             validate(irp, FILE_READ_ACCESS | FILE_WRITE_ACCESS) == STATUS_ACCESS_DENIED);
    file.ReadAccess = FALSE;
    file.WriteAccess = TRUE;
    RULE("who writes may not send what demands reading",
         validate(irp, FILE_READ_ACCESS) == STATUS_ACCESS_DENIED &&
             validate(irp, FILE_WRITE_ACCESS) == STATUS_SUCCESS);
    irp->RequestorMode = KernelMode;
    location->FileObject = NULL;
    IoFreeIrp(irp);
}

static VOID hints(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE);
    if (!irp)
        return;
    RULE("an IRP has normal priority", IoGetIoPriorityHint(irp) == IoPriorityNormal);
    RULE("a hint is kept", IoSetIoPriorityHint(irp, IoPriorityVeryLow) == STATUS_SUCCESS &&
                               IoGetIoPriorityHint(irp) == IoPriorityVeryLow);
    RULE("a hint that is none changes nothing",
         !NT_SUCCESS(IoSetIoPriorityHint(irp, MaxIoPriorityTypes)) &&
             IoGetIoPriorityHint(irp) == IoPriorityVeryLow);
    IoReuseIrp(irp, STATUS_SUCCESS);
    RULE("an IRP that is reused has normal priority",
         IoGetIoPriorityHint(irp) == IoPriorityNormal);
    IoFreeIrp(irp);
}

static VOID of_the_thread(PDEVICE_OBJECT device)
{
    UNICODE_STRING text = RTL_CONSTANT_STRING(L"of the rules");
    PIRP marker = (PIRP)(ULONG_PTR)1;
    RULE("a thread has no top-level IRP at first", IoGetTopLevelIrp() == NULL);
    IoSetTopLevelIrp(marker);
    RULE("a thread keeps its top-level IRP", IoGetTopLevelIrp() == marker);
    IoSetTopLevelIrp(NULL);
    RULE("an error is told", IoRaiseInformationalHardError(STATUS_DEVICE_BUSY, &text, NULL));
    RULE("hard errors are on at first", IoSetThreadHardErrorMode(FALSE));
    RULE("no error is told of a thread that has that off",
         !IoRaiseInformationalHardError(STATUS_DEVICE_BUSY, NULL, NULL));
    RULE("whether hard errors were on is told", !IoSetThreadHardErrorMode(TRUE));
    IoSetDeviceToVerify(PsGetCurrentThread(), device);
    RULE("a thread keeps the device to verify",
         IoGetDeviceToVerify(PsGetCurrentThread()) == device);
    IoSetDeviceToVerify(PsGetCurrentThread(), NULL);
}

VOID check_requestor(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    processes(device);
    synchronous();
    access();
    hints();
    of_the_thread(device);
    IoDeleteDevice(device);
}
