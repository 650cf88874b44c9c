/*
 * The power management framework's routines, found by their names, as a driver does that has to run
 * without them, too. A device of two components, whose callbacks answer at once unless
 * told otherwise.
 *
 * Sources: MmGetSystemRoutineAddress, PoFxRegisterDevice, ns-wdm-_po_fx_device_v1.
 */
#pragma once
#include "device.h"

typedef VOID(NTAPI *POWER_CALLBACK)(PVOID context);

typedef struct {
    ULONG version;
    ULONG component_count;
    PPO_FX_COMPONENT_ACTIVE_CONDITION_CALLBACK active;
    PPO_FX_COMPONENT_IDLE_CONDITION_CALLBACK idle;
    PPO_FX_COMPONENT_IDLE_STATE_CALLBACK state;
    POWER_CALLBACK required;
    POWER_CALLBACK not_required;
    PPO_FX_POWER_CONTROL_CALLBACK control;
    PVOID context;
    PO_FX_COMPONENT_V1 components[2];
} FX_DEVICE;

#define BLOCKING 1
#define ASYNC_ONLY 2

static NTSTATUS(NTAPI *FxRegisterDevice)(PDEVICE_OBJECT, FX_DEVICE *, PVOID *);
static VOID(NTAPI *FxUnregisterDevice)(PVOID);
static VOID(NTAPI *FxStartDevicePowerManagement)(PVOID);
static VOID(NTAPI *FxActivateComponent)(PVOID, ULONG, ULONG);
static VOID(NTAPI *FxIdleComponent)(PVOID, ULONG, ULONG);
static VOID(NTAPI *FxCompleteIdleCondition)(PVOID, ULONG);
static VOID(NTAPI *FxCompleteIdleState)(PVOID, ULONG);
static VOID(NTAPI *FxCompleteDevicePowerNotRequired)(PVOID);
static VOID(NTAPI *FxReportDevicePoweredOn)(PVOID);
static VOID(NTAPI *FxSetDeviceIdleTimeout)(PVOID, ULONGLONG);
static VOID(NTAPI *FxSetComponentLatency)(PVOID, ULONG, ULONGLONG);
static VOID(NTAPI *FxSetComponentWake)(PVOID, ULONG, BOOLEAN);

#define FIND(name)                                                                                 \
    do {                                                                                           \
        UNICODE_STRING wanted = RTL_CONSTANT_STRING(L"Po" #name);                                  \
        *(PVOID *)&name = MmGetSystemRoutineAddress(&wanted);                                      \
    } while (0)

static inline VOID find_framework(VOID)
{
    FIND(FxRegisterDevice);
    FIND(FxUnregisterDevice);
    FIND(FxStartDevicePowerManagement);
    FIND(FxActivateComponent);
    FIND(FxIdleComponent);
    FIND(FxCompleteIdleCondition);
    FIND(FxCompleteIdleState);
    FIND(FxCompleteDevicePowerNotRequired);
    FIND(FxReportDevicePoweredOn);
    FIND(FxSetDeviceIdleTimeout);
    FIND(FxSetComponentLatency);
    FIND(FxSetComponentWake);
}

static PVOID handle;
/* What was called, in order: A and I with the component, S with it and the state, R, N. */
static CHAR called[64];
static ULONG called_count;
static PVOID called_in;
static BOOLEAN answers = TRUE;
static KEVENT not_required;

static inline VOID note(CHAR what, LONG first, LONG second)
{
    if (called_count + 3 >= sizeof(called))
        return;
    called_in = KeGetCurrentThread();
    called[called_count++] = what;
    if (first >= 0)
        called[called_count++] = (CHAR)('0' + first);
    if (second >= 0)
        called[called_count++] = (CHAR)('0' + second);
}

/* The callback activates the component, which is active, once more. */
static BOOLEAN activates;

static VOID NTAPI on_active(PVOID context, ULONG component)
{
    UNREFERENCED_PARAMETER(context);
    note('A', component, -1);
    if (activates) {
        FxActivateComponent(handle, component, BLOCKING);
        FxIdleComponent(handle, component, 0);
    }
}

static VOID NTAPI on_idle(PVOID context, ULONG component)
{
    UNREFERENCED_PARAMETER(context);
    note('I', component, -1);
    if (answers)
        FxCompleteIdleCondition(handle, component);
}

static VOID NTAPI on_state(PVOID context, ULONG component, ULONG state)
{
    UNREFERENCED_PARAMETER(context);
    note('S', component, state);
    if (answers)
        FxCompleteIdleState(handle, component);
}

static VOID NTAPI on_required(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    note('R', -1, -1);
    if (answers)
        FxReportDevicePoweredOn(handle);
}

static VOID NTAPI on_not_required(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    note('N', -1, -1);
    if (answers)
        FxCompleteDevicePowerNotRequired(handle);
    KeSetEvent(&not_required, IO_NO_INCREMENT, FALSE);
}

/* F1 takes 10 units of 100 ns back to F0, F2 takes 20. */
static PO_FX_COMPONENT_IDLE_STATE states[] = {{0, 0, 0}, {10, 100, 0}, {20, 200, 0}};

static FX_DEVICE description = {
    .version = PO_FX_VERSION_V1,
    .component_count = 2,
    .active = on_active,
    .idle = on_idle,
    .state = on_state,
    .required = on_required,
    .not_required = on_not_required,
    .components = {{.IdleStateCount = 3, .DeepestWakeableIdleState = 1, .IdleStates = states},
                   {.IdleStateCount = 1, .IdleStates = states}},
};

static inline NTSTATUS register_device(VOID)
{
    find_framework();
    KeInitializeEvent(&not_required, SynchronizationEvent, FALSE);
    return FxRegisterDevice(physical, &description, &handle);
}
