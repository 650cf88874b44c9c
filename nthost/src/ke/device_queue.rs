//! Device queues: entries that wait for a device which works on one at a time.
//!
//! Sources: KeInitializeDeviceQueue, KeInsertDeviceQueue, KeInsertByKeyDeviceQueue,
//! KeRemoveDeviceQueue, KeRemoveByKeyDeviceQueue, KeRemoveByKeyDeviceQueueIfBusy,
//! KeRemoveEntryDeviceQueue. Inserting into a queue that is not busy makes it busy and inserts
//! nothing: the caller starts the entry. Removing from an empty queue makes it not busy.

use core::{mem::size_of, ptr::null_mut};

use nthost_nt::ke::{KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY, LIST_ENTRY};

use super::{irql::Raised, spinlock};
use crate::export::DISPATCH_LEVEL;

/// `KDEVICE_QUEUE::Type`.
const DEVICE_QUEUE_OBJECT: i16 = 20;

/// A queue, held under its lock.
struct Locked {
    queue: *mut KDEVICE_QUEUE,
    _raised: Raised,
}

impl Locked {
    /// # Safety
    ///
    /// It is an initialized queue.
    unsafe fn new(queue: *mut KDEVICE_QUEUE) -> Self {
        let raised = Raised::to(DISPATCH_LEVEL);
        // SAFETY: the caller's promise.
        let lock = unsafe { &raw mut (*queue).Lock };
        // SAFETY: as above.
        unsafe { spinlock::acquire(lock) };
        Self {
            queue,
            _raised: raised,
        }
    }

    fn fields(&mut self) -> &mut KDEVICE_QUEUE {
        // SAFETY: the queue exists, and its lock is held.
        unsafe { &mut *self.queue }
    }

    fn head(&mut self) -> *mut LIST_ENTRY {
        &raw mut self.fields().DeviceListHead
    }

    /// The entries, first to last.
    fn entries(&mut self) -> impl Iterator<Item = *mut KDEVICE_QUEUE_ENTRY> {
        let head = self.head();
        // SAFETY: the head of a list that the lock protects.
        let mut link = unsafe { (*head).Flink };
        core::iter::from_fn(move || {
            if link == head {
                return None;
            }
            let entry = link.cast::<KDEVICE_QUEUE_ENTRY>();
            // SAFETY: an entry of the list.
            link = unsafe { (*link).Flink };
            Some(entry)
        })
    }

    /// Inserts an entry before a link; or not, and makes the queue busy. Whether it inserted.
    fn insert(&mut self, entry: *mut KDEVICE_QUEUE_ENTRY, key: Option<u32>) -> bool {
        // SAFETY: the caller owns the entry.
        let fields = unsafe { &mut *entry };
        if let Some(key) = key {
            fields.SortKey = key;
        }
        if self.fields().Busy == 0 {
            self.fields().Busy = 1;
            fields.Inserted = 0;
            return false;
        }
        let head = self.head();
        // Behind all entries with the same or a lower key.
        // SAFETY: an entry of the queue.
        let behind = key.and_then(|key| self.entries().find(|&e| unsafe { (*e).SortKey } > key));
        let next = behind.map_or(head, <*mut KDEVICE_QUEUE_ENTRY>::cast::<LIST_ENTRY>);
        fields.Inserted = 1;
        let link = &raw mut fields.DeviceListEntry;
        // SAFETY: a link of the list.
        let before = unsafe { core::mem::replace(&mut (*next).Blink, link) };
        fields.DeviceListEntry = LIST_ENTRY {
            Flink: next,
            Blink: before,
        };
        // SAFETY: as above.
        unsafe { (*before).Flink = link };
        true
    }

    fn remove(entry: *mut KDEVICE_QUEUE_ENTRY) {
        // SAFETY: an entry of the queue, whose lock is held.
        let fields = unsafe { &mut *entry };
        let LIST_ENTRY { Flink, Blink } = fields.DeviceListEntry;
        // SAFETY: a link of the list.
        unsafe { (*Blink).Flink = Flink };
        // SAFETY: as above.
        unsafe { (*Flink).Blink = Blink };
        fields.Inserted = 0;
    }

    /// The first entry, or the first with at least this key; none makes the queue not busy.
    fn take(&mut self, key: Option<u32>) -> *mut KDEVICE_QUEUE_ENTRY {
        let first = self.entries().next();
        // SAFETY: an entry of the queue.
        let chosen = key.and_then(|key| self.entries().find(|&e| unsafe { (*e).SortKey } >= key));
        let Some(entry) = chosen.or(first) else {
            self.fields().Busy = 0;
            return null_mut();
        };
        Self::remove(entry);
        entry
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        let lock = &raw mut self.fields().Lock;
        // SAFETY: it was taken by `new`.
        unsafe { spinlock::release(lock) };
    }
}

/// Makes an empty queue that is not busy.
pub fn initialize(queue: &mut KDEVICE_QUEUE) {
    queue.Type = DEVICE_QUEUE_OBJECT;
    queue.Size = size_of::<KDEVICE_QUEUE>() as i16;
    let head = &raw mut queue.DeviceListHead;
    queue.DeviceListHead = LIST_ENTRY {
        Flink: head,
        Blink: head,
    };
    queue.Lock = 0;
    queue.Busy = 0;
}

/// Inserts an entry, by its key or at the tail; `false` if the queue was not busy.
///
/// # Safety
///
/// The queue is initialized, the entry the caller's.
pub unsafe fn insert(
    queue: *mut KDEVICE_QUEUE,
    entry: *mut KDEVICE_QUEUE_ENTRY,
    key: Option<u32>,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { Locked::new(queue) }.insert(entry, key)
}

/// Takes the next entry, by key or from the head; null if there is none.
///
/// # Safety
///
/// The queue is initialized.
pub unsafe fn remove(queue: *mut KDEVICE_QUEUE, key: Option<u32>) -> *mut KDEVICE_QUEUE_ENTRY {
    // SAFETY: the caller's promise.
    unsafe { Locked::new(queue) }.take(key)
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes an empty queue that is not busy.
    ///
    /// Source: KeInitializeDeviceQueue.
    ///
    /// # Safety
    ///
    /// `queue` is resident memory for a queue.
    pub unsafe fn KeInitializeDeviceQueue(queue: *mut KDEVICE_QUEUE) {
        // SAFETY: the caller's promise.
        initialize(unsafe { &mut *queue });
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Puts an entry at the tail; FALSE if the queue was not busy.
    ///
    /// Source: KeInsertDeviceQueue.
    ///
    /// # Safety
    ///
    /// The queue is initialized, the entry the caller's.
    pub unsafe fn KeInsertDeviceQueue(queue: *mut KDEVICE_QUEUE, entry: *mut KDEVICE_QUEUE_ENTRY) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { insert(queue, entry, None) })
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Puts an entry behind those with the same or a lower key; FALSE if the queue was not busy.
    ///
    /// Source: KeInsertByKeyDeviceQueue.
    ///
    /// # Safety
    ///
    /// As KeInsertDeviceQueue.
    pub unsafe fn KeInsertByKeyDeviceQueue(
        queue: *mut KDEVICE_QUEUE,
        entry: *mut KDEVICE_QUEUE_ENTRY,
        key: u32,
    ) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { insert(queue, entry, Some(key)) })
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Takes the entry at the head; null, and the queue is not busy any more, if there is none.
    ///
    /// Source: KeRemoveDeviceQueue.
    ///
    /// # Safety
    ///
    /// The queue is initialized.
    pub unsafe fn KeRemoveDeviceQueue(queue: *mut KDEVICE_QUEUE) -> *mut KDEVICE_QUEUE_ENTRY {
        // SAFETY: the caller's promise.
        unsafe { remove(queue, None) }
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Takes the first entry with at least this key, or else the one at the head.
    ///
    /// Source: KeRemoveByKeyDeviceQueue.
    ///
    /// # Safety
    ///
    /// The queue is initialized.
    pub unsafe fn KeRemoveByKeyDeviceQueue(queue: *mut KDEVICE_QUEUE, key: u32) -> *mut KDEVICE_QUEUE_ENTRY {
        // SAFETY: the caller's promise.
        unsafe { remove(queue, Some(key)) }
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// As KeRemoveByKeyDeviceQueue, for a queue that may not be busy.
    ///
    /// Source: KeRemoveByKeyDeviceQueueIfBusy.
    ///
    /// # Safety
    ///
    /// The queue is initialized.
    pub unsafe fn KeRemoveByKeyDeviceQueueIfBusy(queue: *mut KDEVICE_QUEUE, key: u32) -> *mut KDEVICE_QUEUE_ENTRY {
        // SAFETY: the caller's promise.
        let mut locked = unsafe { Locked::new(queue) };
        if locked.fields().Busy == 0 { null_mut() } else { locked.take(Some(key)) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an entry out of the queue; FALSE if it was not in it.
    ///
    /// Source: KeRemoveEntryDeviceQueue.
    ///
    /// # Safety
    ///
    /// The queue is initialized; the entry is in it or was.
    pub unsafe fn KeRemoveEntryDeviceQueue(
        queue: *mut KDEVICE_QUEUE,
        entry: *mut KDEVICE_QUEUE_ENTRY,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let _locked = unsafe { Locked::new(queue) };
        // SAFETY: the caller's promise; the lock is held.
        let inserted = unsafe { (*entry).Inserted } != 0;
        if inserted {
            Locked::remove(entry);
        }
        u8::from(inserted)
    }
}
