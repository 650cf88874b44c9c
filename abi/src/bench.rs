//! The interface of the driver `bench`, a client of the `edu` device in the kernel: it makes requests
//! of one kind, keeps so many outstanding from so many threads, and measures them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{Header, InterfaceClass};

/// The interface of its device: {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0060}.
pub const INTERFACE: InterfaceClass = InterfaceClass {
    data1: 0x8f1f_6f0a,
    data2: 0x38a5,
    data3: 0x4f36,
    data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x60],
};

/// Runs a measurement: `CTL_CODE(0x9041, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)`. Takes a
/// [`RunInput`], and answers with a [`RunOutput`] when all of its requests are over.
pub const RUN: u32 = 0x9041 << 16 | 0x800 << 2;

/// The most threads.
pub const MAX_THREADS: u32 = 64;
/// The most requests that a thread keeps outstanding.
pub const MAX_DEPTH: u32 = 256;
/// Bytes of a read's or a write's buffer at the most.
pub const MAX_LENGTH: u32 = 4096;
/// Classes of latencies.
pub const CLASSES: usize = 256;
/// Classes between a latency and twice that.
const CLASSES_OF_OCTAVE: u32 = 8;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// A control code that the driver does not know.
    Null = 0,
    /// [`crate::Ioctl::Identify`].
    Identify = 1,
    /// [`crate::Ioctl::Factorial`] of 5.
    Factorial = 2,
    /// IRP_MJ_READ.
    Read = 3,
    /// IRP_MJ_WRITE.
    Write = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Null,
        Self::Identify,
        Self::Factorial,
        Self::Read,
        Self::Write,
    ];

    /// The kind of this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|&kind| kind as u32 == number)
    }
}

/// Input of [`RUN`]. A kind that is none, no thread, no depth, no request, or more of these than there
/// may be: `STATUS_INVALID_PARAMETER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RunInput {
    /// Size and version.
    pub header: Header,
    /// A [`Kind`].
    pub kind: u32,
    /// How many threads make requests: one on each processor, and then again.
    pub threads: u32,
    /// How many requests each keeps outstanding.
    pub depth: u32,
    /// How many requests each makes.
    pub requests: u32,
    /// Bytes of each read or write.
    pub length: u32,
    /// Zero.
    pub reserved: u32,
}

/// The answer to [`RUN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RunOutput {
    /// Size and version.
    pub header: Header,
    /// From when the first thread may begin until the last is done.
    pub elapsed_ns: u64,
    /// Requests that ended as they should.
    pub right: u64,
    /// Requests that ended otherwise.
    pub wrong: u64,
    /// How many requests took how long: see [`class_of`].
    pub latencies: [u64; CLASSES],
}

/// The class of a latency. Each octave has eight, so that a class is an eighth of its least latency
/// wide at the most.
#[must_use]
pub const fn class_of(nanoseconds: u64) -> usize {
    let Some(octave) = nanoseconds.checked_ilog2() else {
        return 0;
    };
    let class = if octave < 3 {
        nanoseconds
    } else {
        // Its three bits behind the first.
        let rest = nanoseconds >> (octave - 3) & (CLASSES_OF_OCTAVE as u64 - 1);
        ((octave - 2) * CLASSES_OF_OCTAVE) as u64 + rest
    };
    let last = CLASSES as u64 - 1;
    // Less than the number of classes.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "less than the number of classes"
    )]
    let class = if class > last { last } else { class } as usize;
    class
}

/// The least latency of a class, in nanoseconds.
#[must_use]
pub const fn least_of(class: usize) -> u64 {
    let class = class as u64;
    let octaves = class / CLASSES_OF_OCTAVE as u64;
    if octaves == 0 {
        return class;
    }
    (CLASSES_OF_OCTAVE as u64 + class % CLASSES_OF_OCTAVE as u64) << (octaves - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_begins_where_the_one_before_ends() {
        for class in 0..CLASSES {
            assert_eq!(class_of(least_of(class)), class);
        }
        for class in 1..CLASSES {
            assert_eq!(class_of(least_of(class) - 1), class - 1);
        }
        assert_eq!(class_of(u64::MAX), CLASSES - 1);
    }

    #[test]
    fn a_kind_has_its_number() {
        assert_eq!(Kind::from_number(2), Some(Kind::Factorial));
        assert_eq!(Kind::from_number(5), None);
    }
}
