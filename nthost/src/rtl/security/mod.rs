//! Whom a right is for, who may do what, and whose an object is: the structures of security, as
//! drivers build and read them.

pub mod acl;
pub mod conversion;
pub mod descriptor;
pub mod relative;
pub mod sid;
pub mod sid_parts;
