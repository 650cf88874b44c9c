//! What the hooks tell, and what they are answered.

/// What whoever watches IRPs remembers across a dispatch routine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dispatch {
    /// What is known of the IRP, as a number; zero, if nothing is.
    pub record: usize,
    /// The routine's stack location.
    pub location: usize,
    /// In which of the IRP's turns it was sent there.
    pub turn: u32,
    /// Where it was sent from by its maker, with an event that was signalled already; else zero.
    pub signalled: usize,
}

/// What comes of a debug exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebugTrap {
    /// Nobody has asked for it.
    Unknown,
    /// One more instruction is executed, and there is the next one.
    Step,
    /// The code that was interrupted goes on.
    Run,
}

/// What drivers do wrong with DMA adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DmaMisuse {
    /// A flush beyond the end of the MDL, or no memory for map registers.
    Miscellaneous,
    /// A common buffer was freed that is none.
    CommonBufferFreed,
    /// A channel was freed that was not allocated.
    ChannelFreed,
    /// Map registers were freed that were not allocated.
    RegistersFreed,
    /// A scatter/gather list was freed that is none.
    ListFreed,
    /// The adapter was released with common buffers left.
    CommonBuffersLeft,
    /// The adapter was released with its channel allocated.
    ChannelLeft,
    /// The adapter was released with map registers left.
    RegistersLeft,
    /// The adapter was released with scatter/gather lists left.
    ListsLeft,
    /// A second channel for a device.
    TooManyChannels,
    /// More map registers were asked for than the adapter has.
    AskedTooMany,
    /// What was mapped before is not flushed.
    NotFlushed,
    /// A transfer of a buffer that is not locked.
    NotLocked,
    /// Memory beside a buffer, or a free map register, was written.
    Overrun,
    /// Map registers were freed while mapped.
    RegistersMapped,
    /// The wrong IRQL.
    WrongIrql,
    /// More map registers than were allocated.
    TooManyRegisters,
    /// A flush of a buffer that is not mapped, through registers that others are mapped through.
    FlushedUnmapped,
    /// An adapter that was released.
    ReleasedAdapter,
    /// No adapter.
    NoAdapter,
    /// An address that is not in the MDL.
    OutsideMdl,
    /// A range that is mapped already.
    MappedTwice,
    /// A transfer that is longer than its MDL.
    BeyondMdl,
    /// A flush through map registers that nothing is mapped through.
    FlushedFree,
    /// A transfer of no bytes.
    NoLength,
    /// A transfer that is longer than its MDL chain.
    ShortBuffer,
    /// A device description of a version that does not exist.
    UnknownVersion,
}
