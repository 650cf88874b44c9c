//! Programs that end with this one, however it ends.
//!
//! An emulator that outlives whoever started it keeps a processor busy and is in nobody's sight.
//! Linux signals a process when the thread that started it ends (`PR_SET_PDEATHSIG`), so all of
//! them are started by one thread that ends with the program. Elsewhere they are ended by `Drop`
//! alone.

use std::{
    io,
    process::{Child, Command},
};

/// Starts a program that is killed when this one ends, by a signal too.
///
/// # Errors
///
/// As `Command::spawn`.
pub fn spawn(command: Command) -> io::Result<Child> {
    #[cfg(target_os = "linux")]
    return linux::spawn(command);
    #[cfg(not(target_os = "linux"))]
    return { command }.spawn();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io,
        os::unix::process::CommandExt,
        process::{Child, Command},
        sync::{
            Mutex, OnceLock,
            mpsc::{Sender, channel},
        },
        thread,
    };

    use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

    struct Order {
        command: Command,
        answer: Sender<io::Result<Child>>,
    }

    /// The thread that starts all of them.
    static SPAWNER: OnceLock<Mutex<Sender<Order>>> = OnceLock::new();

    pub(super) fn spawn(command: Command) -> io::Result<Child> {
        let spawner = SPAWNER.get_or_init(|| {
            let (orders, received) = channel::<Order>();
            thread::spawn(move || {
                for Order { command, answer } in received {
                    // Whoever asked waits for the answer.
                    let _ = answer.send(start(command));
                }
            });
            Mutex::new(orders)
        });
        let (answer, answered) = channel();
        let order = Order { command, answer };
        let gone = || io::Error::other("the thread that starts programs has ended");
        spawner
            .lock()
            .map_err(|_| gone())?
            .send(order)
            .map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }

    fn start(mut command: Command) -> io::Result<Child> {
        let parent = getpid();
        // SAFETY: the closure makes system calls alone, which is allowed between fork and exec.
        unsafe { command.pre_exec(move || end_with(parent)) };
        command.spawn()
    }

    /// Has this process be killed when its parent ends.
    fn end_with(parent: Pid) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // It may have ended before that was said.
        if getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(
                rustix::io::Errno::SRCH.raw_os_error(),
            ))
        }
    }
}
