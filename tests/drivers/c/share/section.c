/*
 * Sections, and views of them in the process that asks and in system space.
 *
 * Sources: ZwCreateSection, ZwOpenSection, ZwMapViewOfSection, ZwUnmapViewOfSection,
 * MmMapViewInSystemSpace, MmUnmapViewInSystemSpace.
 */
#include "share.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__;                                                                       \
    } while (0)

#define CURRENT ((HANDLE)-1)

enum { BYTES = 0x20000 - 5, ALL = 0x20000 };

static UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\BaseNamedObjects\\Share");

static NTSTATUS create(HANDLE *section, ULONG flags, ULONG protection, ULONG kind, LONG64 size,
                       HANDLE file)
{
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER bytes = {.QuadPart = size};
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE | flags, NULL, NULL);
    return ZwCreateSection(section, SECTION_ALL_ACCESS, &attributes, &bytes, protection, kind,
                           file);
}

static NTSTATUS view(HANDLE section, volatile UCHAR **base, LONG64 *offset, SIZE_T *size,
                     ULONG protection)
{
    return ZwMapViewOfSection(section, CURRENT, (PVOID *)base, 0, 0, (PLARGE_INTEGER)offset, size,
                              ViewUnmap, 0, protection);
}

static int refusals(VOID)
{
    HANDLE section;
    CHECK(create(&section, 0, 0x1234, SEC_COMMIT, BYTES, NULL) == STATUS_INVALID_PAGE_PROTECTION);
    CHECK(create(&section, 0, PAGE_READWRITE, SEC_COMMIT, 1LL << 50, NULL) ==
          STATUS_SECTION_TOO_BIG);
    CHECK(!NT_SUCCESS(create(&section, 0, PAGE_READWRITE, SEC_COMMIT, 0, NULL)));
    CHECK(!NT_SUCCESS(create(&section, 0, PAGE_READWRITE, 0, BYTES, NULL)));
    CHECK(create(&section, 0, PAGE_READWRITE, SEC_COMMIT, BYTES, (HANDLE)0x7770) ==
          STATUS_INVALID_HANDLE);
    CHECK(ZwUnmapViewOfSection(CURRENT, (PVOID)0x7654320000) == STATUS_NOT_MAPPED_VIEW);
    CHECK(MmUnmapViewInSystemSpace(&section) == STATUS_NOT_MAPPED_VIEW);
    return 0;
}

static int views(VOID)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE section, again;
    PVOID object;
    volatile UCHAR *all = NULL, *part = (PUCHAR)0x7654321000, *system, *none = NULL;
    SIZE_T size = 0, some = 1;
    LONG64 offset = 0x1ffff;
    CHECK(create(&section, 0, PAGE_READWRITE, SEC_COMMIT, BYTES, NULL) == STATUS_SUCCESS);
    CHECK(create(&again, 0, PAGE_READWRITE, SEC_COMMIT, BYTES, NULL) ==
          STATUS_OBJECT_NAME_COLLISION);
    CHECK(create(&again, OBJ_OPENIF, PAGE_READWRITE, SEC_COMMIT, BYTES, NULL) ==
          STATUS_OBJECT_NAME_EXISTS);
    ZwClose(again);
    CHECK(view(section, &all, NULL, &size, PAGE_READWRITE) == STATUS_SUCCESS);
    CHECK(size == ALL && all[0] == 0 && all[ALL - 1] == 0);
    /* ZwMapViewOfSection's page says that both are rounded; Windows does not round them, as
     * ReactOS's tests of the routine assert. */
    CHECK(view(section, &part, NULL, &some, PAGE_READONLY) == STATUS_MAPPED_ALIGNMENT);
    part = (PUCHAR)0x7654320000;
    CHECK(view(section, &part, &offset, &some, PAGE_READONLY) == STATUS_MAPPED_ALIGNMENT);
    none = (PUCHAR)MmSystemRangeStart + 200;
    CHECK(view(section, &none, NULL, &some, PAGE_READONLY) == STATUS_INVALID_PARAMETER_3);
    none = NULL;
    offset = 0x10000;
    CHECK(view(section, &part, &offset, &some, PAGE_READONLY) == STATUS_SUCCESS);
    CHECK((ULONG_PTR)part == 0x7654320000 && offset == 0x10000 && some == PAGE_SIZE);
    all[0x10003] = 7;
    CHECK(part[3] == 7);
    CHECK(!MmIsAddressValid((PVOID)(part + PAGE_SIZE)));
    some = ALL + 1;
    CHECK(view(section, &none, NULL, &some, PAGE_READWRITE) == STATUS_INVALID_VIEW_SIZE);
    some = 1;
    CHECK(view(section, &none, NULL, &some, PAGE_EXECUTE_READ) == STATUS_SECTION_PROTECTION);
    CHECK(view(section, (volatile UCHAR **)&part, NULL, &some, PAGE_READONLY) ==
          STATUS_CONFLICTING_ADDRESSES);
    CHECK(ZwMapViewOfSection(section, CURRENT, (PVOID *)&none, 21, 0, NULL, &some, ViewUnmap, 0,
                             PAGE_READONLY) == STATUS_INVALID_PARAMETER_4);
    CHECK(!none);
    CHECK(ObReferenceObjectByHandle(section, 0, NULL, KernelMode, &object, NULL) ==
          STATUS_SUCCESS);
    size = 0;
    CHECK(MmMapViewInSystemSpace(object, (PVOID *)&system, &size) == STATUS_SUCCESS);
    CHECK(size == ALL && (LONG64)(ULONG_PTR)system < 0 && system[0x10003] == 7);
    ObDereferenceObject(object);
    ZwClose(section);
    /* The name is gone with the handle, the pages are not. */
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    CHECK(ZwOpenSection(&again, SECTION_ALL_ACCESS, &attributes) == STATUS_OBJECT_NAME_NOT_FOUND);
    CHECK(ZwUnmapViewOfSection(CURRENT, (PVOID)(all + PAGE_SIZE)) == STATUS_SUCCESS);
    CHECK(!MmIsAddressValid((PVOID)all) && part[3] == 7);
    CHECK(ZwUnmapViewOfSection(CURRENT, (PVOID)part) == STATUS_SUCCESS);
    CHECK(ZwUnmapViewOfSection(CURRENT, (PVOID)part) == STATUS_NOT_MAPPED_VIEW);
    system[0x10003]++;
    CHECK(system[0x10003] == 8);
    CHECK(MmUnmapViewInSystemSpace((PVOID)system) == STATUS_SUCCESS);
    CHECK(!MmIsAddressValid((PVOID)system));
    return 0;
}

int check_sections(VOID)
{
    int line = refusals();
    return line ? line : views();
}

NTSTATUS map_section(PVOID *base)
{
    OBJECT_ATTRIBUTES attributes;
    HANDLE section;
    SIZE_T size = 0;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    status = ZwOpenSection(&section, SECTION_ALL_ACCESS, &attributes);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
        /* The handle stays open for who asks next. */
        status = create(&section, 0, PAGE_READWRITE, SEC_COMMIT, BYTES, NULL);
        if (NT_SUCCESS(status))
            kept_section = section;
    }
    if (!NT_SUCCESS(status))
        return status;
    status = view(section, (volatile UCHAR **)base, NULL, &size, PAGE_READWRITE);
    if (section != kept_section)
        ZwClose(section);
    return status;
}

HANDLE kept_section;

NTSTATUS leave_view(VOID)
{
    PVOID object, base;
    SIZE_T size = 0;
    HANDLE section;
    NTSTATUS status = create(&section, 0, PAGE_READWRITE, SEC_COMMIT, BYTES, NULL);
    if (!NT_SUCCESS(status))
        return status;
    ObReferenceObjectByHandle(section, 0, NULL, KernelMode, &object, NULL);
    status = MmMapViewInSystemSpace(object, &base, &size);
    ObDereferenceObject(object);
    ZwClose(section);
    return status;
}
