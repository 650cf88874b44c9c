//! What happens to the devices meanwhile, and what that allows of their requests.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use eductl::nthost::NtHost;
use nthost_protocol::{
    Fault as Injected, HostRequest,
    host::{DeviceState, PnpOperation},
    random::Sequence,
};

use super::{Fault, LIMIT, Soak};

/// `NTSTATUS` values.
pub mod status {
    /// Success.
    pub const SUCCESS: u32 = 0;
    /// It is not over.
    pub const PENDING: u32 = 0x103;
    /// It was canceled.
    pub const CANCELLED: u32 = 0xc000_0120;
    /// The time is over.
    pub const IO_TIMEOUT: u32 = 0xc000_00b5;
}

/// What may come of a request while something happens to its device: see the documentation of the
/// driver's requests.
const WHILE_DISTURBED: [u32; 8] = [
    status::CANCELLED,
    // STATUS_DEVICE_NOT_READY, for what is answered at once
    0xc000_00a3,
    // STATUS_DEVICE_REMOVED
    0xc000_02b6,
    // STATUS_DELETE_PENDING
    0xc000_0056,
    // STATUS_NO_SUCH_DEVICE
    0xc000_000e,
    // STATUS_INSUFFICIENT_RESOURCES, when calls are made to fail
    0xc000_009a,
    // STATUS_DEVICE_CONFIGURATION_ERROR, when there is no memory to move bytes through
    0xc000_0182,
    // STATUS_WORKING_SET_QUOTA, when pages cannot be locked
    0xc000_00a1,
];

/// How long a device is out of its slot at least.
const SLOT: Duration = Duration::from_millis(500);

/// What has happened so far: odd while something does. Sequentially consistent: a request that is
/// found undisturbed was.
#[derive(Debug, Default)]
pub struct Life(AtomicU64);

/// Whether anything happened to the devices while a request was on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Something.
    Some,
}

impl Disturbance {
    /// Whether a request may end so.
    pub fn allows(self, code: u32) -> bool {
        self == Self::Some && WHILE_DISTURBED.contains(&code)
    }
}

impl Life {
    /// To be asked before a request is sent.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// To be asked when the request is over.
    pub fn since(&self, begun: u64) -> Disturbance {
        if begun.is_multiple_of(2) && self.now() == begun {
            Disturbance::None
        } else {
            Disturbance::Some
        }
    }

    fn during<T>(&self, act: impl FnOnce() -> T) -> T {
        self.0.fetch_add(1, Ordering::SeqCst);
        let result = act();
        self.0.fetch_add(1, Ordering::SeqCst);
        result
    }
}

/// Leads the devices through their lives until no client is left.
pub fn lead(soak: &Soak<'_>, host: &NtHost, seed: u64, clients_left: &AtomicBool) {
    let mut random = Sequence::new(seed);
    while clients_left.load(Ordering::Relaxed) && !soak.is_over() {
        thread::sleep(Duration::from_millis(random.below(40)));
        if let Err(fault) = soak.life.during(|| happen(soak, host, &mut random)) {
            soak.fail(fault);
        }
    }
}

/// One thing happens to one device.
fn happen(soak: &Soak<'_>, host: &NtHost, random: &mut Sequence) -> Result<(), Fault> {
    let devices = host.devices()?;
    let mut edus = devices.iter().filter(|node| {
        let is_edu = |id: &String| id.contains("VEN_1234&DEV_11E8");
        node.hardware_ids.iter().any(is_edu)
    });
    let index = random.below(soak.devices.max(1) as u64);
    let node = edus.nth(usize::try_from(index).unwrap_or(0));
    let device = node
        .ok_or_else(|| Fault("there is no such device".to_owned()))?
        .instance
        .clone();
    let pnp = |operation| HostRequest::Pnp {
        device: device.clone(),
        operation,
    };
    let power = |state| HostRequest::DevicePower {
        device: device.clone(),
        state,
    };
    let pause = |random: &mut Sequence| thread::sleep(Duration::from_millis(random.below(10)));
    match random.below(6) {
        0 => {
            host.host_success(power(3))?;
            pause(random);
            host.host_success(power(0))?;
            soak.count("times that a device lost its power");
        }
        1 => {
            host.host_success(pnp(PnpOperation::Rebalance))?;
            soak.count("times that a device got other resources");
        }
        2 => {
            host.host_success(pnp(PnpOperation::QueryStop))?;
            pause(random);
            host.host_success(pnp(PnpOperation::CancelStop))?;
            soak.count("times that a device was nearly stopped");
        }
        3 => {
            host.host_success(HostRequest::SystemPower { state: 3 })?;
            pause(random);
            host.host_success(HostRequest::SystemPower { state: 0 })?;
            soak.count("times that the system slept");
        }
        4 => {
            host.host_success(pnp(PnpOperation::SurpriseRemoval))?;
            // With the last handle, it is removed.
            wait_until_removed(host, &device)?;
            // A device that is pulled out loses its power. The emulated one does not: a transfer that
            // it is at, which takes it a tenth of a second, would end in memory that is free by now,
            // as soon as the bus driver makes it a bus master again.
            thread::sleep(SLOT);
            host.host_success(pnp(PnpOperation::Add))?;
            soak.count("times that a device was pulled out and came back");
        }
        _ => {
            let fault = Injected::RandomCalls {
                routine: String::new(),
                service: "eduwdm".to_owned(),
                seed: random.draw(),
                per_mille: 50,
            };
            host.host_success(HostRequest::Fault(fault))?;
            pause(random);
            host.host_success(HostRequest::ClearFaults)?;
            soak.count("times that calls of the driver failed for a while");
        }
    }
    Ok(())
}

fn wait_until_removed(host: &NtHost, device: &str) -> Result<(), Fault> {
    let begun = Instant::now();
    loop {
        let devices = host.devices()?;
        let node = devices.iter().find(|node| node.instance == device);
        match node.map(|node| node.state) {
            Some(DeviceState::Removed) => return Ok(()),
            state if begun.elapsed() > LIMIT => {
                return Err(Fault(format!("{device} is not removed, but {state:?}")));
            }
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
}
