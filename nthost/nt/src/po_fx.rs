//! The structures of the power management framework.

use core::ffi::c_void;

use crate::{guid::GUID, status::NTSTATUS};

/// `PO_FX_VERSION_V1`.
pub const PO_FX_VERSION_V1: u32 = 1;
/// `PO_FX_VERSION_V2`.
pub const PO_FX_VERSION_V2: u32 = 2;
/// The condition changes within the call.
pub const PO_FX_FLAG_BLOCKING: u32 = 1;
/// The condition changes in another thread.
pub const PO_FX_FLAG_ASYNC_ONLY: u32 = 2;
/// The component is in F0 while the device is not in D0.
pub const PO_FX_COMPONENT_FLAG_F0_ON_DX: u64 = 1;

/// nc-wdm-po_fx_component_active_condition_callback and its counterpart for idle.
pub type CONDITION_CALLBACK = unsafe extern "win64" fn(context: *mut c_void, component: u32);
/// nc-wdm-po_fx_component_idle_state_callback.
pub type IDLE_STATE_CALLBACK =
    unsafe extern "win64" fn(context: *mut c_void, component: u32, state: u32);
/// nc-wdm-po_fx_device_power_required_callback and its counterpart.
pub type POWER_CALLBACK = unsafe extern "win64" fn(context: *mut c_void);
/// nc-wdm-po_fx_power_control_callback.
pub type POWER_CONTROL_CALLBACK = unsafe extern "win64" fn(
    context: *mut c_void,
    code: *const GUID,
    input: *mut c_void,
    input_size: usize,
    output: *mut c_void,
    output_size: usize,
    returned: *mut usize,
) -> NTSTATUS;

/// ns-wdm-_po_fx_component_idle_state.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PO_FX_COMPONENT_IDLE_STATE {
    /// Units of 100 ns.
    pub TransitionLatency: u64,
    /// Units of 100 ns.
    pub ResidencyRequirement: u64,
    /// Microwatts.
    pub NominalPower: u32,
}

/// ns-wdm-_po_fx_component_v1.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PO_FX_COMPONENT_V1 {
    /// Its name.
    pub Id: GUID,
    /// How many states it has.
    pub IdleStateCount: u32,
    /// The deepest from which it can wake.
    pub DeepestWakeableIdleState: u32,
    /// F0 and the others.
    pub IdleStates: *const PO_FX_COMPONENT_IDLE_STATE,
}

/// ns-wdm-_po_fx_component_v2.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PO_FX_COMPONENT_V2 {
    /// Its name.
    pub Id: GUID,
    /// `PO_FX_COMPONENT_FLAG_…`.
    pub Flags: u64,
    /// The deepest state from which it can wake.
    pub DeepestWakeableIdleState: u32,
    /// How many states it has.
    pub IdleStateCount: u32,
    /// F0 and the others.
    pub IdleStates: *const PO_FX_COMPONENT_IDLE_STATE,
    /// How many components it needs.
    pub ProviderCount: u32,
    /// Which.
    pub Providers: *const u32,
}

/// The callbacks, which lie alike in all versions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PO_FX_CALLBACKS {
    /// A component is active.
    pub ComponentActiveConditionCallback: Option<CONDITION_CALLBACK>,
    /// A component is idle.
    pub ComponentIdleConditionCallback: Option<CONDITION_CALLBACK>,
    /// A component is to be in another state.
    pub ComponentIdleStateCallback: Option<IDLE_STATE_CALLBACK>,
    /// The device must be on.
    pub DevicePowerRequiredCallback: Option<POWER_CALLBACK>,
    /// The device need not be on.
    pub DevicePowerNotRequiredCallback: Option<POWER_CALLBACK>,
    /// Codes of the platform's.
    pub PowerControlCallback: Option<POWER_CONTROL_CALLBACK>,
    /// What they are all called with.
    pub DeviceContext: *mut c_void,
}

/// ns-wdm-_po_fx_device_v1.
#[repr(C)]
pub struct PO_FX_DEVICE_V1 {
    /// `PO_FX_VERSION_V1`.
    pub Version: u32,
    /// How many components it has.
    pub ComponentCount: u32,
    /// The driver's callbacks.
    pub Callbacks: PO_FX_CALLBACKS,
    /// The first component.
    pub Components: [PO_FX_COMPONENT_V1; 1],
}

/// ns-wdm-_po_fx_device_v2.
#[repr(C)]
pub struct PO_FX_DEVICE_V2 {
    /// `PO_FX_VERSION_V2`.
    pub Version: u32,
    /// Zero.
    pub Flags: u64,
    /// The driver's callbacks.
    pub Callbacks: PO_FX_CALLBACKS,
    /// How many components it has.
    pub ComponentCount: u32,
    /// The first component.
    pub Components: [PO_FX_COMPONENT_V2; 1],
}
