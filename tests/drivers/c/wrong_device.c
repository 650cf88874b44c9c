/*
 * A driver that does wrong with its device's interrupts. The device is `edu`.
 *
 * Sources: bug checks 0x0F, 0xC4, 0xCE, 0xD1 and 0x133.
 */
#define WRONG_DEVICE
#include "wrong.h"

/* edu raises its interrupt when its register at 0x60 is written, until that at 0x64 is. */
#define RAISE 0x60
#define ACKNOWLEDGE 0x64

static PUCHAR device_registers;
static PKINTERRUPT connected;
static volatile LONG interrupted;

static BOOLEAN NTAPI acknowledge(PKINTERRUPT object, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(context);
    WRITE_REGISTER_ULONG((PULONG)(device_registers + ACKNOWLEDGE), 1);
    interrupted = 1;
    return TRUE;
}

static BOOLEAN NTAPI lower_irql(PKINTERRUPT object, PVOID context)
{
    acknowledge(object, context);
    KeLowerIrql(DISPATCH_LEVEL);
    return TRUE;
}

static BOOLEAN NTAPI touch_paged(PKINTERRUPT object, PVOID context)
{
    *(volatile UCHAR *)context = 1;
    return acknowledge(object, context);
}

static VOID connect(PKSERVICE_ROUTINE routine, PVOID context)
{
    device_registers = MmMapIoSpace(memory.u.Memory.Start, memory.u.Memory.Length, MmNonCached);
    IoConnectInterrupt(&connected, routine, context, NULL, interrupt.u.Interrupt.Vector,
                       (KIRQL)interrupt.u.Interrupt.Level, (KIRQL)interrupt.u.Interrupt.Level,
                       interrupt.Flags & CM_RESOURCE_INTERRUPT_LATCHED ? Latched : LevelSensitive,
                       interrupt.ShareDisposition == CmResourceShareShared,
                       interrupt.u.Interrupt.Affinity, FALSE);
}

static VOID raise_interrupt(VOID)
{
    WRITE_REGISTER_ULONG((PULONG)(device_registers + RAISE), 1);
    while (!interrupted)
        YieldProcessor();
}

static VOID lower_irql_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(lower_irql, NULL);
    raise_interrupt();
}

static VOID touch_paged_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(touch_paged, ExAllocatePoolWithTag(PagedPool, 32, TAG));
    raise_interrupt();
}

/* Lets a minute pass. */
static BOOLEAN NTAPI stay(PKINTERRUPT object, PVOID context)
{
    ULONG i;
    acknowledge(object, context);
    for (i = 0; i < 60000; i++)
        KeStallExecutionProcessor(1000);
    return TRUE;
}

static VOID stay_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(stay, NULL);
    raise_interrupt();
}

static VOID take_interrupt_lock_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(acknowledge, NULL);
    KeAcquireInterruptSpinLock(connected);
    KeAcquireInterruptSpinLock(connected);
}

/* This comes to light when the driver is unloaded. */

/* What names an interface is the driver's to free. */
static VOID leave_interface_name(PDRIVER_OBJECT driver)
{
    static const GUID class = {0x5b8c4d3e, 0x1f2a, 0x4c6b, {1, 2, 3, 4, 5, 6, 7, 8}};
    UNICODE_STRING name;
    UNREFERENCED_PARAMETER(driver);
    IoRegisterDeviceInterface(physical, &class, NULL, &name);
}

static VOID leave_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(acknowledge, NULL);
    MmUnmapIoSpace(device_registers, memory.u.Memory.Length);
}

const MISDEED misdeeds[] = {
    MISDEED(lower_irql_in_interrupt),
    MISDEED(touch_paged_in_interrupt),
    MISDEED(stay_in_interrupt),
    MISDEED(take_interrupt_lock_twice),
    MISDEED(leave_interrupt),
    MISDEED(leave_interface_name),
    {NULL, NULL},
};
