//! What drivers can import: every routine puts itself into one table.
//!
//! `nt_export!` stands around a routine's definition. It gives it the calling convention of
//! drivers, states at which IRQLs the documentation allows the call, and puts its name and its
//! two entries into the section that the image loader resolves imports from. A routine that is
//! not defined so does not exist: a driver that imports it is refused.

use core::sync::atomic::AtomicPtr;

/// Passive level: threads run, everything may be waited for and paged in.
pub const PASSIVE_LEVEL: u8 = 0;
/// Asynchronous procedure calls are held back.
pub const APC_LEVEL: u8 = 1;
/// The dispatcher does not run: no waiting, no page faults.
pub const DISPATCH_LEVEL: u8 = 2;
/// The lowest level of a device's interrupt.
pub const DIRQL_MIN: u8 = 5;
/// The highest level of a device's interrupt.
pub const DIRQL_MAX: u8 = 11;
/// The clock's interrupt.
pub const CLOCK_LEVEL: u8 = 13;
/// Interrupts between processors.
pub const IPI_LEVEL: u8 = 14;
/// Nothing interrupts.
pub const HIGH_LEVEL: u8 = 15;

/// A routine or variable that drivers can import.
#[derive(Debug)]
#[repr(C)]
pub struct Export {
    /// Its name, as in the import table.
    pub name: &'static str,
    /// Where it is.
    pub address: *const (),
    /// Where a driver's calls arrive that are checked first; null for what is never checked, such
    /// as a variable. From there it goes on to `address`.
    pub checked: *const (),
    /// The routine as the gate knows it; none for what is never checked.
    pub routine: Option<&'static Routine>,
}

// SAFETY: the fields are read only, and the addresses are only handed out.
unsafe impl Sync for Export {}

impl Export {
    /// What a driver's import of it is bound to.
    #[must_use]
    pub fn entry(&self, checked: bool) -> *const () {
        if checked && !self.checked.is_null() {
            self.checked
        } else {
            self.address
        }
    }
}

/// A routine as the gate knows it that its checked entry leads to.
#[derive(Debug)]
pub struct Routine {
    /// The routine's name.
    pub name: &'static str,
    /// The lowest IRQL at which it may be called.
    pub lowest: u8,
    /// The highest.
    pub highest: u8,
    /// How many arguments it has.
    pub arguments: usize,
    /// Where it is.
    pub address: *const (),
    /// What returns what the routine does for lack of resources; null if it never fails so.
    pub failure: *const (),
    /// What is looked at before the routine runs, besides what is for all: a [`Check`], or null.
    pub check: AtomicPtr<()>,
}

/// A rule that is about one routine or a few: it gets the arguments.
pub type Check = fn(&Routine, &[u64]);

// SAFETY: all fields but the atomic one are read only, and the addresses are only called.
unsafe impl Sync for Routine {}

/// Where all checked entries jump to, with the address of their [`Routine`] in `rax` and all else
/// as the driver left it. Whoever checks calls states it before the first driver is bound to a
/// checked entry; until then nothing is.
pub static GATE: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Where the exported routine that calls this one returns to: the driver that called it.
///
/// To be called by an exported routine itself, not by what it calls.
#[cfg(target_os = "none")]
#[inline(always)]
#[expect(clippy::inline_always, reason = "the frame read is the caller's own")]
#[must_use]
pub fn caller() -> u64 {
    let address: u64;
    // The register is one that a routine must keep, so what keeps it comes before this, and with it
    // what sets the frame pointer: the compiler may put both behind what needs neither.
    // SAFETY: reads the return address that the frame pointer leads to; nthost is built with
    // frame pointers.
    unsafe {
        core::arch::asm!("mov r15, [rbp + 8]", out("r15") address,
            options(nostack, readonly, preserves_flags));
    };
    address
}

/// Defines routines that drivers can import; see the [module](self).
///
/// ```ignore
/// nt_export! {
///     irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
///     /// What the documentation's page says it does. Source: KeSetEvent.
///     ///
///     /// # Safety
///     ///
///     /// What the documentation demands of the caller.
///     pub unsafe fn KeSetEvent(event: *mut KEVENT, increment: i32, wait: u8) -> i32 { … }
/// }
/// ```
///
/// There are two ways in: the routine itself, which checks nothing but what it needs to know, and
/// its checked entry, which leads through the [gate](GATE) to the routine. The loader binds a
/// driver's imports to the one or the other.
///
/// A routine that may fail for lack of resources, as its documentation says, and has done
/// nothing else before, also states what it then returns, behind its IRQLs:
/// `fails: STATUS_INSUFFICIENT_RESOURCES;`. It can be made to fail so at the gate.
#[macro_export]
macro_rules! nt_export {
    ($(
        irql: $lowest:ident..=$highest:ident;
        $(fails: $failure:expr;)?
        $(#[$meta:meta])*
        pub unsafe fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $return:ty)? $body:block
    )*) => { $(
        $(#[$meta])*
        #[expect(non_snake_case, reason = "the kernel's own name")]
        pub unsafe extern "win64" fn $name($($argument: $type),*) $(-> $return)? $body

        $crate::nt_export_routine! {
            $name, $lowest..=$highest, [$($argument)*], [$($failure)?], [$($return)?]
        }
    )* };
}

/// Lets drivers import a routine under its name, with a checked entry.
#[macro_export]
macro_rules! nt_export_routine {
    (
        $name:ident, $lowest:ident..=$highest:ident,
        [$($argument:ident)*], [$($failure:expr)?], [$($return:ty)?]
    ) => {
        const _: () = {
            static ROUTINE: $crate::export::Routine = $crate::export::Routine {
                name: stringify!($name),
                lowest: $crate::export::$lowest,
                highest: $crate::export::$highest,
                arguments: <[&str]>::len(&[$(stringify!($argument)),*]),
                address: $name as *const (),
                failure: $crate::nt_export_routine!(@failure [$($failure)?] [$($return)?]),
                check: core::sync::atomic::AtomicPtr::new(core::ptr::null_mut()),
            };

            #[cfg(target_os = "none")]
            naked! {
                unsafe extern "C" fn checked() {
                    "lea rax, [rip + {routine}]",
                    "jmp qword ptr [rip + {gate}]",
                    routine = sym ROUTINE,
                    gate = sym $crate::export::GATE,
                }
            }

            #[cfg(target_os = "none")]
            const CHECKED: *const () = checked as *const ();
            #[cfg(not(target_os = "none"))]
            const CHECKED: *const () = core::ptr::null();

            #[used]
            #[cfg_attr(target_os = "none", unsafe(link_section = ".nt_exports"))]
            static EXPORT: $crate::export::Export = $crate::export::Export {
                name: stringify!($name),
                address: $name as *const (),
                checked: CHECKED,
                routine: Some(&ROUTINE),
            };
        };
    };
    (@failure [] [$($return:ty)?]) => { core::ptr::null() };
    (@failure [$failure:expr] [$return:ty]) => {{
        unsafe extern "win64" fn failure() -> $return {
            $failure
        }
        failure as *const ()
    }};
}

/// Lets drivers import a variable, or a routine defined by other means, under this name. Calls
/// of it are not checked.
#[macro_export]
macro_rules! nt_export_data {
    ($name:ident = $item:expr) => {
        const _: () = {
            #[used]
            #[cfg_attr(target_os = "none", unsafe(link_section = ".nt_exports"))]
            static EXPORT: $crate::export::Export = $crate::export::Export {
                name: stringify!($name),
                address: $item as *const (),
                checked: core::ptr::null(),
                routine: None,
            };
        };
    };
}

/// All that drivers can import, in no order.
#[cfg(target_os = "none")]
#[must_use]
pub fn all() -> &'static [Export] {
    unsafe extern "C" {
        static nt_exports_start: u8;
        static nt_exports_end: u8;
    }
    let start = (&raw const nt_exports_start).cast::<Export>();
    let end = (&raw const nt_exports_end).cast::<Export>();
    let count = (end as usize - start as usize) / size_of::<Export>();
    // SAFETY: the linker puts nothing but `Export`s between the two symbols.
    unsafe { core::slice::from_raw_parts(start, count) }
}
