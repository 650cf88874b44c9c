//! Fuzzing: requests of all kinds to any device, made at random, and guided by which blocks of its
//! driver's unmodified image they reach.
//!
//! [`Program`]s are run on a machine one after the other. One that makes a [block](blocks) run that
//! never ran is kept in the corpus, from which others are [made](mutate); constants of the code that has
//! run are put where they may be compared with. When the machine stops, or a request does not end,
//! all that this machine has run is made [small](shrink) on new machines until the few calls are left
//! that do it; they are kept as a file, which runs again.
//!
//! A seed chooses all that is left to chance.

mod blocks;
mod mutate;
mod program;
mod shrink;
mod target;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt, fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    slice,
    time::{Duration, Instant},
};

use nthost_protocol::random::mix;

pub use program::{Call, Input, Output, Program, Request, Then, read, write};
pub use target::{FuzzError, Outcome, Stop, Target};

use blocks::{Known, New};
use mutate::{Kept, Material, Mutator};

/// How many programs a machine runs, at the most.
const PROGRAMS: usize = 500;

/// What is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Chooses all that is left to chance.
    pub seed: u64,
    /// How many programs are run, at the most.
    pub runs: u64,
    /// After how long no more are run.
    pub duration: Option<Duration>,
    /// Control codes that are known.
    pub codes: Vec<u32>,
    /// Whether what runs of the driver guides it.
    pub is_guided: bool,
    /// On how many new machines a stop is tried to make it small.
    pub trials: u32,
    /// Where corpus and stops are kept; the corpus that is there is gone on with.
    pub folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            runs: u64::MAX,
            duration: None,
            codes: Vec::new(),
            is_guided: true,
            trials: 100,
            folder: None,
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Programs that were run.
    pub runs: u64,
    /// Requests that were sent.
    pub requests: u64,
    /// Machines that were started.
    pub machines: u64,
    /// Blocks of drivers that have run.
    pub blocks: usize,
    /// Programs that have reached something new.
    pub corpus: usize,
    /// What has stopped a machine, each cause once.
    pub found: Vec<Found>,
    /// How often a machine stopped for a cause that was known.
    pub known: u64,
    /// For how long.
    pub elapsed: Duration,
}

/// A cause that has stopped a machine.
#[derive(Clone, Debug)]
pub struct Found {
    /// How it was found first.
    pub stop: Stop,
    /// After how many programs.
    pub runs: u64,
    /// What does it.
    pub programs: Vec<Program>,
    /// Whether it does it again on a new machine, and so was made small.
    pub is_repeatable: bool,
    /// Where it is kept.
    pub file: Option<PathBuf>,
}

/// What stops machines again and again: how often programs sent it since its cause is known, and
/// how often that stopped the machine.
#[derive(Clone, Debug)]
struct Trigger {
    cause: String,
    call: Call,
    sent: u64,
    stopped: u64,
}

impl Trigger {
    /// The last request of what did it.
    fn of(found: &Found) -> Option<Self> {
        let calls = found.programs.last()?.calls.last()?;
        Some(Self {
            cause: found.stop.cause.clone(),
            call: calls.clone(),
            sent: 1,
            stopped: 1,
        })
    }

    fn is_in(&self, program: &Program) -> bool {
        program.calls.iter().any(|call| call.is_like(&self.call))
    }

    /// Of how many programs that send it one is run. A stop costs about as much as so many programs:
    /// what stops the machine each time is run that rarely, what does so seldom always.
    const fn rarely(&self) -> u64 {
        const COST: u64 = 64;
        1 + COST * self.stopped / self.sent
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after {} programs: {}", self.runs, self.stop.cause)?;
        if self.is_repeatable {
            for program in &self.programs {
                write!(f, "{program}")?;
            }
        } else {
            let count = self.programs.len();
            writeln!(f, "    not again on a new machine, by its {count} programs")?;
        }
        match &self.file {
            Some(file) => writeln!(f, "    {}", file.display()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} programs, {} requests, {} machines, {:.1} s",
            self.runs,
            self.requests,
            self.machines,
            self.elapsed.as_secs_f64()
        )?;
        writeln!(
            f,
            "{} blocks of drivers have run; {} programs in the corpus",
            self.blocks, self.corpus
        )?;
        writeln!(
            f,
            "{} causes that stop the machine, which it did {} times more",
            self.found.len(),
            self.known
        )
    }
}

/// Fuzzes a device. `tell` is given each cause when it has been made small, and says whether to go
/// on.
///
/// # Errors
///
/// [`FuzzError`]: a stop is none.
pub fn run(
    target: &Target,
    options: &Options,
    mut tell: impl FnMut(&Found) -> ControlFlow<()>,
) -> Result<Figures, FuzzError> {
    let mut campaign = Campaign::new(target, options)?;
    campaign.run(&mut tell)?;
    Ok(campaign.figures())
}

/// What a program has reached.
#[derive(Clone, Debug, Default)]
struct Reached {
    /// The numbers of the calls that have run something new, ascending.
    calls: Vec<usize>,
    constants: Vec<u64>,
}

impl Reached {
    fn add(&mut self, call: usize, new: New) {
        if new.blocks > 0 && self.calls.last() != Some(&call) {
            self.calls.push(call);
        }
        self.constants.extend(new.constants);
    }
}

struct Campaign<'a> {
    target: &'a Target,
    options: &'a Options,
    folder: Option<Folder>,
    known: Known,
    corpus: Vec<Kept>,
    /// Control codes that are known, or have reached something.
    codes: Vec<u32>,
    /// A program for each control code beside these.
    sweep: VecDeque<Program>,
    /// Control codes that have been in it.
    swept: BTreeSet<u32>,
    causes: BTreeSet<String>,
    triggers: Vec<Trigger>,
    /// Whoever is told of what is found has heard enough.
    is_enough: bool,
    figures: Figures,
    begun: Instant,
}

/// Where corpus and stops are kept.
#[derive(Clone, Debug)]
struct Folder {
    corpus: PathBuf,
    stops: PathBuf,
}

impl Folder {
    fn new(path: &Path) -> Result<Self, FuzzError> {
        let folder = Self {
            corpus: path.join("corpus"),
            stops: path.join("stops"),
        };
        for path in [&folder.corpus, &folder.stops] {
            fs::create_dir_all(path).map_err(at(path))?;
        }
        Ok(folder)
    }

    /// The corpus of an earlier time, in the order of the files' names.
    fn read_corpus(&self) -> Result<Vec<Program>, FuzzError> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.corpus).map_err(at(&self.corpus))? {
            let path = entry.map_err(at(&self.corpus))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                paths.push(path);
            }
        }
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            all.extend(read(&path).map_err(at(&path))?);
        }
        Ok(all)
    }
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> FuzzError + use<> {
    let path = path.to_owned();
    move |error| FuzzError::File { path, error }
}

impl<'a> Campaign<'a> {
    fn new(target: &'a Target, options: &'a Options) -> Result<Self, FuzzError> {
        let folder = options.folder.as_deref().map(Folder::new).transpose()?;
        Ok(Self {
            target,
            options,
            folder,
            known: Known::default(),
            corpus: Vec::new(),
            codes: Vec::new(),
            sweep: VecDeque::new(),
            swept: BTreeSet::new(),
            causes: BTreeSet::new(),
            triggers: Vec::new(),
            is_enough: false,
            figures: Figures::default(),
            begun: Instant::now(),
        })
    }

    fn is_over(&self) -> bool {
        let Options { runs, duration, .. } = self.options;
        self.figures.runs >= *runs
            || self.is_enough
            || duration.is_some_and(|duration| self.begun.elapsed() >= duration)
    }

    fn run(&mut self, tell: &mut impl FnMut(&Found) -> ControlFlow<()>) -> Result<(), FuzzError> {
        let mut earlier = match &self.folder {
            Some(folder) if self.options.is_guided => folder.read_corpus()?.into_iter(),
            _ => Vec::new().into_iter(),
        };
        let mut mutator = Mutator::new(mix(self.options.seed));
        for &code in &self.options.codes {
            self.know(code);
        }
        while !self.is_over() {
            let mut running = self.target.start()?;
            self.figures.machines += 1;
            // What starting and opening the device has run is no program's merit.
            self.read_blocks(&mut running)?;
            let mut history = Vec::new();
            // What a program leaves behind is another's beginning, so a stop may need all of them
            // again: not too many.
            while !self.is_over() && history.len() < PROGRAMS {
                let next = earlier.next().or_else(|| self.sweep.pop_front());
                let program = next.unwrap_or_else(|| self.make(&mut mutator));
                for trigger in &mut self.triggers {
                    trigger.sent += u64::from(trigger.is_in(&program));
                }
                self.figures.runs += 1;
                self.figures.requests += program.calls.len() as u64;
                history.push(program);
                let program = &history[history.len() - 1];
                let mut reached = Reached::default();
                let mut fault = None;
                let outcome =
                    running.run(program, |running, call| match self.read_blocks(running) {
                        Ok(new) => reached.add(call, new),
                        Err(error) => fault = Some(error),
                    });
                if let Some(fault) = fault {
                    return Err(fault);
                }
                match outcome {
                    Outcome::Ended => self.keep(program, reached)?,
                    Outcome::Stopped(stop) => {
                        drop(running);
                        self.stopped(stop, &history, tell)?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The next program. One that sends what has stopped machines before is run the more rarely the
    /// more often it does that; but never to run it would hide what is behind it.
    fn make(&self, mutator: &mut Mutator) -> Program {
        let constants: Vec<_> = self.known.constants().iter().copied().collect();
        let material = Material {
            codes: &self.codes,
            constants: &constants,
            corpus: &self.corpus,
        };
        loop {
            let program = mutator.next(&material);
            let sent = self.triggers.iter().filter(|one| one.is_in(&program));
            let rarely = sent.map(Trigger::rarely).max().unwrap_or(1);
            if mutator.one_in(rarely) {
                return program;
            }
        }
    }

    fn read_blocks(&mut self, running: &mut target::Running) -> Result<New, FuzzError> {
        if !self.options.is_guided {
            return Ok(New::default());
        }
        let path = self.target.options.extras.blocks.as_deref();
        let path = path.unwrap_or_else(|| Path::new(""));
        running.new_blocks(&mut self.known).map_err(at(path))
    }

    /// A control code is known: those beside it are tried, once each.
    fn know(&mut self, code: u32) {
        if self.codes.contains(&code) {
            return;
        }
        self.codes.push(code);
        if !self.options.is_guided {
            return;
        }
        for code in mutate::around(code) {
            if self.swept.insert(code) {
                let request = Request::Control {
                    code,
                    input: Input::Data(vec![0; 16]),
                    output: Output::Length(16),
                };
                let then = Then::Wait;
                let calls = vec![Call { request, then }];
                self.sweep.push_back(Program { calls });
            }
        }
    }

    /// A program has run; it is kept if it has reached something new.
    fn keep(&mut self, program: &Program, reached: Reached) -> Result<(), FuzzError> {
        let Some(&last) = reached.calls.last() else {
            return Ok(());
        };
        let mut program = program.clone();
        // What came behind has reached nothing.
        program.calls.truncate(last + 1);
        let codes = reached
            .calls
            .iter()
            .filter_map(|&at| program.calls.get(at)?.code());
        for code in codes {
            if !self.codes.contains(&code) {
                self.codes.push(code);
            }
        }
        if let Some(folder) = &self.folder {
            let file = folder.corpus.join(format!("{:06}.json", self.corpus.len()));
            write(&file, slice::from_ref(&program)).map_err(at(&file))?;
        }
        self.corpus.push(Kept {
            program,
            constants: reached.constants,
        });
        Ok(())
    }

    /// A machine has stopped that ran these programs.
    fn stopped(
        &mut self,
        stop: Stop,
        history: &[Program],
        tell: &mut impl FnMut(&Found) -> ControlFlow<()>,
    ) -> Result<(), FuzzError> {
        if !self.causes.insert(stop.cause.clone()) {
            self.figures.known += 1;
            let mut triggers = self.triggers.iter_mut();
            if let Some(trigger) = triggers.find(|one| one.cause == stop.cause) {
                trigger.stopped += 1;
            }
            return Ok(());
        }
        let mut fault = None;
        let small = shrink::shrink(history, self.options.trials, |programs| {
            self.figures.machines += 1;
            match self.target.run(programs) {
                Ok(Outcome::Stopped(again)) => again.cause == stop.cause,
                Ok(Outcome::Ended) => false,
                Err(error) => {
                    fault.get_or_insert(error);
                    false
                }
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        let mut found = Found {
            runs: self.figures.runs,
            is_repeatable: small.is_some(),
            programs: small.unwrap_or_else(|| history.to_vec()),
            stop,
            file: None,
        };
        if let Some(folder) = &self.folder {
            let name = file_name(&found.stop.cause);
            let file = folder.stops.join(&name).with_extension("json");
            write(&file, &found.programs).map_err(at(&file))?;
            let report = file.with_extension("txt");
            fs::write(&report, format!("{found}\n{}\n", found.stop.report)).map_err(at(&report))?;
            found.file = Some(file);
        }
        self.is_enough = tell(&found).is_break();
        self.triggers.extend(Trigger::of(&found));
        self.figures.found.push(found);
        Ok(())
    }

    fn figures(self) -> Figures {
        Figures {
            blocks: self.known.blocks(),
            corpus: self.corpus.len(),
            elapsed: self.begun.elapsed(),
            ..self.figures
        }
    }
}

/// A cause as the name of a file.
fn file_name(cause: &str) -> String {
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '-'
        }
    };
    cause.chars().map(letter).take(100).collect()
}
