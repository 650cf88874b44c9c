/*
 * Who may do what: identifiers, lists, descriptors, and the checks of them.
 */
#include <ntifs.h>
#include "rules.h"

#define BYTES 256

/* As the DDK has it, for its own linker: the import's slot. */
extern POBJECT_TYPE *__imp_IoDeviceObjectType;
#define IoDeviceObjectType __imp_IoDeviceObjectType

/* What a driver has to say of a device: administrators have it, everybody may read it. */
typedef struct {
    UCHAR list[BYTES];
    SECURITY_DESCRIPTOR descriptor;
} DEVICE_SECURITY;

static SID world = {SID_REVISION, 1, {SECURITY_WORLD_SID_AUTHORITY}, {0}};
static SID local_system = {SID_REVISION, 1, {SECURITY_NT_AUTHORITY}, {SECURITY_LOCAL_SYSTEM_RID}};

static SID nobody = {9, 1, {SECURITY_NULL_SID_AUTHORITY}, {0}};

static VOID identifiers(VOID)
{
    SID_IDENTIFIER_AUTHORITY authority = {SECURITY_NT_AUTHORITY};
    UCHAR buffer[32];
    UNICODE_STRING text;
    PSID administrators = buffer;
    RULE("an identifier is made",
         RtlInitializeSid(administrators, &authority, 2) == STATUS_SUCCESS);
    *RtlSubAuthoritySid(administrators, 0) = SECURITY_BUILTIN_DOMAIN_RID;
    *RtlSubAuthoritySid(administrators, 1) = DOMAIN_ALIAS_RID_ADMINS;
    RULE("it is valid, and as long as its subauthorities make it",
         RtlValidSid(administrators) && RtlLengthSid(administrators) == 16 &&
             RtlLengthRequiredSid(2) == 16);
    RULE("it becomes a text, allocated",
         RtlConvertSidToUnicodeString(&text, administrators, TRUE) == STATUS_SUCCESS &&
             EQUAL_TEXT(&text, L"S-1-5-32-544"));
    text.MaximumLength = 4;
    RULE("a text needs room", RtlConvertSidToUnicodeString(&text, administrators, FALSE) ==
                                  STATUS_BUFFER_OVERFLOW);
    RtlFreeUnicodeString(&text);
    RULE("identifiers are compared", !RtlEqualSid(&world, &local_system));
    RULE("an identifier is copied", RtlCopySid(sizeof(buffer), buffer, &world) == STATUS_SUCCESS &&
                                        RtlEqualSid(buffer, &world));
    RULE("administrators are those of the well-known names",
         SeExports->SeAliasAdminsSid && RtlLengthSid(SeExports->SeAliasAdminsSid) == 16 &&
             RtlEqualSid(SeExports->SeWorldSid, &world) &&
             RtlEqualSid(SeExports->SeLocalSystemSid, &local_system) &&
             SeExports->SeLoadDriverPrivilege.LowPart == SE_LOAD_DRIVER_PRIVILEGE);
}

static NTSTATUS secure(DEVICE_SECURITY *to, ACCESS_MASK everybody)
{
    PACL list = (PACL)to->list;
    RtlCreateSecurityDescriptor(&to->descriptor, SECURITY_DESCRIPTOR_REVISION);
    RtlCreateAcl(list, sizeof(to->list), ACL_REVISION);
    RtlAddAccessAllowedAce(list, ACL_REVISION, GENERIC_ALL, SeExports->SeAliasAdminsSid);
    if (everybody)
        RtlAddAccessAllowedAce(list, ACL_REVISION, everybody, &world);
    return RtlSetDaclSecurityDescriptor(&to->descriptor, TRUE, list, FALSE);
}

static BOOLEAN granted(PSECURITY_DESCRIPTOR descriptor, PSECURITY_SUBJECT_CONTEXT subject,
                       ACCESS_MASK wanted, KPROCESSOR_MODE mode, PACCESS_MASK access,
                       PNTSTATUS status)
{
    return SeAccessCheck(descriptor, subject, FALSE, wanted, 0, NULL,
                         IoGetFileObjectGenericMapping(), mode, access, status);
}

static VOID checks(VOID)
{
    SECURITY_SUBJECT_CONTEXT subject;
    DEVICE_SECURITY security;
    ACCESS_MASK access;
    NTSTATUS status;
    PRIVILEGE_SET privileges = {1, PRIVILEGE_SET_ALL_NECESSARY, {{{SE_TCB_PRIVILEGE, 0}, 0}}};
    PPRIVILEGE_SET used = NULL;
    PACCESS_TOKEN token;
    UCHAR list[sizeof(ACL)];

    SeCaptureSubjectContext(&subject);
    SeLockSubjectContext(&subject);
    RULE("a locked context holds APCs back", KeAreApcsDisabled());
    secure(&security, 0);
    RULE("the system gets what administrators get",
         granted(&security.descriptor, &subject, GENERIC_READ, UserMode, &access, &status) &&
             access == FILE_GENERIC_READ && status == STATUS_SUCCESS);
    RtlCreateAcl((PACL)list, sizeof(list), ACL_REVISION);
    RtlSetDaclSecurityDescriptor(&security.descriptor, TRUE, (PACL)list, FALSE);
    RULE("an empty list admits nobody",
         !granted(&security.descriptor, &subject, GENERIC_READ, UserMode, &access, &status) &&
             status == STATUS_ACCESS_DENIED);
    RULE("but the kernel",
         granted(&security.descriptor, &subject, GENERIC_READ, KernelMode, &access, &status) &&
             access == FILE_GENERIC_READ);
    RULE("a privilege makes one see system lists, and is told",
         SeAccessCheck(&security.descriptor, &subject, TRUE, ACCESS_SYSTEM_SECURITY, 0, &used,
                       IoGetFileObjectGenericMapping(), UserMode, &access, &status) &&
             access == ACCESS_SYSTEM_SECURITY && used && used->PrivilegeCount == 1 &&
             used->Privilege[0].Luid.LowPart == SE_SECURITY_PRIVILEGE);
    if (used)
        SeFreePrivileges(used);
    RtlSetDaclSecurityDescriptor(&security.descriptor, TRUE, NULL, FALSE);
    RULE("no list admits everybody",
         granted(&security.descriptor, &subject, MAXIMUM_ALLOWED, UserMode, &access, &status) &&
             access & GENERIC_ALL);
    RULE("the system is a part of itself",
         SePrivilegeCheck(&privileges, &subject, UserMode) &&
             privileges.Privilege[0].Attributes == SE_PRIVILEGE_USED_FOR_ACCESS &&
             SeSinglePrivilegeCheck(SeExports->SeTcbPrivilege, UserMode));
    privileges.Privilege[0].Luid.LowPart = 1000;
    privileges.Privilege[0].Attributes = 0;
    RULE("nobody has a privilege that there is not",
         !SePrivilegeCheck(&privileges, &subject, UserMode) &&
             SePrivilegeCheck(&privileges, &subject, KernelMode));
    SeUnlockSubjectContext(&subject);
    RULE("an unlocked one does not", !KeAreApcsDisabled());
    token = PsReferencePrimaryToken(PsGetCurrentProcess());
    RULE("the system's token is an administrator's",
         token == SeQuerySubjectContextToken(&subject) && SeTokenIsAdmin(token));
    PsDereferencePrimaryToken(token);
    SeReleaseSubjectContext(&subject);
}

static VOID devices(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT device;
    DEVICE_SECURITY security;
    PSECURITY_DESCRIPTOR found;
    HANDLE handle;
    BOOLEAN allocated, present, defaulted;
    UCHAR buffer[BYTES + 64];
    ULONG needed;
    PACL list;
    NTSTATUS status;

    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &device)))
        return;
    RULE("a device that nobody secured has no descriptor",
         ObGetObjectSecurity(device, &found, &allocated) == STATUS_SUCCESS && !found &&
             !allocated);
    ObReleaseObjectSecurity(found, allocated);
    status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC | READ_CONTROL,
                                   *IoDeviceObjectType, KernelMode, &handle);
    RULE("a device has a handle", status == STATUS_SUCCESS);
    secure(&security, GENERIC_READ);
    RULE("a descriptor needs its list", ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION,
                                                            NULL) == STATUS_ACCESS_VIOLATION);
    RULE("an owner needs to be somebody",
         ZwSetSecurityObject(handle, OWNER_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_INVALID_OWNER);
    ((PACL)security.list)->AclRevision = 9;
    RULE("a descriptor needs a list that is one",
         ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_INVALID_ACL);
    ((PACL)security.list)->AclRevision = ACL_REVISION;
    security.descriptor.Revision = 9;
    RULE("a descriptor needs a revision that is known",
         ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_UNKNOWN_REVISION);
    security.descriptor.Revision = SECURITY_DESCRIPTOR_REVISION;
    security.descriptor.Owner = &nobody;
    RULE("a descriptor needs an owner that is one",
         ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_INVALID_SID);
    security.descriptor.Owner = NULL;
    RULE("a device is secured",
         ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_SUCCESS);
    needed = 0;
    RULE("a descriptor needs room",
         ZwQuerySecurityObject(handle, DACL_SECURITY_INFORMATION, buffer, 8, &needed) ==
                 STATUS_BUFFER_TOO_SMALL &&
             needed > BYTES);
    RULE("a device's descriptor is in one piece",
         ZwQuerySecurityObject(handle, DACL_SECURITY_INFORMATION, buffer, sizeof(buffer),
                               &needed) == STATUS_SUCCESS &&
             RtlValidRelativeSecurityDescriptor(buffer, needed, DACL_SECURITY_INFORMATION) &&
             !RtlValidRelativeSecurityDescriptor(buffer, needed, OWNER_SECURITY_INFORMATION));
    list = NULL;
    RULE("it is a copy of what was set",
         RtlGetDaclSecurityDescriptor((PSECURITY_DESCRIPTOR)buffer, &present, &list, &defaulted) ==
                 STATUS_SUCCESS &&
             present && list && list != (PACL)security.list && list->AceCount == 2);
    RULE("drivers see it too",
         ObGetObjectSecurity(device, &found, &allocated) == STATUS_SUCCESS && found &&
             RtlLengthSecurityDescriptor(found) == needed);
    ObReleaseObjectSecurity(found, allocated);
    ZwClose(handle);
    RULE("a closed handle secures nothing",
         ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &security.descriptor) ==
             STATUS_INVALID_HANDLE);
    IoDeleteDevice(device);
}

VOID check_se(PDRIVER_OBJECT driver)
{
    identifiers();
    checks();
    devices(driver);
    check_tokens();
    check_access(driver);
}
