//! What becomes of a text that was formatted: how much of it goes into a buffer, and what the
//! routine that formatted it gives. Pure: the routines are in [`super::format`].

use super::checked::TRUNCATE;

/// What a routine does with a text, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `sprintf`: there is room enough.
    Whole,
    /// `_snprintf`: so many units; no NUL follows if there is no room for it.
    Part(usize),
    /// `sprintf_s`: the buffer has so many units; it is left empty if that is too few.
    Checked(usize),
    /// `_snprintf_s`: the buffer has so many units, of which the text may have so many.
    CheckedPart(usize, usize),
}

/// How much of a text of `length` units is to be written, whether a NUL follows, and the result:
/// the text's length, or -1 if it is not there as a whole.
#[must_use]
pub const fn plan(length: usize, rule: Rule) -> (usize, bool, i32) {
    let whole = (length, true, length as i32);
    match rule {
        Rule::Whole => whole,
        Rule::Part(room) if length > room => (room, false, -1),
        Rule::Part(room) => (length, length < room, length as i32),
        // No buffer at all: nothing can be written.
        Rule::Checked(0) | Rule::CheckedPart(0, _) => (0, false, -1),
        Rule::Checked(size) if length < size => whole,
        Rule::CheckedPart(size, most) if length <= most && length < size => whole,
        Rule::CheckedPart(size, most) if most < size => (most, true, -1),
        Rule::CheckedPart(size, TRUNCATE) => (size - 1, true, -1),
        Rule::Checked(_) | Rule::CheckedPart(..) => (0, true, -1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_a_nul_only_if_there_is_room_for_it() {
        assert_eq!(plan(3, Rule::Part(4)), (3, true, 3));
        assert_eq!(plan(3, Rule::Part(3)), (3, false, 3));
        assert_eq!(plan(3, Rule::Part(2)), (2, false, -1));
        assert_eq!(plan(0, Rule::Part(0)), (0, false, 0));
        assert_eq!(plan(3, Rule::Whole), (3, true, 3));
    }

    #[test]
    fn a_checked_buffer_always_ends_and_is_empty_if_too_small() {
        assert_eq!(plan(3, Rule::Checked(4)), (3, true, 3));
        assert_eq!(plan(4, Rule::Checked(4)), (0, true, -1));
        assert_eq!(plan(4, Rule::Checked(0)), (0, false, -1));
        assert_eq!(plan(3, Rule::CheckedPart(4, 3)), (3, true, 3));
        assert_eq!(plan(4, Rule::CheckedPart(4, 3)), (3, true, -1));
        assert_eq!(plan(4, Rule::CheckedPart(4, 4)), (0, true, -1));
        assert_eq!(plan(4, Rule::CheckedPart(4, TRUNCATE)), (3, true, -1));
        assert_eq!(plan(3, Rule::CheckedPart(4, TRUNCATE)), (3, true, 3));
        assert_eq!(plan(3, Rule::CheckedPart(9, 2)), (2, true, -1));
    }
}
