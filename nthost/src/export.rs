//! What drivers can import: every routine puts itself into one table.
//!
//! `nt_export!` stands around a routine's definition. It gives it the calling convention of
//! drivers, states at which IRQLs the documentation allows the call, and puts name and address
//! into the section that the image loader resolves imports from. A routine that is not defined
//! so does not exist: a driver that imports it is refused.

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
}

// SAFETY: both fields are read only, and the address is only handed out.
unsafe impl Sync for Export {}

/// The rule that a routine's documentation states for its callers.
#[derive(Debug)]
pub struct Routine {
    /// The routine's name.
    pub name: &'static str,
    /// The lowest IRQL at which it may be called.
    pub lowest: u8,
    /// The highest.
    pub highest: u8,
}

/// An argument as a bug check shows it: its first eight bytes.
pub const fn word<T>(argument: &T) -> u64 {
    let mut bytes = [0; 8];
    let count = if size_of::<T>() < 8 {
        size_of::<T>()
    } else {
        8
    };
    let from = core::ptr::from_ref(argument).cast::<u8>();
    let to = bytes.as_mut_ptr();
    // SAFETY: both have so many bytes; arguments have no padding among their first eight.
    unsafe { core::ptr::copy_nonoverlapping(from, to, count) };
    u64::from_le_bytes(bytes)
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
/// A routine that may fail for lack of resources, as its documentation says, and has done
/// nothing else before, also states what it then returns, behind its IRQLs:
/// `fails: STATUS_INSUFFICIENT_RESOURCES;`. It can be made to fail so
/// ([`fault`](crate::verifier::fault)).
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
        pub unsafe extern "win64" fn $name($($argument: $type),*) $(-> $return)? {
            static ROUTINE: $crate::export::Routine = $crate::export::Routine {
                name: stringify!($name),
                lowest: $crate::export::$lowest,
                highest: $crate::export::$highest,
            };
            #[cfg(target_os = "none")]
            if !$crate::verifier::call::enter(&ROUTINE) {
                $crate::verifier::irql::refused(&ROUTINE, &[$($crate::export::word(&$argument)),*]);
            }
            #[cfg(not(target_os = "none"))]
            let _ = &ROUTINE;
            $(
                #[cfg(target_os = "none")]
                if $crate::verifier::fault::strikes(
                    ROUTINE.name,
                    $crate::verifier::call::caller(),
                ) {
                    return $failure;
                }
                #[cfg(not(target_os = "none"))]
                let _ = $failure;
            )?
            $body
        }
        $crate::nt_export_data!($name = $name);
    )* };
}

/// Lets drivers import a variable, or a routine defined by other means, under this name.
#[macro_export]
macro_rules! nt_export_data {
    ($name:ident = $item:expr) => {
        const _: () = {
            #[used]
            #[cfg_attr(target_os = "none", unsafe(link_section = ".nt_exports"))]
            static EXPORT: $crate::export::Export = $crate::export::Export {
                name: stringify!($name),
                address: $item as *const (),
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
