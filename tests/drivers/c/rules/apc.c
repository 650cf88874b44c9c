/*
 * Requests that the I/O manager makes for a driver are finished by special kernel APCs in the
 * thread that made them: not at APC_LEVEL, not in a guarded region, and in the midst of waits.
 */
#include "rules.h"

#define MILLISECOND (-10000LL)

static PDEVICE_OBJECT device;
/* The request that is kept pending, if one is to be. */
static BOOLEAN keep;
static PIRP kept;

struct request {
    KEVENT finished;
    IO_STATUS_BLOCK block;
    PIRP irp;
};

static NTSTATUS NTAPI flush(PDEVICE_OBJECT to, PIRP irp)
{
    UNREFERENCED_PARAMETER(to);
    if (keep) {
        IoMarkIrpPending(irp);
        kept = irp;
        return STATUS_PENDING;
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static NTSTATUS wait(PKEVENT event, LONGLONG time)
{
    LARGE_INTEGER timeout = {.QuadPart = time};
    return KeWaitForSingleObject(event, Executive, KernelMode, FALSE, &timeout);
}

static BOOLEAN build(struct request *request)
{
    KeInitializeEvent(&request->finished, NotificationEvent, FALSE);
    request->block.Status = STATUS_UNSUCCESSFUL;
    request->irp = IoBuildSynchronousFsdRequest(IRP_MJ_FLUSH_BUFFERS, device, NULL, 0, NULL,
                                                &request->finished, &request->block);
    return request->irp != NULL;
}

static BOOLEAN is_finished(struct request *request)
{
    return KeReadStateEvent(&request->finished) && request->block.Status == STATUS_SUCCESS;
}

static VOID at_once(VOID)
{
    struct request request;
    KIRQL irql;
    if (!build(&request))
        return;
    IoCallDriver(device, request.irp);
    RULE("a synchronous request that is complete is finished at once at PASSIVE_LEVEL",
         is_finished(&request));
    if (!build(&request))
        return;
    KeEnterCriticalRegion();
    IoCallDriver(device, request.irp);
    RULE("a critical region lets special kernel APCs in", is_finished(&request));
    KeLeaveCriticalRegion();
    if (!build(&request))
        return;
    KeEnterGuardedRegion();
    IoCallDriver(device, request.irp);
    RULE("a wait for a synchronous request in a guarded region does not end",
         wait(&request.finished, 5 * MILLISECOND) == STATUS_TIMEOUT && !is_finished(&request));
    KeLeaveGuardedRegion();
    RULE("a guarded region's end lets special kernel APCs in", is_finished(&request));
    if (!build(&request))
        return;
    KeRaiseIrql(APC_LEVEL, &irql);
    IoCallDriver(device, request.irp);
    RULE("a wait for a synchronous request at APC_LEVEL does not end",
         wait(&request.finished, 5 * MILLISECOND) == STATUS_TIMEOUT && !is_finished(&request));
    KeLowerIrql(irql);
    RULE("special kernel APCs come when the IRQL falls below APC_LEVEL", is_finished(&request));
}

struct completer {
    struct request *request;
    KEVENT release;
    LONGLONG limit;
    NTSTATUS finished;
};

static VOID NTAPI complete(PVOID context)
{
    struct completer *completer = context;
    LARGE_INTEGER pause = {.QuadPart = 2 * MILLISECOND};
    KeDelayExecutionThread(KernelMode, FALSE, &pause);
    kept->IoStatus.Status = STATUS_SUCCESS;
    kept->IoStatus.Information = 0;
    IoCompleteRequest(kept, IO_NO_INCREMENT);
    completer->finished = wait(&completer->request->finished, completer->limit);
    KeSetEvent(&completer->release, 0, FALSE);
    PsTerminateSystemThread(STATUS_SUCCESS);
}

/* Another thread completes a request while this one waits for something else, at an IRQL. Gives
 * whether the request was finished meanwhile. */
static NTSTATUS in_a_wait(KIRQL level, LONGLONG limit)
{
    struct request request;
    struct completer completer = {.request = &request, .limit = limit};
    PVOID thread;
    KIRQL irql;
    if (!build(&request))
        return STATUS_INSUFFICIENT_RESOURCES;
    KeInitializeEvent(&completer.release, NotificationEvent, FALSE);
    keep = TRUE;
    IoCallDriver(device, request.irp);
    keep = FALSE;
    thread = start_thread(complete, &completer);
    KeRaiseIrql(level, &irql);
    KeWaitForSingleObject(&completer.release, Executive, KernelMode, FALSE, NULL);
    KeLowerIrql(irql);
    RULE("a request is finished after the wait at the latest", is_finished(&request));
    join(thread);
    return completer.finished;
}

VOID check_apc(PDRIVER_OBJECT driver)
{
    driver->MajorFunction[IRP_MJ_FLUSH_BUFFERS] = flush;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    at_once();
    RULE("a wait below APC_LEVEL is interrupted to finish another request",
         in_a_wait(PASSIVE_LEVEL, 10000 * MILLISECOND) == STATUS_SUCCESS);
    RULE("a wait at APC_LEVEL is not interrupted to finish another request",
         in_a_wait(APC_LEVEL, 20 * MILLISECOND) == STATUS_TIMEOUT);
    IoDeleteDevice(device);
}
