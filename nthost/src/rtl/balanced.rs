//! Binary trees that stay in balance: of no element is one side higher than the other by more
//! than one. The elements are a driver's memory, and know what is above them.
//!
//! Source: "Adelson-Velsky/Landis (AVL) trees", by which RtlInitializeGenericTableAvl keeps its
//! tables. The exported routines are in [`super::table`].

use core::ptr::null_mut;

use nthost_nt::rtl::RTL_BALANCED_LINKS;

/// The links of an element, or of the tree itself, whose right child is the topmost element.
pub type Link = *mut RTL_BALANCED_LINKS;

/// A side of an element.
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

    /// What a greater height of this side adds to the balance.
    const fn weight(self) -> i8 {
        match self {
            Self::Left => -1,
            Self::Right => 1,
        }
    }
}

/// What is above.
pub fn parent(of: Link) -> Link {
    // SAFETY: an element of a tree, as the tree's owner promises.
    unsafe { (*of).Parent }
}

/// What is below on a side.
pub fn child(of: Link, side: Side) -> Link {
    match side {
        // SAFETY: an element of a tree, as the tree's owner promises.
        Side::Left => unsafe { (*of).LeftChild },
        // SAFETY: as above.
        Side::Right => unsafe { (*of).RightChild },
    }
}

fn balance(of: Link) -> i8 {
    // SAFETY: an element of a tree, as the tree's owner promises.
    unsafe { (*of).Balance }
}

fn set_balance(of: Link, balance: i8) {
    // SAFETY: an element of a tree, as the tree's owner promises.
    unsafe { (*of).Balance = balance };
}

/// Puts an element, or nothing, below another.
fn attach(above: Link, side: Side, below: Link) {
    match side {
        // SAFETY: an element of a tree, as the tree's owner promises.
        Side::Left => unsafe { (*above).LeftChild = below },
        // SAFETY: as above.
        Side::Right => unsafe { (*above).RightChild = below },
    }
    if !below.is_null() {
        // SAFETY: as above.
        unsafe { (*below).Parent = above };
    }
}

/// On which side of what is above it an element is.
fn side_of(of: Link) -> Side {
    if child(parent(of), Side::Left) == of {
        Side::Left
    } else {
        Side::Right
    }
}

/// The last element on a side of all that are below, or the element itself.
fn outermost(mut of: Link, side: Side) -> Link {
    loop {
        let next = child(of, side);
        if next.is_null() {
            return of;
        }
        of = next;
    }
}

/// The first element in order on a side of the tree; null if there is none.
pub fn end(root: Link, side: Side) -> Link {
    let top = child(root, Side::Right);
    if top.is_null() {
        top
    } else {
        outermost(top, side)
    }
}

/// The next element in order on a side; null if there is none.
pub fn neighbour(root: Link, of: Link, side: Side) -> Link {
    let below = child(of, side);
    if !below.is_null() {
        return outermost(below, side.other());
    }
    let mut at = of;
    while parent(at) != root {
        let came_from = side_of(at);
        at = parent(at);
        if came_from == side.other() {
            return at;
        }
    }
    null_mut()
}

/// Lets the element below on a side take an element's place, and the element go below it.
fn rotate(down: Link, side: Side) -> Link {
    let up = child(down, side);
    attach(parent(down), side_of(down), up);
    attach(down, side, child(up, side.other()));
    attach(up, side.other(), down);
    up
}

/// Brings an element, one of whose sides is higher by two, into balance; gives what is in its
/// place then, and whether that is lower than it was.
fn rebalance(of: Link) -> (Link, bool) {
    let side = if balance(of) > 0 {
        Side::Right
    } else {
        Side::Left
    };
    let below = child(of, side);
    if balance(below) == side.other().weight() {
        // The inner one goes up by two.
        rotate(below, side.other());
        let top = rotate(of, side);
        let lean = balance(top);
        let shifted = |element, towards: Side| {
            let other = if lean == towards.weight() {
                towards.other().weight()
            } else {
                0
            };
            set_balance(element, other);
        };
        shifted(of, side);
        shifted(below, side.other());
        set_balance(top, 0);
        return (top, true);
    }
    let level = balance(below) == 0;
    let top = rotate(of, side);
    set_balance(of, if level { side.weight() } else { 0 });
    set_balance(top, if level { side.other().weight() } else { 0 });
    (top, !level)
}

/// Puts a new element below another, or below the tree itself, where nothing is.
pub fn insert(root: Link, above: Link, side: Side, element: Link) {
    let links = RTL_BALANCED_LINKS {
        Parent: above,
        LeftChild: null_mut(),
        RightChild: null_mut(),
        Balance: 0,
        Reserved: [0; 3],
    };
    // SAFETY: memory for an element, as its owner promises.
    unsafe { element.write(links) };
    attach(above, side, element);
    let mut at = element;
    while parent(at) != root {
        let grown = side_of(at);
        at = parent(at);
        set_balance(at, balance(at) + grown.weight());
        match balance(at) {
            0 => return,
            -1 | 1 => {}
            _ => {
                rebalance(at);
                return;
            }
        }
    }
}

/// Takes out an element below which there is at most one.
fn remove_outer(root: Link, element: Link) {
    let left = child(element, Side::Left);
    let below = if left.is_null() {
        child(element, Side::Right)
    } else {
        left
    };
    let (mut above, mut side) = (parent(element), side_of(element));
    attach(above, side, below);
    while above != root {
        set_balance(above, balance(above) - side.weight());
        let top = match balance(above) {
            -1 | 1 => return,
            0 => above,
            _ => match rebalance(above) {
                (_, false) => return,
                (top, true) => top,
            },
        };
        (above, side) = (parent(top), side_of(top));
    }
}

/// Takes an element out.
pub fn remove(root: Link, element: Link) {
    if child(element, Side::Left).is_null() || child(element, Side::Right).is_null() {
        remove_outer(root, element);
        return;
    }
    // The next in order has nothing on its left: it goes first, and then takes the place.
    let next = outermost(child(element, Side::Right), Side::Left);
    remove_outer(root, next);
    attach(parent(element), side_of(element), next);
    attach(next, Side::Left, child(element, Side::Left));
    attach(next, Side::Right, child(element, Side::Right));
    set_balance(next, balance(element));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The height of what is below and at an element, once all there is found to be as it should.
    pub fn height(of: Link) -> i32 {
        if of.is_null() {
            return 0;
        }
        for side in [Side::Left, Side::Right] {
            let below = child(of, side);
            assert!(below.is_null() || parent(below) == of, "links go both ways");
        }
        let (left, right) = (
            height(child(of, Side::Left)),
            height(child(of, Side::Right)),
        );
        assert_eq!(
            right - left,
            i32::from(balance(of)),
            "the balance is what it says"
        );
        assert!(
            (-1..=1).contains(&(right - left)),
            "no side is higher by two"
        );
        1 + left.max(right)
    }
}
