//! PE images: the checksum, and what a driver's image must be like.

pub mod checksum;
