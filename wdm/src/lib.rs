//! A safe layer for WDM drivers, with IRQL in its types.
#![no_std]
