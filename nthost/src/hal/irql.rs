//! The interrupt request level: it is CR8, the priority below which the local APIC holds
//! interrupts back, so that raising it is one instruction and lowering it delivers what waited.
//!
//! Source: "Managing Hardware Priorities"; KeRaiseIrql, KeLowerIrql.

use core::arch::asm;

/// The processor's IRQL.
#[inline]
#[must_use]
pub fn current() -> u8 {
    let level: u64;
    // SAFETY: reading CR8 has no effect.
    unsafe { asm!("mov {}, cr8", out(reg) level, options(nomem, nostack, preserves_flags)) };
    level as u8
}

/// Sets the IRQL, up or down. Lowering it delivers the interrupts that waited.
#[inline]
pub fn set(level: u8) {
    // No `nomem`: what is done at an IRQL must not move out of it.
    // SAFETY: the callers raise and lower in pairs; every level is a legal value.
    unsafe { asm!("mov cr8, {}", in(reg) u64::from(level), options(nostack, preserves_flags)) };
}

/// Raises the IRQL; gives the one before. Callers ask for a level that is not lower. A driver that
/// breaks the rule of a routine, and is not told because nothing is checked, may have it be lower
/// for a while, as on a free build of NT.
#[inline]
#[must_use]
pub fn raise(level: u8) -> u8 {
    let before = current();
    set(level);
    before
}

/// The IRQL is raised until this is dropped.
#[derive(Debug)]
#[must_use = "the IRQL is lowered when the guard is dropped"]
pub struct Raised {
    before: u8,
}

impl Raised {
    /// Raises the IRQL, unless it is that high already.
    #[inline]
    pub fn to(level: u8) -> Self {
        let before = current();
        if before < level {
            set(level);
        }
        Self { before }
    }
}

impl Drop for Raised {
    #[inline]
    fn drop(&mut self) {
        set(self.before);
    }
}
