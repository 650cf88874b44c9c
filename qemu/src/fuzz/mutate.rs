//! How programs come about: from nothing, or from others that are known to reach something. A seed
//! chooses all of it.

use nthost_protocol::random::Sequence;

use super::program::{Call, Input, Output, Program, Request, Then};

/// How many calls a program has, at the most.
const CALLS: usize = 16;
/// How long an input buffer is, at the most.
const INPUT: usize = 4096;
/// Lengths at which drivers make mistakes.
const LENGTHS: [u32; 14] = [0, 1, 2, 3, 4, 7, 8, 12, 16, 24, 32, 64, 4095, 4096];
/// Values at which drivers make mistakes.
const VALUES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
];
/// Where buffers begin that are none: null, the first pages, the last address of a process and what
/// is behind it, an address of no form, the kernel's first, and its last.
const ADDRESSES: [u64; 8] = [
    0,
    0x1000,
    0x10_0000,
    0x7fff_fffe_ffff,
    0x7fff_ffff_0000,
    0x8000_0000_0000,
    0xffff_8000_0000_0000,
    0xffff_ffff_ffff_f000,
];

/// Where the I/O manager itself looks at a buffer, once in so many times it is none.
const SELDOM: u64 = 16;

/// How often a buffer of a control code is none: with METHOD_NEITHER the driver alone looks at it.
const fn hostile(code: u32) -> u64 {
    const NEITHER: u32 = 3;
    if code & 3 == NEITHER { 3 } else { SELDOM }
}

/// What programs are made from, besides chance.
#[derive(Clone, Copy, Debug, Default)]
pub struct Material<'a> {
    /// Control codes that are known, or have reached something.
    pub codes: &'a [u32],
    /// Constants of the driver's code that has run.
    pub constants: &'a [u64],
    /// Programs that have reached something.
    pub corpus: &'a [Kept],
}

/// A program that has reached something.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// It.
    pub program: Program,
    /// The constants of the code that it was the first to reach: what it is compared with there is
    /// most likely among them.
    pub constants: Vec<u64>,
}

/// How many bytes a field has, at the least, that holds a value.
const fn width(value: u64) -> usize {
    match value {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// The control codes of the same device that a known one may have beside it: other functions, with
/// each method.
pub fn around(code: u32) -> impl Iterator<Item = u32> {
    /// How many functions before and behind it.
    const FUNCTIONS: u32 = 16;
    const STEP: u32 = 4;
    let first = (code & !3).wrapping_sub(FUNCTIONS * STEP);
    (0..=2 * FUNCTIONS * STEP).map(move |offset| first.wrapping_add(offset))
}

/// Makes programs.
#[derive(Clone, Debug)]
pub struct Mutator(Sequence);

impl Mutator {
    /// That of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(Sequence::new(seed))
    }

    /// The next program.
    pub fn next(&mut self, material: &Material<'_>) -> Program {
        let mut program = match self.kept(material) {
            Some(kept) if !self.one_in(8) => {
                let mut program = kept.program.clone();
                // Mostly what this one is compared with, not what all others are.
                let own = Material {
                    constants: &kept.constants,
                    ..*material
                };
                for _ in 0..=self.below(6) {
                    let is_own = !kept.constants.is_empty() && !self.one_in(4);
                    self.change(&mut program, if is_own { &own } else { material });
                }
                program
            }
            _ => Program {
                calls: (0..=self.below(3)).map(|_| self.call(material)).collect(),
            },
        };
        program.calls.truncate(CALLS);
        if program.calls.is_empty() {
            program.calls.push(self.call(material));
        }
        program
    }

    fn below(&mut self, limit: usize) -> usize {
        // The remainder is below the limit.
        self.0.below(limit as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.0.below(count) == 0
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() {
            return None;
        }
        let at = self.below(all.len());
        all.get(at)
    }

    /// One of the corpus: in half of all cases, of those that were the last to reach something.
    fn kept<'a>(&mut self, material: &Material<'a>) -> Option<&'a Kept> {
        const LAST: usize = 4;
        let all = material.corpus;
        let last = &all[all.len().saturating_sub(LAST)..];
        let from = if self.one_in(2) { last } else { all };
        self.one_of(from)
    }

    /// A call from nothing.
    fn call(&mut self, material: &Material<'_>) -> Call {
        let request = match self.below(8) {
            0 => Request::Read {
                offset: self.value(material),
                output: self.output(SELDOM),
            },
            1 => Request::Write {
                offset: self.value(material),
                input: self.input(material, SELDOM),
            },
            _ => {
                let code = self.code(material);
                Request::Control {
                    code,
                    input: self.input(material, hostile(code)),
                    output: self.output(hostile(code)),
                }
            }
        };
        let then = self.then();
        Call { request, then }
    }

    fn then(&mut self) -> Then {
        match self.below(16) {
            0 => Then::Cancel,
            1 | 2 => Then::GoOn,
            _ => Then::Wait,
        }
    }

    /// A control code: one that is known, a constant of the driver's, or one beside these.
    fn code(&mut self, material: &Material<'_>) -> u32 {
        let known = self.one_of(material.codes).copied();
        // A control code has 32 bits; a constant that has more is none.
        let constant = self
            .one_of(material.constants)
            .and_then(|&constant| u32::try_from(constant & 0xffff_ffff).ok());
        let code = match known
            .filter(|_| constant.is_none() || self.one_in(2))
            .or(constant)
        {
            Some(code) => code,
            None => self.0.draw() as u32,
        };
        self.beside(code)
    }

    /// The code itself, in half of all cases; else another function, method or access of the same
    /// device.
    fn beside(&mut self, code: u32) -> u32 {
        /// Where `CTL_CODE` has them.
        const FUNCTION: u32 = 4;
        const ACCESS: u32 = 1 << 14;
        if self.one_in(2) {
            return code;
        }
        let mut code = code;
        if self.one_in(2) {
            let step = FUNCTION * self.0.below(16) as u32;
            code = if self.one_in(2) {
                code.wrapping_add(step)
            } else {
                code.wrapping_sub(step)
            };
        }
        if self.one_in(2) {
            code ^= self.0.below(4) as u32;
        }
        if self.one_in(4) {
            code ^= self.0.below(4) as u32 * ACCESS;
        }
        code
    }

    fn length(&mut self) -> u32 {
        if self.one_in(4) {
            self.0.below(128) as u32
        } else {
            self.one_of(&LENGTHS).copied().unwrap_or_default()
        }
    }

    /// An output buffer: once in so many times one that is none.
    fn output(&mut self, hostile: u64) -> Output {
        if self.one_in(hostile) {
            let address = self.address();
            let length = self.length();
            return Output::At { address, length };
        }
        Output::Length(self.length())
    }

    fn address(&mut self) -> u64 {
        self.one_of(&ADDRESSES).copied().unwrap_or_default()
    }

    /// An input buffer: once in so many times one that is none.
    fn input(&mut self, material: &Material<'_>, hostile: u64) -> Input {
        if self.one_in(hostile) {
            let address = self.address();
            let length = self.length();
            return Input::At { address, length };
        }
        let length = self.length() as usize;
        let mut bytes = vec![0; length];
        match self.below(3) {
            0 => {}
            1 => bytes.fill_with(|| self.0.draw() as u8),
            _ => {
                for word in bytes.chunks_mut(4) {
                    let value = self.value(material).to_le_bytes();
                    let length = word.len();
                    word.copy_from_slice(&value[..length]);
                }
            }
        }
        Input::Data(bytes)
    }

    /// A value at which something may change.
    fn value(&mut self, material: &Material<'_>) -> u64 {
        match self.below(6) {
            0 => self.0.draw(),
            1 => self.0.below(64),
            2 => self.one_of(&VALUES).copied().unwrap_or_default(),
            choice => {
                let constant = self.one_of(material.constants).copied();
                let constant = constant.unwrap_or_default();
                // Where something is compared, both sides of it count.
                match choice {
                    3 => constant.wrapping_add(1).wrapping_sub(2 * self.0.below(2)),
                    _ => constant,
                }
            }
        }
    }

    /// Changes one thing of a program.
    fn change(&mut self, program: &mut Program, material: &Material<'_>) {
        if program.calls.is_empty() {
            program.calls.push(self.call(material));
            return;
        }
        let at = self.below(program.calls.len());
        match self.below(12) {
            0 => {
                let call = self.call(material);
                program.calls.insert(at, call);
            }
            1 => {
                program.calls.remove(at);
            }
            2 => {
                let call = program.calls[at].clone();
                program.calls.insert(at, call);
            }
            3 => {
                let other = self.below(program.calls.len());
                program.calls.swap(at, other);
            }
            4 => {
                // What two programs have reached may be two steps of one.
                let other = self.one_of(material.corpus);
                let calls = other.map_or_else(Vec::new, |other| other.program.calls.clone());
                program.calls.splice(at..at, calls);
            }
            5 => program.calls[at].then = self.then(),
            _ => self.change_call(&mut program.calls[at], material),
        }
    }

    fn change_call(&mut self, call: &mut Call, material: &Material<'_>) {
        match &mut call.request {
            Request::Control {
                code,
                input,
                output,
            } => match self.below(8) {
                0 if self.one_in(2) => *code = self.code(material),
                0 => *code = self.beside(*code),
                1 => *output = self.output(hostile(*code)),
                _ => self.change_input(input, material, hostile(*code)),
            },
            Request::Read { offset, output } => match self.below(2) {
                0 => *offset = self.value(material),
                _ => *output = self.output(SELDOM),
            },
            Request::Write { offset, input } => match self.below(3) {
                0 => *offset = self.value(material),
                _ => self.change_input(input, material, SELDOM),
            },
        }
    }

    fn change_input(&mut self, input: &mut Input, material: &Material<'_>, hostile: u64) {
        let bytes = match input {
            Input::Data(bytes) if !bytes.is_empty() && !self.one_in(16) => bytes,
            _ => {
                *input = self.input(material, hostile);
                return;
            }
        };
        // What a driver looks at first stands at the beginning.
        let at = if self.one_in(4) {
            self.below(bytes.len())
        } else {
            self.below(bytes.len().min(16))
        };
        match self.below(6) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.0.draw() as u8,
            2 => {
                let step = 1 + self.0.below(8) as u8;
                let up = self.one_in(2);
                bytes[at] = if up {
                    bytes[at].wrapping_add(step)
                } else {
                    bytes[at].wrapping_sub(step)
                };
            }
            3 => {
                let length = self.length() as usize;
                bytes.resize(length.min(INPUT), 0);
            }
            _ => {
                // A value that fills a field, mostly where a field may begin.
                let value = self.value(material);
                let width = if self.one_in(4) {
                    1 << self.below(4)
                } else {
                    width(value)
                };
                let at = if self.one_in(4) {
                    at
                } else {
                    at / width * width
                };
                let value = value.to_le_bytes();
                let end = bytes.len().min(at + width);
                bytes[at..end].copy_from_slice(&value[..end - at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATERIAL: Material<'static> = Material {
        codes: &[0x22_2000],
        constants: &[0x1234_5678],
        corpus: &[],
    };

    fn programs(seed: u64, material: &Material<'_>) -> Vec<Program> {
        let mut mutator = Mutator::new(seed);
        (0..2000).map(|_| mutator.next(material)).collect()
    }

    #[test]
    fn a_seed_makes_the_same_programs_again_and_another_seed_others() {
        assert_eq!(programs(1, &MATERIAL), programs(1, &MATERIAL));
        assert_ne!(programs(1, &MATERIAL), programs(2, &MATERIAL));
    }

    #[test]
    fn all_there_is_comes_and_nothing_is_longer_than_its_limit() {
        let corpus: Vec<_> = programs(3, &MATERIAL)
            .into_iter()
            .map(|program| Kept {
                program,
                constants: Vec::new(),
            })
            .collect();
        let material = Material {
            corpus: &corpus,
            ..MATERIAL
        };
        let (mut reads, mut writes, mut known, mut magic, mut hostile) = (0, 0, 0, 0, 0);
        for program in programs(4, &material) {
            assert!((1..=CALLS).contains(&program.calls.len()), "{program}");
            for call in program.calls {
                let input = match call.request {
                    Request::Control { code, input, .. } => {
                        known += u32::from(code == 0x22_2000);
                        input
                    }
                    Request::Read { .. } => {
                        reads += 1;
                        continue;
                    }
                    Request::Write { input, .. } => {
                        writes += 1;
                        input
                    }
                };
                match input {
                    Input::At { .. } => hostile += 1,
                    Input::Data(bytes) => {
                        assert!(bytes.len() <= INPUT);
                        let word = 0x1234_5678_u32.to_le_bytes();
                        magic += u32::from(bytes.chunks(4).any(|part| part == word));
                    }
                }
            }
        }
        let seen = [reads, writes, known, magic, hostile];
        assert!(seen.iter().all(|&count| count > 20), "{seen:?}");
    }
}
