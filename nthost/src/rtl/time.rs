//! System time, in steps of 100 nanoseconds from the start of 1601 on, as dates and as seconds.
//!
//! Sources: RtlTimeToTimeFields, RtlTimeFieldsToTime, ns-wdm-time_fields,
//! RtlTimeToSecondsSince1970 and its kin. May be called at any IRQL at which the buffers are
//! resident.

use nthost_nt::rtl::TIME_FIELDS;

use crate::ke::calendar::{PER_SECOND, from_fields, to_fields};

/// The start of 1970 and of 1980, in seconds from the start of 1601 on.
const START_1970: i64 = 11_644_473_600;
const START_1980: i64 = 11_960_006_400;

/// Seconds from a start on, if they can be said in 32 bits.
fn seconds_since(start: i64, time: i64) -> Option<u32> {
    u32::try_from(time.div_euclid(PER_SECOND) - start).ok()
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A system time as a date, as of Greenwich.
    ///
    /// Source: RtlTimeToTimeFields.
    ///
    /// # Safety
    ///
    /// It is an absolute time, and the fields can be written.
    pub unsafe fn RtlTimeToTimeFields(time: *const i64, fields: *mut TIME_FIELDS) {
        // SAFETY: the caller's promise.
        let time = unsafe { time.read() };
        // SAFETY: the caller's promise.
        unsafe { fields.write(to_fields(time.max(0))) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A date as system time; FALSE, and nothing written, if there is no such date.
    ///
    /// Source: RtlTimeFieldsToTime.
    ///
    /// # Safety
    ///
    /// The fields can be read, and the time be written.
    pub unsafe fn RtlTimeFieldsToTime(fields: *const TIME_FIELDS, time: *mut i64) -> u8 {
        // SAFETY: the caller's promise.
        let Some(value) = from_fields(unsafe { &*fields }) else {
            return 0;
        };
        // SAFETY: the caller's promise.
        unsafe { time.write(value) };
        1
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Seconds from the start of 1970 on; FALSE, and nothing written, if they are negative or
    /// more than 32 bits can say.
    ///
    /// Source: RtlTimeToSecondsSince1970.
    ///
    /// # Safety
    ///
    /// The time can be read, and the seconds be written.
    pub unsafe fn RtlTimeToSecondsSince1970(time: *const i64, seconds: *mut u32) -> u8 {
        // SAFETY: the caller's promise.
        let Some(value) = seconds_since(START_1970, unsafe { time.read() }) else {
            return 0;
        };
        // SAFETY: the caller's promise.
        unsafe { seconds.write(value) };
        1
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The time of so many seconds from the start of 1970 on.
    ///
    /// Source: RtlSecondsSince1970ToTime.
    ///
    /// # Safety
    ///
    /// The time can be written.
    pub unsafe fn RtlSecondsSince1970ToTime(seconds: u32, time: *mut i64) {
        // SAFETY: the caller's promise.
        unsafe { time.write((START_1970 + i64::from(seconds)) * PER_SECOND) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Seconds from the start of 1980 on, likewise.
    ///
    /// Source: RtlTimeToSecondsSince1980.
    ///
    /// # Safety
    ///
    /// The time can be read, and the seconds be written.
    pub unsafe fn RtlTimeToSecondsSince1980(time: *const i64, seconds: *mut u32) -> u8 {
        // SAFETY: the caller's promise.
        let Some(value) = seconds_since(START_1980, unsafe { time.read() }) else {
            return 0;
        };
        // SAFETY: the caller's promise.
        unsafe { seconds.write(value) };
        1
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The time of so many seconds from the start of 1980 on.
    ///
    /// Source: RtlSecondsSince1980ToTime.
    ///
    /// # Safety
    ///
    /// The time can be written.
    pub unsafe fn RtlSecondsSince1980ToTime(seconds: u32, time: *mut i64) {
        // SAFETY: the caller's promise.
        unsafe { time.write((START_1980 + i64::from(seconds)) * PER_SECOND) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A system time in local time. nthost's machines have their clock, and their people, in
    /// Greenwich: the two are the same.
    ///
    /// Source: ExSystemTimeToLocalTime.
    ///
    /// # Safety
    ///
    /// The one can be read, the other be written.
    pub unsafe fn ExSystemTimeToLocalTime(system: *const i64, local: *mut i64) {
        // SAFETY: the caller's promise.
        let time = unsafe { system.read() };
        // SAFETY: the caller's promise.
        unsafe { local.write(time) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A local time in system time; see ExSystemTimeToLocalTime.
    ///
    /// Source: ExLocalTimeToSystemTime.
    ///
    /// # Safety
    ///
    /// The one can be read, the other be written.
    pub unsafe fn ExLocalTimeToSystemTime(local: *const i64, system: *mut i64) {
        // SAFETY: the caller's promise.
        let time = unsafe { local.read() };
        // SAFETY: the caller's promise.
        unsafe { system.write(time) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_that_32_bits_can_say() {
        assert_eq!(
            seconds_since(START_1970, (START_1970 + 5) * PER_SECOND + 9),
            Some(5)
        );
        assert_eq!(seconds_since(START_1970, START_1970 * PER_SECOND - 1), None);
        let last = START_1970 + i64::from(u32::MAX);
        assert_eq!(seconds_since(START_1970, last * PER_SECOND), Some(u32::MAX));
        assert_eq!(seconds_since(START_1970, (last + 1) * PER_SECOND), None);
    }
}
