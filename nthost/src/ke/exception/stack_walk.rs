//! The places of a stack, for bug checks.
//!
//! Source: RtlVirtualUnwind, as far as drivers' frames go.

use crate::{
    ke::{bugcheck::is_readable, stack},
    mm::paging::KERNEL_BASE,
    pe::{
        module,
        unwind::{self, RSP, Registers},
    },
};

/// Visits the places of a stack, innermost first: drivers' frames by their tables, nthost's by
/// their frame pointers. For bugchecks: it reads nothing that cannot be read.
pub fn walk_stack(rip: u64, rsp: u64, rbp: u64, visit: &mut dyn FnMut(usize, u64)) {
    walk([rip, rsp, rbp], None, visit);
}

/// As [`walk_stack`], of another thread, which has no more of the stack than up to `end`: what
/// is beyond may be gone at any time.
pub fn walk_stack_to(end: u64, registers: [u64; 3], visit: &mut dyn FnMut(usize, u64)) {
    walk(registers, Some(end), visit);
}

fn walk([rip, rsp, rbp]: [u64; 3], end: Option<u64>, visit: &mut dyn FnMut(usize, u64)) {
    let mut registers = Registers {
        rip,
        ..Registers::default()
    };
    registers.general[RSP] = rsp;
    registers.general[5] = rbp;
    for index in 0..64 {
        let top = registers.general[RSP];
        if end.is_some_and(|end| !(rsp..end).contains(&top)) {
            return;
        }
        visit(index, registers.rip);
        if let Some(module) = module::find(registers.rip) {
            let function = module.function(registers.rip);
            if unwind::unwind(module, module.base, function, &mut registers).is_err() {
                return;
            }
        } else {
            let top = registers.general[RSP];
            if index == 0
                && registers.rip < KERNEL_BASE
                && top.is_multiple_of(8)
                && is_readable(top)
            {
                // A call of what is no code: it has left but its return address.
                // SAFETY: the word can be read; what it means is for the next round to doubt.
                registers.rip = unsafe { *(top as *const u64) };
                registers.general[RSP] = top + 8;
                continue;
            }
            let frame = registers.general[5];
            // From a stack that was made for a call, the way leads back to the thread's own.
            let onward = end.map_or_else(
                || frame >= rsp || stack::contains(frame),
                |end| (rsp..end - 8).contains(&frame),
            );
            if frame & 7 != 0 || !onward || !is_readable(frame) || !is_readable(frame + 8) {
                return;
            }
            // SAFETY: both words can be read; what they mean is for the next round to doubt.
            let [next, address] = unsafe { *(frame as *const [u64; 2]) };
            registers.rip = address;
            registers.general[5] = next;
            registers.general[RSP] = frame + 16;
        }
        if registers.rip == 0 {
            return;
        }
    }
}
