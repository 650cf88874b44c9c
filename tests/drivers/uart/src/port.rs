//! The port: requests that wait, and the DPC that ends them.
//!
//! Reads, writes and waits are in cancel-safe queues of their own. The write whose bytes are being sent is
//! at the head of its queue, but for the moments in which bytes of it are copied. All else that is decided for a
//! request is decided with the port's lock held, and the request is completed without it.

use wdm::{
    Result, Status,
    csq::{Csq, Refused, Request},
    dpc::DeferredRoutine,
    interrupt::Interrupt,
    irp::{Dispatched, FileObject, Fresh, Irp, Pending},
    irql::{self, AtOrBelowDispatch, Dispatch, Passive, UpToDispatch},
    spinlock::SpinLock,
};

use crate::{TAG, interrupt::Service, registers::Settings};

/// Bytes that are copied at a time.
const CHUNK: usize = 64;

/// A request that waits, and how many bytes of it have been dealt with.
pub struct Waiting(usize);

impl Request for Waiting {
    type Context = ();

    fn canceled(self, irp: Irp<Pending>, (): &(), irql: &mut UpToDispatch) {
        irp.complete(Status::CANCELLED, irql);
    }
}

/// What all routines of a device share.
pub struct Port {
    reads: Csq<Waiting>,
    writes: Csq<Waiting>,
    /// At most one; see [`Self::wait`].
    waits: Csq<Waiting>,
    active: SpinLock<Active>,
}

/// Protected by the port's lock, which is taken before the interrupt's.
struct Active {
    /// While the device is started.
    interrupt: Option<Interrupt<Service>>,
    /// The device is to be left alone.
    held: bool,
    settings: Settings,
    /// What a wait is for.
    mask: u32,
    /// What has happened of it.
    happened: u32,
    /// A write is out of its queue, to which it returns before another may be sent.
    sending: bool,
}

/// What is to be done without the lock.
enum Step {
    /// A request is over.
    Done(Irp<Pending>, Status),
    /// A write goes back to its queue: so much of it was sent, and the transmitter had so much room.
    Unsent(Irp<Pending>, usize, usize),
}

impl Port {
    pub fn new(irql: &Passive) -> Result<Self> {
        Ok(Self {
            reads: Csq::new(TAG, (), irql)?,
            writes: Csq::new(TAG, (), irql)?,
            waits: Csq::new(TAG, (), irql)?,
            active: SpinLock::new(Active {
                interrupt: None,
                held: true,
                settings: Settings::new(),
                mask: 0,
                happened: 0,
                sending: false,
            }),
        })
    }

    const fn queues(&self) -> [&Csq<Waiting>; 3] {
        [&self.reads, &self.writes, &self.waits]
    }

    /// The device has been started: lets requests run.
    pub fn started(&self, interrupt: Interrupt<Service>, irql: &mut Passive) {
        self.active.acquire(irql).interrupt = Some(interrupt);
        self.power_up(irql);
    }

    /// Leaves the device alone. Bytes that the UART has taken are still sent, if it answers.
    pub fn hold(&self, irql: &mut Passive) {
        /// At the lowest rate that anybody uses, a FIFO takes half a second.
        const ATTEMPTS: u32 = 50;
        self.active.acquire(irql).held = true;
        for _ in 0..ATTEMPTS {
            if self.with_uart(Service::is_silent, irql).unwrap_or(true) {
                return;
            }
            wdm::time::delay(10, irql);
        }
    }

    /// Goes on after [`Self::hold`].
    pub fn resume(&self, irql: &mut Passive) {
        self.active.acquire(irql).held = false;
        irql::raise_to_dispatch(irql, |irql| self.run(irql));
    }

    pub fn power_down(&self, irql: &mut Passive) {
        let mut active = self.active.acquire(irql);
        let (active, irql) = active.parts();
        if let Some(interrupt) = &active.interrupt {
            interrupt.acquire(irql).stop();
            interrupt.set_active(false, irql);
        }
    }

    pub fn power_up(&self, irql: &mut Passive) {
        {
            let mut active = self.active.acquire(irql);
            let (active, irql) = active.parts();
            if let Some(interrupt) = &active.interrupt {
                interrupt.set_active(true, irql);
                interrupt.acquire(irql).start(active.settings, active.mask);
            }
        }
        self.resume(irql);
    }

    /// Gives the device back.
    pub fn stop(&self, irql: &mut Passive) {
        let interrupt = {
            let mut active = self.active.acquire(irql);
            active.held = true;
            active.interrupt.take()
        };
        if let Some(interrupt) = interrupt {
            interrupt.acquire(irql).stop();
            interrupt.close(irql);
        }
    }

    /// The device is gone: ends all requests, and those that may still come.
    pub fn refuse(&self, status: Status, irql: &Passive) {
        for queue in self.queues() {
            queue.close(status, irql);
            while let Some((irp, Waiting(_))) = queue.remove_next(irql) {
                irp.complete(status, irql);
            }
        }
    }

    /// Ends the waiting requests of a handle.
    pub fn cancel_of(&self, handle: FileObject, irql: &mut Passive) {
        for queue in self.queues() {
            let of_handle = |_: &Waiting, of| of == handle;
            while let Some((irp, Waiting(_))) = queue.remove_next_if(of_handle, irql) {
                irp.complete(Status::CANCELLED, irql);
            }
        }
    }

    pub fn read(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        self.transfer(&self.reads, irp, irql)
    }

    pub fn write(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        self.transfer(&self.writes, irp, irql)
    }

    fn transfer(&self, queue: &Csq<Waiting>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        if irp.read_write().is_none_or(|range| range.length == 0) {
            return irp.complete(Status::SUCCESS, irql);
        }
        self.insert(queue, irp, irql)
    }

    /// Waits for something of the mask, of which the client is told. Only one may wait.
    pub fn wait(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        let mut is_refused = self.active.acquire(irql).mask == 0;
        let look = |_: &Waiting, _| {
            is_refused = true;
            false
        };
        drop(self.waits.remove_next_if(look, irql));
        if is_refused {
            return irp.complete(Status::INVALID_PARAMETER, irql);
        }
        self.insert(&self.waits, irp, irql)
    }

    fn insert(&self, queue: &Csq<Waiting>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        match queue.insert(irp, Waiting(0), irql) {
            Ok(dispatched) => {
                irql::raise_to_dispatch(irql, |irql| self.run(irql));
                dispatched
            }
            Err(Refused {
                irp,
                status,
                dispatched,
                ..
            }) => {
                irp.complete(status, irql);
                dispatched
            }
        }
    }

    /// What is to be waited for from now on. A wait for what was before ends with nothing.
    pub fn set_mask(&self, mask: u32, irql: &mut Passive) {
        {
            let mut active = self.active.acquire(irql);
            let (active, irql) = active.parts();
            active.mask = mask;
            active.happened = 0;
            if let (Some(interrupt), false) = (&active.interrupt, active.held) {
                let mut service = interrupt.acquire(irql);
                // What happened before the mask was set is not waited for.
                service.take_events();
                service.want(mask);
            }
        }
        if let Some((irp, Waiting(_))) = self.waits.remove_next(irql) {
            answer(irp, 0, irql);
        }
    }

    pub fn mask(&self, irql: &mut Passive) -> u32 {
        self.active.acquire(irql).mask
    }

    pub fn settings(&self, irql: &mut Passive) -> Settings {
        self.active.acquire(irql).settings
    }

    /// Changes what is programmed: at once, or when the device has its power again.
    pub fn change(
        &self,
        change: impl FnOnce(&mut Settings) -> Result<()>,
        irql: &mut Passive,
    ) -> Result<()> {
        let mut active = self.active.acquire(irql);
        let (active, irql) = active.parts();
        change(&mut active.settings)?;
        if let (Some(interrupt), false) = (&active.interrupt, active.held) {
            interrupt.acquire(irql).program(active.settings);
        }
        Ok(())
    }

    /// The lines of the modem, if the device may be asked.
    pub fn modem_status(&self, irql: &mut Passive) -> Option<u8> {
        if self.active.acquire(irql).held {
            return None;
        }
        self.with_uart(Service::modem_status, irql)
    }

    fn with_uart<T>(&self, act: impl FnOnce(&mut Service) -> T, irql: &mut Passive) -> Option<T> {
        let mut active = self.active.acquire(irql);
        let (active, irql) = active.parts();
        let interrupt = active.interrupt.as_ref()?;
        Some(act(&mut interrupt.acquire(irql)))
    }

    /// Ends what can be ended.
    fn run(&self, irql: &mut Dispatch) {
        loop {
            let step = {
                let mut active = self.active.acquire_at_dpc_level(irql);
                let (active, irql) = active.parts();
                self.next(active, irql)
            };
            match step {
                None => return,
                Some(Step::Done(irp, status)) => irp.complete(status, irql),
                Some(Step::Unsent(irp, sent, room)) => {
                    // Without the lock: a write that was canceled meanwhile is completed by this.
                    let queued = self.writes.insert_pending_first(irp, Waiting(sent), irql);
                    if let Err(refused) = queued {
                        refused.irp.complete(refused.status, irql);
                    }
                    if !self.sent(room, irql) {
                        return;
                    }
                }
            }
        }
    }

    /// Another write may be sent. Whether the transmitter has taken something meanwhile, of which a DPC
    /// has made nothing.
    fn sent(&self, room: usize, irql: &mut Dispatch) -> bool {
        let mut active = self.active.acquire_at_dpc_level(irql);
        let (active, irql) = active.parts();
        active.sending = false;
        let interrupt = active.interrupt.as_ref();
        interrupt.is_some_and(|interrupt| interrupt.acquire(irql).transmit.room() != room)
    }

    /// The next request of which something becomes.
    fn next(&self, active: &mut Active, irql: &mut Dispatch) -> Option<Step> {
        if active.held {
            return None;
        }
        let interrupt = active.interrupt.as_ref()?;
        active.happened |= interrupt.acquire(irql).take_events() & active.mask;
        if active.happened != 0
            && let Some((mut irp, Waiting(_))) = self.waits.remove_next(irql)
        {
            let told = irp.write_output(&active.happened.to_le_bytes());
            active.happened = 0;
            return Some(Step::Done(irp, Status::of(told)));
        }
        if !interrupt.acquire(irql).received.is_empty()
            && let Some((irp, Waiting(_))) = self.reads.remove_next(irql)
        {
            return Some(receive(irp, interrupt, irql));
        }
        if active.sending {
            return None;
        }
        let (irp, Waiting(sent)) = self.writes.remove_next(irql)?;
        let step = send(irp, sent, interrupt, irql);
        active.sending = matches!(step, Step::Unsent(..));
        Some(step)
    }
}

impl DeferredRoutine for Port {
    fn run(&self, irql: &mut Dispatch) {
        Self::run(self, irql);
    }
}

/// Ends a wait.
fn answer<I: AtOrBelowDispatch>(mut irp: Irp<Pending>, happened: u32, irql: &I) {
    let told = irp.write_output(&happened.to_le_bytes());
    irp.complete(Status::of(told), irql);
}

/// Gives a read what has come, as far as it has room.
fn receive(mut irp: Irp<Pending>, interrupt: &Interrupt<Service>, irql: &mut Dispatch) -> Step {
    let copied = irp.direct_output(irql).and_then(|mut output| {
        let mut bytes = [0; CHUNK];
        let mut offset = 0;
        while offset < output.length() {
            let room = CHUNK.min(output.length() - offset);
            let taken = interrupt.acquire(irql).received.take(&mut bytes[..room]);
            if taken == 0 {
                break;
            }
            output.write(offset, &bytes[..taken])?;
            offset += taken;
        }
        Ok(())
    });
    Step::Done(irp, Status::of(copied))
}

/// Gives the transmitter what is left of a write, as far as there is room. Once all has been taken out
/// of there, too, the write is over.
fn send(
    mut irp: Irp<Pending>,
    mut sent: usize,
    interrupt: &Interrupt<Service>,
    irql: &mut Dispatch,
) -> Step {
    let length = irp.read_write().map_or(0, |range| range.length as usize);
    while sent < length {
        let room = interrupt.acquire(irql).transmit.room();
        let mut bytes = [0; CHUNK];
        let count = CHUNK.min(length - sent).min(room);
        if count == 0 {
            return Step::Unsent(irp, sent, room);
        }
        let input = irp.direct_input(irql);
        if let Err(status) = input.and_then(|input| input.read(sent, &mut bytes[..count])) {
            return Step::Done(irp, status);
        }
        let mut service = interrupt.acquire(irql);
        for byte in &bytes[..count] {
            service.transmit.push(*byte);
        }
        service.send();
        sent += count;
    }
    let service = interrupt.acquire(irql);
    if !service.transmit.is_empty() {
        let room = service.transmit.room();
        drop(service);
        return Step::Unsent(irp, sent, room);
    }
    drop(service);
    irp.set_moved(length);
    Step::Done(irp, Status::SUCCESS)
}
