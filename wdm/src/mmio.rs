//! Device registers in memory: mapped once, and reached through typed, owned blocks.
//!
//! The rule of the kernel this stands for: registers are mapped into the system's address space
//! before they are touched and unmapped when nobody touches them any more; every access is
//! volatile, of the register's own width, in program order. (nf-wdm-mmmapiospaceex,
//! "Mapping Bus-Relative Addresses to Virtual Addresses".)
//!
//! [`registers!`](crate::registers) describes a BAR: its least size, and its registers in blocks.
//! All offsets are checked against the size at compile time; when the BAR is mapped
//! only the size is. Each block then is a value that exists once ([`Registers`]): its owner may use those
//! registers, and the mapping lasts until the last of them is dropped.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     irql::Passive,
//!     mmio::Mapping,
//!     pnp::Memory,
//!     pool::Tag,
//! };
//!
//! wdm::registers! {
//!     /// The first BAR.
//!     pub bar Bar0[0x100] => pub struct Bar0Registers {
//!         /// What starts and stops the device.
//!         control: pub block Control {
//!             /// Starts it.
//!             Start(0x08): u32, write;
//!             /// What it does.
//!             State(0x0c): u32, read;
//!         }
//!     }
//! }
//!
//! fn start(memory: Memory<'_>, irql: &Passive) -> Result<u32> {
//!     let mapping = Mapping::<Bar0>::new(memory, irql)?;
//!     let Bar0Registers { mut control } = Bar0Registers::split(mapping, Tag::new(*b"Exam"), irql)?;
//!     control.write(Start, 1);
//!     Ok(control.read(State))
//! }
//! ```

use core::{marker::PhantomData, ptr::NonNull, sync::atomic};

use wdk_sys::{
    PAGE_NOCACHE, PAGE_READWRITE, PHYSICAL_ADDRESS,
    ntddk::{MmMapIoSpaceEx, MmUnmapIoSpace},
};

use crate::{
    Result, Status,
    irql::{AtOrBelowDispatch, Passive},
    pnp::Memory,
    pool::{Shared, Tag},
};

/// A base address register with memory, as [`registers!`](crate::registers) describes it.
pub trait Bar: 'static {
    /// The least number of bytes that it has.
    const LENGTH: usize;
}

/// A part of a BAR whose registers belong together, and to one owner.
pub trait Block: 'static {
    /// The BAR that it is in.
    type Bar: Bar;
}

/// What a register holds.
pub trait Value: Copy {
    /// The unsigned integer of the register's width.
    type Raw: Raw;
    /// From what was read.
    fn from_raw(raw: Self::Raw) -> Self;
    /// To what is written.
    fn into_raw(self) -> Self::Raw;
}

mod sealed {
    pub trait Sealed {}
}

/// The integers that a register can be as wide as.
pub trait Raw: sealed::Sealed + Copy {}

macro_rules! raw_values {
    ($($raw:ty),*) => {$(
        impl sealed::Sealed for $raw {}
        impl Raw for $raw {}
        impl Value for $raw {
            type Raw = Self;
            fn from_raw(raw: Self) -> Self {
                raw
            }
            fn into_raw(self) -> Self {
                self
            }
        }
    )*};
}
raw_values!(u8, u16, u32, u64);

/// A register. One that lies outside of its BAR, or is not aligned to its width, does not compile
/// where it is read or written.
pub trait Register: 'static {
    /// The block that it is in.
    type Block: Block;
    /// What it holds.
    type Value: Value;
    /// Where it is in the BAR.
    const OFFSET: usize;
}

/// A register that may be read.
#[diagnostic::on_unimplemented(
    message = "the register `{Self}` cannot be read",
    label = "a register that is write only"
)]
pub trait Readable: Register {}

/// A register that may be written.
#[diagnostic::on_unimplemented(
    message = "the register `{Self}` cannot be written",
    label = "a register that is read only"
)]
pub trait Writable: Register {}

/// A register by which the device is told what memory to use, or to use it. It is written with
/// [`Registers::write_dma`].
#[diagnostic::on_unimplemented(
    message = "the register `{Self}` cannot be written so",
    label = "declared without `write_dma`"
)]
pub trait DmaWritable: Register {}

/// A mapped BAR. It is unmapped on drop.
pub struct Mapping<B: Bar> {
    base: NonNull<u8>,
    length: usize,
    _bar: PhantomData<B>,
}

// SAFETY: a mapping in system space is the same on every processor.
unsafe impl<B: Bar> Send for Mapping<B> {}
// SAFETY: it gives access to nothing by itself; `Registers` does.
unsafe impl<B: Bar> Sync for Mapping<B> {}

impl<B: Bar> Mapping<B> {
    /// Maps the BAR, not cached.
    ///
    /// Source: nf-wdm-mmmapiospaceex.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_CONFIGURATION_ERROR` if the resource is smaller than the registers need, or
    /// begins where its widest registers would not be aligned;
    /// `STATUS_INSUFFICIENT_RESOURCES` if it cannot be mapped.
    pub fn new(memory: Memory<'_>, _irql: &Passive) -> Result<Self> {
        const WIDEST: u64 = 8;
        let length = usize::try_from(memory.length()).unwrap_or(usize::MAX);
        if length < B::LENGTH || !memory.start().is_multiple_of(WIDEST) {
            return Err(Status::DEVICE_CONFIGURATION_ERROR);
        }
        let start = PHYSICAL_ADDRESS {
            QuadPart: memory.start().cast_signed(),
        };
        // SAFETY: a range that the PnP manager assigned to the device, at PASSIVE_LEVEL.
        let base = unsafe { MmMapIoSpaceEx(start, length as u64, PAGE_READWRITE | PAGE_NOCACHE) };
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)?,
            length,
            _bar: PhantomData,
        })
    }
}

impl<B: Bar> Drop for Mapping<B> {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; every `Registers` that could use it is gone. Callable at IRQL
        // <= DISPATCH_LEVEL.
        unsafe { MmUnmapIoSpace(self.base.as_ptr().cast(), self.length as u64) };
    }
}

/// The registers of one block: who has this may use them. It exists once for each mapping.
pub struct Registers<K: Block> {
    mapping: Shared<Mapping<K::Bar>>,
    _block: PhantomData<K>,
}

impl<K: Block> Registers<K> {
    /// For [`registers!`](crate::registers), which makes one of each block.
    ///
    /// # Safety
    ///
    /// There is no other one of this block for this mapping.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn new(mapping: Shared<Mapping<K::Bar>>) -> Self {
        Self {
            mapping,
            _block: PhantomData,
        }
    }

    /// Reads a register. Reading may have effects on the device, but none on memory safety.
    pub fn read<R: Readable<Block = K>>(&self, _register: R) -> R::Value {
        let register = self.address::<R>();
        // SAFETY: within the mapping and aligned, as `address` has checked.
        let raw = unsafe { register.read_volatile() };
        // Whatever the program does next is not moved before the read by the compiler; loads
        // from uncached memory are not reordered by amd64 processors.
        atomic::compiler_fence(atomic::Ordering::SeqCst);
        R::Value::from_raw(raw)
    }

    /// Writes a register.
    pub fn write<R: Writable<Block = K>>(&mut self, register: R, value: R::Value) {
        self.store(register, value);
    }

    /// Writes a register that makes the device use memory.
    ///
    /// # Safety
    ///
    /// Whatever memory the device uses because of this is mapped for it, in that direction, and is
    /// kept so, and used by nobody else, until the device is done with it or was reset.
    pub unsafe fn write_dma<R: DmaWritable<Block = K>>(&mut self, register: R, value: R::Value) {
        self.store(register, value);
    }

    fn store<R: Register<Block = K>>(&self, _register: R, value: R::Value) {
        let register = self.address::<R>();
        // What the program did before, such as filling a buffer for DMA, is seen by the device
        // before the register is: on amd64, stores to uncached memory come after earlier stores.
        atomic::compiler_fence(atomic::Ordering::SeqCst);
        // SAFETY: within the mapping and aligned, as `address` has checked.
        unsafe { register.write_volatile(value.into_raw()) };
    }

    fn address<R: Register<Block = K>>(&self) -> *mut <R::Value as Value>::Raw {
        // `Register` is a safe trait, which anybody may implement.
        const {
            let width = size_of::<<R::Value as Value>::Raw>();
            let length = <K::Bar as Bar>::LENGTH;
            assert!(
                width <= length && R::OFFSET <= length - width,
                "the register lies outside of its BAR"
            );
            assert!(
                R::OFFSET % width == 0,
                "the register is not aligned to its width"
            );
        }
        self.mapping.base.as_ptr().wrapping_add(R::OFFSET).cast()
    }
}

/// A block that is all of its BAR, for devices that say themselves where to read and write.
///
/// # Safety
///
/// Nothing that is written anywhere in the BAR makes the device use memory.
pub unsafe trait Whole: Block {}

impl<K: Whole> Registers<K> {
    /// Reads the byte at an offset, if the BAR has one there.
    #[must_use]
    pub fn read_u8_at(&self, offset: usize) -> Option<u8> {
        let address = self.checked_address(offset)?;
        // SAFETY: within the mapping, as checked.
        let value = unsafe { address.read_volatile() };
        atomic::compiler_fence(atomic::Ordering::SeqCst);
        Some(value)
    }

    /// Writes the byte at an offset, if the BAR has one there.
    pub fn write_u8_at(&mut self, offset: usize, value: u8) -> Option<()> {
        let address = self.checked_address(offset)?;
        atomic::compiler_fence(atomic::Ordering::SeqCst);
        // SAFETY: within the mapping, as checked.
        unsafe { address.write_volatile(value) };
        Some(())
    }

    fn checked_address(&self, offset: usize) -> Option<*mut u8> {
        let mapping = &*self.mapping;
        (offset < mapping.length).then(|| mapping.base.as_ptr().wrapping_add(offset))
    }
}

/// For [`registers!`](crate::registers): shares a mapping between its blocks.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`; the BAR is unmapped.
#[doc(hidden)]
pub fn share<B: Bar, I: AtOrBelowDispatch>(
    mapping: Mapping<B>,
    tag: Tag,
    irql: &I,
) -> Result<Shared<Mapping<B>>> {
    Shared::new(tag, mapping, irql)
}

/// Describes a BAR with memory: its registers, in blocks, each block a value with one owner.
///
/// See the example of [`crate::mmio`].
///
/// A register is `read`, `write` or both. One whose value makes the device use memory, such as the
/// address or the command of a transfer, is `write_dma` instead: to write it is `unsafe`. It is on
/// this description that everything else relies: a device does what its registers say.
///
/// What stands there makes the types `Bar0`, `Control`, `Start` and `State`, and the structure
/// `Bar0Registers`, whose `split` makes a mapping into one `Registers` for each block.
#[macro_export]
macro_rules! registers {
    (
        $(#[$bar_doc:meta])*
        $vis:vis bar $bar:ident[$length:literal] => $split_vis:vis struct $split:ident {
            $(
                $(#[$block_doc:meta])*
                $field:ident: $block_vis:vis block $block:ident {
                    $(
                        $(#[$doc:meta])*
                        $register:ident($offset:literal): $value:ty, $($access:ident),+;
                    )*
                }
            )*
        }
    ) => {
        $(#[$bar_doc])*
        #[derive(Debug)]
        $vis enum $bar {}

        impl $crate::mmio::Bar for $bar {
            const LENGTH: usize = $length;
        }

        /// The registers of the mapped BAR, one value for each block.
        $split_vis struct $split {
            $(
                $(#[$block_doc])*
                $block_vis $field: $crate::mmio::Registers<$block>,
            )*
        }

        impl $split {
            /// Splits a mapping into its blocks. It is unmapped when the last of them is dropped.
            ///
            /// # Errors
            ///
            /// `STATUS_INSUFFICIENT_RESOURCES`; the BAR is unmapped.
            $split_vis fn split(
                mapping: $crate::mmio::Mapping<$bar>,
                tag: $crate::pool::Tag,
                irql: &$crate::irql::Passive,
            ) -> $crate::Result<Self> {
                let mapping = $crate::mmio::share(mapping, tag, irql)?;
                Ok(Self {
                    // SAFETY: the mapping was given up for this; each block is made here once.
                    $($field: unsafe { $crate::mmio::Registers::new(mapping.clone()) },)*
                })
            }
        }

        $(
            $(#[$block_doc])*
            #[derive(Debug)]
            $block_vis enum $block {}

            impl $crate::mmio::Block for $block {
                type Bar = $bar;
            }

            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug)]
                $block_vis struct $register;

                impl $crate::mmio::Register for $register {
                    type Block = $block;
                    type Value = $value;
                    const OFFSET: usize = $offset;
                }

                const _: () = {
                    const WIDTH: usize = size_of::<<$value as $crate::mmio::Value>::Raw>();
                    assert!($offset + WIDTH <= $length, "the register lies outside of its BAR");
                    assert!($offset % WIDTH == 0, "the register is not aligned to its width");
                };

                $($crate::registers!(@access $access $register);)+
            )*
        )*
    };
    (@access read $register:ident) => {
        impl $crate::mmio::Readable for $register {}
    };
    (@access write $register:ident) => {
        impl $crate::mmio::Writable for $register {}
    };
    (@access write_dma $register:ident) => {
        impl $crate::mmio::DmaWritable for $register {}
    };
}

/// Makes a `bitflags` type the value of a register.
#[macro_export]
macro_rules! register_flags {
    ($($flags:ty: $raw:ty),* $(,)?) => {$(
        impl $crate::mmio::Value for $flags {
            type Raw = $raw;
            fn from_raw(raw: $raw) -> Self {
                // Bits without a name are kept: what is read may be written back.
                Self::from_bits_retain(raw)
            }
            fn into_raw(self) -> $raw {
                self.bits()
            }
        }
    )*};
}
