//! Which physical pages are free, and on which node each is.
//!
//! A bitmap with a bit a page serves every kind of request that drivers can make: any page,
//! pages of a range of addresses, contiguous and aligned runs, pages of a node. Requests that
//! do not care get the highest pages, so that those within the reach of small devices last.

use alloc::vec::Vec;

use super::{PAGE_SIZE, PhysicalRange};

/// Which pages will do.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// How many pages, one behind the other.
    pub pages: u64,
    /// No byte below this address.
    pub lowest: u64,
    /// No byte above this address.
    pub highest: u64,
    /// The first page lies at a multiple of so many bytes, a power of two.
    pub alignment: u64,
    /// The run does not cross a multiple of this; zero for no such boundary.
    pub boundary: u64,
    /// The pages belong to this node.
    pub node: Option<u16>,
}

impl Request {
    /// So many pages, of which any will do.
    #[must_use]
    pub const fn any(pages: u64) -> Self {
        Self {
            pages,
            lowest: 0,
            highest: u64::MAX,
            alignment: PAGE_SIZE,
            boundary: 0,
            node: None,
        }
    }
}

/// Memory of a node, as the firmware states it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeRange {
    /// The node's number, counted from zero without gaps.
    pub node: u16,
    /// The memory.
    pub range: PhysicalRange,
}

/// The free pages of a machine.
#[derive(Debug)]
pub struct FreePages<'a> {
    /// A set bit is a free page.
    bitmap: &'a mut [u64],
    pub(super) nodes: Vec<NodeRange>,
    free: u64,
    /// No page from this one on is free: where single pages are looked for first.
    top: u64,
}

impl<'a> FreePages<'a> {
    /// No page is free yet; the bitmap has a bit for each page of the machine.
    pub fn new(bitmap: &'a mut [u64]) -> Self {
        bitmap.fill(0);
        Self {
            bitmap,
            nodes: Vec::new(),
            free: 0,
            top: 0,
        }
    }

    /// States which node memory belongs to. Without it all is node 0's.
    pub fn set_nodes(&mut self, nodes: Vec<NodeRange>) {
        self.nodes = nodes;
    }

    /// How many pages are free.
    #[must_use]
    pub const fn free_pages(&self) -> u64 {
        self.free
    }

    fn is_free(&self, page: u64) -> bool {
        let word = self.bitmap.get((page / 64) as usize).copied().unwrap_or(0);
        word & (1 << (page % 64)) != 0
    }

    fn set(&mut self, page: u64, free: bool) {
        let word = &mut self.bitmap[(page / 64) as usize];
        if free {
            *word |= 1 << (page % 64);
            self.free += 1;
            self.top = self.top.max(page + 1);
        } else {
            *word &= !(1 << (page % 64));
            self.free -= 1;
        }
    }

    /// Gives pages back.
    ///
    /// # Panics
    ///
    /// If one of them is free already: somebody gives back what is not theirs.
    pub fn free(&mut self, address: u64, pages: u64) {
        for page in address / PAGE_SIZE..address / PAGE_SIZE + pages {
            assert!(
                !self.is_free(page),
                "page {:#x} is freed twice",
                page * PAGE_SIZE
            );
            self.set(page, true);
        }
    }

    /// Takes pages that were free out of use for good, those that exist.
    pub fn reserve(&mut self, range: PhysicalRange) {
        for page in range.start / PAGE_SIZE..range.end().div_ceil(PAGE_SIZE) {
            if self.is_free(page) {
                self.set(page, false);
            }
        }
    }

    /// The node of a physical address.
    #[must_use]
    pub fn node_of(&self, address: u64) -> u16 {
        self.nodes
            .iter()
            .find(|node| (node.range.start..node.range.end()).contains(&address))
            .map_or(0, |node| node.node)
    }

    /// Takes pages; gives the address of the first.
    pub fn allocate(&mut self, request: &Request) -> Option<u64> {
        let Some(node) = request.node.filter(|_| !self.nodes.is_empty()) else {
            // Without nodes all memory is that of node 0.
            return match request.node {
                None | Some(0) => self.allocate_between(request, request.lowest, request.highest),
                Some(_) => None,
            };
        };
        let ranges: Vec<_> = self
            .nodes
            .iter()
            .filter(|range| range.node == node)
            .copied()
            .collect();
        ranges.iter().rev().find_map(|NodeRange { range, .. }| {
            let lowest = request.lowest.max(range.start);
            let highest = request.highest.min(range.end() - 1);
            self.allocate_between(request, lowest, highest)
        })
    }

    fn allocate_between(&mut self, request: &Request, lowest: u64, highest: u64) -> Option<u64> {
        let count = self.bitmap.len() as u64 * 64;
        let first = lowest.div_ceil(PAGE_SIZE);
        // The page behind the last that lies whole below the highest address.
        let end = (highest.saturating_add(1) / PAGE_SIZE).min(count);
        let end = end.min(self.top);
        let step = (request.alignment / PAGE_SIZE).max(1);
        // Whoever looks at each page from the top down finds that all above it are in use.
        let whole = end == self.top && request.pages == 1 && step == 1;
        let mut page = end.checked_sub(request.pages)? / step * step;
        while page >= first {
            match (page..page + request.pages)
                .rev()
                .find(|&page| !self.is_free(page))
            {
                None if !request.crosses_boundary(page) => {
                    for page in page..page + request.pages {
                        self.set(page, false);
                    }
                    if whole {
                        self.top = page;
                    }
                    return Some(page * PAGE_SIZE);
                }
                None => page = page.checked_sub(step)?,
                // The next candidate ends below the page that is in use, and below the word
                // of the bitmap that it is in if that has no free page at all.
                Some(used) => {
                    let end = if self.bitmap[(used / 64) as usize] == 0 {
                        used / 64 * 64
                    } else {
                        used
                    };
                    page = end.checked_sub(request.pages)? / step * step;
                }
            }
        }
        None
    }
}

impl Request {
    const fn crosses_boundary(&self, page: u64) -> bool {
        self.boundary != 0
            && (page * PAGE_SIZE) / self.boundary
                != ((page + self.pages) * PAGE_SIZE - 1) / self.boundary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pages(bitmap: &mut [u64]) -> FreePages<'_> {
        let bytes = bitmap.len() as u64 * 64 * PAGE_SIZE;
        let mut pages = FreePages::new(bitmap);
        pages.free(MIB, (bytes - MIB) / PAGE_SIZE);
        pages
    }

    #[test]
    fn a_request_that_does_not_care_gets_the_highest_page() {
        let mut bitmap = [0; 16]; // 4 MiB
        let mut pages = pages(&mut bitmap);
        assert_eq!(pages.allocate(&Request::any(1)), Some(4 * MIB - PAGE_SIZE));
        assert_eq!(
            pages.allocate(&Request::any(2)),
            Some(4 * MIB - 3 * PAGE_SIZE)
        );
    }

    #[test]
    fn a_page_that_is_given_back_above_all_others_is_the_next() {
        let mut bitmap = [0; 16];
        let mut pages = pages(&mut bitmap);
        let top = pages.allocate(&Request::any(1)).unwrap();
        while pages.allocate(&Request::any(1)).is_some() {}
        assert_eq!(
            (pages.free_pages(), pages.allocate(&Request::any(2))),
            (0, None)
        );
        pages.free(2 * MIB, 1);
        pages.free(top, 1);
        assert_eq!(pages.allocate(&Request::any(1)), Some(top));
        assert_eq!(pages.allocate(&Request::any(1)), Some(2 * MIB));
        assert_eq!(pages.allocate(&Request::any(1)), None);
    }

    #[test]
    fn no_byte_of_a_run_lies_outside_the_range_asked_for() {
        let mut bitmap = [0; 16];
        let mut pages = pages(&mut bitmap);
        let request = Request {
            highest: 2 * MIB,
            lowest: MIB + 1,
            ..Request::any(1)
        };
        let address = pages.allocate(&request).unwrap();
        assert_eq!(address, 2 * MIB - PAGE_SIZE);
        let request = Request {
            lowest: 3 * MIB + 1,
            highest: 3 * MIB + 8191,
            ..Request::any(1)
        };
        assert_eq!(pages.allocate(&request), Some(3 * MIB + PAGE_SIZE));
        assert_eq!(
            pages.allocate(&request),
            None,
            "the only whole page is taken"
        );
        assert_eq!(
            pages.allocate(&Request {
                highest: MIB - 1,
                ..Request::any(1)
            }),
            None
        );
    }

    #[test]
    fn a_run_is_aligned_and_crosses_no_boundary() {
        let mut bitmap = [0; 16];
        let mut pages = pages(&mut bitmap);
        let request = Request {
            alignment: 0x10000,
            boundary: 0x10000,
            ..Request::any(3)
        };
        for _ in 0..8 {
            let address = pages.allocate(&request).unwrap();
            assert_eq!(address % 0x10000, 0);
        }
        let tight = Request {
            boundary: 2 * PAGE_SIZE,
            ..Request::any(3)
        };
        assert_eq!(
            pages.allocate(&tight),
            None,
            "three pages cannot avoid every second boundary"
        );
    }

    #[test]
    fn a_request_for_a_node_gets_pages_of_that_node_or_none() {
        let mut bitmap = [0; 16];
        let mut pages = pages(&mut bitmap);
        pages.set_nodes(alloc::vec![
            NodeRange {
                node: 0,
                range: PhysicalRange {
                    start: 0,
                    length: 2 * MIB
                }
            },
            NodeRange {
                node: 1,
                range: PhysicalRange {
                    start: 2 * MIB,
                    length: 2 * MIB
                }
            },
        ]);
        let on_node_0 = Request {
            node: Some(0),
            ..Request::any(1)
        };
        let address = pages.allocate(&on_node_0).unwrap();
        assert_eq!(pages.node_of(address), 0);
        let mut taken = 1;
        while pages.allocate(&on_node_0).is_some() {
            taken += 1;
        }
        assert_eq!(taken, MIB / PAGE_SIZE);
        let address = pages
            .allocate(&Request {
                node: Some(1),
                ..Request::any(1)
            })
            .unwrap();
        assert_eq!(pages.node_of(address), 1);
        assert_eq!(
            pages.allocate(&Request {
                node: Some(2),
                ..Request::any(1)
            }),
            None
        );
    }

    #[test]
    #[should_panic(expected = "freed twice")]
    fn a_page_freed_twice_is_noticed() {
        let mut bitmap = [0; 16];
        let mut pages = pages(&mut bitmap);
        let address = pages.allocate(&Request::any(1)).unwrap();
        pages.free(address, 1);
        pages.free(address, 1);
    }
}
