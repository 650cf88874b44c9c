/*
 * What a driver is told of who opens a file and what for, and strings in the OEM code page.
 *
 * Sources: IO_SECURITY_CONTEXT, ACCESS_STATE, SeAppendPrivileges; RtlOemStringToUnicodeString,
 * RtlUnicodeStringToOemString and those that their pages lead to.
 */
#include <ntifs.h>
#include "rules.h"

typedef NTSTATUS NTAPI TO_OEM(PSTRING to, PUNICODE_STRING from, BOOLEAN own_buffer);
typedef NTSTATUS NTAPI FROM_OEM(PUNICODE_STRING to, PSTRING from, BOOLEAN own_buffer);
typedef NTSTATUS NTAPI OEM_TO_UNICODE(PWCH to, ULONG size, PULONG count, PCCH from, ULONG length);
typedef NTSTATUS NTAPI UNICODE_TO_OEM(PCHAR to, ULONG size, PULONG count, PCWCH from, ULONG length);
typedef ULONG NTAPI OEM_SIZE(PSTRING string);
typedef ULONG NTAPI UNICODE_SIZE(PUNICODE_STRING string);
typedef VOID NTAPI FREE_OEM(PSTRING string);

static VOID append(PACCESS_STATE state)
{
    struct {
        PRIVILEGE_SET set;
        LUID_AND_ATTRIBUTES second;
    } two = {{2, 0, {{{SE_DEBUG_PRIVILEGE, 0}, 0}}}, {{SE_BACKUP_PRIVILEGE, 0}, 7}};
    PRIVILEGE_SET *within = &state->Privileges.PrivilegeSet;
    ULONG before = within->PrivilegeCount;
    RULE("an access state has no privileges at first", before == 0 && !state->PrivilegesAllocated);
    RULE("privileges are added to it",
         SeAppendPrivileges(state, &two.set) == STATUS_SUCCESS && within->PrivilegeCount == 2 &&
             within->Privilege[0].Luid.LowPart == SE_DEBUG_PRIVILEGE &&
             within->Privilege[1].Luid.LowPart == SE_BACKUP_PRIVILEGE &&
             within->Privilege[1].Attributes == 7 && !state->PrivilegesAllocated);
    RULE("more than three are kept elsewhere",
         SeAppendPrivileges(state, &two.set) == STATUS_SUCCESS && state->PrivilegesAllocated);
    RULE("and so are more of them", SeAppendPrivileges(state, &two.set) == STATUS_SUCCESS);
}

static ULONG creates;

static NTSTATUS NTAPI dispatch(PDEVICE_OBJECT device, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    UNREFERENCED_PARAMETER(device);
    if (location->MajorFunction == IRP_MJ_CREATE) {
        PIO_SECURITY_CONTEXT context = location->Parameters.Create.SecurityContext;
        PACCESS_STATE state = context->AccessState;
        PACCESS_TOKEN system = PsReferencePrimaryToken(PsInitialSystemProcess);
        creates++;
        RULE("a create tells what is wanted and granted",
             state && state->OriginalDesiredAccess == (FILE_READ_DATA | SYNCHRONIZE) &&
                 state->PreviouslyGrantedAccess == context->DesiredAccess &&
                 !state->RemainingDesiredAccess);
        RULE("and who wants it",
             state && SeQuerySubjectContextToken(&state->SubjectSecurityContext) == system);
        PsDereferencePrimaryToken(system);
        if (state)
            append(state);
    }
    irp->IoStatus.Status = STATUS_SUCCESS;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return STATUS_SUCCESS;
}

static VOID access_states(PDRIVER_OBJECT driver)
{
    static const UCHAR majors[] = {IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE};
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\RulesAccess");
    PDRIVER_DISPATCH before[ARRAYSIZE(majors)];
    OBJECT_ATTRIBUTES attributes;
    IO_STATUS_BLOCK block;
    PDEVICE_OBJECT device;
    HANDLE file;
    ULONG i;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    device->Flags &= ~DO_DEVICE_INITIALIZING;
    for (i = 0; i < ARRAYSIZE(majors); i++) {
        before[i] = driver->MajorFunction[majors[i]];
        driver->MajorFunction[majors[i]] = dispatch;
    }
    InitializeObjectAttributes(&attributes, &name, OBJ_KERNEL_HANDLE, NULL, NULL);
    RULE("a device is opened by its name",
         ZwOpenFile(&file, FILE_READ_DATA | SYNCHRONIZE, &attributes, &block, 0,
                    FILE_SYNCHRONOUS_IO_NONALERT) == STATUS_SUCCESS &&
             creates == 1);
    ZwClose(file);
    for (i = 0; i < ARRAYSIZE(majors); i++)
        driver->MajorFunction[majors[i]] = before[i];
    IoDeleteDevice(device);
}

static VOID oem_strings(VOID)
{
    TO_OEM *to_oem = routine(L"RtlUnicodeStringToOemString"),
           *to_upper = routine(L"RtlUpcaseUnicodeStringToOemString"),
           *to_counted = routine(L"RtlUnicodeStringToCountedOemString"),
           *to_upper_counted = routine(L"RtlUpcaseUnicodeStringToCountedOemString");
    FROM_OEM *from_oem = routine(L"RtlOemStringToUnicodeString"),
             *from_oem_counted = routine(L"RtlOemStringToCountedUnicodeString");
    FREE_OEM *free_oem = routine(L"RtlFreeOemString");
    OEM_SIZE *oem_size = routine(L"RtlxOemStringToUnicodeSize");
    UNICODE_SIZE *unicode_size = routine(L"RtlxUnicodeStringToOemSize");
    UNICODE_STRING wide = RTL_CONSTANT_STRING(L"Stra\xdf" L"e"), far = RTL_CONSTANT_STRING(L"a\x3b1");
    UNICODE_STRING other = {0};
    CHAR room[6];
    STRING narrow = {0, sizeof(room), room}, own = {0};
    RULE("a string with its NUL must fit",
         to_oem(&narrow, &wide, FALSE) == STATUS_BUFFER_OVERFLOW);
    RULE("a counted one has none",
         to_counted(&narrow, &wide, FALSE) == STATUS_SUCCESS && narrow.Length == 6 &&
             RtlCompareMemory(room, "Stra\xdf" "e", 6) == 6);
    RULE("a string has a buffer of its own if that is wanted",
         to_upper(&own, &wide, TRUE) == STATUS_SUCCESS && own.Length == 6 &&
             own.MaximumLength == 7 && RtlCompareMemory(own.Buffer, "STRA\xdf" "E", 7) == 7);
    RULE("as UTF-16 it takes twice as much", oem_size(&own) == 14 && unicode_size(&wide) == 7);
    RULE("it is made UTF-16 again",
         from_oem(&other, &own, TRUE) == STATUS_SUCCESS && other.Length == 12 &&
             other.Buffer[4] == 0xdf && !other.Buffer[6]);
    RtlFreeUnicodeString(&other);
    RULE("and without a NUL",
         from_oem_counted(&other, &own, TRUE) == STATUS_SUCCESS && other.Length == 12 &&
             other.MaximumLength == 12);
    RtlFreeUnicodeString(&other);
    free_oem(&own);
    RULE("freeing empties a string", !own.Buffer && !own.Length);
    RULE("what the code page lacks is a question mark",
         to_oem(&narrow, &far, FALSE) == STATUS_SUCCESS && room[1] == '?' && !room[2]);
    RULE("but not where it is counted",
         to_counted(&narrow, &far, FALSE) == STATUS_UNMAPPABLE_CHARACTER &&
             to_upper_counted(&narrow, &far, FALSE) == STATUS_UNMAPPABLE_CHARACTER);
}

static VOID oem_text(VOID)
{
    OEM_TO_UNICODE *widen = routine(L"RtlOemToUnicodeN");
    UNICODE_TO_OEM *narrow = routine(L"RtlUnicodeToOemN"),
                   *narrow_upper = routine(L"RtlUpcaseUnicodeToOemN");
    WCHAR wide[3] = {0};
    CHAR bytes[4] = {0};
    ULONG count = 0;
    RULE("bytes are widened as far as there is room",
         widen(wide, 5, &count, "abc", 3) == STATUS_SUCCESS && count == 4 && wide[1] == 'b' &&
             !wide[2]);
    RULE("and narrowed",
         narrow(bytes, 4, &count, wide, 4) == STATUS_SUCCESS && count == 2 && bytes[1] == 'b');
    RULE("in upper case, too",
         narrow_upper(bytes, 1, &count, wide, 4) == STATUS_SUCCESS && count == 1 &&
             bytes[0] == 'A' && bytes[1] == 'b');
}

VOID check_access(PDRIVER_OBJECT driver)
{
    access_states(driver);
    oem_strings();
    oem_text();
}
