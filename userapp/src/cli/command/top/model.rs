//! What the view shows: the counters of each device now and a moment ago.

use std::time::Instant;

use eductl::{Device, Edu, Error, IoSystem, Status, device, edu::Counters};
use eduwdm_abi::{
    edu::InterruptKind,
    statistics::{Processor, Queue, QueueKind},
    topology::NODE_UNKNOWN,
};

/// What is known of a device that does not change.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its index when the view began.
    pub index: usize,
    /// The path of its interface.
    pub path: String,
    /// Its node.
    pub node: Option<u32>,
    /// How it interrupts.
    pub interrupt: &'static str,
    /// On which vector, and at which IRQL.
    pub vector: (u32, u32),
}

/// A device's counters at a moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The counters.
    pub counters: Counters,
    /// When.
    pub at: Instant,
}

/// A device that is watched.
#[derive(Debug)]
pub struct Watched {
    /// What does not change; how to ask for the rest, except in tests.
    pub facts: Facts,
    edu: Option<Edu>,
    /// Now.
    pub now: Option<Snapshot>,
    /// A moment ago.
    pub before: Option<Snapshot>,
    /// Why it is not asked any more. Its handle is closed then, for which a device that is gone
    /// waits.
    pub gone: Option<String>,
}

impl Watched {
    pub fn new(device: Device, edu: Edu) -> Result<Self, Error> {
        let identity = edu.identify()?;
        let topology = edu.topology()?;
        let node = topology.device_node;
        Ok(Self {
            facts: Facts {
                index: device.index,
                path: device.path,
                node: (node != NODE_UNKNOWN).then_some(node),
                interrupt: match InterruptKind::from_wire(identity.interrupt_kind) {
                    Some(InterruptKind::LineBased) => "line-based",
                    Some(InterruptKind::MessageSignaled) => "message-signaled",
                    None => "unknown",
                },
                vector: (topology.interrupt_vector, topology.interrupt_irql),
            },
            edu: Some(edu),
            now: None,
            before: None,
            gone: None,
        })
    }

    /// A device whose counters are given to it.
    #[cfg(test)]
    pub const fn with_facts(facts: Facts) -> Self {
        Self {
            facts,
            edu: None,
            now: None,
            before: None,
            gone: None,
        }
    }

    /// Takes a new snapshot.
    pub fn push(&mut self, snapshot: Snapshot) {
        self.before = self.now.replace(snapshot);
    }

    /// Asks the device no more.
    fn lose(&mut self, why: String) {
        self.edu = None;
        self.gone = Some(why);
        // What it has counted stays to be seen, but it counts no more.
        self.before = None;
    }

    /// How often something has happened in a second, lately.
    pub fn rate(&self, count: impl Fn(&Counters) -> u64) -> f64 {
        let (Some(now), Some(before)) = (&self.now, &self.before) else {
            return 0.0;
        };
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        // A device that was started afresh has begun to count anew.
        let more = count(&now.counters).saturating_sub(count(&before.counters));
        #[expect(clippy::cast_precision_loss, reason = "it is for people to look at")]
        let more = more as f64;
        if seconds > 0.0 { more / seconds } else { 0.0 }
    }

    /// A queue's counters.
    pub fn queue(&self, kind: QueueKind) -> Option<&Queue> {
        let now = self.now.as_ref()?;
        Some(&now.counters.fixed.queues[kind as usize])
    }

    /// The processors' counters.
    pub fn processors(&self) -> &[Processor] {
        self.now
            .as_ref()
            .map_or(&[], |now| now.counters.processors.as_slice())
    }
}

/// All that the view shows.
#[derive(Debug)]
pub struct Model {
    /// The devices.
    pub devices: Vec<Watched>,
    /// Which of them is shown.
    pub selected: usize,
    /// The first processor that is shown.
    pub first: usize,
}

impl Model {
    pub const fn new(devices: Vec<Watched>) -> Self {
        Self {
            devices,
            selected: 0,
            first: 0,
        }
    }

    /// Asks each device for its counters. One that refuses or is not listed any more is not asked
    /// again: a driver may well answer for a device that is gone, since it has counted itself.
    ///
    /// # Errors
    ///
    /// Whatever is not the fault of one device, and why the last one is not asked again when
    /// none is left.
    pub fn refresh(&mut self, system: &dyn IoSystem, now: Instant) -> Result<(), Error> {
        let present = device::list(system)?;
        let mut last = None;
        for watched in &mut self.devices {
            let Some(edu) = &watched.edu else {
                continue;
            };
            let is_present = present
                .iter()
                .any(|device| device.path.eq_ignore_ascii_case(&watched.facts.path));
            let fault = match edu.statistics() {
                Ok(counters) if is_present => {
                    watched.push(Snapshot { counters, at: now });
                    continue;
                }
                Ok(_) => Error::Refused {
                    operation: format!("watching device {}", watched.facts.index),
                    status: Status::DEVICE_REMOVED,
                },
                Err(error @ Error::Refused { .. }) => error,
                Err(error) => return Err(error),
            };
            watched.lose(fault.to_string());
            last = Some(fault);
        }
        let watching = self.devices.iter().any(|watched| watched.edu.is_some());
        last.filter(|_| !watching).map_or(Ok(()), Err)
    }

    /// Shows another device.
    pub fn select(&mut self, step: isize) {
        let count = self.devices.len();
        if count > 0 {
            let step = step.rem_euclid(count.cast_signed()).cast_unsigned();
            self.selected = (self.selected + step) % count;
            self.first = 0;
        }
    }

    /// Moves among the processors.
    pub fn scroll(&mut self, step: isize) {
        let count = self.device().map_or(0, |device| device.processors().len());
        let last = count.saturating_sub(1);
        self.first = self.first.saturating_add_signed(step).min(last);
    }

    /// The device that is shown.
    pub fn device(&self) -> Option<&Watched> {
        self.devices.get(self.selected)
    }
}
