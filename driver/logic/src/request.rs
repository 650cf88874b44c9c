//! Validation of requests: what a client sent, against what the interface documents.
//!
//! The order of the checks is part of the interface (see `eduwdm_abi::edu`): a client that makes
//! two mistakes always gets the same answer.

use eduwdm_abi::{Header, HeaderError};
use zerocopy::FromBytes;

/// Why a request is refused. Each stands for one `NTSTATUS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `STATUS_BUFFER_TOO_SMALL`.
    BufferTooSmall,
    /// `STATUS_INVALID_BUFFER_SIZE`.
    InvalidBufferSize,
    /// `STATUS_REVISION_MISMATCH`.
    RevisionMismatch,
    /// `STATUS_INFO_LENGTH_MISMATCH`.
    InfoLengthMismatch,
    /// `STATUS_INVALID_PARAMETER`.
    InvalidParameter,
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Version => Self::RevisionMismatch,
            HeaderError::Size => Self::InfoLengthMismatch,
        }
    }
}

/// A structure that begins with a [`Header`].
pub trait Versioned: FromBytes {
    /// The header.
    fn header(&self) -> Header;

    /// Whether the fields that must be zero are.
    fn reserved_is_zero(&self) -> bool {
        true
    }
}

macro_rules! versioned {
    ($($type:ty $({ $($reserved:ident),+ })?;)*) => {$(
        impl Versioned for $type {
            fn header(&self) -> Header {
                self.header
            }

            $(fn reserved_is_zero(&self) -> bool {
                $(self.$reserved == 0)&&+
            })?
        }
    )*};
}

versioned! {
    eduwdm_abi::edu::Liveness { inverse };
    eduwdm_abi::edu::FactorialInput { reserved };
    eduwdm_abi::edu::RaiseEvent { reserved };
    eduwdm_abi::edu::WaitEventInput;
    eduwdm_abi::edu::LockedTransfer { reserved };
    eduwdm_abi::edu::DmaSelfTestInput;
    eduwdm_abi::testdev::RunInput { reserved };
    eduwdm_abi::bench::RunInput { reserved };
}

/// Checks the buffers of a request whose input is a `T` and whose answer takes `answer` bytes.
///
/// # Errors
///
/// The first [`Refusal`] in the documented order.
pub fn input<T: Versioned>(bytes: &[u8], output: usize, answer: usize) -> Result<T, Refusal> {
    if bytes.len() < size_of::<T>() || output < answer {
        return Err(Refusal::BufferTooSmall);
    }
    // A length that differs from the structure's fails here: it can only be longer.
    let request = T::read_from_bytes(bytes).map_err(|_| Refusal::InvalidBufferSize)?;
    request.header().check::<T>()?;
    if !request.reserved_is_zero() {
        return Err(Refusal::InvalidParameter);
    }
    Ok(request)
}

/// Checks the buffers of a request that has no input, and an answer that takes `answer` bytes.
///
/// # Errors
///
/// The first [`Refusal`] in the documented order.
pub const fn no_input(bytes: &[u8], output: usize, answer: usize) -> Result<(), Refusal> {
    if output < answer {
        return Err(Refusal::BufferTooSmall);
    }
    if !bytes.is_empty() {
        return Err(Refusal::InvalidBufferSize);
    }
    Ok(())
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use eduwdm_abi::{
        VERSION,
        edu::{FactorialInput, FactorialOutput},
    };
    use proptest::prelude::*;
    use zerocopy::IntoBytes;

    use super::*;

    const ANSWER: usize = size_of::<FactorialOutput>();

    fn valid() -> FactorialInput {
        FactorialInput {
            header: Header::of::<FactorialInput>(),
            n: 5,
            reserved: 0,
        }
    }

    fn check(bytes: &[u8], output: usize) -> Result<FactorialInput, Refusal> {
        input(bytes, output, ANSWER)
    }

    #[test]
    fn a_valid_request_is_read() {
        let request = valid();
        assert_eq!(check(request.as_bytes(), ANSWER), Ok(request));
        assert_eq!(check(request.as_bytes(), ANSWER + 1), Ok(request));
    }

    #[test]
    fn every_shorter_buffer_is_too_small() {
        let request = valid();
        for length in 0..size_of::<FactorialInput>() {
            assert_eq!(
                check(&request.as_bytes()[..length], ANSWER),
                Err(Refusal::BufferTooSmall),
                "input of {length} bytes"
            );
        }
        for output in 0..ANSWER {
            assert_eq!(
                check(request.as_bytes(), output),
                Err(Refusal::BufferTooSmall),
                "output of {output} bytes"
            );
        }
    }

    #[test]
    fn a_longer_input_has_an_invalid_size() {
        let mut bytes = valid().as_bytes().to_vec();
        bytes.push(0);
        assert_eq!(check(&bytes, ANSWER), Err(Refusal::InvalidBufferSize));
        assert_eq!(no_input(&bytes, 0, 0), Err(Refusal::InvalidBufferSize));
    }

    #[test]
    fn refusals_come_in_the_documented_order() {
        let mut request = valid();
        request.reserved = 1;
        assert_eq!(
            check(request.as_bytes(), ANSWER),
            Err(Refusal::InvalidParameter)
        );
        request.header.size += 1;
        assert_eq!(
            check(request.as_bytes(), ANSWER),
            Err(Refusal::InfoLengthMismatch)
        );
        request.header.version = VERSION + 1;
        assert_eq!(
            check(request.as_bytes(), ANSWER),
            Err(Refusal::RevisionMismatch)
        );
        assert_eq!(
            check(request.as_bytes(), ANSWER - 1),
            Err(Refusal::BufferTooSmall)
        );
    }

    proptest! {
        #[test]
        fn only_a_request_with_its_own_header_and_zero_reserved_passes(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            output in 0_usize..128,
        ) {
            if let Ok(request) = check(&bytes, output) {
                prop_assert_eq!(request.header, Header::of::<FactorialInput>());
                prop_assert_eq!(request.reserved, 0);
                prop_assert!(output >= ANSWER);
            }
        }
    }
}
