//! What a driver says of its device when it registers it, copied and checked.

use alloc::vec::Vec;
use core::mem::offset_of;

use nthost_nt::{
    po_fx::{
        PO_FX_CALLBACKS, PO_FX_COMPONENT_FLAG_F0_ON_DX, PO_FX_COMPONENT_IDLE_STATE,
        PO_FX_COMPONENT_V1, PO_FX_COMPONENT_V2, PO_FX_DEVICE_V1, PO_FX_DEVICE_V2, PO_FX_VERSION_V1,
        PO_FX_VERSION_V2,
    },
    status::{NTSTATUS, STATUS_INVALID_PARAMETER},
};

use super::{
    component::{self, Component, IdleState},
    device::{Device, Has},
};

/// Some elements of an array of the driver's.
///
/// # Safety
///
/// There are as many, unless there are none.
unsafe fn elements<'a, T>(first: *const T, count: u32) -> Result<&'a [T], NTSTATUS> {
    if count == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(first, count as usize) })
}

fn states(states: &[PO_FX_COMPONENT_IDLE_STATE]) -> Vec<IdleState> {
    let states = states.iter().map(|state| IdleState {
        latency: state.TransitionLatency,
        residency: state.ResidencyRequirement,
    });
    states.collect()
}

/// # Safety
///
/// Its states are there.
unsafe fn first_version(description: &PO_FX_COMPONENT_V1) -> Result<Component, NTSTATUS> {
    // SAFETY: the caller's promise.
    let found = unsafe { elements(description.IdleStates, description.IdleStateCount)? };
    let wakeable = description.DeepestWakeableIdleState;
    Component::new(states(found), wakeable, Vec::new(), false).map_err(|_| STATUS_INVALID_PARAMETER)
}

/// # Safety
///
/// Its states and the numbers of its providers are there.
unsafe fn second_version(description: &PO_FX_COMPONENT_V2) -> Result<Component, NTSTATUS> {
    // SAFETY: the caller's promise.
    let found = unsafe { elements(description.IdleStates, description.IdleStateCount)? };
    // SAFETY: the caller's promise.
    let providers = unsafe { elements(description.Providers, description.ProviderCount)? };
    let wakeable = description.DeepestWakeableIdleState;
    let on_in_dx = description.Flags & PO_FX_COMPONENT_FLAG_F0_ON_DX != 0;
    let providers = providers.iter().map(|&provider| provider as usize);
    Component::new(states(found), wakeable, providers.collect(), on_in_dx)
        .map_err(|_| STATUS_INVALID_PARAMETER)
}

/// Reads a description.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER`.
///
/// # Safety
///
/// It is the structure of the version that it says, with its components behind it.
pub unsafe fn read(
    description: *const PO_FX_DEVICE_V1,
) -> Result<(Device, PO_FX_CALLBACKS), NTSTATUS> {
    // SAFETY: the caller's promise.
    let version = unsafe { (*description).Version };
    let (callbacks, components): (_, Result<Vec<_>, _>) = match version {
        PO_FX_VERSION_V1 => {
            // SAFETY: the caller's promise.
            let device = unsafe { &*description };
            let first = description
                .wrapping_byte_add(offset_of!(PO_FX_DEVICE_V1, Components))
                .cast::<PO_FX_COMPONENT_V1>();
            // SAFETY: the components lie behind the structure.
            let found = unsafe { elements(first, device.ComponentCount)? };
            // SAFETY: the caller's promise.
            let read = found.iter().map(|found| unsafe { first_version(found) });
            (device.Callbacks, read.collect())
        }
        PO_FX_VERSION_V2 => {
            // SAFETY: as above.
            let device = unsafe { &*description.cast::<PO_FX_DEVICE_V2>() };
            let first = description
                .wrapping_byte_add(offset_of!(PO_FX_DEVICE_V2, Components))
                .cast::<PO_FX_COMPONENT_V2>();
            // SAFETY: as above.
            let found = unsafe { elements(first, device.ComponentCount)? };
            // SAFETY: as above.
            let read = found.iter().map(|found| unsafe { second_version(found) });
            (device.Callbacks, read.collect())
        }
        _ => return Err(STATUS_INVALID_PARAMETER),
    };
    let components = components?;
    let has = Has {
        active: callbacks.ComponentActiveConditionCallback.is_some(),
        idle: callbacks.ComponentIdleConditionCallback.is_some(),
        power: callbacks.DevicePowerRequiredCallback.is_some()
            && callbacks.DevicePowerNotRequiredCallback.is_some(),
    };
    let all = has.active && has.idle && callbacks.ComponentIdleStateCallback.is_some();
    if components.is_empty()
        || !component::make_an_order(&components)
        || !all && components.iter().any(Component::has_states)
    {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok((Device::new(components, has), callbacks))
}
