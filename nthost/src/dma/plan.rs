//! How a buffer's pages are presented to a device: which pieces it gets directly, and which
//! through map registers. Pure arithmetic.

use alloc::vec::Vec;

/// Bytes of a page and of a map register.
const PAGE: u64 = 4096;

/// A part of a buffer within one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Its physical address.
    pub address: u64,
    /// Its bytes.
    pub length: u32,
}

impl Fragment {
    /// Whether a device that addresses no byte above `highest` reaches all of it.
    #[must_use]
    pub const fn is_reached(self, highest: u64) -> bool {
        self.address + (self.length as u64 - 1) <= highest
    }
}

/// The parts of a range of a buffer by pages: `pages` are the physical addresses of the
/// buffer's pages, `offset` is where the range begins in the first.
#[must_use]
pub fn fragments(pages: &[u64], offset: u64, length: u64) -> Vec<Fragment> {
    let mut found = Vec::new();
    let (mut at, end) = (offset, offset + length);
    while at < end {
        let Some(page) = pages.get((at / PAGE) as usize) else {
            break;
        };
        let piece = (PAGE - at % PAGE).min(end - at);
        found.push(Fragment {
            address: page + at % PAGE,
            length: piece as u32,
        });
        at += piece;
    }
    found
}

/// What a device is told of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Its own address.
    Direct,
    /// That of a map register.
    Bounced,
}

/// Which fragments go through map registers: those that the device does not reach, or all.
/// A device without scatter/gather gets all of them through registers that lie one behind the
/// other, unless they do so themselves and it reaches them.
#[must_use]
pub fn ways(fragments: &[Fragment], highest: u64, always: bool, scatter_gather: bool) -> Vec<Way> {
    let contiguous = fragments
        .windows(2)
        .all(|pair| pair[0].address + u64::from(pair[0].length) == pair[1].address);
    let together = !scatter_gather && !contiguous;
    let reached = |fragment: &Fragment| fragment.is_reached(highest);
    let all = always || together || !scatter_gather && !fragments.iter().all(reached);
    fragments
        .iter()
        .map(|fragment| {
            if all || !reached(fragment) {
                Way::Bounced
            } else {
                Way::Direct
            }
        })
        .collect()
}

/// The elements of a scatter/gather list: what lies one behind the other is one.
#[must_use]
pub fn elements(pieces: impl IntoIterator<Item = Fragment>) -> Vec<Fragment> {
    let mut merged: Vec<Fragment> = Vec::new();
    for piece in pieces {
        match merged.last_mut() {
            Some(last) if last.address + u64::from(last.length) == piece.address => {
                last.length += piece.length;
            }
            _ => merged.push(piece),
        }
    }
    merged
}

/// How many pages a range of a buffer spans.
#[must_use]
pub const fn span(offset: u64, length: u64) -> u64 {
    (offset % PAGE + length).div_ceil(PAGE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn fragment(address: u64, length: u32) -> Fragment {
        Fragment { address, length }
    }

    #[test]
    fn a_range_is_cut_at_pages() {
        let pages = [0x1000, 0x9000, 0xa000];
        assert_eq!(
            fragments(&pages, 0xff0, 0x1020),
            [
                fragment(0x1ff0, 0x10),
                fragment(0x9000, 0x1000),
                fragment(0xa000, 0x10)
            ]
        );
        assert_eq!(fragments(&pages, 0x2fff, 1), [fragment(0xafff, 1)]);
    }

    #[test]
    fn what_lies_together_is_one_element() {
        let pieces = [
            fragment(0x1ff0, 0x10),
            fragment(0x9000, 0x1000),
            fragment(0xa000, 0x10),
        ];
        assert_eq!(
            elements(pieces),
            [fragment(0x1ff0, 0x10), fragment(0x9000, 0x1010)]
        );
    }

    #[test]
    fn only_what_is_out_of_reach_is_bounced() {
        let pieces = [fragment(0xfff_f000, 0x1000), fragment(0x1000_0000, 0x10)];
        assert_eq!(
            ways(&pieces, 0xfff_ffff, false, true),
            [Way::Direct, Way::Bounced]
        );
        assert_eq!(ways(&pieces, u64::MAX, true, true), [Way::Bounced; 2]);
    }

    #[test]
    fn without_scatter_gather_pieces_are_kept_together() {
        let apart = [fragment(0x1000, 0x1000), fragment(0x3000, 0x10)];
        assert_eq!(ways(&apart, u64::MAX, false, false), [Way::Bounced; 2]);
        let together = [fragment(0x1000, 0x1000), fragment(0x2000, 0x10)];
        assert_eq!(ways(&together, u64::MAX, false, false), [Way::Direct; 2]);
        assert_eq!(ways(&together, 0x1fff, false, false), [Way::Bounced; 2]);
    }

    proptest! {
        #[test]
        fn fragments_and_elements_keep_every_byte(
            pages in proptest::collection::vec(0_u64..1 << 20, 1..9),
            offset in 0_u64..4096,
            length in 1_u64..32768,
        ) {
            let pages: Vec<_> = pages.iter().map(|page| page * PAGE).collect();
            let length = length.min(pages.len() as u64 * PAGE - offset);
            let found = fragments(&pages, offset, length);
            let bytes = |list: &[Fragment]| -> Vec<u64> {
                list.iter()
                    .flat_map(|f| f.address..f.address + u64::from(f.length))
                    .collect()
            };
            prop_assert_eq!(found.len() as u64, span(offset, length));
            prop_assert!(found.iter().all(|f| f.address / PAGE
                == (f.address + u64::from(f.length) - 1) / PAGE));
            let merged = elements(found.iter().copied());
            prop_assert_eq!(bytes(&found), bytes(&merged));
            prop_assert_eq!(bytes(&found).len() as u64, length);
        }
    }
}
