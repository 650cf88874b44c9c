//! A machine that runs by itself is watched: what it says, how long each step takes, and how it
//! ends.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::protocol::Line;

/// What has been moved to and from a machine's disks, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Read from the installation medium.
    pub media_read: u64,
    /// Written to the system's disk.
    pub system_written: u64,
}

/// A machine, from outside.
pub trait Guest {
    /// A line of its serial port, or nothing if none has come in a moment.
    ///
    /// # Errors
    /// Where the connection is broken.
    fn line(&mut self) -> io::Result<Option<String>>;

    /// Whether it has ended, so that no more lines come than have come.
    ///
    /// # Errors
    /// Where that cannot be found out.
    fn has_ended(&mut self) -> io::Result<bool>;

    /// How long it has run.
    fn age(&self) -> Duration;

    /// What its disks have moved.
    fn transfer(&mut self) -> Transfer;

    /// Presses the space bar.
    fn press_key(&mut self);

    /// Writes its screen into a file, as PNG.
    ///
    /// # Errors
    /// Where there is none, in words.
    fn picture(&mut self, to: &Path) -> Result<(), String>;

    /// Ends it.
    fn stop(&mut self);
}

/// How long steps may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Each known step.
    pub steps: Vec<(&'static str, Duration)>,
    /// Any other.
    pub other: Duration,
}

impl Limits {
    fn of(&self, step: &str) -> Duration {
        self.steps
            .iter()
            .find_map(|(name, limit)| (*name == step).then_some(*limit))
            .unwrap_or(self.other)
    }
}

/// What is watched for.
#[derive(Clone, Debug)]
pub struct Plan<'p> {
    /// The first step.
    pub first: &'static str,
    /// Whether the medium waits for a key before it starts: the step that begins when it has got
    /// one.
    pub key: Option<&'static str>,
    /// The limits.
    pub limits: &'p Limits,
    /// Where the screen of a machine that hangs goes.
    pub picture: &'p Path,
}

/// What a person is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins, so long after the start.
    Step(String, Duration),
    /// What a program in the machine has printed.
    Log(String),
    /// What has been moved, now and then.
    Transfer(Transfer),
}

/// How it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The scripts came to their end, with this exit code.
    Done(u32),
    /// A step took too long.
    Hung {
        /// Which.
        step: String,
        /// Its limit.
        limit: Duration,
        /// The screen, or why there is none.
        picture: Result<PathBuf, String>,
    },
    /// The machine ended before the scripts did.
    Ended {
        /// In which step.
        step: String,
    },
}

/// When the medium has been read so far, it has begun to load Windows Setup: what asks for the key
/// has 2 MiB at most.
pub const LOADING: u64 = 8 << 20;
/// The distance of two key presses.
const KEY: Duration = Duration::from_millis(500);
/// How often it is said what has been moved.
const REPORT: Duration = Duration::from_mins(1);
/// After the end is told, the machine shuts down.
const SHUTDOWN: &str = "shutdown";

/// Watches a machine until it ends or hangs.
///
/// # Errors
/// Where the connection to it is broken.
pub fn watch(
    guest: &mut dyn Guest,
    plan: &Plan<'_>,
    say: &mut dyn FnMut(Progress),
) -> io::Result<Outcome> {
    let mut step = plan.first.to_owned();
    let mut since = guest.age();
    let mut done = None;
    let mut key = plan.key;
    let (mut pressed, mut reported) = (since, since);
    say(Progress::Step(step.clone(), since));
    loop {
        // Asked before the line: what it said before its end is still read.
        let ended = guest.has_ended()?;
        let line = guest.line()?;
        let now = guest.age();
        let mut begin = |next: String, say: &mut dyn FnMut(Progress)| {
            step.clone_from(&next);
            since = now;
            say(Progress::Step(next, now));
        };
        match line.as_deref().and_then(Line::parse) {
            Some(Line::Step(next)) => begin(next, say),
            Some(Line::Log(text)) => say(Progress::Log(text)),
            Some(Line::Done(code)) => {
                done = Some(code);
                key = None;
                begin(SHUTDOWN.to_owned(), say);
            }
            None => {}
        }
        if let Some(next) = key {
            if guest.transfer().media_read >= LOADING {
                key = None;
                begin(next.to_owned(), say);
            } else if now >= pressed + KEY {
                pressed = now;
                guest.press_key();
            }
        }
        if now >= reported + REPORT && plan.key.is_some() {
            reported = now;
            say(Progress::Transfer(guest.transfer()));
        }
        if ended && line.is_none() {
            return Ok(done.map_or(Outcome::Ended { step }, Outcome::Done));
        }
        let limit = plan.limits.of(&step);
        if now >= since + limit {
            let picture = guest
                .picture(plan.picture)
                .map(|()| plan.picture.to_owned());
            guest.stop();
            return Ok(Outcome::Hung {
                step,
                limit,
                picture,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that is not there: each moment has a line or none, and is a second.
    struct StandIn {
        lines: Vec<Option<&'static str>>,
        moment: usize,
        media_read: u64,
        keys: u32,
        stopped: bool,
        has_screen: bool,
    }

    impl StandIn {
        fn new(lines: &[Option<&'static str>]) -> Self {
            Self {
                lines: lines.to_vec(),
                moment: 0,
                media_read: 0,
                keys: 0,
                stopped: false,
                has_screen: true,
            }
        }
    }

    impl Guest for StandIn {
        fn line(&mut self) -> io::Result<Option<String>> {
            let line = self.lines.get(self.moment).copied().flatten();
            self.moment += 1;
            Ok(line.map(str::to_owned))
        }

        fn has_ended(&mut self) -> io::Result<bool> {
            Ok(self.moment >= self.lines.len())
        }

        fn age(&self) -> Duration {
            Duration::from_secs(self.moment as u64)
        }

        fn transfer(&mut self) -> Transfer {
            Transfer {
                media_read: self.media_read,
                system_written: 0,
            }
        }

        fn press_key(&mut self) {
            self.keys += 1;
            // The third is in time.
            self.media_read = if self.keys < 3 { 1 << 20 } else { LOADING };
        }

        fn picture(&mut self, _to: &Path) -> Result<(), String> {
            self.has_screen
                .then_some(())
                .ok_or_else(|| "no screen".to_owned())
        }

        fn stop(&mut self) {
            self.stopped = true;
        }
    }

    fn watched(guest: &mut StandIn, key: Option<&'static str>) -> (Outcome, Vec<Progress>) {
        let limits = Limits {
            steps: vec![("long", Duration::from_secs(50))],
            other: Duration::from_secs(10),
        };
        let plan = Plan {
            first: "start",
            key,
            limits: &limits,
            picture: Path::new("screen.png"),
        };
        let mut progress = Vec::new();
        let outcome = watch(guest, &plan, &mut |what| progress.push(what)).unwrap();
        (outcome, progress)
    }

    #[test]
    fn steps_and_logs_are_shown_and_the_code_is_what_comes_out() {
        let mut guest = StandIn::new(&[
            None,
            Some("noise"),
            Some("@eduwdm step install"),
            Some("@eduwdm log [done] one"),
            Some("@eduwdm done 6"),
            None,
        ]);
        let (outcome, progress) = watched(&mut guest, None);
        assert_eq!(outcome, Outcome::Done(6));
        let step =
            |name: &str, seconds| Progress::Step(name.to_owned(), Duration::from_secs(seconds));
        assert_eq!(
            progress,
            [
                step("start", 0),
                step("install", 3),
                Progress::Log("[done] one".to_owned()),
                step("shutdown", 5),
            ]
        );
        assert_eq!((guest.keys, guest.stopped), (0, false));
    }

    #[test]
    fn a_machine_that_ends_without_a_word_is_no_success() {
        let mut guest = StandIn::new(&[Some("@eduwdm step verify"), None]);
        let (outcome, _) = watched(&mut guest, None);
        let step = "verify".to_owned();
        assert_eq!(outcome, Outcome::Ended { step });
    }

    #[test]
    fn what_was_said_right_before_the_end_counts() {
        let mut guest = StandIn::new(&[None]);
        guest.lines = vec![Some("@eduwdm step last")];
        let (outcome, _) = watched(&mut guest, None);
        let step = "last".to_owned();
        assert_eq!(outcome, Outcome::Ended { step });
    }

    #[test]
    fn each_step_has_its_own_limit_and_a_hang_leaves_a_picture() {
        // 40 moments would be too many for any step but the long one.
        let mut lines = vec![None; 60];
        lines[5] = Some("@eduwdm step long");
        lines[45] = Some("@eduwdm step short");
        let mut guest = StandIn::new(&lines);
        let (outcome, _) = watched(&mut guest, None);
        assert_eq!(
            outcome,
            Outcome::Hung {
                step: "short".to_owned(),
                limit: Duration::from_secs(10),
                picture: Ok("screen.png".into()),
            }
        );
        assert!(guest.stopped);
        assert_eq!(guest.moment, 56);
    }

    #[test]
    fn logs_do_not_keep_a_step_alive_and_a_shutdown_can_hang_too() {
        let mut guest = StandIn::new(&[Some("@eduwdm log again"); 30]);
        guest.has_screen = false;
        let (outcome, _) = watched(&mut guest, None);
        let Outcome::Hung { step, picture, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(
            (step.as_str(), picture),
            ("start", Err("no screen".to_owned()))
        );
        let mut lines = vec![None; 30];
        lines[0] = Some("@eduwdm done 0");
        let (outcome, _) = watched(&mut StandIn::new(&lines), None);
        assert!(
            matches!(&outcome, Outcome::Hung { step, .. } if step == "shutdown"),
            "{outcome:?}"
        );
    }

    #[test]
    fn keys_are_pressed_until_the_medium_loads_and_no_longer() {
        let mut lines = vec![None; 9];
        lines.push(Some("@eduwdm done 0"));
        let mut guest = StandIn::new(&lines);
        let (outcome, progress) = watched(&mut guest, Some("long"));
        assert_eq!(outcome, Outcome::Done(0));
        assert_eq!(guest.keys, 3);
        assert_eq!(
            progress[1],
            Progress::Step("long".to_owned(), Duration::from_secs(4))
        );
    }
}
