//! The person's Ctrl-C: no request begins after it, and those outstanding are canceled.

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicBool, Ordering},
};

use crate::{error::Error, io::File};

/// Whether the person has interrupted, shared by all that make requests.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<State>);

#[derive(Default)]
struct State {
    raised: AtomicBool,
    /// Held while an interrupt is being carried out. Taken before [`Self::files`].
    raising: Mutex<()>,
    /// The files whose requests are canceled. Not held while they are.
    files: Mutex<Vec<Weak<dyn File>>>,
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_raised()).finish()
    }
}

impl Interrupt {
    /// Interrupts: from now on no request begins, and all outstanding ones are canceled.
    pub fn raise(&self) {
        let _raising = self
            .0
            .raising
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Before the files are looked at: whoever sends a request looks at this afterwards, so
        // that a request is seen by one side or the other. Both sides use the one total order.
        self.0.raised.store(true, Ordering::SeqCst);
        let files =
            std::mem::take(&mut *self.0.files.lock().unwrap_or_else(PoisonError::into_inner));
        for file in files.iter().filter_map(Weak::upgrade) {
            file.cancel(None);
        }
    }

    /// Waits until an interrupt that is being carried out has been: the thread that does so
    /// keeps files open for that long.
    pub fn settle(&self) {
        drop(
            self.0
                .raising
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Whether there was an interrupt.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        // See `raise`.
        self.0.raised.load(Ordering::SeqCst)
    }

    /// An error if there was an interrupt.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`].
    pub fn check(&self) -> Result<(), Error> {
        if self.is_raised() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Has the requests of a file canceled at an interrupt.
    pub fn watch(&self, file: &Arc<dyn File>) {
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.retain(|file| file.strong_count() > 0);
        files.push(Arc::downgrade(file));
    }
}
