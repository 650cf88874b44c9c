/*
 * A driver that shows its memory to the process that asks: pages of its own, or nonpaged pool, at
 * an address that the process wishes or any. What it does wrong, it does when asked to.
 *
 * Requests are METHOD_BUFFERED; the input is what MAP is to do, the output what it has done.
 *
 * It also looks into another process than the one that asks.
 *
 * Sources: KeStackAttachProcess, MmMapLockedPagesSpecifyCache, MmUnmapLockedPages; bug check 0xC4, subcodes 0x77, 0xB8
 * and 0xB9; bug check 0x4E, 0x9A.
 */
#include "share.h"

#define TAG 'rahS'
#define CODE(function) (ULONG)CTL_CODE(0x9031, function, METHOD_BUFFERED, FILE_ANY_ACCESS)

enum {
    IOCTL_MAP = CODE(0x800),
    IOCTL_UNMAP = CODE(0x801),
    IOCTL_TOUCH = CODE(0x802),
    IOCTL_FREE_POOL = CODE(0x803),
    IOCTL_FREE_PAGES = CODE(0x804),
    IOCTL_FREE_MDL = CODE(0x805),
    IOCTL_MAP_AT_DISPATCH = CODE(0x806),
    IOCTL_UNMAP_ELSEWHERE = CODE(0x807),
    IOCTL_KEEP_PROCESS = CODE(0x808),
    IOCTL_READ_THERE = CODE(0x809),
    IOCTL_UNMAP_THERE = CODE(0x80a),
    IOCTL_STAY_THERE = CODE(0x80b),
    IOCTL_DETACH = CODE(0x80c),
    IOCTL_HAS_EXITED = CODE(0x80d),
    IOCTL_CHECK_MEMORY = CODE(0x80e),
    IOCTL_SECURE = CODE(0x80f),
    IOCTL_UNSECURE = CODE(0x810),
    IOCTL_CHECK_SECTIONS = CODE(0x811),
    IOCTL_MAP_SECTION = CODE(0x812),
    IOCTL_LEAVE_VIEW = CODE(0x813),
    IOCTL_ALLOCATE_THERE = CODE(0x814),
    IOCTL_TAKE_HANDLE = CODE(0x815),
    IOCTL_TOUCH_IRP = CODE(0x816),
};

enum { READ_ONLY = 1, POOL = 2 };
enum { BYTES = 2 * PAGE_SIZE };

typedef struct {
    ULONG64 wish;
    ULONG flags;
    ULONG offset;
} WHAT;

typedef struct {
    ULONG64 address;
    ULONG status;
    ULONG value;
} DONE;

#ifndef MdlMappingNoWrite
#define MdlMappingNoWrite 0x80000000
#endif

static PDEVICE_OBJECT device;
static UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Share");
static PMDL mdl;
static PUCHAR system_address, pool;
static PVOID user_address;
static PEPROCESS kept;
static HANDLE secured;

/* Calls MmMapLockedPagesSpecifyCache for the user; an exception's status comes back by the last
 * argument, as from __except (EXCEPTION_EXECUTE_HANDLER). */
PVOID NTAPI map_for_user(PMDL mdl, PVOID wish, ULONG priority, NTSTATUS *status);
__asm__(".text\n"
        ".globl map_for_user\n"
        ".def map_for_user; .scl 2; .type 32; .endef\n"
        ".seh_proc map_for_user\n"
        "map_for_user:\n"
        "  pushq %rbx\n"
        "  .seh_pushreg %rbx\n"
        "  subq $48, %rsp\n"
        "  .seh_stackalloc 48\n"
        "  .seh_endprologue\n"
        "  movq %r9, %rbx\n"
        "  movl $0, (%rbx)\n"
        "  movl $0, 32(%rsp)\n"
        "  movl %r8d, 40(%rsp)\n"
        "  movq %rdx, %r9\n"
        "  movl $1, %r8d\n"
        "  movl $1, %edx\n"
        "map_for_user_call:\n"
        "  call MmMapLockedPagesSpecifyCache\n"
        "  nop\n"
        "map_for_user_end:\n"
        "  addq $48, %rsp\n"
        "  popq %rbx\n"
        "  ret\n"
        "map_for_user_except:\n"
        "  movl %eax, (%rbx)\n"
        "  xorl %eax, %eax\n"
        "  jmp map_for_user_end\n"
        ".seh_handler __C_specific_handler, @except\n"
        ".seh_handlerdata\n"
        "  .long 1\n"
        "  .rva map_for_user_call, map_for_user_end\n"
        "  .long 1\n"
        "  .rva map_for_user_except\n"
        ".text\n"
        ".seh_endproc\n");

static VOID describe(ULONG flags)
{
    PHYSICAL_ADDRESS low = {.QuadPart = 0}, high = {.QuadPart = -1};
    if (flags & POOL) {
        pool = ExAllocatePoolWithTag(NonPagedPoolNx, BYTES, TAG);
        mdl = IoAllocateMdl(pool, BYTES, FALSE, FALSE, NULL);
        MmBuildMdlForNonPagedPool(mdl);
        system_address = pool;
        RtlZeroMemory(pool, BYTES);
    } else {
        mdl = MmAllocatePagesForMdlEx(low, high, low, BYTES, MmCached, 0);
        system_address = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
    }
}

static VOID forget(VOID)
{
    if (pool) {
        IoFreeMdl(mdl);
        ExFreePoolWithTag(pool, TAG);
    } else if (mdl) {
        MmUnmapLockedPages(system_address, mdl);
        MmFreePagesFromMdl(mdl);
        ExFreePool(mdl);
    }
    pool = NULL;
    mdl = NULL;
}

static VOID NTAPI unmap_elsewhere(PVOID context)
{
    UNREFERENCED_PARAMETER(context);
    MmUnmapLockedPages(user_address, mdl);
}

/* Unmaps what the kept process has, from a thread of the system's process. */
static VOID NTAPI unmap_there(PVOID context)
{
    KAPC_STATE state;
    UNREFERENCED_PARAMETER(context);
    KeStackAttachProcess((PVOID)kept, &state);
    MmUnmapLockedPages(user_address, mdl);
    KeUnstackDetachProcess(&state);
}

static NTSTATUS run(PKSTART_ROUTINE routine)
{
    HANDLE handle;
    PVOID thread;
    NTSTATUS status =
        PsCreateSystemThread(&handle, THREAD_ALL_ACCESS, NULL, NULL, NULL, routine, NULL);
    if (!NT_SUCCESS(status))
        return status;
    ObReferenceObjectByHandle(handle, THREAD_ALL_ACCESS, NULL, KernelMode, &thread, NULL);
    ZwClose(handle);
    KeWaitForSingleObject(thread, Executive, KernelMode, FALSE, NULL);
    ObDereferenceObject(thread);
    return STATUS_SUCCESS;
}

/* Reads a byte of the kept process's, and of the current one behind it. */
static NTSTATUS read_there(volatile UCHAR *address, DONE *done)
{
    KAPC_STATE outer, inner;
    PEPROCESS own = IoGetCurrentProcess();
    KeStackAttachProcess((PVOID)kept, &outer);
    if (IoGetCurrentProcess() != kept)
        return STATUS_UNSUCCESSFUL;
    KeStackAttachProcess((PVOID)kept, &inner);
    KeUnstackDetachProcess(&inner);
    done->value = *address;
    KeStackAttachProcess((PVOID)PsInitialSystemProcess, &inner);
    if (MmIsAddressValid((PVOID)address) || IoGetCurrentProcess() != PsInitialSystemProcess)
        return STATUS_UNSUCCESSFUL;
    KeUnstackDetachProcess(&inner);
    done->value |= *address << 8;
    KeUnstackDetachProcess(&outer);
    if (IoGetCurrentProcess() != own)
        return STATUS_UNSUCCESSFUL;
    done->value |= *address << 16;
    return STATUS_SUCCESS;
}

static NTSTATUS exit_status(PEPROCESS process)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"PsGetProcessExitStatus");
    NTSTATUS(NTAPI * query)(PEPROCESS process) =
        (NTSTATUS(NTAPI *)(PEPROCESS))MmGetSystemRoutineAddress(&name);
    return query(process);
}

static NTSTATUS control(ULONG code, WHAT what, DONE *done)
{
    KAPC_STATE state;
    KIRQL irql;
    PVOID base, object;
    done->status = STATUS_SUCCESS;
    switch (code) {
    case IOCTL_MAP:
        if (!mdl)
            describe(what.flags);
        user_address = map_for_user(
            mdl, (PVOID)what.wish,
            NormalPagePriority | (what.flags & READ_ONLY ? MdlMappingNoWrite : 0),
            (NTSTATUS *)&done->status);
        break;
    case IOCTL_UNMAP:
        MmUnmapLockedPages(user_address, mdl);
        forget();
        break;
    case IOCTL_TOUCH:
        done->value = system_address[what.offset]++;
        break;
    case IOCTL_FREE_POOL:
        ExFreePoolWithTag(pool, TAG);
        break;
    case IOCTL_FREE_PAGES:
        MmUnmapLockedPages(system_address, mdl);
        MmFreePagesFromMdl(mdl);
        break;
    case IOCTL_FREE_MDL:
        IoFreeMdl(mdl);
        break;
    case IOCTL_MAP_AT_DISPATCH:
        describe(0);
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        MmMapLockedPagesSpecifyCache(mdl, UserMode, MmCached, NULL, FALSE, NormalPagePriority);
        KeLowerIrql(irql);
        break;
    case IOCTL_UNMAP_ELSEWHERE:
        return run(unmap_elsewhere);
    case IOCTL_KEEP_PROCESS:
        kept = IoGetCurrentProcess();
        ObReferenceObject(kept);
        break;
    case IOCTL_READ_THERE:
        return read_there((PVOID)what.wish, done);
    case IOCTL_UNMAP_THERE:
        return run(unmap_there);
    case IOCTL_STAY_THERE:
        KeStackAttachProcess((PVOID)PsInitialSystemProcess, &state);
        break;
    case IOCTL_HAS_EXITED:
        done->value = exit_status(kept) != STATUS_PENDING;
        break;
    case IOCTL_CHECK_MEMORY:
        done->value = check_memory();
        break;
    case IOCTL_CHECK_SECTIONS:
        done->value = check_sections();
        break;
    case IOCTL_MAP_SECTION:
        base = NULL;
        done->status = map_section(&base);
        done->address = (ULONG64)base;
        return STATUS_SUCCESS;
    case IOCTL_LEAVE_VIEW:
        done->status = leave_view();
        break;
    case IOCTL_ALLOCATE_THERE:
        base = NULL;
        done->status = allocate_there(kept, &base);
        done->address = (ULONG64)base;
        return STATUS_SUCCESS;
    case IOCTL_TAKE_HANDLE:
        /* The first handle of the client's, which is open to this device, taken for the kernel's. */
        done->status =
            ObReferenceObjectByHandle((HANDLE)what.wish, 0, NULL, what.flags & 1, &object, NULL);
        if (NT_SUCCESS(done->status))
            ObDereferenceObject(object);
        break;
    case IOCTL_TOUCH_IRP:
        break;
    case IOCTL_SECURE:
        secured = MmSecureVirtualMemory((PVOID)what.wish, 1, PAGE_READWRITE);
        done->status = secured ? STATUS_SUCCESS : STATUS_UNSUCCESSFUL;
        break;
    case IOCTL_UNSECURE:
        MmUnsecureVirtualMemory(secured);
        break;
    case IOCTL_DETACH:
        RtlZeroMemory(&state, sizeof(state));
        KeUnstackDetachProcess(&state);
        break;
    default:
        return STATUS_INVALID_DEVICE_REQUEST;
    }
    done->address = (ULONG64)user_address;
    return STATUS_SUCCESS;
}

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    PVOID buffer = irp->AssociatedIrp.SystemBuffer;
    WHAT what;
    ULONG code;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(object);
    if (location->Parameters.DeviceIoControl.InputBufferLength < sizeof(WHAT) ||
        location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(DONE))
        return finish(irp, STATUS_INVALID_PARAMETER, 0);
    what = *(WHAT *)buffer;
    RtlZeroMemory(buffer, sizeof(DONE));
    code = location->Parameters.DeviceIoControl.IoControlCode;
    status = control(code, what, buffer);
    finish(irp, status, sizeof(DONE));
    /* Whoever completes a client's IRP has it no longer. */
    return code == IOCTL_TOUCH_IRP ? irp->IoStatus.Status : status;
}

static NTSTATUS NTAPI dispatch_file(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    forget();
    if (kept_section)
        ZwClose(kept_section);
    if (kept)
        ObDereferenceObject(kept);
    IoDeleteDevice(device);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_file;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_file;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_file;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device);
    if (NT_SUCCESS(status))
        device->Flags &= ~DO_DEVICE_INITIALIZING;
    return status;
}
