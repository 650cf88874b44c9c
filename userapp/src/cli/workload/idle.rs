//! What is left in the driver when the work is over: none of it, but perhaps others'.

use std::{thread, time::Duration};

use eductl::{Edu, Error, edu::factorial_mod_2_32};
use eduwdm_abi::statistics::{Queue, QueueKind};

/// How often the queues are looked at before what is in them counts as lost.
const LOOKS: usize = 100;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

type Queues = [Queue; QueueKind::ALL.len()];

/// The queues before the work. What was in them was others', who may wait for ever.
pub struct Before(Queues);

impl Before {
    /// Looks at the queues.
    ///
    /// # Errors
    ///
    /// As [`Edu::statistics`].
    pub fn look(edu: &Edu) -> Result<Self, Error> {
        Ok(Self(edu.statistics()?.fixed.queues))
    }

    /// Checks that no request of this program is left in the driver, all of which have ended, and
    /// that the device still works.
    ///
    /// # Errors
    ///
    /// [`Error::WrongAnswer`], or what the driver says.
    pub fn check(&self, edu: &Edu) -> Result<(), Error> {
        self.check_by(|| {
            thread::sleep(PAUSE);
            Ok(edu.statistics()?.fixed.queues)
        })?;
        let answer = edu.factorial(12)?.wait()?;
        if answer.result != factorial_mod_2_32(12) {
            return Err(Error::WrongAnswer(format!("12! = {}", answer.result)));
        }
        Ok(())
    }

    fn check_by(&self, mut look: impl FnMut() -> Result<Queues, Error>) -> Result<(), Error> {
        let mut first = None;
        let mut left = Vec::new();
        for _ in 0..LOOKS {
            let now = look()?;
            left = self.left(&now);
            if left.is_empty() {
                return Ok(());
            }
            // Other programs are at work, and leave no moment in which there is nothing.
            if *first.get_or_insert_with(|| ended(&now)) != ended(&now) {
                return Ok(());
            }
        }
        Err(Error::WrongAnswer(format!(
            "{}: all requests of this program have ended, and nothing more does: the driver has \
             lost some, or another program waits",
            left.join(", ")
        )))
    }

    /// What is in the queues that was not there before.
    fn left(&self, now: &Queues) -> Vec<String> {
        let queues = QueueKind::ALL.iter().zip(self.0.iter().zip(now));
        queues
            .filter(|(_, (before, now))| now.depth > before.depth)
            .map(|(kind, (before, now))| {
                let more = now.depth - before.depth;
                format!("{more} requests are left in the {} queue", kind.name())
            })
            .collect()
    }
}

/// How many requests have ended.
fn ended(queues: &Queues) -> u64 {
    let ended = queues.iter();
    ended
        .map(|queue| queue.completed + queue.failed + queue.canceled)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues(depth: u64, completed: u64) -> Queues {
        let mut queues = [Queue::default(); QueueKind::ALL.len()];
        queues[QueueKind::Read as usize] = Queue {
            depth,
            completed,
            ..Queue::default()
        };
        queues
    }

    #[test]
    fn what_stays_and_was_not_there_before_is_lost() {
        let check = |before, now| {
            let mut looks = 0;
            let result = Before(queues(before, 0)).check_by(|| {
                looks += 1;
                Ok(queues(now, 7))
            });
            (result, looks)
        };
        let (fault, looks) = check(1, 3);
        let fault = fault.unwrap_err();
        assert_eq!((looks, fault.exit_code()), (LOOKS, 4));
        let words = "2 requests are left in the read queue";
        assert!(fault.to_string().contains(words), "{fault}");
        // Another program's wait was there before, or has ended.
        for before in [3, 4] {
            let (result, looks) = check(before, 3);
            assert!(result.is_ok() && looks == 1);
        }
    }

    #[test]
    fn what_is_on_its_way_is_waited_for() {
        let mut depth = 5;
        let result = Before(queues(0, 0)).check_by(|| {
            depth -= 1;
            Ok(queues(depth, 7))
        });
        assert!(result.is_ok());
        assert_eq!(depth, 0);
    }

    #[test]
    fn other_programs_at_work_are_no_fault() {
        let mut completed = 0;
        let result = Before(queues(0, 0)).check_by(|| {
            completed += 1;
            Ok(queues(2, completed))
        });
        assert!(result.is_ok());
        assert_eq!(completed, 2);
    }

    #[test]
    fn a_driver_that_does_not_answer_is_a_fault() {
        let result = Before(queues(0, 0)).check_by(|| Err(Error::NoDevice));
        assert!(matches!(result, Err(Error::NoDevice)));
    }
}
