/*
 * Controllers that one of several devices has at a time, the counts of devices, and threads that
 * belong to a driver.
 */
#include "rules.h"

NTKERNELAPI BOOLEAN NTAPI IoIsSystemThread(PETHREAD thread);

static struct {
    PCONTROLLER_OBJECT controller;
    PDEVICE_OBJECT order[8];
    ULONG count;
    IO_ALLOCATION_ACTION answer;
} seen;

static IO_ALLOCATION_ACTION NTAPI control(PDEVICE_OBJECT device, PIRP irp, PVOID registers,
                                          PVOID context)
{
    if (!registers && context == &seen && irp == device->CurrentIrp && seen.count < 8)
        seen.order[seen.count++] = device;
    return seen.answer;
}

static VOID controllers(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT devices[3] = {NULL, NULL, NULL};
    UCHAR zero[16] = {0};
    ULONG index;
    KIRQL irql;
    seen.controller = IoCreateController(sizeof(zero));
    for (index = 0; index < 3; index++)
        IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &devices[index]);
    if (!seen.controller || !devices[0] || !devices[1] || !devices[2])
        return;
    RULE("a controller has zeroed memory of the driver's",
         RtlCompareMemory(seen.controller->ControllerExtension, zero, sizeof(zero)) == sizeof(zero));
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    seen.answer = KeepObject;
    IoAllocateController(seen.controller, devices[0], control, &seen);
    RULE("a free controller is given at once", seen.count == 1 && seen.order[0] == devices[0]);
    IoAllocateController(seen.controller, devices[1], control, &seen);
    IoAllocateController(seen.controller, devices[2], control, &seen);
    RULE("a controller that a device has kept is waited for", seen.count == 1);
    IoFreeController(seen.controller);
    RULE("the next device has it when it is freed", seen.count == 2 && seen.order[1] == devices[1]);
    seen.answer = DeallocateObject;
    IoFreeController(seen.controller);
    RULE("the last that waited has had it", seen.count == 3 && seen.order[2] == devices[2]);
    IoAllocateController(seen.controller, devices[0], control, &seen);
    IoAllocateController(seen.controller, devices[1], control, &seen);
    RULE("a controller that is given back at once is free",
         seen.count == 5 && seen.order[4] == devices[1]);
    KeLowerIrql(irql);
    IoDeleteController(seen.controller);
    for (index = 0; index < 3; index++)
        IoDeleteDevice(devices[index]);
}

static VOID counts(VOID)
{
    PCONFIGURATION_INFORMATION information = IoGetConfigurationInformation();
    ULONG before = information->SerialCount++;
    RULE("the counts say how large they are", information->Version == sizeof(*information));
    RULE("a driver counts its devices for all",
         IoGetConfigurationInformation()->SerialCount == before + 1);
    information->SerialCount--;
}

static VOID NTAPI run(PVOID context)
{
    *(BOOLEAN *)context = IoIsSystemThread(PsGetCurrentThread());
}

typedef NTSTATUS(NTAPI *CREATE)(PVOID object, PHANDLE handle, ULONG access,
                                POBJECT_ATTRIBUTES attributes, HANDLE process, PCLIENT_ID id,
                                PKSTART_ROUTINE routine, PVOID context);

static VOID threads(PDRIVER_OBJECT driver)
{
    CREATE create = (CREATE)(ULONG_PTR)routine(L"IoCreateSystemThread");
    BOOLEAN ran = FALSE;
    HANDLE handle;
    PVOID thread;
    if (!create)
        return;
    RULE("a thread is made for a driver",
         NT_SUCCESS(create(driver, &handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, run, &ran)));
    if (NT_SUCCESS(ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread,
                                             NULL)))
        join(thread);
    ZwClose(handle);
    RULE("and runs in the system", ran);
    RULE("a thread in what is no process is not made",
         create(driver, &handle, THREAD_ALL_ACCESS, NULL, (HANDLE)(ULONG_PTR)0x12344, NULL, run,
                &ran) == STATUS_INVALID_HANDLE);
}

VOID check_controller(PDRIVER_OBJECT driver)
{
    controllers(driver);
    counts();
    threads(driver);
}
