//! The verifier: what Driver Verifier checks, with its bug checks.

pub mod account;
pub mod breakpoint;
pub mod call;
pub mod fault;
pub mod freed;
pub mod irql;
pub mod options;
pub mod unload;

pub use options::is_on;
