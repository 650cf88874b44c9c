//! PE images: the checksum, and what a driver's image must be like.

pub mod checksum;
pub mod guard;
pub mod hygiene;
pub mod imports;
pub mod pdb;
pub mod version;
