/*
 * A driver in C++, built by `cargo xtask cc`: what a source that was written for the WDK takes from
 * its headers and libraries, used once each. Its device answers with a greeting for the name that it
 * is given.
 *
 * Sources: nf-wdmsec-wdmlibiocreatedevicesecure, nf-wdm-exallocatepool2, nf-wdm-exallocatepool3.
 */
#include <Ntifs.h>
#include <wdmsec.h>
#include <ntstrsafe.h>

#include "greeter.h"
#include "messages.h"

static_assert(POOL_FLAG_NON_PAGED == 0x40 && POOL_FLAG_PAGED == 0x100, "POOL_FLAGS");
static_assert(sizeof(POOL_EXTENDED_PARAMETER) == 16, "POOL_EXTENDED_PARAMETER");

constexpr ULONG Tag = 'teeG';

void operator delete(void *memory) noexcept
{
    if (memory)
        ExFreePoolWithTag(memory, Tag);
}

void operator delete(void *memory, size_t) noexcept
{
    operator delete(memory);
}

void operator delete(void *memory, size_t, std::align_val_t) noexcept
{
    operator delete(memory);
}

namespace
{

/* A value that frees what it points to. */
template <typename T> class Owned
{
  public:
    explicit Owned(T *value) : value_(value) {}
    ~Owned() { delete value_; }
    Owned(const Owned &) = delete;
    Owned &operator=(const Owned &) = delete;
    T *operator->() const { return value_; }
    explicit operator bool() const { return value_ != nullptr; }

  private:
    T *value_;
};

class Greeting
{
  public:
    virtual ~Greeting() = default;
    virtual int Write(_Out_ WCHAR *text, _In_ const char *name) const = 0;
};

/* Aligned more than pool is. */
class alignas(64) Hello final : public Greeting
{
  public:
    int Write(WCHAR *text, const char *name) const override
    {
        return swprintf(text, L"Hello, %hs", name);
    }

    /* Says by noexcept that it may give none. */
    static void *operator new(size_t size, std::align_val_t) noexcept
    {
        POOL_EXTENDED_PARAMETER priority = {};
        priority.Type = PoolExtendedParameterPriority;
        priority.Priority = HighPoolPriority;
        return ExAllocatePool3(POOL_FLAG_NON_PAGED | POOL_FLAG_CACHE_ALIGNED, size, Tag,
                               &priority, 1);
    }
    static void operator delete(void *memory, std::align_val_t) noexcept
    {
        ::operator delete(memory);
    }
};

_IRQL_requires_max_(DISPATCH_LEVEL) NTSTATUS Finish(PIRP irp, NTSTATUS status, ULONG_PTR length)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = length;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

NTSTATUS Greet(PIRP irp, PIO_STACK_LOCATION stack)
{
    const auto &sizes = stack->Parameters.DeviceIoControl;
    if (sizes.InputBufferLength == 0 || sizes.InputBufferLength > GREETER_LONGEST_NAME)
        return Finish(irp, STATUS_INVALID_PARAMETER, 0);
    NTSTATUS status = IoValidateDeviceIoControlAccess(irp, FILE_READ_ACCESS);
    if (!NT_SUCCESS(status))
        return Finish(irp, status, 0);
    char name[GREETER_LONGEST_NAME + 1] = {};
    RtlCopyMemory(name, irp->AssociatedIrp.SystemBuffer, sizes.InputBufferLength);
    Owned<Greeting> greeting(new Hello);
    if (!greeting)
        return Finish(irp, STATUS_INSUFFICIENT_RESOURCES, 0);
    WCHAR text[GREETER_LONGEST_NAME + 16];
    ULONG length = greeting->Write(text, name) * sizeof(WCHAR);
    if (length > sizes.OutputBufferLength)
        return Finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
    RtlCopyMemory(irp->AssociatedIrp.SystemBuffer, text, length);
    return Finish(irp, STATUS_SUCCESS, length);
}

/* READ_REGISTER_BUFFER_* copies from the register. */
NTSTATUS ReadRegisters(PIRP irp, PIO_STACK_LOCATION stack)
{
    volatile ULONG registers[2] = {0x11111111, 0x22222222};
    if (stack->Parameters.DeviceIoControl.OutputBufferLength < sizeof(registers))
        return Finish(irp, STATUS_BUFFER_TOO_SMALL, 0);
    auto buffer = static_cast<PULONG>(irp->AssociatedIrp.SystemBuffer);
    RtlZeroMemory(buffer, sizeof(registers));
    READ_REGISTER_BUFFER_ULONG(registers, buffer, RTL_NUMBER_OF(registers));
    return Finish(irp, STATUS_SUCCESS, sizeof(registers));
}

} // namespace

extern "C" {

DRIVER_INITIALIZE DriverEntry;
DRIVER_UNLOAD GreeterUnload;
_Dispatch_type_(IRP_MJ_CREATE) _Dispatch_type_(IRP_MJ_CLOSE) DRIVER_DISPATCH GreeterOpen;
_Dispatch_type_(IRP_MJ_DEVICE_CONTROL) DRIVER_DISPATCH GreeterControl;

_Use_decl_annotations_ NTSTATUS GreeterOpen(PDEVICE_OBJECT, PIRP irp)
{
    return Finish(irp, STATUS_SUCCESS, 0);
}

_Use_decl_annotations_ NTSTATUS GreeterControl(PDEVICE_OBJECT, PIRP irp)
{
    auto stack = IoGetCurrentIrpStackLocation(irp);
    switch (stack->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_GREETER_GREET:
        return Greet(irp, stack);
    case IOCTL_GREETER_READ_REGISTERS:
        return ReadRegisters(irp, stack);
    default:
        return Finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    }
}

_Use_decl_annotations_ VOID GreeterUnload(PDRIVER_OBJECT driver)
{
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\Greeter");
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

_Use_decl_annotations_ NTSTATUS DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Greeter");
    UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\??\\Greeter");
    PDEVICE_OBJECT device;
    driver->MajorFunction[IRP_MJ_CREATE] = GreeterOpen;
    driver->MajorFunction[IRP_MJ_CLOSE] = GreeterOpen;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = GreeterControl;
    driver->DriverUnload = GreeterUnload;
    NTSTATUS status =
        IoCreateDeviceSecure(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                             &SDDL_DEVOBJ_SYS_ALL_ADM_ALL, nullptr, &device);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(device);
        return status;
    }
    DbgPrintEx(DPFLTR_IHVDRIVER_ID, DPFLTR_ERROR_LEVEL, "greeter: message %#x\n",
               GREETER_STARTED);
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

} // extern "C"
