//! Forcing an order of events: processors that stop where the driver calls the kernel, and
//! requests that are looked at one by one meanwhile.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use eductl::{
    io::{Completion, File, IoStatus, Request, RequestKey},
    nthost::{Access, NtFile},
};
use eduwdm_abi::{Header, Ioctl, edu::FactorialInput};
use nthost_protocol::{BreakpointRequest, HostRequest, breakpoint::Stop, host::DeviceState};
use zerocopy::IntoBytes;

use crate::Booted;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

/// Waits until something is so.
///
/// # Panics
///
/// If it does not come to be.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < LIMIT, "{what}: not in {LIMIT:?}");
        thread::yield_now();
    }
}

impl Booted {
    /// Waits until a device that is gone is removed, which follows the close of its last handle.
    ///
    /// # Panics
    ///
    /// If it is not removed, or the machine has no such device.
    pub fn wait_until_removed(&self, device: &str) {
        until(&format!("{device} is removed"), || {
            let devices = self
                .host
                .devices()
                .unwrap_or_else(|fault| panic!("{fault}"));
            let node = devices.iter().find(|node| node.instance == device);
            node.unwrap_or_else(|| panic!("there is no {device}")).state == DeviceState::Removed
        });
    }

    /// Has a processor stop where the driver next calls a routine.
    ///
    /// # Panics
    ///
    /// If it cannot be done.
    pub fn break_at(&self, routine: &str) {
        self.break_at_nth(routine, 0, None);
    }

    /// As [`Self::break_at`], after some calls were let pass, on one processor if that is said.
    ///
    /// # Panics
    ///
    /// If it cannot be done.
    pub fn break_at_nth(&self, routine: &str, skip: u32, processor: Option<u32>) {
        self.breakpoint(BreakpointRequest::Set {
            routine: routine.to_owned(),
            skip,
            processor,
        });
    }

    /// Waits until a processor has stopped at a routine.
    ///
    /// # Panics
    ///
    /// If none does.
    #[must_use]
    pub fn stopped_at(&self, routine: &str) -> Stop {
        let begun = Instant::now();
        loop {
            let stops = self.host.stops().unwrap_or_else(|fault| panic!("{fault}"));
            if let Some(stop) = stops.iter().find(|stop| stop.routine == routine) {
                return stop.clone();
            }
            assert!(
                begun.elapsed() < LIMIT,
                "no processor has stopped at {routine}, but at {stops:?}\n{}",
                self.log()
            );
        }
    }

    /// Has a stopped processor go on.
    ///
    /// # Panics
    ///
    /// If it is not stopped.
    pub fn go_on(&self, stop: &Stop) {
        self.breakpoint(BreakpointRequest::Continue { id: stop.id });
    }

    /// Takes away all breakpoints, and has all processors go on.
    ///
    /// # Panics
    ///
    /// If the machine is not there any more.
    pub fn clear_breakpoints(&self) {
        self.breakpoint(BreakpointRequest::Clear);
    }

    fn breakpoint(&self, request: BreakpointRequest) {
        self.host
            .host_success(HostRequest::Breakpoint(request))
            .unwrap_or_else(|fault| panic!("{fault}\n{}", self.log()));
    }

    /// Writes to a device's register behind its driver's back.
    ///
    /// # Panics
    ///
    /// If the device has no such register.
    pub fn write_register(&self, device: &str, offset: u32, value: u32) {
        self.host
            .host_success(HostRequest::WriteRegister {
                device: device.to_owned(),
                bar: 0,
                offset,
                value,
            })
            .unwrap_or_else(|fault| panic!("{fault}\n{}", self.log()));
    }

    /// The instance path of the n-th device that has this in its hardware ids.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn instance(&self, hardware_id: &str, index: usize) -> String {
        let devices = self
            .host
            .devices()
            .unwrap_or_else(|fault| panic!("{fault}"));
        let mut matching = devices.iter().filter(|device| {
            device
                .hardware_ids
                .iter()
                .any(|id| id.contains(hardware_id))
        });
        let device = matching.nth(index);
        device
            .unwrap_or_else(|| panic!("no device has {hardware_id}: {devices:?}"))
            .instance
            .clone()
    }
}

/// A request whose end is waited for by nobody until it is asked for.
#[derive(Debug)]
pub struct InFlight {
    file: Arc<NtFile>,
    key: RequestKey,
    completion: Arc<Completion>,
}

impl InFlight {
    /// Opens a device for such requests.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    #[must_use]
    pub fn open(booted: &Booted, path: &str) -> Arc<NtFile> {
        let file = booted.host.open(path, Access::default());
        file.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()))
    }

    /// Sends a request.
    ///
    /// # Panics
    ///
    /// If it cannot be sent.
    #[must_use]
    pub fn send(file: &Arc<NtFile>, request: Request) -> Self {
        let completion = Arc::new(Completion::default());
        let key = file.submit(request, Arc::clone(&completion));
        Self {
            file: Arc::clone(file),
            key: key.unwrap_or_else(|fault| panic!("{fault}")),
            completion,
        }
    }

    /// Sends a device-control request.
    ///
    /// # Panics
    ///
    /// As [`Self::send`].
    #[must_use]
    pub fn control<I: IntoBytes + zerocopy::Immutable>(
        file: &Arc<NtFile>,
        ioctl: Ioctl,
        input: &I,
        output_length: usize,
    ) -> Self {
        let request = Request::DeviceControl {
            code: ioctl.code(),
            input: input.as_bytes().to_vec(),
            output_length: u32::try_from(output_length).unwrap_or(u32::MAX),
        };
        Self::send(file, request)
    }

    /// Sends a request for a factorial.
    ///
    /// # Panics
    ///
    /// As [`Self::send`].
    #[must_use]
    pub fn factorial(file: &Arc<NtFile>, n: u32) -> Self {
        let input = FactorialInput {
            header: Header::of::<FactorialInput>(),
            n,
            reserved: 0,
        };
        let output = size_of::<eduwdm_abi::edu::FactorialOutput>();
        Self::control(file, Ioctl::Factorial, &input, output)
    }

    /// Cancels it, in a thread that ends when the cancellation is done. The request may end later.
    ///
    /// # Panics
    ///
    /// The thread, if the machine has ended.
    #[must_use]
    pub fn cancel(&self) -> thread::JoinHandle<()> {
        let (file, key) = (Arc::clone(&self.file), RequestKey(self.key.0));
        thread::spawn(move || {
            file.cancel_and_wait(&key)
                .unwrap_or_else(|fault| panic!("{fault}"));
        })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.completion.is_complete()
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// If it does not end, or the machine does.
    #[must_use]
    pub fn end(&self, what: &str) -> IoStatus {
        match self.completion.wait(Some(LIMIT)) {
            Some(Ok(status)) => status,
            Some(Err(lost)) => panic!("{what}: {lost:?}"),
            None => panic!("{what}: the request does not end"),
        }
    }
}
