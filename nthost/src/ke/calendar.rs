//! Dates of system time, which is in steps of 100 nanoseconds from the start of 1601 on.
//!
//! Source: ns-wdm-time_fields.

use nthost_nt::rtl::TIME_FIELDS;

const PER_MILLISECOND: i64 = 10_000;
/// A second.
pub const PER_SECOND: i64 = 1000 * PER_MILLISECOND;
const PER_DAY: i64 = 24 * 60 * 60 * PER_SECOND;
/// Days of a cycle of the calendar, of 100 years without its last leap day, of four years.
const CYCLE: i64 = 146_097;
const CENTURY: i64 = 36_524;
const FOUR_YEARS: i64 = 1461;
/// The years that a date can have (ns-wdm-time_fields).
const YEARS: core::ops::RangeInclusive<i16> = 1601..=30827;

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of the year before a month; the thirteenth is the next year's first.
fn days_before(year: i64, month: usize) -> i64 {
    const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];
    BEFORE[month - 1] + i64::from(month > 2 && is_leap(year))
}

/// Days from the start of 1601 to that of a year.
const fn days_to(year: i64) -> i64 {
    let years = year - 1601;
    years * 365 + years / 4 - years / 100 + years / 400
}

/// The date of a time that is not negative.
#[must_use]
pub fn to_fields(time: i64) -> TIME_FIELDS {
    let (days, rest) = (time / PER_DAY, time % PER_DAY);
    // The last year of each cycle, and of four years, is a day longer: no division finds it.
    let (cycles, in_cycle) = (days / CYCLE, days % CYCLE);
    let centuries = (in_cycle / CENTURY).min(3);
    let in_century = in_cycle - centuries * CENTURY;
    let (fours, in_four) = (in_century / FOUR_YEARS, in_century % FOUR_YEARS);
    let year = 1601 + cycles * 400 + centuries * 100 + fours * 4 + (in_four / 365).min(3);
    let in_year = days - days_to(year);
    let month = (1..=12)
        .rev()
        .find(|&month| days_before(year, month) <= in_year)
        .unwrap_or(1);
    let milliseconds = rest / PER_MILLISECOND;
    TIME_FIELDS {
        Year: year as i16,
        Month: month as i16,
        Day: (in_year - days_before(year, month) + 1) as i16,
        Hour: (milliseconds / 3_600_000) as i16,
        Minute: (milliseconds / 60_000 % 60) as i16,
        Second: (milliseconds / 1000 % 60) as i16,
        Milliseconds: (milliseconds % 1000) as i16,
        // The first day of 1601 was a Monday; Sunday is zero.
        Weekday: ((days + 1) % 7) as i16,
    }
}

/// The time of a date, whose day of the week is not looked at; `None` if there is no such date.
#[must_use]
pub fn from_fields(fields: &TIME_FIELDS) -> Option<i64> {
    let year = i64::from(fields.Year);
    let valid = YEARS.contains(&fields.Year)
        && (1..=12).contains(&fields.Month)
        && (0..24).contains(&fields.Hour)
        && (0..60).contains(&fields.Minute)
        && (0..60).contains(&fields.Second)
        && (0..1000).contains(&fields.Milliseconds);
    if !valid {
        return None;
    }
    let month = fields.Month as usize;
    let before = days_before(year, month);
    let day = i64::from(fields.Day);
    if !(1..=days_before(year, month + 1) - before).contains(&day) {
        return None;
    }
    let minutes = i64::from(fields.Hour) * 60 + i64::from(fields.Minute);
    let seconds = minutes * 60 + i64::from(fields.Second);
    let milliseconds = seconds * 1000 + i64::from(fields.Milliseconds);
    Some((days_to(year) + before + day - 1) * PER_DAY + milliseconds * PER_MILLISECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The start of 1970 and of 1980, in seconds from the start of 1601 on.
    const START_1970: i64 = 11_644_473_600;
    const START_1980: i64 = 11_960_006_400;

    fn date(fields: &TIME_FIELDS) -> (i16, i16, i16, i16) {
        (fields.Year, fields.Month, fields.Day, fields.Weekday)
    }

    #[test]
    fn known_times_are_known_dates() {
        assert_eq!(date(&to_fields(0)), (1601, 1, 1, 1));
        assert_eq!(
            date(&to_fields(START_1970 * PER_SECOND)),
            (1970, 1, 1, 4),
            "a Thursday"
        );
        assert_eq!(
            date(&to_fields(START_1980 * PER_SECOND)),
            (1980, 1, 1, 2),
            "a Tuesday"
        );
        // 2000-02-29 13:14:15.678, a Tuesday, in the one year of a cycle's four hundreds that
        // is leap.
        let seconds = START_1970 + 951_830_055;
        let fields = to_fields(seconds * PER_SECOND + 678 * PER_MILLISECOND + 9999);
        assert_eq!(date(&fields), (2000, 2, 29, 2));
        assert_eq!(
            (
                fields.Hour,
                fields.Minute,
                fields.Second,
                fields.Milliseconds
            ),
            (13, 14, 15, 678)
        );
    }

    #[test]
    fn every_day_of_a_cycle_follows_the_one_before_and_reads_back() {
        let mut before = to_fields(0);
        for day in 1..=CYCLE + 1 {
            let time = day * PER_DAY;
            let fields = to_fields(time);
            assert_eq!(from_fields(&fields), Some(time), "{:?}", date(&fields));
            assert_eq!(fields.Weekday, (before.Weekday + 1) % 7);
            let next_day = (fields.Year, fields.Month) == (before.Year, before.Month)
                && fields.Day == before.Day + 1;
            let next_month = fields.Day == 1
                && (fields.Year, fields.Month) == (before.Year, before.Month + 1)
                && before.Day >= 28;
            let next_year = date(&fields).0 == before.Year + 1
                && (fields.Month, fields.Day) == (1, 1)
                && (before.Month, before.Day) == (12, 31);
            assert!(
                next_day || next_month || next_year,
                "{:?} after {:?}",
                date(&fields),
                date(&before)
            );
            before = fields;
        }
        assert_eq!(date(&before).0, 2001, "a cycle is 400 years");
    }

    #[test]
    fn what_is_no_date_is_refused() {
        let good = to_fields(START_1970 * PER_SECOND);
        for bad in [
            TIME_FIELDS { Year: 1600, ..good },
            TIME_FIELDS {
                Year: 30828,
                ..good
            },
            TIME_FIELDS { Month: 0, ..good },
            TIME_FIELDS { Month: 13, ..good },
            TIME_FIELDS { Day: 0, ..good },
            TIME_FIELDS { Day: 32, ..good },
            TIME_FIELDS {
                Month: 2,
                Day: 29,
                ..good
            },
            TIME_FIELDS { Hour: 24, ..good },
            TIME_FIELDS { Minute: -1, ..good },
            TIME_FIELDS { Second: 60, ..good },
            TIME_FIELDS {
                Milliseconds: 1000,
                ..good
            },
        ] {
            assert_eq!(from_fields(&bad), None, "{:?}", date(&bad));
        }
        let any_weekday = TIME_FIELDS {
            Weekday: 77,
            ..good
        };
        assert_eq!(from_fields(&any_weekday), Some(START_1970 * PER_SECOND));
    }
}
