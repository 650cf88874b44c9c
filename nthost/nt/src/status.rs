//! `NTSTATUS` values (the reference's "NTSTATUS values" and ntstatus.h).

/// How a call ended: success and information are not negative, warnings and errors are.
pub type NTSTATUS = i32;

/// Whether a status is one of success or information (`NT_SUCCESS`).
#[inline]
#[must_use]
pub const fn nt_success(status: NTSTATUS) -> bool {
    status >= 0
}

/// Whether a status is an error (`NT_ERROR`).
#[inline]
#[must_use]
pub const fn nt_error(status: NTSTATUS) -> bool {
    status.cast_unsigned() >> 30 == 3
}

const fn status(value: u32) -> NTSTATUS {
    value.cast_signed()
}

/// The request succeeded.
pub const STATUS_SUCCESS: NTSTATUS = status(0x0000_0000);
/// The second of several objects ended the wait.
pub const STATUS_WAIT_1: NTSTATUS = status(0x0000_0001);
/// The last of the most objects that a wait takes ended it.
pub const STATUS_WAIT_63: NTSTATUS = status(0x0000_003f);
/// A mutex was left by its owner.
pub const STATUS_ABANDONED: NTSTATUS = status(0x0000_0080);
/// A kernel APC interrupted the wait.
pub const STATUS_KERNEL_APC: NTSTATUS = status(0x0000_0100);
/// A user-mode APC ended the wait.
pub const STATUS_USER_APC: NTSTATUS = status(0x0000_00c0);
/// An alert ended the wait.
pub const STATUS_ALERTED: NTSTATUS = status(0x0000_0101);
/// The time is over.
pub const STATUS_TIMEOUT: NTSTATUS = status(0x0000_0102);
/// The request is on its way.
pub const STATUS_PENDING: NTSTATUS = status(0x0000_0103);
/// The name was replaced: look it up again.
pub const STATUS_REPARSE: NTSTATUS = status(0x0000_0104);
/// There is more than the buffer holds.
pub const STATUS_MORE_ENTRIES: NTSTATUS = status(0x0000_0105);
/// Some were not mapped.
pub const STATUS_SOME_NOT_MAPPED: NTSTATUS = status(0x0000_0107);
/// The object existed already.
pub const STATUS_OBJECT_NAME_EXISTS: NTSTATUS = status(0x4000_0000);
/// The image is for another machine.
pub const STATUS_IMAGE_MACHINE_TYPE_MISMATCH: NTSTATUS = status(0x4000_000e);
/// The address is not aligned.
pub const STATUS_DATATYPE_MISALIGNMENT: NTSTATUS = status(0x8000_0002);
/// A breakpoint.
pub const STATUS_BREAKPOINT: NTSTATUS = status(0x8000_0003);
/// The buffer holds the beginning.
pub const STATUS_BUFFER_OVERFLOW: NTSTATUS = status(0x8000_0005);
/// There are no more files.
pub const STATUS_NO_MORE_FILES: NTSTATUS = status(0x8000_0006);
/// Only a part was copied.
pub const STATUS_PARTIAL_COPY: NTSTATUS = status(0x8000_000d);
/// The device is busy.
pub const STATUS_DEVICE_BUSY: NTSTATUS = status(0x8000_0011);
/// A driver or an open handle is against the removal.
pub const STATUS_PLUGPLAY_QUERY_VETOED: NTSTATUS = status(0x8000_0028);
/// There are no more entries.
pub const STATUS_NO_MORE_ENTRIES: NTSTATUS = status(0x8000_001a);
/// The request failed.
pub const STATUS_UNSUCCESSFUL: NTSTATUS = status(0xc000_0001);
/// The request is not implemented.
pub const STATUS_NOT_IMPLEMENTED: NTSTATUS = status(0xc000_0002);
/// There is no such class of information.
pub const STATUS_INVALID_INFO_CLASS: NTSTATUS = status(0xc000_0003);
/// The buffer's length does not suit the class of information.
pub const STATUS_INFO_LENGTH_MISMATCH: NTSTATUS = status(0xc000_0004);
/// The address is not valid.
pub const STATUS_ACCESS_VIOLATION: NTSTATUS = status(0xc000_0005);
/// The handle is not valid.
pub const STATUS_INVALID_HANDLE: NTSTATUS = status(0xc000_0008);
/// There is no such process or thread.
pub const STATUS_INVALID_CID: NTSTATUS = status(0xc000_000b);
/// A parameter is not valid.
pub const STATUS_INVALID_PARAMETER: NTSTATUS = status(0xc000_000d);
/// There is no such device.
pub const STATUS_NO_SUCH_DEVICE: NTSTATUS = status(0xc000_000e);
/// There is no such file.
pub const STATUS_NO_SUCH_FILE: NTSTATUS = status(0xc000_000f);
/// The device does not know the request.
pub const STATUS_INVALID_DEVICE_REQUEST: NTSTATUS = status(0xc000_0010);
/// The file ends before.
pub const STATUS_END_OF_FILE: NTSTATUS = status(0xc000_0011);
/// The driver keeps the IRP.
pub const STATUS_MORE_PROCESSING_REQUIRED: NTSTATUS = status(0xc000_0016);
/// There is no memory left.
pub const STATUS_NO_MEMORY: NTSTATUS = status(0xc000_0017);
/// The addresses are in use.
pub const STATUS_CONFLICTING_ADDRESSES: NTSTATUS = status(0xc000_0018);
/// Nothing is mapped there.
pub const STATUS_NOT_MAPPED_VIEW: NTSTATUS = status(0xc000_0019);
/// It is no allocation.
pub const STATUS_UNABLE_TO_FREE_VM: NTSTATUS = status(0xc000_001a);
/// It is a view of what is somebody else's.
pub const STATUS_UNABLE_TO_DELETE_SECTION: NTSTATUS = status(0xc000_001b);
/// There is no such system service.
pub const STATUS_INVALID_SYSTEM_SERVICE: NTSTATUS = status(0xc000_001c);
/// The section ends before the view.
pub const STATUS_INVALID_VIEW_SIZE: NTSTATUS = status(0xc000_001f);
/// The file does not support sections.
pub const STATUS_INVALID_FILE_FOR_SECTION: NTSTATUS = status(0xc000_0020);
/// The instruction is not valid.
pub const STATUS_ILLEGAL_INSTRUCTION: NTSTATUS = status(0xc000_001d);
/// The caller may not.
pub const STATUS_ACCESS_DENIED: NTSTATUS = status(0xc000_0022);
/// The buffer is too small.
pub const STATUS_BUFFER_TOO_SMALL: NTSTATUS = status(0xc000_0023);
/// The object is of another type.
pub const STATUS_OBJECT_TYPE_MISMATCH: NTSTATUS = status(0xc000_0024);
/// It cannot go on.
pub const STATUS_NONCONTINUABLE_EXCEPTION: NTSTATUS = status(0xc000_0025);
/// The memory is not committed.
pub const STATUS_NOT_COMMITTED: NTSTATUS = status(0xc000_002d);
/// The parameters do not go together.
pub const STATUS_INVALID_PARAMETER_MIX: NTSTATUS = status(0xc000_0030);
/// The name is not valid.
pub const STATUS_OBJECT_NAME_INVALID: NTSTATUS = status(0xc000_0033);
/// The name is not found.
pub const STATUS_OBJECT_NAME_NOT_FOUND: NTSTATUS = status(0xc000_0034);
/// The name is in use.
pub const STATUS_OBJECT_NAME_COLLISION: NTSTATUS = status(0xc000_0035);
/// The other side is gone.
pub const STATUS_PORT_DISCONNECTED: NTSTATUS = status(0xc000_0037);
/// The path is not valid.
pub const STATUS_OBJECT_PATH_INVALID: NTSTATUS = status(0xc000_0039);
/// The path is not found.
pub const STATUS_OBJECT_PATH_NOT_FOUND: NTSTATUS = status(0xc000_003a);
/// The path is malformed.
pub const STATUS_OBJECT_PATH_SYNTAX_BAD: NTSTATUS = status(0xc000_003b);
/// More data came than there is room for.
pub const STATUS_DATA_OVERRUN: NTSTATUS = status(0xc000_003c);
/// The data are damaged.
pub const STATUS_DATA_ERROR: NTSTATUS = status(0xc000_003e);
/// The file is in use in a way that this does not go with.
pub const STATUS_SHARING_VIOLATION: NTSTATUS = status(0xc000_0043);
/// The protection is not valid.
pub const STATUS_INVALID_PAGE_PROTECTION: NTSTATUS = status(0xc000_0045);
/// The section is larger than any.
pub const STATUS_SECTION_TOO_BIG: NTSTATUS = status(0xc000_0040);
/// A thread acts for nobody but its process.
pub const STATUS_NO_TOKEN: NTSTATUS = status(0xc000_007c);
/// A client does not let itself be impersonated.
pub const STATUS_BAD_IMPERSONATION_LEVEL: NTSTATUS = status(0xc000_00a5);
/// A view's address or offset is not a multiple of the allocation granularity.
pub const STATUS_MAPPED_ALIGNMENT: NTSTATUS = status(0xc000_0220);
/// The section does not allow the protection.
pub const STATUS_SECTION_PROTECTION: NTSTATUS = status(0xc000_004e);
/// The mutex is not the caller's.
pub const STATUS_MUTANT_NOT_OWNED: NTSTATUS = status(0xc000_0046);
/// The semaphore's count would be beyond its limit.
pub const STATUS_SEMAPHORE_LIMIT_EXCEEDED: NTSTATUS = status(0xc000_0047);
/// The mutex is owned as often as can be counted.
pub const STATUS_MUTANT_LIMIT_EXCEEDED: NTSTATUS = status(0xc000_0191);
/// The thread is about to end.
pub const STATUS_THREAD_IS_TERMINATING: NTSTATUS = status(0xc000_004b);
/// It is about to be deleted.
pub const STATUS_DELETE_PENDING: NTSTATUS = status(0xc000_0056);
/// The revision is not known.
pub const STATUS_UNKNOWN_REVISION: NTSTATUS = status(0xc000_0058);
/// The security descriptor is not valid.
pub const STATUS_INVALID_SECURITY_DESCR: NTSTATUS = status(0xc000_0079);
/// The routine is not found.
pub const STATUS_PROCEDURE_NOT_FOUND: NTSTATUS = status(0xc000_007a);
/// The image is malformed.
pub const STATUS_INVALID_IMAGE_FORMAT: NTSTATUS = status(0xc000_007b);
/// The resource type is not found.
pub const STATUS_RESOURCE_TYPE_NOT_FOUND: NTSTATUS = status(0xc000_008a);
/// The result is too large.
pub const STATUS_INTEGER_OVERFLOW: NTSTATUS = status(0xc000_0095);
/// There are not enough resources.
pub const STATUS_INSUFFICIENT_RESOURCES: NTSTATUS = status(0xc000_009a);
/// The device is not connected.
pub const STATUS_DEVICE_NOT_CONNECTED: NTSTATUS = status(0xc000_009d);
/// The device could not be powered.
pub const STATUS_DEVICE_POWER_FAILURE: NTSTATUS = status(0xc000_009e);
/// The address is not that of an allocation's first byte.
pub const STATUS_FREE_VM_NOT_AT_BASE: NTSTATUS = status(0xc000_009f);
/// The memory is not allocated.
pub const STATUS_MEMORY_NOT_ALLOCATED: NTSTATUS = status(0xc000_00a0);
/// The device is not ready.
pub const STATUS_DEVICE_NOT_READY: NTSTATUS = status(0xc000_00a3);
/// The device did not answer in time.
pub const STATUS_IO_TIMEOUT: NTSTATUS = status(0xc000_00b5);
/// The device knows no extended attributes.
pub const STATUS_EAS_NOT_SUPPORTED: NTSTATUS = status(0xc000_004f);
/// The request is not supported.
pub const STATUS_NOT_SUPPORTED: NTSTATUS = status(0xc000_00bb);
/// The device does not exist.
pub const STATUS_DEVICE_DOES_NOT_EXIST: NTSTATUS = status(0xc000_00c0);
/// The system is at fault.
pub const STATUS_INTERNAL_ERROR: NTSTATUS = status(0xc000_00e5);
/// The user's buffer is not accessible.
pub const STATUS_INVALID_USER_BUFFER: NTSTATUS = status(0xc000_00e8);
/// The first parameter is not valid.
pub const STATUS_INVALID_PARAMETER_1: NTSTATUS = status(0xc000_00ef);
/// The second parameter is not valid.
pub const STATUS_INVALID_PARAMETER_2: NTSTATUS = status(0xc000_00f0);
/// The third parameter is not valid.
pub const STATUS_INVALID_PARAMETER_3: NTSTATUS = status(0xc000_00f1);
/// The fourth parameter is not valid.
pub const STATUS_INVALID_PARAMETER_4: NTSTATUS = status(0xc000_00f2);
/// The fifth parameter is not valid.
pub const STATUS_INVALID_PARAMETER_5: NTSTATUS = status(0xc000_00f3);
/// The sixth parameter is not valid.
pub const STATUS_INVALID_PARAMETER_6: NTSTATUS = status(0xc000_00f4);
/// The name is too long.
pub const STATUS_NAME_TOO_LONG: NTSTATUS = status(0xc000_0106);
/// The process is about to end.
pub const STATUS_PROCESS_IS_TERMINATING: NTSTATUS = status(0xc000_010a);
/// The image is loaded already.
pub const STATUS_IMAGE_ALREADY_LOADED: NTSTATUS = status(0xc000_010e);
/// The request was canceled.
pub const STATUS_CANCELLED: NTSTATUS = status(0xc000_0120);
/// It cannot be deleted.
pub const STATUS_CANNOT_DELETE: NTSTATUS = status(0xc000_0121);
/// The file is closed.
pub const STATUS_FILE_CLOSED: NTSTATUS = status(0xc000_0128);
/// The image has no DOS header.
pub const STATUS_INVALID_IMAGE_NOT_MZ: NTSTATUS = status(0xc000_012f);
/// The address is not valid.
pub const STATUS_INVALID_ADDRESS: NTSTATUS = status(0xc000_0141);
/// A character has no counterpart.
pub const STATUS_UNMAPPABLE_CHARACTER: NTSTATUS = status(0xc000_0162);
/// The key was deleted.
pub const STATUS_KEY_DELETED: NTSTATUS = status(0xc000_017c);
/// A key below a volatile one must be volatile.
pub const STATUS_CHILD_MUST_BE_VOLATILE: NTSTATUS = status(0xc000_0181);
/// The device's configuration is not valid.
pub const STATUS_DEVICE_CONFIGURATION_ERROR: NTSTATUS = status(0xc000_0182);
/// The driver is at fault.
pub const STATUS_DRIVER_INTERNAL_ERROR: NTSTATUS = status(0xc000_0183);
/// The device's state does not allow it.
pub const STATUS_INVALID_DEVICE_STATE: NTSTATUS = status(0xc000_0184);
/// The device failed.
pub const STATUS_IO_DEVICE_ERROR: NTSTATUS = status(0xc000_0185);
/// The device broke its protocol.
pub const STATUS_DEVICE_PROTOCOL_ERROR: NTSTATUS = status(0xc000_0186);
/// It is too late for that.
pub const STATUS_TOO_LATE: NTSTATUS = status(0xc000_0189);
/// The buffer's size is not valid.
pub const STATUS_INVALID_BUFFER_SIZE: NTSTATUS = status(0xc000_0206);
/// The image's checksum is not its own.
pub const STATUS_IMAGE_CHECKSUM_MISMATCH: NTSTATUS = status(0xc000_0221);
/// It is not found.
pub const STATUS_NOT_FOUND: NTSTATUS = status(0xc000_0225);
/// An imported ordinal is not exported.
pub const STATUS_DRIVER_ORDINAL_NOT_FOUND: NTSTATUS = status(0xc000_0262);
/// An imported routine is not exported.
pub const STATUS_DRIVER_ENTRYPOINT_NOT_FOUND: NTSTATUS = status(0xc000_0263);
/// The resource is not the caller's.
pub const STATUS_RESOURCE_NOT_OWNED: NTSTATUS = status(0xc000_0264);
/// The driver cannot be loaded.
pub const STATUS_DRIVER_UNABLE_TO_LOAD: NTSTATUS = status(0xc000_026c);
/// The device was removed.
pub const STATUS_DEVICE_REMOVED: NTSTATUS = status(0xc000_02b6);
/// Nobody provides the data block.
pub const STATUS_WMI_GUID_NOT_FOUND: NTSTATUS = status(0xc000_0295);
/// Nobody provides the instance of the data block.
pub const STATUS_WMI_INSTANCE_NOT_FOUND: NTSTATUS = status(0xc000_0296);
/// The data block cannot be set.
pub const STATUS_WMI_READ_ONLY: NTSTATUS = status(0xc000_02c6);
/// The data block is no longer provided.
pub const STATUS_WMI_GUID_DISCONNECTED: NTSTATUS = status(0xc000_0301);
/// A restart is needed.
pub const STATUS_PNP_REBOOT_REQUIRED: NTSTATUS = status(0xc000_02d2);
/// The power state does not allow it.
pub const STATUS_POWER_STATE_INVALID: NTSTATUS = status(0xc000_02d3);
/// The process may not lock so many pages.
pub const STATUS_WORKING_SET_QUOTA: NTSTATUS = status(0xc000_00a1);
/// The version is another.
pub const STATUS_REVISION_MISMATCH: NTSTATUS = status(0xc000_0059);
/// The identifier is unique on this machine alone.
pub const RPC_NT_UUID_LOCAL_ONLY: NTSTATUS = status(0x4002_0056);
/// The access-control list is not valid.
pub const STATUS_INVALID_ACL: NTSTATUS = status(0xc000_0077);
/// The security identifier is not valid.
pub const STATUS_INVALID_SID: NTSTATUS = status(0xc000_0078);
/// The list has no room left.
pub const STATUS_ALLOTTED_SPACE_EXCEEDED: NTSTATUS = status(0xc000_0099);
/// The security descriptor is in the other format.
pub const STATUS_BAD_DESCRIPTOR_FORMAT: NTSTATUS = status(0xc000_00e7);
/// The caller lacks a privilege.
pub const STATUS_PRIVILEGE_NOT_HELD: NTSTATUS = status(0xc000_0061);
/// Nobody may own objects by this identifier.
pub const STATUS_INVALID_OWNER: NTSTATUS = status(0xc000_005a);
/// A driver has done the operation itself.
pub const STATUS_CALLBACK_BYPASS: NTSTATUS = status(0xc000_0503);
/// Another has the altitude.
pub const STATUS_FLT_INSTANCE_ALTITUDE_COLLISION: NTSTATUS = status(0xc01c_0011);
/// There is no debugger.
pub const STATUS_DEBUGGER_INACTIVE: NTSTATUS = status(0xc000_0354);
