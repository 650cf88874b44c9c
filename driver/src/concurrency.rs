//! Which routines can run at the same time, and what protects what they share.
