//! A request that is outstanding, as the `OVERLAPPED` structure stands for one in Win32.

use std::{sync::Arc, time::Duration};

use crate::{
    error::Error,
    interrupt::Interrupt,
    io::{Completion, File, IoStatus, Lost, Request, RequestKey},
};

/// How long a canceled request may take to end: a transfer that runs takes the device 100 ms,
/// and a queue of them that long each. Longer is the driver's fault.
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// A request that is outstanding. Dropping it cancels it and waits until it has ended, so
/// nothing is left behind.
pub struct Overlapped {
    file: Arc<dyn File>,
    key: RequestKey,
    completion: Arc<Completion>,
    interrupt: Interrupt,
    operation: String,
}

impl std::fmt::Debug for Overlapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlapped")
            .field("operation", &self.operation)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Overlapped {
    /// Sends a request; `operation` is what errors call it.
    ///
    /// # Errors
    ///
    /// When it could not be sent, or the person has interrupted.
    pub fn submit(
        file: &Arc<dyn File>,
        interrupt: &Interrupt,
        operation: impl Into<String>,
        request: Request,
    ) -> Result<Self, Error> {
        interrupt.check()?;
        let completion = Arc::new(Completion::default());
        let key = file.submit(request, Arc::clone(&completion))?;
        let overlapped = Self {
            file: Arc::clone(file),
            key,
            completion,
            interrupt: interrupt.clone(),
            operation: operation.into(),
        };
        // An interrupt since the check above may not have seen this request.
        if interrupt.is_raised() {
            overlapped.cancel();
        }
        Ok(overlapped)
    }

    /// Asks for the request to be canceled. It still ends in its own time, and may be done.
    pub fn cancel(&self) {
        self.file.cancel(Some(self.key));
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.completion.is_complete()
    }

    /// Waits until the request has ended, and gives how, whatever its status.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`], [`Error::Interrupted`] if it was canceled for that, and
    /// [`Error::Stuck`].
    pub fn wait(self) -> Result<IoStatus, Error> {
        let outcome = loop {
            // A limit of its own each time, so that an interrupt starts the clock.
            match self.completion.wait(Some(SETTLE_LIMIT)) {
                Some(outcome) => break outcome,
                None if self.interrupt.is_raised() => return Err(self.stuck()),
                None => {}
            }
        };
        self.settle(outcome)
    }

    /// As [`Self::wait`], but cancels the request when the time is over.
    ///
    /// # Errors
    ///
    /// As [`Self::wait`], and [`Error::TimedOut`] for a request that was canceled.
    pub fn wait_for(self, limit: Duration) -> Result<IoStatus, Error> {
        if let Some(outcome) = self.completion.wait(Some(limit)) {
            return self.settle(outcome);
        }
        self.cancel();
        let outcome = self.completion.wait(Some(SETTLE_LIMIT));
        let status = self.settle(outcome.ok_or_else(|| self.stuck())?)?;
        // It may have been done while it was being canceled.
        if status.status.is_canceled() {
            return Err(Error::TimedOut {
                operation: self.operation.clone(),
                limit,
            });
        }
        Ok(status)
    }

    /// As [`Self::wait`] or [`Self::wait_for`].
    ///
    /// # Errors
    ///
    /// As theirs.
    pub fn wait_within(self, limit: Option<Duration>) -> Result<IoStatus, Error> {
        match limit {
            None => self.wait(),
            Some(limit) => self.wait_for(limit),
        }
    }

    fn settle(&self, outcome: Result<IoStatus, Lost>) -> Result<IoStatus, Error> {
        let status = outcome.map_err(|lost| Error::Disconnected(lost.0))?;
        if status.status.is_canceled() && self.interrupt.is_raised() {
            return Err(Error::Interrupted);
        }
        Ok(status)
    }

    fn stuck(&self) -> Error {
        Error::Stuck {
            operation: self.operation.clone(),
            limit: SETTLE_LIMIT,
        }
    }
}

impl Drop for Overlapped {
    fn drop(&mut self) {
        if !self.is_complete() {
            self.cancel();
            // The buffers are the system's own, so one that is stuck harms nobody.
            let _ = self.completion.wait(Some(SETTLE_LIMIT));
        }
    }
}
