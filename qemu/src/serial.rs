//! nthost's log, as it arrives over the first serial port, and the bugcheck that it may hold.
//!
//! A bugcheck is a line `*** STOP: 0x… (p1, p2, p3, p4) NAME` and then, one line each,
//! `frame <index> <module> +0x<offset>`, innermost first; then lines `event cpuN …`, what each
//! processor did last, which may end in a place as a frame does; and then the steps of the schedule, if
//! one was explored.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A bugcheck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bugcheck {
    /// Its code.
    pub code: u32,
    /// Its parameters.
    pub parameters: [u64; 4],
    /// The code's name.
    pub name: String,
    /// The stack, innermost first.
    pub frames: Vec<Frame>,
    /// What each processor did last, the oldest first, as nthost says it.
    pub events: Vec<String>,
    /// The schedule that was explored, the oldest step first, as nthost says it; empty if none was.
    pub schedule: Vec<String>,
}

impl fmt::Display for Bugcheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p1, p2, p3, p4] = self.parameters;
        let Self { code, name, .. } = self;
        write!(
            f,
            "STOP {code:#x} ({p1:#x}, {p2:#x}, {p3:#x}, {p4:#x}) {name}"
        )
    }
}

/// A place in a module on the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `nthost`, or an image's name.
    pub module: String,
    /// From the module's base; nthost, which is where it was linked for, gives its addresses.
    pub offset: u64,
}

impl Frame {
    /// The frame that a line of the log gives, whatever stands before it.
    #[must_use]
    pub fn find(line: &str) -> Option<Self> {
        Self::parse(&line[line.find("frame ")?..])
    }

    /// The frame that a line of the log gives.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.trim().strip_prefix("frame ")?.split_whitespace();
        words.next()?.parse::<u32>().ok()?;
        let module = words.next()?.to_owned();
        let offset = hexadecimal(words.next()?.strip_prefix('+')?)?;
        Some(Self { module, offset })
    }
}

/// The last bugcheck that a log holds.
#[must_use]
pub fn bugcheck<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Bugcheck> {
    let mut found = None;
    for line in lines {
        // Both kinds of line may have the log's prefix before them.
        if let Some(at) = line.find("*** STOP: ") {
            found = stop(&line[at + "*** STOP: ".len()..]).or(found);
        } else if let Some(bugcheck) = &mut found {
            if let Some(event) = line.trim().strip_prefix("event ") {
                bugcheck.events.push(event.to_owned());
            } else if let Some(line) = schedule_line(line.trim()) {
                bugcheck.schedule.push(line.to_owned());
            } else if let Some(frame) = Frame::find(line) {
                bugcheck.frames.push(frame);
            }
        }
    }
    found
}

/// A line that tells of an explored schedule: `explored: …`, and then `step N cpuM …`.
fn schedule_line(line: &str) -> Option<&str> {
    let explored = line.starts_with("explored: ").then_some(line);
    explored.or_else(|| {
        line.strip_prefix("step ")
            .filter(|rest| rest.contains(" cpu"))
    })
}

fn stop(text: &str) -> Option<Bugcheck> {
    let (code, rest) = text.split_once('(')?;
    let (parameters, name) = rest.split_once(')')?;
    let mut values = parameters.split(',').map(hexadecimal);
    let mut next = || values.next()?;
    Some(Bugcheck {
        code: hexadecimal(code)?.try_into().ok()?,
        parameters: [next()?, next()?, next()?, next()?],
        name: name.trim().to_owned(),
        frames: Vec::new(),
        events: Vec::new(),
        schedule: Vec::new(),
    })
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}

/// Tells the lines of a bugcheck's report, or of nthost's own failure, from all others: what is in
/// them a person gets with functions and lines when the machine has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reports {
    inside: bool,
}

impl Reports {
    /// Whether the next line of a log is part of a report.
    pub fn has(&mut self, line: &str) -> bool {
        let begins = line.contains("*** STOP: ") || line.starts_with("*** nthost:");
        let was_inside = self.inside;
        self.inside = (was_inside || begins) && line != "*** end";
        was_inside || begins
    }
}

/// A log that grows while it is read.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Log {
    /// A log that takes lines from `source` until that ends. Each is also given to `watch`.
    pub fn follow(
        source: impl Read + Send + 'static,
        mut watch: impl FnMut(&str) + Send + 'static,
    ) -> Self {
        let log = Self::default();
        let writer = log.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut bytes = Vec::new();
            // A source that fails has ended.
            while source
                .read_until(b'\n', &mut bytes)
                .is_ok_and(|count| count > 0)
            {
                let line = String::from_utf8_lossy(&bytes);
                let line = line.trim_end_matches(['\r', '\n']);
                watch(line);
                writer.update(|state| state.lines.push(line.to_owned()));
                bytes.clear();
            }
            writer.update(|state| state.ended = true);
        });
        log
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        let (state, changed) = &*self.0;
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
        changed.notify_all();
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let (state, _) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lines.clone()
    }

    /// The bugcheck, if the log holds one.
    #[must_use]
    pub fn bugcheck(&self) -> Option<Bugcheck> {
        bugcheck(self.lines().iter().map(String::as_str))
    }

    /// Waits until a line satisfies `wanted`, the log has ended or the time is over, and gives
    /// that line.
    #[must_use]
    pub fn wait(&self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + limit;
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seen = 0;
        loop {
            if let Some(line) = state.lines[seen..].iter().find(|line| wanted(line)) {
                return Some(line.clone());
            }
            seen = state.lines.len();
            let left = end.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until the log has ended or the time is over; whether it has ended.
    #[must_use]
    pub fn wait_for_end(&self, limit: Duration) -> bool {
        let _ = self.wait(limit, |_| false);
        let (state, _) = &*self.0;
        state.lock().unwrap_or_else(PoisonError::into_inner).ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_told_from_the_lines_around_it() {
        let mut reports = Reports::default();
        let of_report = [
            "before",
            "*** STOP: 0x1 (0x0, 0x0, 0x0, 0x0) X",
            "frame 0 a +0x1",
            "*** end",
            "after",
        ]
        .map(|line| reports.has(line));
        assert_eq!(of_report, [false, true, true, true, false]);
    }

    const LOG: &str = "\
[  0.512000 cpu1] ke: frame 1 is no frame
*** STOP: 0x0000000A (0x0000000000000010, 0x2, 0x0, 0xffffffff80203040) IRQL_NOT_LESS_OR_EQUAL
frame 0 nthost +0x3040
[  0.513000 cpu1] bugcheck: frame 1 waits.sys +0x1a2b
frame two nthost +0x1
frame 2 nthost 0x1";

    #[test]
    fn a_bugcheck_has_its_code_parameters_name_and_frames() {
        let found = bugcheck(LOG.lines()).unwrap();
        assert_eq!(found.code, 0xa);
        assert_eq!(found.parameters, [0x10, 2, 0, 0xffff_ffff_8020_3040]);
        assert_eq!(found.name, "IRQL_NOT_LESS_OR_EQUAL");
        let frame = |module: &str, offset| Frame {
            module: module.to_owned(),
            offset,
        };
        assert_eq!(
            found.frames,
            [frame("nthost", 0x3040), frame("waits.sys", 0x1a2b)]
        );
    }

    #[test]
    fn a_log_without_a_whole_stop_line_has_no_bugcheck() {
        for log in [
            "",
            "frame 0 nthost +0x1",
            "*** STOP: 0xA (0x1, 0x2, 0x3) X",
            "*** STOP: A",
        ] {
            assert_eq!(bugcheck(log.lines()), None, "{log}");
        }
    }

    #[test]
    fn waiting_ends_with_the_line_or_with_the_log() {
        let log = Log::follow(&b"one\r\ntwo \xff\n"[..], |_| ());
        let limit = Duration::from_mins(1);
        assert_eq!(
            log.wait(limit, |line| line.contains("two")).as_deref(),
            Some("two \u{fffd}")
        );
        assert_eq!(log.wait(limit, |line| line.contains("three")), None);
        assert!(log.wait_for_end(limit));
        assert_eq!(log.lines()[0], "one");
    }
}
