//! Routines that may raise an exception in their caller: they note its registers on entry.

use super::context::read_vector_registers;
use crate::pe::unwind::{RSP, Registers};

/// The registers that a raising routine noted on entry: its caller's.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CallerFrame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rdi: u64,
    rsi: u64,
    rbx: u64,
    rbp: u64,
    return_address: u64,
}

impl CallerFrame {
    /// Where the call returns to.
    #[must_use]
    pub const fn return_address(&self) -> u64 {
        self.return_address
    }

    /// An argument that the caller left on its stack: the fifth is number 4.
    ///
    /// # Safety
    ///
    /// The routine has that many.
    #[must_use]
    pub unsafe fn stack_argument(&self, number: usize) -> u64 {
        // SAFETY: the caller's stack is behind its registers: the home space of the four
        // arguments in registers, then the others.
        let behind = unsafe { core::ptr::from_ref(self).add(1) }.cast::<u64>();
        // SAFETY: as above.
        let argument = unsafe { behind.add(number) };
        // SAFETY: as above.
        unsafe { argument.read() }
    }

    /// The caller's registers after the call.
    pub(super) fn registers(&self) -> Registers {
        let behind = core::ptr::from_ref(self) as u64 + size_of::<Self>() as u64;
        let mut registers = Registers {
            rip: self.return_address,
            ..Registers::default()
        };
        registers.general[3] = self.rbx;
        registers.general[RSP] = behind;
        registers.general[5] = self.rbp;
        registers.general[6] = self.rsi;
        registers.general[7] = self.rdi;
        registers.general[12] = self.r12;
        registers.general[13] = self.r13;
        registers.general[14] = self.r14;
        registers.general[15] = self.r15;
        read_vector_registers(&mut registers.xmm);
        registers
    }
}

/// Defines a routine that drivers can import and that may raise an exception. It has three or
/// four arguments (those that it does not need are ignored), and gets its caller's registers,
/// which [`raise_from`](crate::ke::exception::raise_from) takes.
#[macro_export]
macro_rules! raising_export {
    ($(
        irql: $lowest:ident..=$highest:ident;
        $(#[$meta:meta])*
        pub unsafe fn $name:ident(
            $first:ident: $first_type:ty, $second:ident: $second_type:ty,
            $third:ident: $third_type:ty $(, $fourth:ident: $fourth_type:ty)?
            $(=> $($more:ident: $more_type:ty),+)?; $caller:ident
        ) $(-> $return:ty)? $body:block
    )*) => { $(
        naked! {
            $(#[$meta])*
            #[allow(non_snake_case, reason = "the kernel's own name")]
            pub unsafe extern "win64" fn $name(
                $first: $first_type, $second: $second_type, $third: $third_type,
                $($fourth: $fourth_type,)?
                $($($more: $more_type,)+)?
            ) $(-> $return)? {
                "push rbp", "push rbx", "push rsi", "push rdi",
                "push r12", "push r13", "push r14", "push r15",
                // The last argument: the registers just pushed.
                $crate::raising_export!(@caller $($fourth)?),
                "lea rbp, [rsp + 56]",
                // Shadow space, and a fifth argument, which aligns the stack too.
                "sub rsp, 40",
                "mov [rsp + 32], rax",
                "call {body}",
                "add rsp, 40",
                "pop r15", "pop r14", "pop r13", "pop r12",
                "pop rdi", "pop rsi", "pop rbx", "pop rbp",
                "ret",
                body = sym <$name>::body,
            }
        }

        /// Holds the body of the routine of the same name.
        enum $name {}

        impl $name {
            unsafe extern "win64" fn body(
                $first: $first_type, $second: $second_type, $third: $third_type,
                $($fourth: $fourth_type,)?
                $caller: &$crate::ke::exception::CallerFrame,
            ) $(-> $return)? {
                $body
            }
        }

        $crate::nt_export_routine! {
            $name, $lowest..=$highest, [$first $second $third $($fourth)? $($($more)+)?], [], []
        }
    )* };
    // Which register has the body's last argument, or holds it until the stack does.
    (@caller) => { "mov r9, rsp" };
    (@caller $fourth:ident) => { "mov rax, rsp" };
}
