//! What the view shows: the counters of each device now and a moment ago.

use std::time::Instant;

use eductl::{Edu, Error, edu::Counters};
use eduwdm_abi::{
    edu::InterruptKind,
    statistics::{Processor, Queue, QueueKind},
    topology::NODE_UNKNOWN,
};

/// What is known of a device that does not change.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its index.
    pub index: usize,
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
}

impl Watched {
    pub fn new(index: usize, edu: Edu) -> Result<Self, Error> {
        let identity = edu.identify()?;
        let topology = edu.topology()?;
        let node = topology.device_node;
        Ok(Self {
            facts: Facts {
                index,
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
        }
    }

    /// Takes a new snapshot.
    pub fn push(&mut self, snapshot: Snapshot) {
        self.before = self.now.replace(snapshot);
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

    /// Asks each device for its counters.
    pub fn refresh(&mut self, now: Instant) -> Result<(), Error> {
        for device in &mut self.devices {
            if let Some(edu) = &device.edu {
                let counters = edu.statistics()?;
                device.push(Snapshot { counters, at: now });
            }
        }
        Ok(())
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
