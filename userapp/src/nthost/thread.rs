//! What the machine's threads do, in lines for a person.

use nthost_protocol::thread::{Activity, Frame, Object, ObjectKind, Thread};

/// The module that the kernel's own places are in.
const KERNEL: &str = "nthost";

/// The lines of several threads: the idle worker threads, of which each system has many, in one
/// line, and behind it the threads that say more.
#[must_use]
pub fn lines_of_all(threads: &[Thread]) -> Vec<String> {
    let (idle, others): (Vec<_>, Vec<_>) = threads.iter().partition(|one| is_idle_worker(one));
    let mut lines = Vec::new();
    if !idle.is_empty() {
        lines.push(format!("{} worker threads wait for work", idle.len()));
    }
    lines.extend(others.into_iter().flat_map(self::lines));
    lines
}

/// A thread that runs work items, and has none.
fn is_idle_worker(thread: &Thread) -> bool {
    let waits = matches!(
        &thread.activity,
        Activity::Waiting { objects, .. } if matches!(objects.as_slice(), [Object { kind: ObjectKind::Event, .. }])
    );
    let within = |frame: &Frame| frame.module == KERNEL;
    waits
        && !thread.apc_pending
        && thread.name.starts_with("worker ")
        && thread.frames.iter().all(within)
}

/// A line for the thread, and one for each place of its stack in the form of the machine's log,
/// in which such places can be told as functions, files and lines.
#[must_use]
pub fn lines(thread: &Thread) -> Vec<String> {
    let mut lines = vec![format!(
        "thread {} {}, priority {}: {}{}",
        thread.id,
        thread.name,
        thread.priority,
        activity(&thread.activity),
        if thread.apc_pending {
            "; a request of its own is complete, and cannot be finished here"
        } else {
            ""
        }
    )];
    let frames = thread.frames.iter().enumerate();
    lines.extend(
        frames.map(|(index, frame)| format!("frame {index} {} +{:#x}", frame.module, frame.offset)),
    );
    lines
}

fn activity(activity: &Activity) -> String {
    match activity {
        Activity::Running { processor } => format!("runs on processor {processor}"),
        Activity::Ready => "could run".to_owned(),
        Activity::Ended => "has ended".to_owned(),
        Activity::Waiting {
            irql,
            all,
            timed,
            objects,
        } => {
            let objects: Vec<_> = objects.iter().map(object).collect();
            format!(
                "waits at IRQL {irql} for {}{}",
                match objects.as_slice() {
                    [] => "nothing".to_owned(),
                    [only] => only.clone(),
                    several if *all => format!("all of {}", several.join(", ")),
                    several => format!("any of {}", several.join(", ")),
                },
                if *timed { ", for a time" } else { "" }
            )
        }
    }
}

fn object(object: &Object) -> String {
    let kind = match object.kind {
        ObjectKind::Event => "event",
        ObjectKind::Mutex => "mutex",
        ObjectKind::Semaphore => "semaphore",
        ObjectKind::Timer => "timer",
        ObjectKind::Thread => "thread",
        ObjectKind::Process => "process",
        ObjectKind::Other => "object",
    };
    let owner = object
        .owner
        .map(|owner| format!(" that thread {owner} has"));
    format!("{kind} {:#x}{}", object.address, owner.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(objects: Vec<Object>) -> Thread {
        Thread {
            id: 52,
            name: "csq".to_owned(),
            priority: 8,
            activity: Activity::Waiting {
                irql: 1,
                all: false,
                timed: true,
                objects,
            },
            apc_pending: true,
            frames: vec![Frame {
                module: "csq.sys".to_owned(),
                offset: 0x1234,
            }],
        }
    }

    #[test]
    fn a_thread_that_waits_says_for_what_and_who_has_it() {
        let mutex = Object {
            kind: ObjectKind::Mutex,
            address: 0xffff_b000_0000_1000,
            owner: Some(48),
        };
        let expected = [
            "thread 52 csq, priority 8: waits at IRQL 1 for mutex 0xffffb00000001000 that thread 48 \
             has, for a time; a request of its own is complete, and cannot be finished here",
            "frame 0 csq.sys +0x1234",
        ];
        assert_eq!(lines(&waiting(vec![mutex])), expected);
    }

    #[test]
    fn several_objects_are_told_as_any_of_them() {
        let event = |address| Object {
            kind: ObjectKind::Event,
            address,
            owner: None,
        };
        let lines = lines(&waiting(vec![event(0x10), event(0x20)]));
        assert!(lines[0].contains("for any of event 0x10, event 0x20, for a time"));
        assert!(super::lines(&waiting(Vec::new()))[0].contains("for nothing, for a time"));
    }

    #[test]
    fn idle_workers_share_a_line_and_one_that_is_in_a_driver_has_its_own() {
        let event = Object {
            kind: ObjectKind::Event,
            address: 0x10,
            owner: None,
        };
        let worker = |module: &str| {
            let mut thread = waiting(vec![event.clone()]);
            thread.name = "worker 0.1".to_owned();
            thread.apc_pending = false;
            thread.frames[0].module = module.to_owned();
            thread
        };
        let lines = lines_of_all(&[worker(KERNEL), worker("csq.sys"), worker(KERNEL)]);
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "2 worker threads wait for work");
        assert!(lines[1].contains("worker 0.1"), "{lines:?}");
        assert!(lines[2].contains("csq.sys"), "{lines:?}");
    }
}
