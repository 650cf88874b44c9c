/*
 * A driver that checks what is documented of the power management framework: which callbacks
 * come, in which order and in which thread.
 *
 * Sources: PoFxRegisterDevice, PoFxStartDevicePowerManagement, PoFxActivateComponent,
 * PoFxIdleComponent, the pages of the callbacks and of what answers them,
 * PoFxSetDeviceIdleTimeout, PoFxSetComponentLatency, PoFxSetComponentWake, PoFxUnregisterDevice.
 */
#include "fx.h"

static LONG held, failed;

static VOID rule(PCSTR name, BOOLEAN holds, int line)
{
    if (holds) {
        held++;
    } else {
        failed++;
        called[called_count] = 0;
        DbgPrint("fx: FAILED %s (line %d), called: %s\n", name, line, called);
    }
}

#define RULE(name, condition) rule(name, !!(condition), __LINE__)

/* Whether exactly these callbacks have come since it was asked last. */
static BOOLEAN came(PCSTR expected)
{
    ULONG i;
    for (i = 0; i < called_count && expected[i] == called[i]; i++)
        ;
    if (i < called_count || expected[i])
        return FALSE;
    called_count = 0;
    return TRUE;
}

static VOID check_start(VOID)
{
    FX_DEVICE wrong = description;
    PVOID none = NULL;
    wrong.version = 9;
    RULE("no other version",
         FxRegisterDevice(physical, &wrong, &none) == STATUS_INVALID_PARAMETER);
    wrong = description;
    wrong.component_count = 0;
    RULE("no components", FxRegisterDevice(physical, &wrong, &none) == STATUS_INVALID_PARAMETER);
    wrong = description;
    wrong.components[1].IdleStateCount = 0;
    RULE("no states", FxRegisterDevice(physical, &wrong, &none) == STATUS_INVALID_PARAMETER);
    wrong = description;
    wrong.state = NULL;
    RULE("states without a callback",
         FxRegisterDevice(physical, &wrong, &none) == STATUS_INVALID_PARAMETER);
    RULE("no device", FxRegisterDevice(NULL, &description, &none) == STATUS_INVALID_PARAMETER);
    RULE("registration", NT_SUCCESS(register_device()) && came(""));
    FxActivateComponent(handle, 1, 0);
    RULE("components are active at first", came(""));
    FxStartDevicePowerManagement(handle);
    RULE("what is not activated becomes idle", came("I0S02"));
    FxIdleComponent(handle, 1, 0);
    RULE("when all are idle, the device need not be on", came("I1N"));
}

static VOID check_threads(VOID)
{
    KeClearEvent(&not_required);
    activates = TRUE;
    FxActivateComponent(handle, 0, BLOCKING);
    activates = FALSE;
    RULE("the device, the state, the condition", came("RS00A0"));
    RULE("blocking: in this thread", called_in == KeGetCurrentThread());
    FxActivateComponent(handle, 0, BLOCKING);
    FxIdleComponent(handle, 0, BLOCKING);
    RULE("activations are counted", came(""));
    FxIdleComponent(handle, 0, ASYNC_ONLY);
    KeWaitForSingleObject(&not_required, Executive, KernelMode, FALSE, NULL);
    RULE("asynchronous", came("I0S02N"));
    RULE("in another thread", called_in != KeGetCurrentThread());
}

static VOID check_answers(VOID)
{
    KIRQL irql;
    answers = FALSE;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    FxActivateComponent(handle, 0, 0);
    RULE("no component before the device", came("R"));
    FxReportDevicePoweredOn(handle);
    RULE("not active before F0", came("S00"));
    FxCompleteIdleState(handle, 0);
    RULE("active", came("A0"));
    FxIdleComponent(handle, 0, 0);
    RULE("idle", came("I0"));
    FxActivateComponent(handle, 0, 0);
    RULE("nothing before the answer", came(""));
    FxCompleteIdleCondition(handle, 0);
    RULE("active again", came("A0"));
    FxIdleComponent(handle, 0, 0);
    FxCompleteIdleCondition(handle, 0);
    FxCompleteIdleState(handle, 0);
    RULE("the device comes last", came("I0S02N"));
    FxActivateComponent(handle, 1, 0);
    RULE("not required before the answer", came(""));
    FxCompleteDevicePowerNotRequired(handle);
    RULE("it is required", came("R"));
    answers = TRUE;
    FxReportDevicePoweredOn(handle);
    KeLowerIrql(irql);
    RULE("the other stays as it is", came("A1"));
}

static VOID check_hints(VOID)
{
    FxSetComponentLatency(handle, 0, 19);
    RULE("from a low state to another through F0", came("S00S01"));
    FxSetComponentLatency(handle, 0, 20);
    RULE("and back", came("S00S02"));
    FxSetComponentWake(handle, 0, TRUE);
    RULE("the deepest from which it wakes", came("S00S01"));
    FxSetComponentWake(handle, 0, FALSE);
    RULE("it need not wake", came("S00S02"));
}

static VOID check_timeout(VOID)
{
    /* An hour, which is over before its time. */
    FxSetDeviceIdleTimeout(handle, 36000000000ULL);
    FxIdleComponent(handle, 1, 0);
    RULE("the device stays on for a while", came("I1"));
    FxActivateComponent(handle, 1, 0);
    RULE("and is still on", came("A1"));
    KeClearEvent(&not_required);
    FxSetDeviceIdleTimeout(handle, 20000);
    FxIdleComponent(handle, 1, 0);
    KeWaitForSingleObject(&not_required, Executive, KernelMode, FALSE, NULL);
    RULE("until that is over", came("I1N"));
}

static VOID check_end(VOID)
{
    FxUnregisterDevice(handle);
    RULE("nothing comes at the end", came(""));
    RULE("a device may be registered again",
         NT_SUCCESS(FxRegisterDevice(physical, &description, &handle)));
    FxUnregisterDevice(handle);
    RULE("nor then", came(""));
}

static VOID started(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    find_framework();
    check_start();
    check_threads();
    check_answers();
    check_hints();
    check_timeout();
    check_end();
    DbgPrint("fx: %d hold, %d failed\n", held, failed);
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
    return STATUS_SUCCESS;
}
