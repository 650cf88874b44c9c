//! The real-time clock: the date and the time of day in a PC's battery-backed memory.
//!
//! Source: Motorola MC146818A data sheet; ACPI specification, 5.2.9, the FADT's `CENTURY`.

use nthost_nt::rtl::TIME_FIELDS;

const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const REGISTER_A: u8 = 10;
const REGISTER_B: u8 = 11;
/// In register A: the clock is about to be set forward, and reads as anything meanwhile.
const UPDATE_IN_PROGRESS: u8 = 0x80;
/// In register B: the numbers are binary, in place of two decimal digits.
const BINARY: u8 = 4;
/// In register B: hours count to 23, in place of 1 to 12 with [`AFTERNOON`].
const HOURS_24: u8 = 2;
/// In the hours, of 12.
const AFTERNOON: u8 = 0x80;
/// How often the clock is looked at: an update takes less than 2 ms of each second, which is
/// fewer looks, as each costs a microsecond or more.
const LOOKS: u32 = 100_000;

/// What the clock's registers say, as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registers {
    /// Seconds, minutes, hours, day, month, year.
    fields: [u8; 6],
    century: Option<u8>,
    mode: u8,
}

impl Registers {
    fn read(read: &mut impl FnMut(u8) -> u8, century: Option<u8>) -> Self {
        Self {
            fields: [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR].map(&mut *read),
            century: century.map(&mut *read),
            mode: read(REGISTER_B),
        }
    }

    const fn number(&self, value: u8) -> i16 {
        if self.mode & BINARY != 0 {
            value as i16
        } else {
            (value >> 4) as i16 * 10 + (value & 15) as i16
        }
    }

    fn date(&self) -> TIME_FIELDS {
        let [second, minute, hour, day, month, year] = self.fields;
        let hour = if self.mode & HOURS_24 != 0 {
            self.number(hour)
        } else {
            // Twelve is the first hour of either half.
            let half = if hour & AFTERNOON != 0 { 12 } else { 0 };
            self.number(hour & !AFTERNOON) % 12 + half
        };
        let century = self.century.map_or(20, |century| self.number(century));
        TIME_FIELDS {
            Year: century * 100 + self.number(year),
            Month: self.number(month),
            Day: self.number(day),
            Hour: hour,
            Minute: self.number(minute),
            Second: self.number(second),
            Milliseconds: 0,
            Weekday: 0,
        }
    }
}

/// What the clock says, read by `read`, with the register that has the century, if one does.
/// `None` if there is no clock: it never stands still long enough to be read.
pub fn date(mut read: impl FnMut(u8) -> u8, century: Option<u8>) -> Option<TIME_FIELDS> {
    let mut before = None;
    for _ in 0..LOOKS {
        if read(REGISTER_A) & UPDATE_IN_PROGRESS != 0 {
            before = None;
            continue;
        }
        // An update may have begun since: what is read twice the same is right.
        let registers = Registers::read(&mut read, century);
        if before == Some(registers) {
            return Some(registers.date());
        }
        before = Some(registers);
    }
    None
}

#[cfg(target_os = "none")]
pub use machine::now;

#[cfg(target_os = "none")]
mod machine {
    use nthost_nt::rtl::TIME_FIELDS;

    use crate::hal::{acpi, port};

    /// In the index port: interrupts that cannot be masked are held back. They are not.
    const NMI: u8 = 0x80;

    /// What the machine's clock says; `None` if it has none. At boot, on one processor.
    #[must_use]
    pub fn now() -> Option<TIME_FIELDS> {
        let read = |register: u8| {
            // SAFETY: selects a register of the clock.
            unsafe { port::write_u8(0x70, register & !NMI) };
            // SAFETY: none of the registers that are read has an effect.
            unsafe { port::read_u8(0x71) }
        };
        super::date(read, acpi::tables().century)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENTURY: u8 = 0x32;

    /// A clock with these values: seconds, minutes, hours, day, month, year, century.
    fn registers(mode: u8, values: [u8; 7]) -> impl Fn(u8) -> u8 {
        let [second, minute, hour, day, month, year, century] = values;
        move |register| match register {
            SECONDS => second,
            MINUTES => minute,
            HOURS => hour,
            DAY => day,
            MONTH => month,
            YEAR => year,
            CENTURY => century,
            REGISTER_B => mode,
            _ => 0,
        }
    }

    fn said(mode: u8, values: [u8; 7]) -> [i16; 6] {
        let date = date(registers(mode, values), Some(CENTURY)).unwrap();
        let TIME_FIELDS {
            Year,
            Month,
            Day,
            Hour,
            Minute,
            Second,
            ..
        } = date;
        [Year, Month, Day, Hour, Minute, Second]
    }

    #[test]
    fn numbers_are_decimal_digits_or_binary() {
        let digits = [0x59, 0x38, 0x23, 0x31, 0x12, 0x99, 0x20];
        assert_eq!(said(HOURS_24, digits), [2099, 12, 31, 23, 38, 59]);
        let binary = [59, 38, 23, 31, 12, 99, 20];
        assert_eq!(said(HOURS_24 | BINARY, binary), [2099, 12, 31, 23, 38, 59]);
    }

    #[test]
    fn twelve_is_the_first_hour_of_either_half_of_a_day() {
        for (hour, expected) in [(0x12, 0), (0x01, 1), (0x11, 11), (0x92, 12), (0x91, 23)] {
            let values = [0, 0, hour, 1, 1, 0x26, 0x20];
            assert_eq!(said(0, values)[3], expected, "{hour:#x}");
        }
    }

    #[test]
    fn without_a_century_it_is_this_one() {
        let clock = registers(HOURS_24, [0, 0, 0, 1, 1, 0x26, 0x19]);
        assert_eq!(date(&clock, None).unwrap().Year, 2026);
        assert_eq!(date(&clock, Some(CENTURY)).unwrap().Year, 1926);
    }

    #[test]
    fn what_is_read_while_the_clock_is_set_forward_does_not_count() {
        // It is set from 23:59:59 to 00:00:00 after so many reads, with nonsense meanwhile.
        for begin in 0..40 {
            let mut reads = 0;
            let old = registers(HOURS_24, [0x59, 0x59, 0x23, 0x31, 0x12, 0x25, 0x20]);
            let new = registers(HOURS_24, [0, 0, 0, 1, 1, 0x26, 0x20]);
            let clock = |register| {
                reads += 1;
                match (reads - 1, register) {
                    (read, _) if read < begin => old(register),
                    (read, REGISTER_A) if read < begin + 5 => UPDATE_IN_PROGRESS,
                    (read, _) if read < begin + 5 => 0x55,
                    _ => new(register),
                }
            };
            let date = date(clock, Some(CENTURY)).unwrap();
            let said = (date.Year, date.Month, date.Hour, date.Second);
            assert!(
                said == (2025, 12, 23, 59) || said == (2026, 1, 0, 0),
                "{begin}: {said:?}"
            );
        }
    }

    #[test]
    fn a_machine_without_a_clock_has_no_date() {
        assert!(date(|_| 0xff, None).is_none());
    }
}
