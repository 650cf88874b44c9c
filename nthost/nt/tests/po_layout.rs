//! The structures of the power management framework lie as in the metadata.

use std::mem::{offset_of, size_of};

use nthost_nt::po_fx as ours;
use windows_sys::Wdk::System::SystemServices as theirs;

macro_rules! same {
    ($($name:ident { $($field:ident $(. $inner:ident)?),* })*) => { $(
        assert_eq!(size_of::<ours::$name>(), size_of::<theirs::$name>(), stringify!($name));
        $(same!(@field $name, $field $(. $inner)?);)*
    )* };
    (@field $name:ident, $field:ident) => {
        assert_eq!(offset_of!(ours::$name, $field), offset_of!(theirs::$name, $field));
    };
    (@field $name:ident, $outer:ident . $field:ident) => {
        assert_eq!(offset_of!(ours::$name, $outer.$field), offset_of!(theirs::$name, $field));
    };
}

#[test]
fn structures_lie_as_in_the_metadata() {
    same! {
        PO_FX_COMPONENT_IDLE_STATE { TransitionLatency, ResidencyRequirement, NominalPower }
        PO_FX_COMPONENT_V1 { Id, IdleStateCount, DeepestWakeableIdleState, IdleStates }
        PO_FX_COMPONENT_V2 {
            Id, Flags, DeepestWakeableIdleState, IdleStateCount, IdleStates, ProviderCount,
            Providers
        }
        PO_FX_DEVICE_V1 {
            Version, ComponentCount, Callbacks.ComponentActiveConditionCallback,
            Callbacks.ComponentIdleConditionCallback, Callbacks.ComponentIdleStateCallback,
            Callbacks.DevicePowerRequiredCallback, Callbacks.DevicePowerNotRequiredCallback,
            Callbacks.PowerControlCallback, Callbacks.DeviceContext, Components
        }
        PO_FX_DEVICE_V2 {
            Version, Flags, Callbacks.ComponentActiveConditionCallback,
            Callbacks.ComponentIdleConditionCallback, Callbacks.ComponentIdleStateCallback,
            Callbacks.DevicePowerRequiredCallback, Callbacks.DevicePowerNotRequiredCallback,
            Callbacks.PowerControlCallback, Callbacks.DeviceContext, ComponentCount, Components
        }
    }
}
