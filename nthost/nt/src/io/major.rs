//! The function codes of IRPs (the reference's "IRP Major Function Codes").

/// A file is opened.
pub const IRP_MJ_CREATE: u8 = 0x00;
/// A file object's last reference is gone.
pub const IRP_MJ_CLOSE: u8 = 0x02;
/// Data are read.
pub const IRP_MJ_READ: u8 = 0x03;
/// Data are written.
pub const IRP_MJ_WRITE: u8 = 0x04;
/// Information on a file is asked for.
pub const IRP_MJ_QUERY_INFORMATION: u8 = 0x05;
/// Information on a file is set.
pub const IRP_MJ_SET_INFORMATION: u8 = 0x06;
/// Buffers are written out.
pub const IRP_MJ_FLUSH_BUFFERS: u8 = 0x09;
/// A control request to a file system.
pub const IRP_MJ_FILE_SYSTEM_CONTROL: u8 = 0x0d;
/// A control code from user mode or from `IoBuildDeviceIoControlRequest`.
pub const IRP_MJ_DEVICE_CONTROL: u8 = 0x0e;
/// A control code from another driver.
pub const IRP_MJ_INTERNAL_DEVICE_CONTROL: u8 = 0x0f;
/// The system shuts down.
pub const IRP_MJ_SHUTDOWN: u8 = 0x10;
/// A file object's last handle is closed.
pub const IRP_MJ_CLEANUP: u8 = 0x12;
/// Power.
pub const IRP_MJ_POWER: u8 = 0x16;
/// WMI.
pub const IRP_MJ_SYSTEM_CONTROL: u8 = 0x17;
/// Plug and play.
pub const IRP_MJ_PNP: u8 = 0x1b;
/// The last one.
pub const IRP_MJ_MAXIMUM_FUNCTION: u8 = 0x1b;

/// `IRP_MN_START_DEVICE`.
pub const IRP_MN_START_DEVICE: u8 = 0x00;
/// `IRP_MN_QUERY_REMOVE_DEVICE`.
pub const IRP_MN_QUERY_REMOVE_DEVICE: u8 = 0x01;
/// `IRP_MN_REMOVE_DEVICE`.
pub const IRP_MN_REMOVE_DEVICE: u8 = 0x02;
/// `IRP_MN_CANCEL_REMOVE_DEVICE`.
pub const IRP_MN_CANCEL_REMOVE_DEVICE: u8 = 0x03;
/// `IRP_MN_STOP_DEVICE`.
pub const IRP_MN_STOP_DEVICE: u8 = 0x04;
/// `IRP_MN_QUERY_STOP_DEVICE`.
pub const IRP_MN_QUERY_STOP_DEVICE: u8 = 0x05;
/// `IRP_MN_CANCEL_STOP_DEVICE`.
pub const IRP_MN_CANCEL_STOP_DEVICE: u8 = 0x06;
/// `IRP_MN_QUERY_DEVICE_RELATIONS`.
pub const IRP_MN_QUERY_DEVICE_RELATIONS: u8 = 0x07;
/// `IRP_MN_QUERY_INTERFACE`.
pub const IRP_MN_QUERY_INTERFACE: u8 = 0x08;
/// `IRP_MN_QUERY_CAPABILITIES`.
pub const IRP_MN_QUERY_CAPABILITIES: u8 = 0x09;
/// `IRP_MN_QUERY_RESOURCES`.
pub const IRP_MN_QUERY_RESOURCES: u8 = 0x0a;
/// `IRP_MN_QUERY_RESOURCE_REQUIREMENTS`.
pub const IRP_MN_QUERY_RESOURCE_REQUIREMENTS: u8 = 0x0b;
/// `IRP_MN_QUERY_DEVICE_TEXT`.
pub const IRP_MN_QUERY_DEVICE_TEXT: u8 = 0x0c;
/// `IRP_MN_FILTER_RESOURCE_REQUIREMENTS`.
pub const IRP_MN_FILTER_RESOURCE_REQUIREMENTS: u8 = 0x0d;
/// `IRP_MN_READ_CONFIG`.
pub const IRP_MN_READ_CONFIG: u8 = 0x0f;
/// `IRP_MN_WRITE_CONFIG`.
pub const IRP_MN_WRITE_CONFIG: u8 = 0x10;
/// `IRP_MN_EJECT`.
pub const IRP_MN_EJECT: u8 = 0x11;
/// `IRP_MN_SET_LOCK`.
pub const IRP_MN_SET_LOCK: u8 = 0x12;
/// `IRP_MN_QUERY_ID`.
pub const IRP_MN_QUERY_ID: u8 = 0x13;
/// `IRP_MN_QUERY_PNP_DEVICE_STATE`.
pub const IRP_MN_QUERY_PNP_DEVICE_STATE: u8 = 0x14;
/// `IRP_MN_QUERY_BUS_INFORMATION`.
pub const IRP_MN_QUERY_BUS_INFORMATION: u8 = 0x15;
/// `IRP_MN_DEVICE_USAGE_NOTIFICATION`.
pub const IRP_MN_DEVICE_USAGE_NOTIFICATION: u8 = 0x16;
/// `IRP_MN_SURPRISE_REMOVAL`.
pub const IRP_MN_SURPRISE_REMOVAL: u8 = 0x17;
/// `IRP_MN_DEVICE_ENUMERATED`.
pub const IRP_MN_DEVICE_ENUMERATED: u8 = 0x19;

/// `IRP_MN_WAIT_WAKE`.
pub const IRP_MN_WAIT_WAKE: u8 = 0x00;
/// `IRP_MN_POWER_SEQUENCE`.
pub const IRP_MN_POWER_SEQUENCE: u8 = 0x01;
/// `IRP_MN_SET_POWER`.
pub const IRP_MN_SET_POWER: u8 = 0x02;
/// `IRP_MN_QUERY_POWER`.
pub const IRP_MN_QUERY_POWER: u8 = 0x03;

/// `IRP_MN_QUERY_ALL_DATA`.
pub const IRP_MN_QUERY_ALL_DATA: u8 = 0x00;
/// `IRP_MN_QUERY_SINGLE_INSTANCE`.
pub const IRP_MN_QUERY_SINGLE_INSTANCE: u8 = 0x01;
/// `IRP_MN_CHANGE_SINGLE_INSTANCE`.
pub const IRP_MN_CHANGE_SINGLE_INSTANCE: u8 = 0x02;
/// `IRP_MN_CHANGE_SINGLE_ITEM`.
pub const IRP_MN_CHANGE_SINGLE_ITEM: u8 = 0x03;
/// `IRP_MN_ENABLE_EVENTS`.
pub const IRP_MN_ENABLE_EVENTS: u8 = 0x04;
/// `IRP_MN_DISABLE_EVENTS`.
pub const IRP_MN_DISABLE_EVENTS: u8 = 0x05;
/// `IRP_MN_ENABLE_COLLECTION`.
pub const IRP_MN_ENABLE_COLLECTION: u8 = 0x06;
/// `IRP_MN_DISABLE_COLLECTION`.
pub const IRP_MN_DISABLE_COLLECTION: u8 = 0x07;
/// `IRP_MN_REGINFO`.
pub const IRP_MN_REGINFO: u8 = 0x08;
/// `IRP_MN_EXECUTE_METHOD`.
pub const IRP_MN_EXECUTE_METHOD: u8 = 0x09;
/// `IRP_MN_REGINFO_EX`.
pub const IRP_MN_REGINFO_EX: u8 = 0x0b;
