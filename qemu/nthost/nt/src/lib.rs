//! The structures and constants of the NT kernel, written from their documentation.
#![no_std]
