//! Power management.

/// A system or a device power state (ns-wdm-_power_state).
#[repr(C)]
#[derive(Clone, Copy)]
pub union POWER_STATE {
    /// `SYSTEM_POWER_STATE`.
    pub SystemState: i32,
    /// `DEVICE_POWER_STATE`.
    pub DeviceState: i32,
}

/// `POWER_STATE_TYPE::SystemPowerState`.
pub const SystemPowerState: i32 = 0;
/// `POWER_STATE_TYPE::DevicePowerState`.
pub const DevicePowerState: i32 = 1;

/// `DEVICE_POWER_STATE::PowerDeviceUnspecified`.
pub const PowerDeviceUnspecified: i32 = 0;
/// `DEVICE_POWER_STATE::PowerDeviceD0`.
pub const PowerDeviceD0: i32 = 1;
/// `DEVICE_POWER_STATE::PowerDeviceD1`.
pub const PowerDeviceD1: i32 = 2;
/// `DEVICE_POWER_STATE::PowerDeviceD2`.
pub const PowerDeviceD2: i32 = 3;
/// `DEVICE_POWER_STATE::PowerDeviceD3`.
pub const PowerDeviceD3: i32 = 4;

/// `SYSTEM_POWER_STATE::PowerSystemUnspecified`.
pub const PowerSystemUnspecified: i32 = 0;
/// `SYSTEM_POWER_STATE::PowerSystemWorking`.
pub const PowerSystemWorking: i32 = 1;
/// `SYSTEM_POWER_STATE::PowerSystemSleeping1`.
pub const PowerSystemSleeping1: i32 = 2;
/// `SYSTEM_POWER_STATE::PowerSystemSleeping3`.
pub const PowerSystemSleeping3: i32 = 4;
/// `SYSTEM_POWER_STATE::PowerSystemHibernate`.
pub const PowerSystemHibernate: i32 = 5;
/// `SYSTEM_POWER_STATE::PowerSystemShutdown`.
pub const PowerSystemShutdown: i32 = 6;

/// `POWER_ACTION::PowerActionNone`.
pub const PowerActionNone: i32 = 0;
/// `POWER_ACTION::PowerActionSleep`.
pub const PowerActionSleep: i32 = 2;
/// `POWER_ACTION::PowerActionShutdown`.
pub const PowerActionShutdown: i32 = 4;
