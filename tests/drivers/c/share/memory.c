/*
 * The memory of the process that asks, as drivers allocate, free and secure it.
 *
 * Sources: ZwAllocateVirtualMemory, ZwFreeVirtualMemory, MmSecureVirtualMemory.
 */
#include "share.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

#define CURRENT ((HANDLE)-1)

static NTSTATUS allocate(volatile UCHAR **base, SIZE_T size, ULONG type, ULONG protection)
{
    SIZE_T actual = size;
    NTSTATUS status =
        ZwAllocateVirtualMemory(CURRENT, (PVOID *)base, 0, &actual, type, protection);
    if (NT_SUCCESS(status) && actual != ROUND_TO_PAGES(size))
        return STATUS_UNSUCCESSFUL;
    return status;
}

static NTSTATUS give(volatile UCHAR *base, SIZE_T size, ULONG type)
{
    PVOID address = (PVOID)base;
    return ZwFreeVirtualMemory(CURRENT, &address, &size, type);
}

static int commits(VOID)
{
    volatile UCHAR *base = NULL, *page, *other;
    ULONG i, sum = 0;
    CHECK(allocate(&base, 5 * PAGE_SIZE - 1, MEM_RESERVE, PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK(base && BYTE_OFFSET(base) == 0 && !MmIsAddressValid((PVOID)base));
    page = base + 2 * PAGE_SIZE;
    CHECK(allocate(&page, 1, MEM_COMMIT, PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK(page == base + 2 * PAGE_SIZE);
    for (i = 0; i < PAGE_SIZE; i++)
        sum += page[i];
    CHECK(sum == 0 && !MmIsAddressValid((PVOID)(page - 1)));
    page[7] = 1;
    other = base + PAGE_SIZE;
    /* What is committed stays, and is protected anew. */
    CHECK(allocate(&other, 2 * PAGE_SIZE, MEM_COMMIT, PAGE_READONLY) == STATUS_SUCCESS);
    CHECK(page[7] == 1 && other[0] == 0);
    CHECK(allocate(&other, 2 * PAGE_SIZE, MEM_RESET, PAGE_READONLY) == STATUS_SUCCESS);
    CHECK(page[7] == 1);
    other = base;
    CHECK(allocate(&other, PAGE_SIZE, MEM_RESET, PAGE_READONLY) == STATUS_CONFLICTING_ADDRESSES);
    CHECK(allocate(&other, PAGE_SIZE, MEM_RESERVE, PAGE_READONLY) ==
          STATUS_CONFLICTING_ADDRESSES);
    CHECK(give(page, PAGE_SIZE, MEM_DECOMMIT) == STATUS_SUCCESS);
    CHECK(!MmIsAddressValid((PVOID)page) && MmIsAddressValid((PVOID)(page - 1)));
    CHECK(give(page, PAGE_SIZE, MEM_DECOMMIT) == STATUS_SUCCESS);
    other = page;
    CHECK(allocate(&other, PAGE_SIZE, MEM_COMMIT, PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK(page[7] == 0);
    CHECK(!NT_SUCCESS(give(page, 0, MEM_RELEASE)));
    CHECK(!NT_SUCCESS(give(base, PAGE_SIZE, MEM_RELEASE)));
    CHECK(give(base, 0, MEM_RELEASE) == STATUS_SUCCESS);
    CHECK(!MmIsAddressValid((PVOID)page));
    CHECK(!NT_SUCCESS(give(base, 0, MEM_RELEASE)));
    CHECK(allocate(&base, 5 * PAGE_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_NOACCESS) ==
          STATUS_SUCCESS);
    CHECK(!MmIsAddressValid((PVOID)base));
    CHECK(give(base, 0, MEM_RELEASE) == STATUS_SUCCESS);
    return 0;
}

static int refusals(VOID)
{
    volatile UCHAR *base = NULL, *wish = (PUCHAR)0x7654321000;
    PVOID high = NULL;
    SIZE_T size = PAGE_SIZE;
    CHECK(!NT_SUCCESS(allocate(&base, 0, MEM_COMMIT, PAGE_READWRITE)));
    CHECK(!NT_SUCCESS(allocate(&base, 1, MEM_TOP_DOWN, PAGE_READWRITE)));
    CHECK(!NT_SUCCESS(allocate(&base, 1, MEM_RESET | MEM_COMMIT, PAGE_READWRITE)));
    CHECK(allocate(&base, 1, MEM_COMMIT, 0) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(allocate(&base, 1, MEM_COMMIT, PAGE_WRITECOPY) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(allocate(&wish, 1, MEM_COMMIT, PAGE_READWRITE) == STATUS_CONFLICTING_ADDRESSES);
    CHECK(ZwAllocateVirtualMemory(CURRENT, &high, 21, &size, MEM_COMMIT, PAGE_READWRITE) ==
          STATUS_INVALID_PARAMETER_3);
    CHECK(ZwAllocateVirtualMemory((HANDLE)0x7770, &high, 0, &size, MEM_COMMIT, PAGE_READWRITE) ==
          STATUS_INVALID_HANDLE);
    CHECK(!base && !high);
    /* What is reserved begins at a multiple of 64 KiB, and ends where it was asked to. */
    wish += 5;
    size = PAGE_SIZE - 5;
    CHECK(ZwAllocateVirtualMemory(CURRENT, (PVOID *)&wish, 0, &size, MEM_RESERVE | MEM_COMMIT,
                                  PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK((ULONG_PTR)wish == 0x7654320000 && size == 2 * PAGE_SIZE);
    wish[2 * PAGE_SIZE - 1] = 1;
    CHECK(give(wish, 0, MEM_RELEASE) == STATUS_SUCCESS);
    size = PAGE_SIZE;
    /* More than there is fails, and leaves nothing reserved. */
    base = (PUCHAR)0x7654320000;
    CHECK(allocate(&base, 1ULL << 32, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) ==
          STATUS_NO_MEMORY);
    CHECK(allocate(&base, 1ULL << 32, MEM_RESERVE, PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK(give(base, 0, MEM_RELEASE) == STATUS_SUCCESS);
    CHECK(ZwAllocateVirtualMemory(CURRENT, &high, 20, &size, MEM_COMMIT | MEM_TOP_DOWN,
                                  PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK((ULONG_PTR)high < 1ULL << 44 && (ULONG_PTR)high > 1ULL << 43);
    CHECK(give(high, 0, MEM_RELEASE) == STATUS_SUCCESS);
    return 0;
}

/* Nobody's address of choice: a multiple of 64 KiB all the same, from either end. */
static int begins(VOID)
{
    volatile UCHAR *bases[4] = {NULL};
    ULONG i;
    for (i = 0; i < 4; i++) {
        CHECK(allocate(&bases[i], PAGE_SIZE, MEM_COMMIT | (i & 1 ? MEM_TOP_DOWN : 0),
                       PAGE_READWRITE) == STATUS_SUCCESS);
        CHECK(((ULONG_PTR)bases[i] & 0xffff) == 0);
    }
    for (i = 0; i < 4; i++)
        CHECK(give(bases[i], 0, MEM_RELEASE) == STATUS_SUCCESS);
    return 0;
}

static int secures(VOID)
{
    volatile UCHAR *base = NULL, *last;
    HANDLE readable, writable;
    CHECK(allocate(&base, 3 * PAGE_SIZE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) ==
          STATUS_SUCCESS);
    last = base + 2 * PAGE_SIZE;
    readable = MmSecureVirtualMemory((PVOID)(base + 1), PAGE_SIZE, PAGE_READONLY);
    writable = MmSecureVirtualMemory((PVOID)last, 1, PAGE_READWRITE);
    CHECK(readable && writable);
    CHECK(give(base, 0, MEM_RELEASE) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(give(base + PAGE_SIZE, 1, MEM_DECOMMIT) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(allocate(&base, 1, MEM_COMMIT, PAGE_NOACCESS) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(allocate(&base, 1, MEM_COMMIT, PAGE_READONLY) == STATUS_SUCCESS);
    CHECK(allocate(&last, 1, MEM_COMMIT, PAGE_READONLY) == STATUS_INVALID_PAGE_PROTECTION);
    MmUnsecureVirtualMemory(writable);
    CHECK(allocate(&last, 1, MEM_COMMIT, PAGE_READONLY) == STATUS_SUCCESS);
    CHECK(!MmSecureVirtualMemory((PVOID)last, 1, PAGE_READWRITE));
    CHECK(!MmSecureVirtualMemory((PVOID)last, PAGE_SIZE + 1, PAGE_READONLY));
    CHECK(!MmSecureVirtualMemory((PVOID)last, 1, PAGE_EXECUTE));
    MmUnsecureVirtualMemory(readable);
    CHECK(give(base, 0, MEM_RELEASE) == STATUS_SUCCESS);
    return 0;
}

int check_memory(VOID)
{
    int line = commits();
    if (!line)
        line = refusals();
    if (!line)
        line = begins();
    return line ? line : secures();
}

NTSTATUS allocate_there(PEPROCESS process, PVOID *base)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Process");
    OBJECT_ATTRIBUTES attributes, named;
    CLIENT_ID id = {PsGetProcessId(process), NULL}, none = {(HANDLE)0x7ffffffc, NULL},
              own = {NULL, PsGetCurrentThreadId()};
    HANDLE handle;
    SIZE_T size = PAGE_SIZE;
    PVOID object;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, NULL, OBJ_KERNEL_HANDLE, NULL, NULL);
    InitializeObjectAttributes(&named, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    if (ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &attributes, NULL) !=
            STATUS_INVALID_PARAMETER_MIX ||
        ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &named, &id) != STATUS_INVALID_PARAMETER_MIX ||
        ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &attributes, &none) != STATUS_INVALID_CID ||
        ZwOpenProcess(&handle, 0x400000, &attributes, &id) != STATUS_INVALID_PARAMETER)
        return STATUS_UNSUCCESSFUL;
    /* By a thread, the process is that thread's. */
    status = ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &attributes, &own);
    if (!NT_SUCCESS(status))
        return status;
    status = ObReferenceObjectByHandle(handle, 0, NULL, KernelMode, &object, NULL);
    ZwClose(handle);
    if (!NT_SUCCESS(status))
        return status;
    ObDereferenceObject(object);
    if (object != (PVOID)IoGetCurrentProcess())
        return STATUS_UNSUCCESSFUL;
    status = ZwOpenProcess(&handle, PROCESS_ALL_ACCESS, &attributes, &id);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwAllocateVirtualMemory(handle, base, 0, &size, MEM_COMMIT, PAGE_READWRITE);
    ZwClose(handle);
    return status;
}
