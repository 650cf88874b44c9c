//! The first eight bytes of every structure: its size and its version.
//!
//! A client built against another version of this crate is told so (`STATUS_REVISION_MISMATCH`)
//! instead of being misread, and a structure that claims another size than its type has is
//! refused (`STATUS_INFO_LENGTH_MISMATCH`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The version of every structure in this crate. It changes whenever the layout or the meaning
/// of any of them does.
pub const VERSION: u32 = 2;

/// Size and version of the structure that it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Header {
    /// Size in bytes of the whole structure, this header included.
    pub size: u32,
    /// The version of the contract: [`VERSION`].
    pub version: u32,
}

/// Why a header does not begin a structure of the expected type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The version is not [`VERSION`]: `STATUS_REVISION_MISMATCH`.
    Version,
    /// The size is not that of the structure: `STATUS_INFO_LENGTH_MISMATCH`.
    Size,
}

impl Header {
    /// The header of a structure of type `T`.
    ///
    /// # Panics
    ///
    /// For a type of 4 GiB or more; there is none in this crate.
    #[must_use]
    pub const fn of<T>() -> Self {
        // A structure of this crate is at most a few hundred bytes.
        #[expect(clippy::cast_possible_truncation, reason = "checked just below")]
        let size = size_of::<T>() as u32;
        assert!(size as usize == size_of::<T>());
        Self {
            size,
            version: VERSION,
        }
    }

    /// Checks that this header begins a structure of type `T`. The version goes first: only
    /// when it agrees does the size mean anything.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Version`] or [`HeaderError::Size`].
    pub const fn check<T>(self) -> Result<(), HeaderError> {
        let expected = Self::of::<T>();
        if self.version != expected.version {
            Err(HeaderError::Version)
        } else if self.size != expected.size {
            Err(HeaderError::Size)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_of_another_version_is_refused_before_its_size_is_looked_at() {
        let header = Header {
            size: 0,
            version: VERSION + 1,
        };
        assert_eq!(header.check::<Header>(), Err(HeaderError::Version));
    }

    #[test]
    fn a_header_of_another_size_is_refused() {
        for size in [0, 7, 9, u32::MAX] {
            let header = Header {
                size,
                version: VERSION,
            };
            assert_eq!(
                header.check::<Header>(),
                Err(HeaderError::Size),
                "size {size}"
            );
        }
        assert_eq!(Header::of::<Header>().check::<Header>(), Ok(()));
    }
}
