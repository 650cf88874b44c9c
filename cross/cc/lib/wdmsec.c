/*
 * A stand-in for wdmsec.lib: device objects with a security descriptor of their own.
 *
 * Of SDDL it understands what the constants SDDL_DEVOBJ_* are written in: a protected DACL of
 * entries that allow generic rights, or a number, to the system (SY), administrators (BA),
 * everybody (WD) and restricted code (RC). Another descriptor is refused.
 *
 * Sources: nf-wdmsec-wdmlibiocreatedevicesecure, "SDDL for Device Objects",
 * nf-wdmsec-wdmlibiovalidatedeviceiocontrolaccess.
 */
#include <ntifs.h>
#include <wdmsec.h>

#define CONSTANT(name, text)                                                                       \
    const UNICODE_STRING name = {sizeof(L##text) - sizeof(WCHAR), sizeof(L##text), (PWSTR)L##text}

CONSTANT(SDDL_DEVOBJ_KERNEL_ONLY, "D:P");
CONSTANT(SDDL_DEVOBJ_SYS_ALL, "D:P(A;;GA;;;SY)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_ALL, "D:P(A;;GA;;;SY)(A;;GA;;;BA)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_RX, "D:P(A;;GA;;;SY)(A;;GRGX;;;BA)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_R, "D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GR;;;WD)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_R_RES_R,
         "D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GR;;;WD)(A;;GR;;;RC)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_RW_RES_R,
         "D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GRGW;;;WD)(A;;GR;;;RC)");
CONSTANT(SDDL_DEVOBJ_SYS_ALL_ADM_RWX_WORLD_RWX_RES_RWX,
         "D:P(A;;GA;;;SY)(A;;GRGWGX;;;BA)(A;;GRGWGX;;;WD)(A;;GRGWGX;;;RC)");

/* More entries than any descriptor of a device needs. */
#define MOST_ENTRIES 8
/* A SID with two subauthorities is the longest here. */
#define LONGEST_SID (FIELD_OFFSET(SID, SubAuthority) + 2 * sizeof(ULONG))

static const struct {
    WCHAR name[2];
    UCHAR authority, count;
    ULONG first, second;
} subjects[] = {
    {{'S', 'Y'}, 5, 1, 18, 0},
    {{'B', 'A'}, 5, 2, 32, 544},
    {{'W', 'D'}, 1, 1, 0, 0},
    {{'R', 'C'}, 5, 1, 12, 0},
};

static const struct {
    WCHAR name[2];
    ACCESS_MASK mask;
} rights[] = {
    {{'G', 'A'}, FILE_ALL_ACCESS},
    {{'G', 'R'}, FILE_GENERIC_READ},
    {{'G', 'W'}, FILE_GENERIC_WRITE},
    {{'G', 'X'}, FILE_GENERIC_EXECUTE},
};

/* Takes a text off the front, if it is there. */
static BOOLEAN take(const WCHAR **at, const WCHAR *end, const char *text)
{
    const WCHAR *next = *at;
    for (; *text; text++, next++)
        if (next == end || *next != (WCHAR)*text)
            return FALSE;
    *at = next;
    return TRUE;
}

static BOOLEAN take_rights(const WCHAR **at, const WCHAR *end, ACCESS_MASK *mask)
{
    ULONG index;
    *mask = 0;
    if (take(at, end, "0x")) {
        for (; *at != end && **at != ';'; ++*at) {
            WCHAR digit = **at;
            if (digit >= '0' && digit <= '9')
                *mask = *mask << 4 | (ULONG)(digit - '0');
            else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
                *mask = *mask << 4 | (ULONG)((digit | 0x20) - 'a' + 10);
            else
                return FALSE;
        }
        return TRUE;
    }
    while (end - *at >= 2 && **at != ';') {
        for (index = 0; index < RTL_NUMBER_OF(rights); index++)
            if ((*at)[0] == rights[index].name[0] && (*at)[1] == rights[index].name[1])
                break;
        if (index == RTL_NUMBER_OF(rights))
            return FALSE;
        *mask |= rights[index].mask;
        *at += 2;
    }
    return TRUE;
}

static BOOLEAN take_subject(const WCHAR **at, const WCHAR *end, PSID sid)
{
    ULONG index;
    for (index = 0; index < RTL_NUMBER_OF(subjects); index++) {
        SID_IDENTIFIER_AUTHORITY authority = {{0}};
        if (end - *at < 2 || (*at)[0] != subjects[index].name[0] ||
            (*at)[1] != subjects[index].name[1])
            continue;
        authority.Value[5] = subjects[index].authority;
        RtlInitializeSid(sid, &authority, subjects[index].count);
        *RtlSubAuthoritySid(sid, 0) = subjects[index].first;
        if (subjects[index].count == 2)
            *RtlSubAuthoritySid(sid, 1) = subjects[index].second;
        *at += 2;
        return TRUE;
    }
    return FALSE;
}

/* The DACL that a text stands for. */
static NTSTATUS read_dacl(PCUNICODE_STRING text, PACL acl, ULONG length)
{
    const WCHAR *at = text->Buffer, *end = at + text->Length / sizeof(WCHAR);
    NTSTATUS status = RtlCreateAcl(acl, length, ACL_REVISION);
    if (!NT_SUCCESS(status))
        return status;
    if (!take(&at, end, "D:P"))
        return STATUS_INVALID_PARAMETER;
    while (at != end) {
        union {
            SID sid;
            UCHAR bytes[LONGEST_SID];
        } subject;
        ACCESS_MASK mask;
        if (!take(&at, end, "(A;;") || !take_rights(&at, end, &mask) || !take(&at, end, ";;;") ||
            !take_subject(&at, end, &subject.sid) || !take(&at, end, ")"))
            return STATUS_INVALID_PARAMETER;
        status = RtlAddAccessAllowedAce(acl, ACL_REVISION, mask, &subject.sid);
        if (!NT_SUCCESS(status))
            return status;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS secure(PDEVICE_OBJECT device, PCUNICODE_STRING text)
{
    union {
        ACL acl;
        UCHAR bytes[sizeof(ACL) + MOST_ENTRIES * (sizeof(ACCESS_ALLOWED_ACE) + LONGEST_SID)];
    } list;
    SECURITY_DESCRIPTOR descriptor;
    HANDLE handle;
    NTSTATUS status = read_dacl(text, &list.acl, sizeof(list));
    if (NT_SUCCESS(status))
        status = RtlCreateSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION);
    if (NT_SUCCESS(status))
        status = RtlSetDaclSecurityDescriptor(&descriptor, TRUE, &list.acl, FALSE);
    if (!NT_SUCCESS(status))
        return status;
    status = ObOpenObjectByPointer(device, OBJ_KERNEL_HANDLE, NULL, WRITE_DAC, NULL, KernelMode,
                                   &handle);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, &descriptor);
    ZwClose(handle);
    return status;
}

/* The class's own security in the registry, which an administrator may have written, is not read. */
NTSTATUS WdmlibIoCreateDeviceSecure(PDRIVER_OBJECT DriverObject, ULONG DeviceExtensionSize,
                                    PUNICODE_STRING DeviceName, DEVICE_TYPE DeviceType,
                                    ULONG DeviceCharacteristics, BOOLEAN Exclusive,
                                    PCUNICODE_STRING DefaultSDDLString, LPCGUID DeviceClassGuid,
                                    PDEVICE_OBJECT *DeviceObject)
{
    NTSTATUS status;
    UNREFERENCED_PARAMETER(DeviceClassGuid);
    status = IoCreateDevice(DriverObject, DeviceExtensionSize, DeviceName, DeviceType,
                            DeviceCharacteristics, Exclusive, DeviceObject);
    if (!NT_SUCCESS(status))
        return status;
    /* It is initializing, so that nobody has opened it yet. */
    status = secure(*DeviceObject, DefaultSDDLString);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(*DeviceObject);
        *DeviceObject = NULL;
    }
    return status;
}

/* The file object has what the handle was opened for. */
NTSTATUS WdmlibIoValidateDeviceIoControlAccess(PIRP Irp, ULONG RequiredAccess)
{
    PFILE_OBJECT file = IoGetCurrentIrpStackLocation(Irp)->FileObject;
    if (RequiredAccess & ~(ULONG)(FILE_READ_ACCESS | FILE_WRITE_ACCESS))
        return STATUS_INVALID_PARAMETER;
    if (Irp->RequestorMode == KernelMode)
        return STATUS_SUCCESS;
    if (((RequiredAccess & FILE_READ_ACCESS) && !file->ReadAccess) ||
        ((RequiredAccess & FILE_WRITE_ACCESS) && !file->WriteAccess))
        return STATUS_ACCESS_DENIED;
    return STATUS_SUCCESS;
}
