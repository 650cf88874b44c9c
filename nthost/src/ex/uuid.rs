//! Identifiers that nobody else has.
//!
//! Source: ExUuidCreate; RFC 9562, version 1. Without a network card the node is no address of one
//! (its lowest bit says so), and the identifier is unique on this machine alone: the routine tells
//! its caller.

use nthost_nt::guid::GUID;

/// From the start of the Gregorian calendar to that of system time, in steps of 100 nanoseconds.
const EPOCHS: u64 = 0x0001_46bf_33e4_2000;

/// The identifier of a system time, a sequence and a node.
#[must_use]
pub const fn version_1(time: u64, sequence: u16, node: u64) -> GUID {
    let time = time.wrapping_add(EPOCHS);
    let node = node.to_be_bytes();
    GUID {
        Data1: time as u32,
        Data2: (time >> 32) as u16,
        Data3: (time >> 48) as u16 & 0x0fff | 0x1000,
        Data4: [
            (sequence >> 8) as u8 & 0x3f | 0x80,
            sequence as u8,
            // No address of a network card.
            node[2] | 1,
            node[3],
            node[4],
            node[5],
            node[6],
            node[7],
        ],
    }
}

#[cfg(target_os = "none")]
pub use exported::ExUuidCreate;

#[cfg(target_os = "none")]
mod exported {
    use core::sync::atomic::{AtomicU64, Ordering};

    use nthost_nt::{
        guid::GUID,
        status::{NTSTATUS, RPC_NT_UUID_LOCAL_ONLY},
    };

    use crate::{hal::time as counter, ke::time};

    /// The time of the last identifier. Relaxed: each change of it is whole.
    static LAST: AtomicU64 = AtomicU64::new(0);
    /// The machine's node, chosen when the first identifier is; zero before. Relaxed, as above.
    static NODE: AtomicU64 = AtomicU64::new(0);

    fn node() -> u64 {
        // The counter's low bits, well mixed, are as good as any: it is unique on this machine.
        let mixed = counter::counter().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16 | 1;
        match NODE.compare_exchange(0, mixed, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => mixed,
            Err(node) => node,
        }
    }

    /// A time that no identifier has.
    fn unused_time() -> u64 {
        let now = time::system_time();
        let mut last = LAST.load(Ordering::Relaxed);
        loop {
            let next = now.max(last + 1);
            match LAST.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(other) => last = other,
            }
        }
    }

    nt_export! {
        irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
        /// A new identifier; RPC_NT_UUID_LOCAL_ONLY, as it is new on this machine.
        ///
        /// Source: ExUuidCreate.
        ///
        /// # Safety
        ///
        /// It can be written.
        pub unsafe fn ExUuidCreate(uuid: *mut GUID) -> NTSTATUS {
            let time = unused_time();
            let node = node();
            // SAFETY: the caller's promise.
            unsafe { uuid.write_unaligned(super::version_1(time, (node >> 32) as u16, node)) };
            RPC_NT_UUID_LOCAL_ONLY
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_where_the_standard_has_them() {
        // The example of RFC 9562, A.1, whose time is 2022-02-22 19:22:22.
        let time = 0x01ec_9414_c232_ab00 - EPOCHS;
        let guid = version_1(time, 0x33c8, 0x9f6b_dece_d846);
        assert_eq!(
            alloc::format!("{guid}"),
            "{c232ab00-9414-11ec-b3c8-9f6bdeced846}"
        );
        let even = version_1(time, 0, 0x9e6b_dece_d846);
        assert_eq!(even.Data4[2], 0x9f, "it is no network card's");
    }
}
