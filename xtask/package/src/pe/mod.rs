//! PE images: the checksum, and what a driver's and a program's image must be like.

pub mod checksum;
pub mod frames;
pub mod guard;
pub mod hygiene;
pub mod imports;
pub mod pdb;
pub mod program;
pub mod version;
