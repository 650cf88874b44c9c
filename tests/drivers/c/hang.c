/*
 * A driver whose thread waits for ever, as drivers do that wait for a request of their own with a
 * fast mutex in hand: what finishes the request is held back at APC_LEVEL.
 */
#include <ntddk.h>

static FAST_MUTEX mutex;
static PDEVICE_OBJECT device;

static NTSTATUS NTAPI flush(PDEVICE_OBJECT to, PIRP irp)
{
    UNREFERENCED_PARAMETER(to);
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

__attribute__((noinline)) static VOID wait_with_mutex(VOID)
{
    KEVENT event;
    IO_STATUS_BLOCK block;
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL, &event, &block);
    if (!irp)
        return;
    ExAcquireFastMutex(&mutex);
    IoCallDriver(device, irp);
    DbgPrint("hang: waiting\n");
    KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
    ExReleaseFastMutex(&mutex);
}

static VOID NTAPI run(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    wait_with_mutex();
    PsTerminateSystemThread(STATUS_SUCCESS);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    HANDLE thread;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);
    ExInitializeFastMutex(&mutex);
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = flush;
    status = IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (!NT_SUCCESS(status))
        return status;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    status = PsCreateSystemThread(&thread, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, NULL);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    ZwClose(thread);
    return STATUS_SUCCESS;
}
