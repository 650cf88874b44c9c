//! What is done to the machine rather than asked by a process: each request with the form of
//! its answer.

use std::time::Duration;

use nthost_protocol::{
    BreakpointRequest, FaultState, HostAnswer, HostRequest,
    breakpoint::Stop,
    host::{Device, Driver, Machine, PnpOperation, Verifier},
    thread::Thread,
};

use super::NtHost;
use crate::{error::Error, status::Status};

/// How long the machine may take: a remove waits for the requests in flight.
const LIMIT: Duration = Duration::from_mins(1);

macro_rules! ask {
    ($(#[$doc:meta])* $name:ident: $request:ident => $answer:ident($type:ty)) => {
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// [`Error::Disconnected`], [`Error::Malformed`].
        pub fn $name(&self) -> Result<$type, Error> {
            match self.connection.ask(HostRequest::$request, LIMIT)? {
                HostAnswer::$answer(answer) => Ok(answer),
                other => Err(unexpected(stringify!($request), &other)),
            }
        }
    };
}

impl NtHost {
    ask! {
        /// Processors, nodes and memory.
        machine: DescribeMachine => Machine(Machine)
    }
    ask! {
        /// The drivers loaded, and those refused.
        drivers: ListDrivers => Drivers(Vec<Driver>)
    }
    ask! {
        /// The device nodes.
        devices: ListDevices => Devices(Vec<Device>)
    }
    ask! {
        /// What the verifier found and what is still allocated.
        verifier: VerifierReport => Verifier(Verifier)
    }
    ask! {
        /// Takes the events written so far.
        drain_events: DrainEvents => Events(Vec<String>)
    }
    ask! {
        /// What the machine's threads do.
        threads: ListThreads => Threads(Vec<Thread>)
    }
    ask! {
        /// The faults since they were last taken back, and how often each struck.
        faults: ListFaults => Faults(Vec<FaultState>)
    }

    /// The processors that are stopped at breakpoints.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`], [`Error::Malformed`].
    pub fn stops(&self) -> Result<Vec<Stop>, Error> {
        let request = HostRequest::Breakpoint(BreakpointRequest::List);
        match self.connection.ask(request, LIMIT)? {
            HostAnswer::Stops(stops) => Ok(stops),
            other => Err(unexpected("Breakpoint", &other)),
        }
    }

    /// Does something to the machine that ends in a status.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`], [`Error::Malformed`]; a failure is an answer.
    pub fn host(&self, request: HostRequest) -> Result<Status, Error> {
        let name = format!("{request:?}");
        match self.connection.ask(request, LIMIT)? {
            HostAnswer::Status(status) => Ok(Status::Nt(status.cast_unsigned())),
            other => Err(unexpected(&name, &other)),
        }
    }

    /// As [`Self::host`], for what has to succeed.
    ///
    /// # Errors
    ///
    /// As its, and [`Error::Refused`].
    pub fn host_success(&self, request: HostRequest) -> Result<(), Error> {
        let operation = describe(&request);
        let status = self.host(request)?;
        if status.is_success() {
            Ok(())
        } else {
            Err(Error::Refused { operation, status })
        }
    }

    /// A plug-and-play transition of a device that has to succeed.
    ///
    /// # Errors
    ///
    /// As [`Self::host_success`].
    pub fn pnp(&self, device: &str, operation: PnpOperation) -> Result<(), Error> {
        self.host_success(HostRequest::Pnp {
            device: device.to_owned(),
            operation,
        })
    }
}

fn describe(request: &HostRequest) -> String {
    match request {
        HostRequest::Pnp { device, operation } => format!("{operation:?} of {device}"),
        HostRequest::DevicePower { device, state } => format!("D{state} for {device}"),
        HostRequest::SystemPower { state } => format!("S{state}"),
        HostRequest::UnloadDriver { service } => format!("unloading {service}"),
        HostRequest::Breakpoint(BreakpointRequest::Set { routine, .. }) => {
            format!("a breakpoint at {routine}")
        }
        HostRequest::Breakpoint(BreakpointRequest::Continue { id }) => {
            format!("going on from stop {id}")
        }
        other => format!("{other:?}"),
    }
}

fn unexpected(request: &str, answer: &HostAnswer) -> Error {
    match answer {
        HostAnswer::Status(status) => Error::Refused {
            operation: request.to_owned(),
            status: Status::Nt(status.cast_unsigned()),
        },
        other => Error::Malformed {
            operation: request.to_owned(),
            what: format!("{other:?}"),
        },
    }
}
