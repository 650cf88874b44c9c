//! Which processors of the host a machine's threads run on.
//!
//! A machine whose time is counted in instructions, and that has several processors, runs them one
//! after the other in one thread of QEMU. Another thread, the main loop, is woken by each timer that
//! expires, and runs timers too. If it happens to look while the first is about to, between the end of
//! one processor's turn and the next one's begin, the timer's interrupt is raised by the main loop, which
//! has all processors stop: the next one's turn is over before it has begun, and the order in which they
//! run is another. On two processors of the host this happened in one of ten runs. On one, a thread that
//! has just been woken waits for the other: it happened in one of two hundred, on a busy host. So the main
//! loop has the lowest priority beside that.

use std::{
    fs, io,
    sync::atomic::{AtomicUsize, Ordering},
};

use rustix::{
    process::setpriority_process,
    thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity},
};

/// The lowest priority: a thread of this nice value.
const LOWEST: i32 = 19;

/// Keeps all threads of a process, which has made them, on one of the processors that this one may use,
/// another for each process, and has its first thread, the main loop, let the others go first.
///
/// # Errors
///
/// Those of the host; some threads may have been kept.
pub fn keep_on_one(process: u32) -> io::Result<()> {
    // Only that they differ matters.
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let allowed = sched_getaffinity(None)?;
    let allowed: Vec<_> = (0..CpuSet::MAX_CPU)
        .filter(|&it| allowed.is_set(it))
        .collect();
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let Some(&chosen) = allowed.get(next % allowed.len().max(1)) else {
        return Ok(());
    };
    let mut one = CpuSet::new();
    one.set(chosen);
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = task?.file_name();
        let thread = name.to_str().and_then(|name| name.parse().ok());
        if let Some(thread) = thread.and_then(Pid::from_raw) {
            match sched_setaffinity(Some(thread), &one) {
                // It has ended meanwhile.
                Err(rustix::io::Errno::SRCH) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    // On Linux, a thread has its own.
    let main_loop = i32::try_from(process).ok().and_then(Pid::from_raw);
    setpriority_process(main_loop, LOWEST)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use rustix::process::getpriority_process;

    use super::*;

    /// The processors that each thread of a process may use.
    fn allowed(process: u32) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
        let of = |task: io::Result<fs::DirEntry>| {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            let line = status
                .lines()
                .find(|line| line.starts_with("Cpus_allowed_list"));
            line.unwrap().split_once(":\t").unwrap().1.to_owned()
        };
        tasks.map(of).collect()
    }

    #[test]
    fn each_process_keeps_to_a_processor_of_its_own() {
        let count = std::thread::available_parallelism().unwrap().get();
        let processors: Vec<_> = (0..count)
            .map(|_| {
                let mut command = Command::new("cat");
                let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
                keep_on_one(child.id()).unwrap();
                let process = Pid::from_child(&child);
                assert_eq!(getpriority_process(Some(process)), Ok(LOWEST));
                let allowed = allowed(child.id());
                child.kill().unwrap();
                child.wait().unwrap();
                assert_eq!(allowed.len(), 1);
                allowed[0].clone()
            })
            .collect();
        let mut different = processors.clone();
        different.sort();
        different.dedup();
        assert_eq!(different.len(), count, "{processors:?}");
        assert!(processors.iter().all(|list| list.parse::<u32>().is_ok()));
    }
}
