//! The commands, a file for each.

mod bench;
mod cancel_storm;
mod completions;
mod copy;
mod factorial;
#[cfg(unix)]
mod host;
mod info;
mod io;
mod list;
mod liveness;
mod man;
mod raise;
mod read;
mod stats;
mod stress;
mod testdev;
mod top;
mod topology;
mod wait;
mod write;

use clap::Subcommand;
use eductl::Error;

use super::{Reaction, context::Context};

macro_rules! commands {
    ($($(#[$attribute:meta])* $variant:ident($module:ident),)*) => {
        /// What to do.
        #[derive(Debug, Subcommand)]
        pub enum Command {
            $($(#[$attribute])* $variant($module::Arguments),)*
        }

        impl Command {
            /// Does it.
            pub fn run(&self, context: &Context) -> Result<(), Error> {
                match self {
                    $($(#[$attribute])* Self::$variant(arguments) => arguments.run(context),)*
                }
            }
        }
    };
}

impl Command {
    /// What Ctrl-C does.
    pub const fn reaction(&self) -> Reaction {
        match self {
            #[cfg(unix)]
            Self::Host(_) => Reaction::End,
            Self::Top(_) => Reaction::Restore,
            _ => Reaction::Cancel,
        }
    }
}

commands! {
    List(list),
    Info(info),
    Liveness(liveness),
    Factorial(factorial),
    Read(read),
    Write(write),
    Copy(copy),
    Raise(raise),
    Wait(wait),
    Testdev(testdev),
    Stats(stats),
    Topology(topology),
    CancelStorm(cancel_storm),
    Stress(stress),
    Bench(bench),
    Top(top),
    Io(io),
    #[cfg(unix)]
    Host(host),
    Completions(completions),
    Man(man),
}
