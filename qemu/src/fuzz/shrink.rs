//! Makes small what has stopped a driver: from all that a machine has run, the few calls without
//! which it does not happen, with the shortest buffers.
//!
//! By delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
//! 2002): parts are left out, large ones first, and what still does it is gone on with.

use std::mem;

use super::program::{Call, Input, Output, Program, Request, Then};

/// Makes it small with so many trials at the most. `None`: not even all of it does it again.
pub fn shrink(
    all: &[Program],
    trials: u32,
    again: impl FnMut(&[Program]) -> bool,
) -> Option<Vec<Program>> {
    let mut trial = Trial {
        left: trials,
        again,
    };
    // Most need only the last, or what came shortly before.
    let mut count = 1;
    let mut programs = loop {
        let last = &all[all.len().saturating_sub(count)..];
        // The first trials are never too many: without them there is nothing to make small.
        if (trial.again)(last) {
            break last.to_vec();
        }
        if count >= all.len() {
            return None;
        }
        count *= 4;
    };
    trial.leave_out(&mut programs, <[Program]>::to_vec);
    for index in 0..programs.len() {
        let mut whole = programs.clone();
        let mut calls = mem::take(&mut programs[index].calls);
        trial.leave_out(&mut calls, |rest| {
            whole[index].calls = rest.to_vec();
            whole.clone()
        });
        programs[index].calls = calls;
    }
    for index in 0..programs.len() {
        for call in 0..programs[index].calls.len() {
            trial.call(&mut programs, index, call);
        }
    }
    Some(programs)
}

struct Trial<F> {
    left: u32,
    again: F,
}

impl<F: FnMut(&[Program]) -> bool> Trial<F> {
    /// Whether it happens again, as long as trials are left.
    fn is_enough(&mut self, programs: &[Program]) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        (self.again)(programs)
    }

    /// Leaves elements out; `whole` makes of the rest what is tried.
    fn leave_out<T: Clone>(
        &mut self,
        elements: &mut Vec<T>,
        mut whole: impl FnMut(&[T]) -> Vec<Program>,
    ) {
        let mut length = elements.len() / 2;
        while length > 0 {
            let mut at = 0;
            while at < elements.len() && elements.len() > 1 {
                let end = elements.len().min(at + length);
                let mut rest = elements.clone();
                rest.drain(at..end);
                if !rest.is_empty() && self.is_enough(&whole(&rest)) {
                    *elements = rest;
                } else {
                    at = end;
                }
            }
            length = length.min(elements.len()) / 2;
        }
    }

    /// Makes one call's buffers and what comes then simple.
    fn call(&mut self, programs: &mut [Program], index: usize, call: usize) {
        let mut attempt = |change: &dyn Fn(&mut Call)| {
            let before = programs[index].calls[call].clone();
            change(&mut programs[index].calls[call]);
            let is_same = programs[index].calls[call] == before;
            if is_same || !self.is_enough(programs) {
                programs[index].calls[call] = before;
                return false;
            }
            true
        };
        attempt(&|call| call.then = Then::Wait);
        attempt(&|call| {
            if let Request::Control { output, .. } | Request::Read { output, .. } =
                &mut call.request
            {
                *output = Output::Length(0);
            }
        });
        attempt(&|call| {
            if let Request::Read { offset, .. } | Request::Write { offset, .. } = &mut call.request
            {
                *offset = 0;
            }
        });
        // Shorter by half, by a quarter and so on, down to a byte.
        let mut part = 2;
        loop {
            let shorter = |call: &mut Call| {
                if let Some(bytes) = bytes(call) {
                    let length = bytes.len() - (bytes.len() / part).max(1).min(bytes.len());
                    bytes.truncate(length);
                }
            };
            if !attempt(&shorter) {
                part *= 2;
                if part > 64 {
                    break;
                }
            }
        }
        // Zeros where it does not matter, by words of the input.
        for word in 0..16 {
            attempt(&|call| {
                if let Some(word) = bytes(call).and_then(|bytes| bytes.chunks_mut(4).nth(word)) {
                    word.fill(0);
                }
            });
        }
    }
}

/// The input of a call.
fn bytes(call: &mut Call) -> Option<&mut Vec<u8>> {
    match &mut call.request {
        Request::Control { input, .. } | Request::Write { input, .. } => match input {
            Input::Data(bytes) => Some(bytes),
            Input::At { .. } => None,
        },
        Request::Read { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(code: u32, input: &[u8]) -> Call {
        Call {
            request: Request::Control {
                code,
                input: Input::Data(input.to_vec()),
                output: Output::Length(64),
            },
            then: Then::GoOn,
        }
    }

    fn one(calls: Vec<Call>) -> Program {
        Program { calls }
    }

    fn has(programs: &[Program], code: u32, fits: impl Fn(&[u8]) -> bool) -> Option<usize> {
        let calls: Vec<_> = programs.iter().flat_map(|program| &program.calls).collect();
        calls.iter().position(|call| match &call.request {
            Request::Control {
                code: found,
                input: Input::Data(bytes),
                ..
            } => *found == code && fits(bytes),
            _ => false,
        })
    }

    /// A driver that falls by 1 and later 2, whose third byte is above 9.
    fn falls(programs: &[Program]) -> bool {
        let first = has(programs, 1, |_| true);
        let second = has(programs, 2, |bytes| {
            bytes.get(2).is_some_and(|&byte| byte > 9)
        });
        first
            .zip(second)
            .is_some_and(|(first, second)| first < second)
    }

    #[test]
    fn what_matters_is_left_and_nothing_else() {
        let noise = || one(vec![control(3, &[7; 16]), control(4, &[])]);
        let mut all: Vec<_> = (0..20).map(|_| noise()).collect();
        all[7].calls.insert(1, control(1, &[1, 2, 3]));
        all.push(one(vec![control(3, &[1]), control(2, &[200; 64])]));
        let mut trials = 0;
        let small = shrink(&all, 500, |programs| {
            trials += 1;
            falls(programs)
        });
        let simple = |code, input: &[u8]| {
            let mut call = control(code, input);
            call.then = Then::Wait;
            if let Request::Control { output, .. } = &mut call.request {
                *output = Output::Length(0);
            }
            call
        };
        let expected = vec![
            one(vec![simple(1, &[])]),
            // The byte that counts, and those before it in its word.
            one(vec![simple(2, &[200; 3])]),
        ];
        assert_eq!(small, Some(expected), "{trials} trials");
        assert!(trials < 150, "{trials}");
    }

    #[test]
    fn what_does_not_happen_again_is_told_and_trials_end() {
        let all = vec![one(vec![control(1, &[])]); 9];
        assert_eq!(shrink(&all, 100, |_| false), None);
        let mut trials = 0;
        let small = shrink(&all, 3, |programs| {
            trials += 1;
            programs.len() >= 4
        });
        // The suffixes of 1 and 4, and the three that were allowed.
        assert_eq!(trials, 5);
        assert_eq!(small.map(|small| small.len()), Some(4));
    }
}
