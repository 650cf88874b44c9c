//! Faults on demand: what goes wrong because the host wants it to, and which of the calls, IRPs,
//! timers, DPCs and so on that a fault is about it strikes.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::{NtStatus, random::Sequence};

/// A fault to come. Each stands until it has happened as often as it says, or until
/// [`HostRequest::ClearFaults`](crate::HostRequest::ClearFaults). Several may be about the same
/// call: each counts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Calls that may fail for lack of resources (allocations, mappings, connections of
    /// interrupts, …) do.
    Call {
        /// The routine, such as `ExAllocatePool2`; empty for any that may fail.
        #[serde(default)]
        routine: String,
        /// The service whose driver calls it; empty for any.
        #[serde(default)]
        service: String,
        /// Where the driver calls it: the return address as an offset in its image, as the
        /// verifier's reports have it; any place if none is given.
        #[serde(default)]
        offset: Option<u64>,
        /// Which of the matching calls is the first to fail, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them fail, from that one on.
        #[serde(default = "once")]
        count: u32,
    },
    /// As [`Self::Call`], at random.
    RandomCalls {
        /// The routine; empty for any that may fail.
        #[serde(default)]
        routine: String,
        /// The service whose driver calls; empty for any.
        #[serde(default)]
        service: String,
        /// What the choice depends on: the same seed chooses the same calls.
        seed: u64,
        /// How many of 1000 matching calls fail.
        per_mille: u16,
    },
    /// An MDL gets fewer pages than were asked for (`MmAllocatePagesForMdl` and its siblings), as
    /// when memory is short.
    FewerPages {
        /// The service whose driver asks; empty for any.
        #[serde(default)]
        service: String,
        /// Which of the matching calls is the first to get fewer, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them do, from that one on.
        #[serde(default = "once")]
        count: u32,
        /// How many pages there are at the most.
        pages: u32,
    },
    /// An IRP that a driver sends down from its device does not reach the lower driver, or not
    /// at once.
    Irp {
        /// The instance path of the device in whose stack it is.
        device: String,
        /// `IRP_MJ_…`.
        major: u8,
        /// `IRP_MN_…`; any if none is given.
        #[serde(default)]
        minor: Option<u8>,
        /// Which of the matching IRPs is the first, counted from 0.
        #[serde(default)]
        nth: u32,
        /// To how many of them it happens, from that one on.
        #[serde(default = "once")]
        count: u32,
        /// What happens to it.
        effect: IrpEffect,
    },
    /// A timer is later than it was set to be, as a timer may be.
    LateTimer {
        /// The service in whose driver the routine of the timer's DPC is; empty for any timer.
        #[serde(default)]
        service: String,
        /// Which of the matching timers that are set is the first, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them are late, from that one on.
        #[serde(default = "once")]
        count: u32,
        /// How much later.
        milliseconds: u32,
    },
    /// A processor does not come to a DPC, and to those behind it, for a while.
    LateDpc {
        /// The service in whose driver its routine is; empty for any DPC.
        #[serde(default)]
        service: String,
        /// Which of the matching DPCs is the first, counted from 0 in the order in which they
        /// are about to run.
        #[serde(default)]
        nth: u32,
        /// How many of them are late, from that one on.
        #[serde(default = "once")]
        count: u32,
        /// How much later.
        milliseconds: u32,
    },
    /// An interrupt is lost: no routine is called for it. A message does not come again; a line
    /// that is asserted still interrupts at once.
    LostInterrupt {
        /// The service whose driver has the routine; empty for any.
        #[serde(default)]
        service: String,
        /// Which of the matching interrupts is the first, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them are lost, from that one on.
        #[serde(default = "once")]
        count: u32,
    },
    /// A scatter/gather list lies where the device does not reach, as the adapter's description
    /// says: what the driver asked the HAL for, it has not got.
    FarList {
        /// The service whose driver asks for it; empty for any.
        #[serde(default)]
        service: String,
        /// Which of the matching lists is the first, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them, from that one on.
        #[serde(default = "once")]
        count: u32,
    },
    /// A device is another one, as its configuration space says: who reads its device id reads the
    /// next one.
    OtherDevice {
        /// The instance path of the device.
        device: String,
        /// Which of the reads is the first, counted from 0.
        #[serde(default)]
        nth: u32,
        /// How many of them, from that one on.
        #[serde(default = "once")]
        count: u32,
    },
}

const fn once() -> u32 {
    1
}

/// What happens to an IRP instead of reaching the lower driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IrpEffect {
    /// It is completed with this status.
    Fail(NtStatus),
    /// `IoCallDriver` returns `STATUS_PENDING`, and the IRP goes down this much later.
    Pend {
        /// How much later.
        milliseconds: u32,
    },
}

/// What has become of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultState {
    /// The fault.
    pub fault: Fault,
    /// How many calls, IRPs, timers, DPCs and so on it was about.
    pub matched: u64,
    /// How many of them it struck.
    pub struck: u64,
    /// What it struck last, and where that was called; empty as long as it has struck nothing.
    pub last: String,
}

impl Fault {
    /// The service whose driver it concerns; empty for any.
    #[must_use]
    pub fn service(&self) -> &str {
        match self {
            Self::Call { service, .. }
            | Self::RandomCalls { service, .. }
            | Self::FewerPages { service, .. }
            | Self::LateTimer { service, .. }
            | Self::LateDpc { service, .. }
            | Self::LostInterrupt { service, .. }
            | Self::FarList { service, .. } => service,
            Self::Irp { .. } | Self::OtherDevice { .. } => "",
        }
    }
}

/// A fault that stands, and counts what it is about.
#[derive(Clone, Debug)]
pub struct Standing {
    fault: Fault,
    matched: u64,
    struck: u64,
    random: Sequence,
}

impl Standing {
    /// A fault that has been about nothing yet.
    #[must_use]
    pub const fn new(fault: Fault) -> Self {
        let random = Sequence::new(match fault {
            Fault::RandomCalls { seed, .. } => seed,
            _ => 0,
        });
        Self {
            fault,
            matched: 0,
            struck: 0,
            random,
        }
    }

    /// The fault.
    #[must_use]
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// What has become of it; `last` is what it struck last.
    #[must_use]
    pub fn state(self, last: String) -> FaultState {
        let Self {
            fault,
            matched,
            struck,
            ..
        } = self;
        FaultState {
            fault,
            matched,
            struck,
            last,
        }
    }

    /// Whether it strikes the next thing that it is about.
    pub const fn strikes(&mut self) -> bool {
        let index = self.matched;
        self.matched += 1;
        let struck = match self.fault {
            Fault::Call { nth, count, .. }
            | Fault::FewerPages { nth, count, .. }
            | Fault::Irp { nth, count, .. }
            | Fault::LateTimer { nth, count, .. }
            | Fault::LateDpc { nth, count, .. }
            | Fault::LostInterrupt { nth, count, .. }
            | Fault::FarList { nth, count, .. }
            | Fault::OtherDevice { nth, count, .. } => {
                let first = nth as u64;
                index >= first && index - first < count as u64
            }
            Fault::RandomCalls { per_mille, .. } => self.random.below(1000) < per_mille as u64,
        };
        if struck {
            self.struck += 1;
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn struck(fault: Fault, calls: usize) -> Vec<usize> {
        let mut standing = Standing::new(fault);
        let struck = (0..calls).filter(|_| standing.strikes()).collect();
        assert_eq!(standing.matched, calls as u64);
        struck
    }

    fn random(seed: u64, per_mille: u16) -> Fault {
        Fault::RandomCalls {
            routine: String::new(),
            service: String::new(),
            seed,
            per_mille,
        }
    }

    #[test]
    fn the_nth_call_and_those_behind_it_fail_as_often_as_is_said() {
        let call = |nth, count| Fault::Call {
            routine: String::new(),
            service: String::new(),
            offset: None,
            nth,
            count,
        };
        assert_eq!(struck(call(0, 1), 9), [0]);
        assert_eq!(struck(call(3, 2), 9), [3, 4]);
        assert_eq!(struck(call(8, 9), 9), [8]);
        assert_eq!(struck(call(9, 1), 9), []);
        assert_eq!(struck(call(2, 0), 9), []);
        assert_eq!(struck(call(u32::MAX, u32::MAX), 9), []);
    }

    #[test]
    fn a_seed_chooses_the_same_calls_again_and_another_seed_others() {
        let once = struck(random(7, 100), 10_000);
        assert_eq!(once, struck(random(7, 100), 10_000));
        assert_ne!(once, struck(random(8, 100), 10_000));
        // 1000 are expected, with a standard deviation of 30.
        assert!((800..1200).contains(&once.len()), "{}", once.len());
        assert_eq!(struck(random(7, 0), 1000), []);
        assert_eq!(struck(random(7, 1000), 1000).len(), 1000);
    }
}
