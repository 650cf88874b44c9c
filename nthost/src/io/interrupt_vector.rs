//! Interrupts as old drivers connect them: by a vector alone.
//!
//! Sources: IoConnectInterrupt, IoDisconnectInterrupt.

use core::ffi::c_void;

use nthost_nt::{
    io::interrupt::{FULLY_SPECIFIED, KSERVICE_ROUTINE},
    ke::KSPIN_LOCK,
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    interrupt::{disconnect, fully_specified},
    verify,
};
use crate::pnp::{
    node::{self, Node},
    resource::Interrupts,
};

/// A device that was assigned this vector.
fn node_of_vector(vector: u32) -> Option<&'static Node> {
    node::all().into_iter().find(|node| {
        let Some(resources) = node.state().resources else {
            return false;
        };
        match resources.interrupts {
            Interrupts::None => false,
            Interrupts::Line { vector: known, .. } => u32::from(known.vector) == vector,
            Interrupts::Messages(vectors) => vectors
                .iter()
                .any(|known| u32::from(known.vector) == vector),
        }
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Connects a routine to a vector of a device. The device is found by the vector.
    ///
    /// Source: IoConnectInterrupt.
    ///
    /// # Safety
    ///
    /// `object` can be written; the rest is as in the device's translated resources.
    pub unsafe fn IoConnectInterrupt(
        object: *mut *mut nthost_nt::ke::KINTERRUPT,
        routine: Option<KSERVICE_ROUTINE>,
        context: *mut c_void,
        lock: *mut KSPIN_LOCK,
        vector: u32,
        irql: u8,
        synchronize_irql: u8,
        mode: i32,
        share: u8,
        affinity: usize,
        floating_save: u8,
    ) -> NTSTATUS {
        // Whoever looks at it instead of the status sees that there is none.
        // SAFETY: the caller's promise.
        unsafe { object.write(core::ptr::null_mut()) };
        let Some(node) = node_of_vector(vector) else {
            return STATUS_INVALID_PARAMETER;
        };
        let parameters = FULLY_SPECIFIED {
            PhysicalDeviceObject: node.pdo(),
            InterruptObject: object,
            ServiceRoutine: routine,
            ServiceContext: context,
            SpinLock: lock,
            SynchronizeIrql: synchronize_irql,
            FloatingSave: floating_save,
            ShareVector: share,
            Vector: vector,
            Irql: irql,
            InterruptMode: mode,
            ProcessorEnableMask: affinity,
            Group: 0,
        };
        match fully_specified(&parameters, verify::caller()) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Disconnects what IoConnectInterrupt connected.
    ///
    /// Source: IoDisconnectInterrupt.
    ///
    /// # Safety
    ///
    /// The object is what IoConnectInterrupt gave.
    pub unsafe fn IoDisconnectInterrupt(object: *mut c_void) {
        if !disconnect(object) {
            verify::io_violation(verify::UNKNOWN, verify::caller(), object.addr(), 0);
        }
    }
}
