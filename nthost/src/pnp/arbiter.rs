//! Who gets which of a bus's memory, ports and lines: a device that a bus driver has reported is given
//! a part of what the bus itself has, apart from what its siblings have.
//!
//! Simplified: a need takes the first place that it can have, and is not moved for another's sake.
//!
//! Sources: "Hardware Resources for Kernel-Mode Drivers", ns-wdm-_io_resource_descriptor.

use alloc::vec::Vec;

use nthost_nt::io::resource::CmResourceShareShared;

use super::requirements::{Choice, Need, Requirements, Span, What};

/// A resource that a device was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Given {
    /// `CmResourceShare…`.
    pub share: u8,
    /// By type.
    pub flags: u16,
    /// The resource.
    pub what: Part,
}

/// A part of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Memory: where, and how many bytes.
    Memory(u64, u64),
    /// Ports: likewise.
    Ports(u64, u64),
    /// A line.
    Line(u32),
    /// What is no part of anything: its type, and what it says.
    Private(u8, [u32; 3]),
}

/// What there is to give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supply {
    /// Memory: the first address and that behind the last.
    pub memory: Vec<(u64, u64)>,
    /// Ports: likewise.
    pub ports: Vec<(u64, u64)>,
    /// Lines, and whether others have them, too.
    pub lines: Vec<(u32, bool)>,
    /// What others have been given of it.
    pub taken: Vec<Given>,
}

/// The lowest place in a window for a range, apart from all that is used.
fn place(span: &Span, window: (u64, u64), used: &[(u64, u64)]) -> Option<u64> {
    let lowest = window.0.max(span.minimum);
    let end = window.1.min(span.maximum.saturating_add(1));
    let mut place = lowest.checked_next_multiple_of(span.alignment)?;
    loop {
        let behind = place.checked_add(span.length).filter(|&it| it <= end)?;
        let hit = used
            .iter()
            .find(|&&(start, length)| start < behind && place < start + length);
        let Some(&(start, length)) = hit else {
            return Some(place);
        };
        place = (start + length).checked_next_multiple_of(span.alignment)?;
    }
}

impl Supply {
    /// Ranges of one kind that cannot be had: by `own`, those of a part.
    fn used(&self, shared: bool, own: impl Fn(&Part) -> Option<(u64, u64)>) -> Vec<(u64, u64)> {
        let taken = self.taken.iter();
        taken
            .filter(|given| !(shared && given.share == CmResourceShareShared))
            .filter_map(|given| own(&given.what))
            .collect()
    }

    fn part(&self, choice: &Choice) -> Option<Part> {
        let shared = choice.share == CmResourceShareShared;
        match choice.what {
            What::Memory(span) => {
                let used = self.used(shared, |part| match *part {
                    Part::Memory(start, length) => Some((start, length)),
                    _ => None,
                });
                let mut windows = self.memory.iter();
                let start = windows.find_map(|&window| place(&span, window, &used))?;
                Some(Part::Memory(start, span.length))
            }
            What::Ports(span) => {
                let used = self.used(shared, |part| match *part {
                    Part::Ports(start, length) => Some((start, length)),
                    _ => None,
                });
                let mut windows = self.ports.iter();
                let start = windows.find_map(|&window| place(&span, window, &used))?;
                Some(Part::Ports(start, span.length))
            }
            What::Line(first, last) => {
                let mut lines = self.lines.iter();
                let &(line, _) = lines.find(|&&(line, others)| {
                    (first..=last).contains(&line) && (shared || !others) && {
                        let of_line = |given: &&Given| given.what == Part::Line(line);
                        let mut owners = self.taken.iter().filter(of_line);
                        owners.all(|given| shared && given.share == CmResourceShareShared)
                    }
                })?;
                Some(Part::Line(line))
            }
            What::Private(kind, words) => Some(Part::Private(kind, words)),
            What::Unknown(_) => None,
        }
    }

    fn give(&mut self, need: &Need) -> Option<Given> {
        let given = need.0.iter().find_map(|choice| {
            let what = self.part(choice)?;
            Some(Given {
                share: choice.share,
                flags: choice.flags,
                what,
            })
        })?;
        self.taken.push(given);
        Some(given)
    }
}

/// Gives a device what it needs, in the first way in which that can be; none if it cannot be.
#[must_use]
pub fn satisfy(requirements: &Requirements, supply: &Supply) -> Option<Vec<Given>> {
    requirements.ways.iter().find_map(|needs| {
        let mut left = supply.clone();
        needs.iter().map(|need| left.give(need)).collect()
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use nthost_nt::io::resource::CmResourceShareDeviceExclusive;

    use super::*;

    const fn choice(share: u8, what: What) -> Choice {
        Choice {
            share,
            flags: 0,
            what,
        }
    }

    const fn memory(length: u64, alignment: u64, minimum: u64, maximum: u64) -> What {
        What::Memory(Span {
            length,
            alignment,
            minimum,
            maximum,
        })
    }

    fn supply() -> Supply {
        Supply {
            memory: vec![(0xfe00_0000, 0xfe00_3000)],
            ports: vec![(0xc000, 0xc010)],
            lines: vec![(21, true), (22, false)],
            taken: Vec::new(),
        }
    }

    fn given(ways: Vec<Vec<What>>, share: u8, supply: &Supply) -> Option<Vec<Part>> {
        let ways = ways.into_iter().map(|needs| {
            let needs = needs.into_iter();
            needs.map(|what| Need(vec![choice(share, what)])).collect()
        });
        let requirements = Requirements {
            bus: (0, 0),
            ways: ways.collect(),
        };
        let given = satisfy(&requirements, supply)?;
        Some(given.into_iter().map(|given| given.what).collect())
    }

    const ONLY: u8 = CmResourceShareDeviceExclusive;
    const SHARED: u8 = CmResourceShareShared;

    #[test]
    fn ranges_lie_in_the_windows_aligned_and_apart() {
        let page = || memory(0x1000, 0x1000, 0, u64::MAX);
        let places = given(vec![vec![page(), page(), page()]], ONLY, &supply()).unwrap();
        let starts = [0xfe00_0000, 0xfe00_1000, 0xfe00_2000];
        assert_eq!(places, starts.map(|start| Part::Memory(start, 0x1000)));
        assert_eq!(given(vec![vec![page(); 4]], ONLY, &supply()), None);
        let high = memory(0x800, 0x800, 0xfe00_1001, 0xfe00_1fff);
        let found = given(vec![vec![high]], ONLY, &supply()).unwrap();
        assert_eq!(found, [Part::Memory(0xfe00_1800, 0x800)]);
        let elsewhere = memory(0x1000, 0x1000, 0xff00_0000, u64::MAX);
        assert_eq!(given(vec![vec![elsewhere]], ONLY, &supply()), None);
    }

    #[test]
    fn a_shared_line_may_be_had_by_several_and_another_by_one() {
        let line = |share, taken: &[u8]| {
            let mut supply = supply();
            supply.taken = taken
                .iter()
                .map(|&share| Given {
                    share,
                    flags: 0,
                    what: Part::Line(22),
                })
                .collect();
            given(vec![vec![What::Line(0, u32::MAX)]], share, &supply)
        };
        assert_eq!(line(SHARED, &[]), Some(vec![Part::Line(21)]));
        assert_eq!(line(ONLY, &[]), Some(vec![Part::Line(22)]));
        assert_eq!(line(ONLY, &[SHARED]), None);
        let only_22 = |taken: u8| {
            let mut supply = supply();
            supply.taken = vec![Given {
                share: taken,
                flags: 0,
                what: Part::Line(22),
            }];
            given(vec![vec![What::Line(22, 22)]], SHARED, &supply)
        };
        assert_eq!(only_22(SHARED), Some(vec![Part::Line(22)]));
        assert_eq!(only_22(ONLY), None);
    }

    #[test]
    fn another_way_is_taken_when_the_first_cannot_be_and_other_choices_likewise() {
        let ways = vec![
            vec![What::Private(129, [1; 3]), What::Unknown(4)],
            vec![What::Private(129, [2; 3])],
        ];
        let found = given(ways, ONLY, &supply()).unwrap();
        assert_eq!(found, [Part::Private(129, [2; 3])]);
        let need = Need(vec![
            choice(ONLY, What::Unknown(6)),
            choice(ONLY, What::Line(22, 22)),
        ]);
        let requirements = Requirements {
            bus: (0, 0),
            ways: vec![vec![need]],
        };
        let found = satisfy(&requirements, &supply()).unwrap();
        assert_eq!(found[0].what, Part::Line(22));
    }
}
