/*
 * A driver that does wrong with power: the power management framework, requests. The device is
 * `edu`.
 *
 * Sources: the pages of the Po routines; bug checks 0x9F, 0xA0 and 0xCE.
 */
#define WRONG_DEVICE
#include "wrong.h"

#include "fx.h"

static VOID begin(VOID)
{
    register_device();
    FxStartDevicePowerManagement(handle);
}

static VOID register_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    register_device();
    register_device();
}

static VOID idle_without_activation(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxIdleComponent(handle, 1, 0);
}

static VOID complete_idle_condition_unasked(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxCompleteIdleCondition(handle, 1);
}

static VOID complete_not_required_unasked(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxCompleteDevicePowerNotRequired(handle);
}

static VOID report_powered_on_unasked(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxReportDevicePoweredOn(handle);
}

static VOID block_at_dispatch(PDRIVER_OBJECT driver)
{
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    begin();
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    FxActivateComponent(handle, 1, BLOCKING);
}

static VOID block_asynchronously(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxActivateComponent(handle, 1, BLOCKING | ASYNC_ONLY);
}

static VOID activate_no_component(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxActivateComponent(handle, 2, 0);
}

static VOID use_after_unregistration(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
    FxUnregisterDevice(handle);
    FxActivateComponent(handle, 1, 0);
}

static NTSTATUS NTAPI keep(PDEVICE_OBJECT device, PIRP irp)
{
    UNREFERENCED_PARAMETER(device);
    IoMarkIrpPending(irp);
    return STATUS_PENDING;
}

static VOID keep_power_irp(PDRIVER_OBJECT driver)
{
    POWER_STATE state = {.DeviceState = PowerDeviceD3};
    LARGE_INTEGER hour = {.QuadPart = -36000000000LL};
    driver->MajorFunction[IRP_MJ_POWER] = keep;
    PoRequestPowerIrp(physical, IRP_MN_SET_POWER, state, NULL, NULL, NULL);
    KeDelayExecutionThread(KernelMode, FALSE, &hour);
}

/* These come to light when the driver is unloaded. */

static VOID leave_power_request(PDRIVER_OBJECT driver)
{
    PVOID request;
    UNREFERENCED_PARAMETER(driver);
    PoCreatePowerRequest(&request, self, NULL);
}

static VOID leave_system_state(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    PoRegisterSystemState(NULL, ES_SYSTEM_REQUIRED | ES_CONTINUOUS);
}

static VOID leave_registration(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    begin();
}

const MISDEED misdeeds[] = {
    MISDEED(register_twice),
    MISDEED(idle_without_activation),
    MISDEED(complete_idle_condition_unasked),
    MISDEED(complete_not_required_unasked),
    MISDEED(report_powered_on_unasked),
    MISDEED(block_at_dispatch),
    MISDEED(block_asynchronously),
    MISDEED(activate_no_component),
    MISDEED(use_after_unregistration),
    MISDEED(keep_power_irp),
    MISDEED(leave_registration),
    MISDEED(leave_power_request),
    MISDEED(leave_system_state),
    {NULL, NULL},
};
