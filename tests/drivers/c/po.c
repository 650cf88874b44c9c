/*
 * A driver that checks what is documented of power requests, system states, waking, and the
 * watchdog of power IRPs. The device is `edu`.
 *
 * Sources: PoCreatePowerRequest, PoSetPowerRequest, PoClearPowerRequest, PoDeletePowerRequest,
 * PoRegisterSystemState, PoUnregisterSystemState, PoSetSystemWake, PoGetSystemWake,
 * PoQueryWatchdogTime, ZwPowerInformation.
 */
#include "device.h"

static LONG held, failed;

static VOID rule(PCSTR name, BOOLEAN holds, int line)
{
    if (holds) {
        held++;
    } else {
        failed++;
        DbgPrint("po: FAILED %s (line %d)\n", name, line);
    }
}

#define RULE(name, condition) rule(name, !!(condition), __LINE__)

static VOID check_requests(VOID)
{
    PVOID request = &held;
    RULE("no request without a device",
         PoCreatePowerRequest(&request, NULL, NULL) == STATUS_INVALID_PARAMETER && !request);
    RULE("a request", NT_SUCCESS(PoCreatePowerRequest(&request, self, NULL)) && request);
    RULE("it is set", NT_SUCCESS(PoSetPowerRequest(request, PowerRequestSystemRequired)));
    RULE("and again", NT_SUCCESS(PoSetPowerRequest(request, PowerRequestSystemRequired)));
    RULE("drivers require the system alone",
         PoSetPowerRequest(request, PowerRequestDisplayRequired) == STATUS_NOT_SUPPORTED &&
             PoClearPowerRequest(request, PowerRequestDisplayRequired) == STATUS_NOT_SUPPORTED);
    RULE("cleared", NT_SUCCESS(PoClearPowerRequest(request, PowerRequestSystemRequired)));
    RULE("as often as it was set",
         NT_SUCCESS(PoClearPowerRequest(request, PowerRequestSystemRequired)));
    RULE("and not more often",
         !NT_SUCCESS(PoClearPowerRequest(request, PowerRequestSystemRequired)));
    PoDeletePowerRequest(request);
}

static VOID check_states(VOID)
{
    PVOID state = PoRegisterSystemState(NULL, ES_SYSTEM_REQUIRED | ES_CONTINUOUS), other;
    RULE("a state", state != NULL);
    RULE("it is changed", PoRegisterSystemState(state, ES_CONTINUOUS) == state);
    other = PoRegisterSystemState(NULL, ES_USER_PRESENT);
    RULE("another is its own", other && other != state);
    PoSetSystemState(ES_SYSTEM_REQUIRED);
    PoUnregisterSystemState(other);
    PoUnregisterSystemState(state);
}

static VOID check_wake(VOID)
{
    PIRP irp = IoAllocateIrp(1, FALSE), other = IoAllocateIrp(1, FALSE);
    RULE("no IRP has woken the system at first", !PoGetSystemWake(irp));
    PoSetSystemWake(irp);
    RULE("one that is marked has", PoGetSystemWake(irp));
    RULE("no other has", !PoGetSystemWake(other));
    IoReuseIrp(irp, STATUS_SUCCESS);
    RULE("it has not when it begins again", !PoGetSystemWake(irp));
    IoFreeIrp(irp);
    IoFreeIrp(other);
}

static ULONG requests;
static KEVENT done;

static NTSTATUS NTAPI watched(PDEVICE_OBJECT object, PIRP irp)
{
    ULONG seconds = 0;
    if (IoGetCurrentIrpStackLocation(irp)->MinorFunction == IRP_MN_SET_POWER) {
        requests++;
        RULE("the watchdog runs while a request does", PoQueryWatchdogTime(physical, &seconds));
        RULE("it leaves time", seconds > 0 && seconds <= 600);
    }
    return dispatch_power(object, irp);
}

static VOID NTAPI complete(PDEVICE_OBJECT device, UCHAR minor, POWER_STATE state, PVOID context,
                           PIO_STATUS_BLOCK status)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(minor);
    UNREFERENCED_PARAMETER(state);
    UNREFERENCED_PARAMETER(context);
    RULE("the request succeeded", NT_SUCCESS(status->Status));
    KeSetEvent(&done, IO_NO_INCREMENT, FALSE);
}

static VOID request(DEVICE_POWER_STATE state)
{
    POWER_STATE power = {.DeviceState = state};
    PoRequestPowerIrp(physical, IRP_MN_SET_POWER, power, complete, NULL, NULL);
    KeWaitForSingleObject(&done, Executive, KernelMode, FALSE, NULL);
}

static VOID check_watchdog(VOID)
{
    ULONG seconds;
    KeInitializeEvent(&done, SynchronizationEvent, FALSE);
    RULE("no watchdog without a request", !PoQueryWatchdogTime(physical, &seconds));
    request(PowerDeviceD3);
    request(PowerDeviceD0);
    RULE("both requests came", requests == 2);
    RULE("nor behind them", !PoQueryWatchdogTime(physical, &seconds));
}

static VOID check_platform(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"ZwPowerInformation");
    BOOLEAN information = 2;
    NTSTATUS(NTAPI * ask)(ULONG, PVOID, ULONG, PVOID, ULONG);
    *(PVOID *)&ask = MmGetSystemRoutineAddress(&name);
    RULE("the platform", NT_SUCCESS(ask(PlatformInformation, NULL, 0, &information, 1)) &&
                             information < 2);
    RULE("no room", ask(PlatformInformation, NULL, 0, &information, 0) == STATUS_BUFFER_TOO_SMALL);
    RULE("no input",
         ask(PlatformInformation, &information, 1, &information, 1) == STATUS_INVALID_PARAMETER);
    RULE("an output", ask(PlatformInformation, NULL, 0, NULL, 1) == STATUS_INVALID_PARAMETER);
}

static VOID started(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    check_requests();
    check_states();
    check_wake();
    check_watchdog();
    check_platform();
    DbgPrint("po: %d hold, %d failed\n", held, failed);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    serve_device(driver);
    driver->MajorFunction[IRP_MJ_POWER] = watched;
    return STATUS_SUCCESS;
}
