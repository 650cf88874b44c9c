//! What the I/O manager keeps of an IRP in the IRP itself: who made it, and whether it is on its
//! way. Both are bits of `AllocationFlags`, which drivers leave alone and `IoReuseIrp` keeps.
//!
//! Sources: ns-wdm-_irp; IoReuseIrp.

use nthost_nt::io::irp::IRP;

/// Who made an IRP, which decides who frees it and what `IoReuseIrp` may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Origin {
    /// `IoInitializeIrp` on the driver's own memory.
    DriverMemory,
    /// `IoAllocateIrp`: the driver frees it.
    Allocated,
    /// `IoBuildAsynchronousFsdRequest`: the driver frees it.
    Asynchronous,
    /// `IoBuildSynchronousFsdRequest`, `IoBuildDeviceIoControlRequest`: the system frees it.
    Synchronous,
    /// `IoMakeAssociatedIrp`.
    Associated,
    /// The kernel itself, for a system call, plug and play or power.
    System,
}

/// Where the origin lies in `AllocationFlags`, which are the I/O manager's own: above NT's four.
const ORIGIN_SHIFT: u8 = 4;
/// All bits of the origin.
const ORIGIN: u8 = 7 << ORIGIN_SHIFT;
/// It is on its way, in `AllocationFlags` too: it was sent, and no completion routine of who made
/// it has had it since.
const SENT: u8 = 0x80;

impl Origin {
    /// The `AllocationFlags` of an IRP that was made so.
    #[must_use]
    pub const fn flags(self) -> u8 {
        (self as u8) << ORIGIN_SHIFT
    }

    /// The origin that `AllocationFlags` tell.
    #[must_use]
    pub const fn of(irp: &IRP) -> Self {
        match (irp.AllocationFlags & ORIGIN) >> ORIGIN_SHIFT {
            1 => Self::Allocated,
            2 => Self::Asynchronous,
            3 => Self::Synchronous,
            4 => Self::Associated,
            5 => Self::System,
            _ => Self::DriverMemory,
        }
    }
}

/// Whether an IRP is on its way.
#[must_use]
pub const fn is_sent(irp: &IRP) -> bool {
    irp.AllocationFlags & SENT != 0
}

/// An IRP is on its way, or back.
pub const fn set_sent(irp: &mut IRP, sent: bool) {
    irp.AllocationFlags = irp.AllocationFlags & !SENT | if sent { SENT } else { 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_irp_tells_who_made_it_wherever_it_is() {
        // SAFETY: zeroes are a value of each field.
        let mut irp: IRP = unsafe { core::mem::zeroed() };
        assert_eq!(Origin::of(&irp), Origin::DriverMemory);
        for origin in [
            Origin::DriverMemory,
            Origin::Allocated,
            Origin::Asynchronous,
            Origin::Synchronous,
            Origin::Associated,
            Origin::System,
        ] {
            irp.AllocationFlags = origin.flags();
            assert!(!is_sent(&irp));
            set_sent(&mut irp, true);
            assert_eq!((Origin::of(&irp), is_sent(&irp)), (origin, true));
            set_sent(&mut irp, false);
            assert_eq!((Origin::of(&irp), is_sent(&irp)), (origin, false));
        }
    }
}
