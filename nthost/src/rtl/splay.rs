//! Splay trees: a node that was used becomes the topmost. The tree is the driver's, and so is what
//! the nodes are in.
//!
//! Sources: RtlSplay, RtlDelete, RtlDeleteNoSplay, RtlRealSuccessor, RtlRealPredecessor,
//! RtlSubtreeSuccessor, RtlSubtreePredecessor.

use core::ptr::null_mut;

use nthost_nt::rtl::RTL_SPLAY_LINKS;

/// A node, or null.
pub type Link = *mut RTL_SPLAY_LINKS;

/// A side of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is less.
    Left,
    /// What is greater.
    Right,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }
}

/// A node's links.
fn links(link: Link) -> RTL_SPLAY_LINKS {
    // SAFETY: a node of the driver's tree.
    unsafe { link.read() }
}

/// The node below.
#[must_use]
pub fn child(link: Link, side: Side) -> Link {
    match side {
        Side::Left => links(link).LeftChild,
        Side::Right => links(link).RightChild,
    }
}

fn set_parent(link: Link, parent: Link) {
    // SAFETY: a node of the driver's tree.
    unsafe { (*link).Parent = parent };
}

/// Puts a node, or none, below another.
fn set_child(parent: Link, side: Side, below: Link) {
    match side {
        // SAFETY: a node of the driver's tree.
        Side::Left => unsafe { (*parent).LeftChild = below },
        // SAFETY: as above.
        Side::Right => unsafe { (*parent).RightChild = below },
    }
    if !below.is_null() {
        set_parent(below, parent);
    }
}

/// The node above, and the side of it; none of the topmost.
fn above(link: Link) -> Option<(Link, Side)> {
    let parent = links(link).Parent;
    if parent == link {
        return None;
    }
    let left = child(parent, Side::Left) == link;
    Some((parent, if left { Side::Left } else { Side::Right }))
}

/// Puts a node, or none, in another's place.
fn replace(link: Link, by: Link) {
    match above(link) {
        Some((parent, side)) => set_child(parent, side, by),
        None if by.is_null() => (),
        None => set_parent(by, by),
    }
}

/// Puts a node in its parent's place, which goes below it.
fn rotate(link: Link, parent: Link, side: Side) {
    let between = child(link, side.other());
    replace(parent, link);
    set_child(parent, side, between);
    set_child(link, side.other(), parent);
}

/// Makes a node the topmost.
pub fn splay(link: Link) -> Link {
    while let Some((parent, side)) = above(link) {
        match above(parent) {
            None => rotate(link, parent, side),
            Some((grandparent, same)) if same == side => {
                rotate(parent, grandparent, same);
                rotate(link, parent, side);
            }
            Some((grandparent, other)) => {
                rotate(link, parent, side);
                rotate(link, grandparent, other);
            }
        }
    }
    link
}

/// The farthest node on a side; null below none.
#[must_use]
pub fn end(mut link: Link, side: Side) -> Link {
    while !link.is_null() {
        let next = child(link, side);
        if next.is_null() {
            break;
        }
        link = next;
    }
    link
}

/// The next node on a side among those below.
fn neighbour_below(link: Link, side: Side) -> Link {
    end(child(link, side), side.other())
}

/// The next node on a side; null for none.
#[must_use]
pub fn neighbour(mut link: Link, side: Side) -> Link {
    let below = neighbour_below(link, side);
    if !below.is_null() {
        return below;
    }
    while let Some((parent, from)) = above(link) {
        if from != side {
            return parent;
        }
        link = parent;
    }
    null_mut()
}

/// Takes a node out: gives the node that lost it from below, null if it was the topmost, and the
/// node that came in its place.
fn unlink(link: Link) -> (Link, Link) {
    let (left, right) = (child(link, Side::Left), child(link, Side::Right));
    if !left.is_null() && !right.is_null() {
        // The one before has no right child: it takes the node's place.
        let before = neighbour_below(link, Side::Left);
        let (lower, by) = unlink(before);
        set_child(before, Side::Left, child(link, Side::Left));
        set_child(before, Side::Right, right);
        replace(link, before);
        return (if lower == link { before } else { lower }, by);
    }
    let by = if left.is_null() { right } else { left };
    let parent = above(link).map_or_else(null_mut, |(parent, _)| parent);
    replace(link, by);
    (parent, by)
}

/// Puts a node without children below another, or, if that is null, makes it a tree.
pub fn insert(parent: Link, side: Side, new: Link) {
    let value = RTL_SPLAY_LINKS {
        Parent: new,
        LeftChild: null_mut(),
        RightChild: null_mut(),
    };
    // SAFETY: memory for a node.
    unsafe { new.write(value) };
    if !parent.is_null() {
        set_child(parent, side, new);
    }
}

/// Takes a node out of its tree; gives the topmost one now, null for none.
pub fn remove(link: Link) -> Link {
    let (parent, by) = unlink(link);
    if parent.is_null() { by } else { splay(parent) }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a node the topmost of its tree, and gives it.
    ///
    /// Source: RtlSplay.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody else uses meanwhile.
    pub unsafe fn RtlSplay(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        splay(link)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a node out of its tree; gives the topmost one, null for none.
    ///
    /// Source: RtlDelete.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody else uses meanwhile.
    pub unsafe fn RtlDelete(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        remove(link)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a node out of its tree, whose other nodes stay where they are as far as they can.
    ///
    /// Source: RtlDeleteNoSplay.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody else uses meanwhile; the topmost one can be written.
    pub unsafe fn RtlDeleteNoSplay(
        link: *mut RTL_SPLAY_LINKS,
        root: *mut *mut RTL_SPLAY_LINKS,
    ) {
        let (parent, mut top) = unlink(link);
        if !parent.is_null() {
            top = parent;
            while let Some((parent, _)) = above(top) {
                top = parent;
            }
        }
        // SAFETY: the caller's promise.
        unsafe { root.write(top) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The next node in the tree; null for none.
    ///
    /// Source: RtlRealSuccessor.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody changes meanwhile.
    pub unsafe fn RtlRealSuccessor(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        neighbour(link, Side::Right)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The node before in the tree; null for none.
    ///
    /// Source: RtlRealPredecessor.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody changes meanwhile.
    pub unsafe fn RtlRealPredecessor(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        neighbour(link, Side::Left)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The next node among those below; null for none.
    ///
    /// Source: RtlSubtreeSuccessor.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody changes meanwhile.
    pub unsafe fn RtlSubtreeSuccessor(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        neighbour_below(link, Side::Right)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The node before among those below; null for none.
    ///
    /// Source: RtlSubtreePredecessor.
    ///
    /// # Safety
    ///
    /// It is a node of a tree that nobody changes meanwhile.
    pub unsafe fn RtlSubtreePredecessor(link: *mut RTL_SPLAY_LINKS) -> *mut RTL_SPLAY_LINKS {
        neighbour_below(link, Side::Left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes in a chain: each is the right child of the one before.
    fn chain(nodes: &mut [RTL_SPLAY_LINKS]) -> Vec<Link> {
        let all: Vec<Link> = nodes.iter_mut().map(core::ptr::from_mut).collect();
        for (index, &node) in all.iter().enumerate() {
            let parent = if index == 0 {
                null_mut()
            } else {
                all[index - 1]
            };
            insert(parent, Side::Right, node);
        }
        all
    }

    const EMPTY: RTL_SPLAY_LINKS = RTL_SPLAY_LINKS {
        Parent: null_mut(),
        LeftChild: null_mut(),
        RightChild: null_mut(),
    };

    fn in_order(root: Link) -> Vec<Link> {
        let first = end(root, Side::Left);
        core::iter::successors(Some(first), |&node| {
            // SAFETY: the test's own.
            let next = unsafe { RtlRealSuccessor(node) };
            (!next.is_null()).then_some(next)
        })
        .collect()
    }

    #[test]
    fn a_node_becomes_the_topmost_and_the_order_stays() {
        let mut nodes = [EMPTY; 20];
        let all = chain(&mut nodes);
        for index in [19, 0, 7, 8, 3, 12, 12] {
            // SAFETY: the test's own.
            let root = unsafe { RtlSplay(all[index]) };
            assert_eq!(root, all[index]);
            assert_eq!(links(root).Parent, root, "{index}");
            assert_eq!(in_order(root), all, "{index}");
        }
        for (index, &node) in all.iter().enumerate().skip(1) {
            // SAFETY: the test's own.
            assert_eq!(unsafe { RtlRealPredecessor(node) }, all[index - 1]);
        }
    }

    #[test]
    fn a_chain_that_is_splayed_at_its_end_is_half_as_deep() {
        let mut nodes = [EMPTY; 64];
        let all = chain(&mut nodes);
        splay(all[63]);
        let depth = core::iter::successors(Some(all[1]), |&node| above(node).map(|(up, _)| up));
        assert!(depth.count() <= 34);
    }

    #[test]
    fn nodes_are_deleted_with_and_without_splaying() {
        for splays in [true, false] {
            let mut nodes = [EMPTY; 16];
            let mut all = chain(&mut nodes);
            let mut root = splay(all[9]);
            // The topmost with two children, a leaf, the first, and all others.
            for index in [9, 14, 0, 6, 6, 2, 9, 8, 0, 0, 1, 2, 2, 2, 1, 0] {
                let node = all.remove(index);
                if splays {
                    // SAFETY: the test's own.
                    root = unsafe { RtlDelete(node) };
                } else {
                    // SAFETY: the test's own.
                    unsafe { RtlDeleteNoSplay(node, &raw mut root) };
                }
                if all.is_empty() {
                    assert!(root.is_null());
                } else {
                    assert_eq!(links(root).Parent, root);
                    assert_eq!(in_order(root), all);
                }
            }
        }
    }

    #[test]
    fn a_subtree_is_no_more_than_what_is_below() {
        let mut nodes = [EMPTY; 3];
        let all = chain(&mut nodes);
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlSubtreeSuccessor(all[0]) }, all[1]);
        // SAFETY: the test's own.
        assert!(unsafe { RtlSubtreePredecessor(all[2]) }.is_null());
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlRealPredecessor(all[2]) }, all[1]);
    }
}
