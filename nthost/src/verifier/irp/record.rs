//! What is remembered of one IRP, apart from the IRP itself: that is its drivers'
//! to write to, and is freed while dispatch routines that saw it still run.

use alloc::{vec, vec::Vec};

use nthost_nt::status::NTSTATUS;

use super::dispatch_rules::Seen;
use crate::io::origin::Origin;

/// One driver's part of an IRP.
#[derive(Clone, Copy, Debug, Default)]
struct Location {
    device: usize,
    /// In which of the IRP's turns it was sent here; zero if it was not.
    turn: u32,
    /// The IRP's status when it was sent here.
    entered: NTSTATUS,
    seen: Seen,
    /// The dispatch routine that returned `STATUS_PENDING` because a lower driver did: its
    /// completion routine owes the mark.
    owes_mark: Option<usize>,
}

/// One IRP.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who made it.
    pub origin: Origin,
    /// The address of the call that made it.
    pub caller: usize,
    /// It has been sent to a driver and has not been completed back to who sent it.
    pub sent: bool,
    /// Where it was sent from, by its maker, with an event that was signalled already; else zero.
    pub signalled: usize,
    /// Its turns, counted from 1: a new one begins when it is sent where it has been completed, or
    /// used for something else.
    turns: u32,
    locations: Vec<Location>,
}

impl Record {
    /// An IRP that nobody has sent yet.
    #[must_use]
    pub fn new(origin: Origin, caller: usize, stack_count: usize) -> Self {
        Self {
            origin,
            caller,
            sent: false,
            signalled: 0,
            turns: 1,
            locations: vec![Location::default(); stack_count + 1],
        }
    }

    /// Whether somebody still has to do something with it: it is to be freed, or on its way. One in
    /// its driver's own memory is nothing but that memory once it is back.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        self.sent || !matches!(self.origin, Origin::DriverMemory)
    }

    /// The IRP goes to `device`, whose location this is (counted from 1).
    pub fn send(&mut self, location: usize, device: usize, status: NTSTATUS) {
        self.sent = true;
        // Once more, and not on behalf of the driver above that has skipped its location.
        let again = |slot: &Location| slot.seen.completed.is_some();
        if self.locations.get(location).is_some_and(again) {
            self.turns += 1;
        }
        // Nobody below has it yet, whoever had it when it was used before.
        let below = location.checked_sub(1);
        if let Some(slot) = below.and_then(|below| self.locations.get_mut(below)) {
            *slot = Location::default();
        }
        if let Some(slot) = self.locations.get_mut(location) {
            *slot = Location {
                device,
                turn: self.turns,
                entered: status,
                ..Location::default()
            };
        }
    }

    /// The IRP is used for something else: what it was before is forgotten, but not its turns, by
    /// which whoever had it then sees that.
    pub fn reuse(&mut self, stack_count: usize) {
        let turns = self.turns + 1;
        *self = Self::new(self.origin, self.caller, stack_count);
        self.turns = turns;
    }

    /// In which of the IRP's turns it was last sent to a location; zero if it was not.
    #[must_use]
    pub fn turn(&self, location: usize) -> u32 {
        self.locations.get(location).map_or(0, |slot| slot.turn)
    }

    /// The IRP leaves this location upwards. Gives the dispatch routine that had returned
    /// `STATUS_PENDING` for a location that has not been marked so.
    pub fn complete(&mut self, location: usize, status: NTSTATUS, marked: bool) -> Option<usize> {
        let slot = self.locations.get_mut(location)?;
        slot.seen = Seen {
            completed: Some(status),
            marked,
        };
        slot.owes_mark.take().filter(|_| !marked)
    }

    /// A dispatch routine has returned `STATUS_PENDING` without a mark at its location. Whether
    /// that may still be made up for: it has passed the IRP to a lower driver, and its
    /// completion routine marks the IRP when that completes it.
    pub fn owe_mark(&mut self, location: usize, routine: usize) -> bool {
        let passed = self.was_passed(location);
        if let Some(slot) = self.locations.get_mut(location).filter(|_| passed) {
            slot.owes_mark = Some(routine);
        }
        passed
    }

    /// What is known of a location; nothing of one that does not exist.
    #[must_use]
    pub fn seen(&self, location: usize) -> Seen {
        self.locations
            .get(location)
            .map_or_else(Seen::default, |slot| slot.seen)
    }

    /// The status that the IRP had when the driver got it that now sends it to a location: that of
    /// the location above, or of this one if it skips its own.
    #[must_use]
    pub fn entered(&self, location: usize) -> Option<NTSTATUS> {
        let held = |slot: &&Location| slot.device != 0 && slot.seen.completed.is_none();
        let slot = |location| self.locations.get(location).filter(held);
        let slot = slot(location).or_else(|| slot(location + 1));
        slot.map(|slot| slot.entered)
    }

    /// Whether the driver that has the IRP at a location has passed it to the one below.
    #[must_use]
    pub fn was_passed(&self, location: usize) -> bool {
        let below = location.checked_sub(1);
        let below = below.and_then(|below| self.locations.get(below));
        below.is_some_and(|slot| slot.device != 0)
    }

    /// The device that has the IRP at a location, and has not completed it.
    #[must_use]
    pub fn holder(&self, location: usize) -> Option<usize> {
        let slot = self.locations.get(location)?;
        (slot.device != 0 && slot.seen.completed.is_none()).then_some(slot.device)
    }

    /// The devices above a location that have the IRP and have not completed it.
    #[must_use]
    pub fn holders_above(&self, location: usize) -> Vec<usize> {
        let above = self.locations.iter().skip(location + 1);
        above
            .filter(|slot| slot.device != 0 && slot.seen.completed.is_none())
            .map(|slot| slot.device)
            .collect()
    }

    /// The IRP has left a location: if no driver above has it, it is back at who made it, whether
    /// that has a location of its own or the IRP is at its top.
    pub fn leave_last_holder(&mut self, at_top: bool) {
        if at_top || self.holders().next().is_none() {
            self.sent = false;
        }
    }

    /// The devices that have the IRP and have not completed it, the lowest first.
    pub fn holders(&self) -> impl Iterator<Item = usize> {
        self.locations
            .iter()
            .filter(|slot| slot.device != 0 && slot.seen.completed.is_none())
            .map(|slot| slot.device)
    }
}

#[cfg(test)]
mod tests {
    use nthost_nt::status::STATUS_SUCCESS;

    use super::*;

    #[test]
    fn a_location_is_seen_afresh_each_time_the_irp_is_sent_to_it() {
        let mut record = Record::new(Origin::Allocated, 0x1000, 2);
        record.send(1, 0xd1, STATUS_SUCCESS);
        record.complete(1, STATUS_SUCCESS, true);
        assert!(record.seen(1).marked);
        record.send(1, 0xd1, STATUS_SUCCESS);
        assert_eq!(record.seen(1), Seen::default());
    }

    #[test]
    fn the_holders_are_those_who_have_not_completed_it() {
        let mut record = Record::new(Origin::System, 0, 2);
        record.send(2, 0xd2, STATUS_SUCCESS);
        record.send(1, 0xd1, STATUS_SUCCESS);
        assert_eq!(record.holders().collect::<Vec<_>>(), [0xd1, 0xd2]);
        record.complete(1, STATUS_SUCCESS, false);
        assert_eq!(record.holders().collect::<Vec<_>>(), [0xd2]);
    }

    #[test]
    fn an_irp_is_back_at_its_maker_below_a_location_that_is_the_makers_own() {
        let mut record = Record::new(Origin::Allocated, 0, 3);
        // The location 3 is its maker's: nobody was sent the IRP there.
        record.send(2, 0xd2, STATUS_SUCCESS);
        record.send(1, 0xd1, STATUS_SUCCESS);
        record.complete(1, STATUS_SUCCESS, false);
        record.leave_last_holder(false);
        assert!(record.sent, "a driver above has it");
        record.complete(2, STATUS_SUCCESS, false);
        record.leave_last_holder(false);
        assert!(!record.sent);
    }

    #[test]
    fn an_irp_in_its_drivers_memory_is_owed_nothing_once_it_is_back() {
        let mut record = Record::new(Origin::DriverMemory, 0, 1);
        assert!(!record.is_owed());
        record.send(1, 0xd1, STATUS_SUCCESS);
        assert!(record.is_owed());
        record.complete(1, STATUS_SUCCESS, false);
        record.leave_last_holder(true);
        assert!(!record.is_owed());
        assert!(Record::new(Origin::Allocated, 0, 1).is_owed());
    }

    #[test]
    fn who_returned_pending_for_a_lower_driver_owes_the_mark_at_completion() {
        let mut record = Record::new(Origin::System, 0, 2);
        record.send(2, 0xd2, STATUS_SUCCESS);
        assert!(!record.owe_mark(2, 0xf2), "nothing was passed down");
        record.send(1, 0xd1, STATUS_SUCCESS);
        assert!(record.owe_mark(2, 0xf2));
        assert!(!record.owe_mark(1, 0xf1), "there is no driver below");
        let mut forgetful = record.clone();
        assert_eq!(record.complete(2, STATUS_SUCCESS, true), None);
        assert_eq!(forgetful.complete(2, STATUS_SUCCESS, false), Some(0xf2));
    }

    #[test]
    fn who_has_an_irp_at_a_location_is_told_until_it_is_complete() {
        let mut record = Record::new(Origin::Allocated, 0, 2);
        record.send(2, 0xd2, STATUS_SUCCESS);
        assert_eq!(record.holder(2), Some(0xd2));
        assert_eq!(record.holder(1), None, "nobody has sent it there");
        record.complete(2, STATUS_SUCCESS, false);
        assert_eq!(record.holder(2), None);
        assert_eq!(record.holder(9), None, "there is no such location");
    }

    #[test]
    fn a_turn_ends_when_the_irp_is_sent_where_it_was_completed_or_is_reused() {
        let mut record = Record::new(Origin::System, 0, 2);
        record.send(1, 0xd1, STATUS_SUCCESS);
        let first = record.turn(1);
        // A driver that skips its location sends the IRP on in the same turn.
        record.send(1, 0xd0, STATUS_SUCCESS);
        assert_eq!(record.turn(1), first);
        record.complete(1, STATUS_SUCCESS, false);
        assert_eq!(record.turn(1), first);
        // One that retries begins another.
        record.send(1, 0xd1, STATUS_SUCCESS);
        let second = record.turn(1);
        assert_ne!(second, first);
        record.reuse(2);
        assert!(![first, second].contains(&record.turn(1)));
        record.send(1, 0xd1, STATUS_SUCCESS);
        assert!(![first, second].contains(&record.turn(1)));
    }

    #[test]
    fn a_location_beyond_the_stack_is_ignored() {
        let mut record = Record::new(Origin::System, 0, 1);
        record.send(9, 0xd9, STATUS_SUCCESS);
        record.complete(9, STATUS_SUCCESS, false);
        assert_eq!(record.seen(9), Seen::default());
    }

    #[test]
    fn a_driver_that_sends_got_the_irp_at_its_location_or_at_the_one_that_it_skips() {
        let mut record = Record::new(Origin::System, 0, 3);
        record.send(3, 0xd3, 1);
        assert_eq!(record.entered(2), Some(1));
        record.send(2, 0xd2, 2);
        assert_eq!(record.entered(1), Some(2));
        // The second driver skips its location.
        assert_eq!(record.entered(2), Some(2));
        record.complete(2, STATUS_SUCCESS, false);
        assert_eq!(record.entered(2), Some(1));
    }

    #[test]
    fn whoever_passed_the_irp_on_is_above_whoever_has_it() {
        let mut record = Record::new(Origin::System, 0, 2);
        record.send(2, 0xd2, 0);
        assert!(!record.was_passed(2) && record.holders_above(2).is_empty());
        record.send(1, 0xd1, 0);
        assert!(record.was_passed(2) && record.holders_above(1) == [0xd2]);
        record.complete(1, STATUS_SUCCESS, false);
        assert!(record.was_passed(2));
    }
}
