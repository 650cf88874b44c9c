//! The places of a stack, for bug checks.
//!
//! Source: RtlVirtualUnwind, as far as drivers' frames go.

use super::own_frame;
use crate::{
    ke::{bugcheck::is_readable, stack},
    mm::paging::KERNEL_BASE,
    pe::{
        module,
        unwind::{self, RBP, RSP, Registers},
    },
};

/// Visits the places of a stack, innermost first: drivers' frames by the tables in their images,
/// nthost's by its own, or by their frame pointers where the table does not describe them. For
/// bugchecks: it reads nothing that cannot be read.
pub fn walk_stack(registers: Registers, visit: &mut dyn FnMut(usize, u64)) {
    walk(registers, None, visit);
}

/// As [`walk_stack`], of another thread, which has no more of the stack than up to `end`: what
/// is beyond may be gone at any time.
pub fn walk_stack_to(end: u64, registers: Registers, visit: &mut dyn FnMut(usize, u64)) {
    walk(registers, Some(end), visit);
}

/// Goes on to the caller by the frame pointer, unless that leads nowhere.
fn by_frame_pointer(registers: &mut Registers, onward: impl Fn(u64) -> bool) -> bool {
    let frame = registers.general[RBP];
    if frame & 7 != 0 || !onward(frame) || !is_readable(frame) || !is_readable(frame + 8) {
        return false;
    }
    // SAFETY: both words can be read; what they mean is for the next round to doubt.
    let [next, address] = unsafe { *(frame as *const [u64; 2]) };
    registers.rip = address;
    registers.general[RBP] = next;
    registers.general[RSP] = frame + 16;
    true
}

fn walk(mut registers: Registers, end: Option<u64>, visit: &mut dyn FnMut(usize, u64)) {
    let bottom = registers.general[RSP];
    for index in 0..64 {
        let top = registers.general[RSP];
        if end.is_some_and(|end| !(bottom..end).contains(&top)) {
            return;
        }
        visit(index, registers.rip);
        if let Some(module) = module::find(registers.rip) {
            let function = module.function(registers.rip);
            if unwind::unwind(module, module.base, function, &mut registers).is_err() {
                return;
            }
        } else if registers.rip >= KERNEL_BASE {
            // From a stack that was made for a call, the way leads back to the thread's own.
            let onward = |frame| {
                end.map_or_else(
                    || frame >= bottom || stack::contains(frame),
                    |end| (bottom..end - 8).contains(&frame),
                )
            };
            let described = own_frame::unwind(&mut registers, index != 0).is_some();
            if !described && !by_frame_pointer(&mut registers, onward) {
                return;
            }
        } else if index == 0 && top.is_multiple_of(8) && is_readable(top) {
            // A call of what is no code: it has left but its return address.
            // SAFETY: the word can be read; what it means is for the next round to doubt.
            registers.rip = unsafe { *(top as *const u64) };
            registers.general[RSP] = top + 8;
        } else {
            return;
        }
        if registers.rip == 0 {
            return;
        }
    }
}
