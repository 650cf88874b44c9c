//! `eductl host fault`: what goes wrong because a person wants it to.

use clap::{Args, Subcommand};
use eductl::{Error, nthost::NtHost};
use nthost_protocol::{Fault, HostRequest, IrpEffect};

use super::{device_node, done, show};
use crate::cli::{
    context::Context,
    number::{number, number32},
};

/// Has something go wrong, once or more often.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: eductl host fault call --routine ExAllocatePool2 --nth 3\n          \
                        eductl host fault random --seed 7 --per-mille 20\n          \
                        eductl host fault irp --major 0x1b --minor 0 --status 0xc000009a\n          \
                        eductl host fault dpc --service eduwdm --nth 10 --count 5 --late 20\n          \
                        eductl host fault list\n          \
                        eductl host fault clear"
)]
pub struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Calls that may fail for lack of resources do.
    #[command(after_help = "Example: eductl host fault call --routine ExAllocatePool2 --nth 3")]
    Call {
        /// The routine; any that may fail if nothing is said.
        #[arg(long, default_value = "")]
        routine: String,
        /// The service whose driver calls it; any if nothing is said.
        #[arg(long, default_value = "")]
        service: String,
        /// Where its driver calls it: the return address as an offset in the image.
        #[arg(long, value_parser = number)]
        offset: Option<u64>,
        /// Which of these calls is the first to fail, counted from 0.
        #[arg(long, default_value = "0", value_parser = number32)]
        nth: u32,
        /// How many of them fail, from that one on.
        #[arg(long, default_value = "1", value_parser = number32)]
        count: u32,
    },
    /// Calls that may fail for lack of resources do, at random.
    #[command(after_help = "Example: eductl host fault random --seed 7 --per-mille 20")]
    Random {
        /// The routine; any that may fail if nothing is said.
        #[arg(long, default_value = "")]
        routine: String,
        /// The service whose driver calls; any if nothing is said.
        #[arg(long, default_value = "")]
        service: String,
        /// What the choice follows from.
        #[arg(long, value_parser = number)]
        seed: u64,
        /// How many of 1000 calls fail.
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=1000))]
        per_mille: u16,
    },
    /// An IRP that a driver sends down fails, or goes down later.
    #[command(
        after_help = "Example: eductl host fault irp --major 0x1b --minor 0 --status 0xc000009a"
    )]
    Irp {
        /// `IRP_MJ_…`.
        #[arg(long, value_parser = byte)]
        major: u8,
        /// `IRP_MN_…`; any if nothing is said.
        #[arg(long, value_parser = byte)]
        minor: Option<u8>,
        /// Which of these IRPs is the first, counted from 0.
        #[arg(long, default_value = "0", value_parser = number32)]
        nth: u32,
        /// To how many of them it happens, from that one on.
        #[arg(long, default_value = "1", value_parser = number32)]
        count: u32,
        /// The status that it is completed with.
        #[arg(long, value_parser = number32, conflicts_with = "pend", required_unless_present = "pend")]
        status: Option<u32>,
        /// How many milliseconds later it goes down.
        #[arg(long, value_parser = number32)]
        pend: Option<u32>,
    },
    /// MDLs get fewer pages than a driver asks for, as when memory is short.
    #[command(after_help = "Example: eductl host fault pages --service eduwdm --pages 1")]
    Pages {
        /// The service whose driver asks; any if nothing is said.
        #[arg(long, default_value = "")]
        service: String,
        /// Which of these calls is the first to get fewer, counted from 0.
        #[arg(long, default_value = "0", value_parser = number32)]
        nth: u32,
        /// How many of them do, from that one on.
        #[arg(long, default_value = "1", value_parser = number32)]
        count: u32,
        /// How many pages there are at the most.
        #[arg(long, value_parser = number32)]
        pages: u32,
    },
    /// Timers are later than they were set to be.
    #[command(after_help = "Example: eductl host fault timer --count 10 --late 50")]
    Timer(Late),
    /// Processors come to DPCs later.
    #[command(after_help = "Example: eductl host fault dpc --service eduwdm --late 20")]
    Dpc(Late),
    /// Interrupts are lost.
    #[command(after_help = "Example: eductl host fault interrupt --service eduwdm --nth 3")]
    Interrupt(Which),
    /// Scatter/gather lists lie where the device does not reach.
    #[command(after_help = "Example: eductl host fault far-list --service eduwdm")]
    FarList(Which),
    /// A device is another one, as its configuration space says.
    #[command(after_help = "Example: eductl host fault other-device --device VEN_1234")]
    OtherDevice {
        /// Which of the reads is the first, counted from 0.
        #[arg(long, default_value = "0", value_parser = number32)]
        nth: u32,
        /// How many of them, from that one on.
        #[arg(long, default_value = "1", value_parser = number32)]
        count: u32,
    },
    /// What has become of the faults.
    #[command(after_help = "Example: eductl host fault list")]
    List,
    /// Takes back all faults.
    #[command(after_help = "Example: eductl host fault clear")]
    Clear,
}

#[derive(Debug, Args)]
struct Late {
    /// The service whose driver has the DPC's routine; any if nothing is said.
    #[arg(long, default_value = "")]
    service: String,
    /// Which of these is the first to be late, counted from 0.
    #[arg(long, default_value = "0", value_parser = number32)]
    nth: u32,
    /// How many of them are late, from that one on.
    #[arg(long, default_value = "1", value_parser = number32)]
    count: u32,
    /// By how many milliseconds.
    #[arg(long = "late", value_parser = number32)]
    milliseconds: u32,
}

#[derive(Debug, Args)]
struct Which {
    /// The service of the driver that is concerned; any if nothing is said.
    #[arg(long, default_value = "")]
    service: String,
    /// Which of these is the first, counted from 0.
    #[arg(long, default_value = "0", value_parser = number32)]
    nth: u32,
    /// How many of them, from that one on.
    #[arg(long, default_value = "1", value_parser = number32)]
    count: u32,
}

fn byte(text: &str) -> Result<u8, String> {
    let number = number(text)?;
    u8::try_from(number).map_err(|_| format!("{number} does not fit into a byte"))
}

impl Arguments {
    pub fn run(&self, context: &Context, host: &NtHost) -> Result<(), Error> {
        let fault = match &self.kind {
            Kind::Clear => return done(context, host, HostRequest::ClearFaults),
            Kind::List => return show::faults(context, &host.faults()?),
            Kind::Call {
                routine,
                service,
                offset,
                nth,
                count,
            } => Fault::Call {
                routine: routine.clone(),
                service: service.clone(),
                offset: *offset,
                nth: *nth,
                count: *count,
            },
            Kind::Random {
                routine,
                service,
                seed,
                per_mille,
            } => Fault::RandomCalls {
                routine: routine.clone(),
                service: service.clone(),
                seed: *seed,
                per_mille: *per_mille,
            },
            Kind::Irp {
                major,
                minor,
                nth,
                count,
                status,
                pend,
            } => Fault::Irp {
                device: device_node(context, host)?.instance,
                major: *major,
                minor: *minor,
                nth: *nth,
                count: *count,
                effect: match (status, pend) {
                    (Some(status), _) => IrpEffect::Fail(status.cast_signed()),
                    (None, pend) => IrpEffect::Pend {
                        milliseconds: pend.unwrap_or(0),
                    },
                },
            },
            Kind::Pages {
                service,
                nth,
                count,
                pages,
            } => Fault::FewerPages {
                service: service.clone(),
                nth: *nth,
                count: *count,
                pages: *pages,
            },
            Kind::Timer(late) => Fault::LateTimer {
                service: late.service.clone(),
                nth: late.nth,
                count: late.count,
                milliseconds: late.milliseconds,
            },
            Kind::Dpc(late) => Fault::LateDpc {
                service: late.service.clone(),
                nth: late.nth,
                count: late.count,
                milliseconds: late.milliseconds,
            },
            Kind::Interrupt(which) => Fault::LostInterrupt {
                service: which.service.clone(),
                nth: which.nth,
                count: which.count,
            },
            Kind::FarList(which) => Fault::FarList {
                service: which.service.clone(),
                nth: which.nth,
                count: which.count,
            },
            Kind::OtherDevice { nth, count } => Fault::OtherDevice {
                device: device_node(context, host)?.instance,
                nth: *nth,
                count: *count,
            },
        };
        done(context, host, HostRequest::Fault(fault))
    }
}
