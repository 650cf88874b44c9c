//! The watchdog: a device that is there, and does not finish what it was told.
//!
//! A request that is on the device keeps its memory locked and mapped, its thread from ending, and
//! a stop, a removal and a sleep waiting, until the device says that it is done. A device that never
//! does would keep them for ever; the system ends that with a bug check (0x9F, for one).
//!
//! So every operation has a time. When it is over, a work item takes the device's means away to
//! move data: it clears its bus master enable, by the bus driver. From then on nothing that the
//! device does reaches memory, so that the memory can be unmapped and the request ended, with
//! STATUS_IO_TIMEOUT. Then the device is waited for, without anybody's request on it. One that
//! becomes idle may go on; one that does not has failed, and the PnP manager is told so, which
//! removes it.
//!
//! Nothing of this waits for PnP or power, which may themselves be waiting for the request.

use core::sync::atomic::{AtomicBool, Ordering};

use eduwdm_logic::watchdog::{Left, Limit, Seen};
use wdm::{
    Result, Status,
    bus::BusInterface,
    device::{Fdo, PhysicalReference},
    dpc,
    function::FunctionDevice,
    interrupt::{Claim, Interrupt, InterruptService},
    irql::{Dispatch, Passive},
    mmio::Registers,
    pool::Shared,
    spinlock::SpinLock,
    time,
    timer::{Timer, TimerRoutine},
    workitem::{WorkItem, WorkRoutine},
};

use super::{
    Edu, EduFunction,
    interrupt::Isr,
    registers::{ComputeBlock, Status as StatusRegister, StatusBits},
};
use crate::{tags, trace};

/// For how long the device is waited for when no request is on it any more: so often, and so long
/// after the last time. A transfer takes it a tenth of a second.
const ATTEMPTS: u32 = 50;
const PAUSE_MS: u32 = 20;

/// What watches the device.
pub struct Watchdog {
    limit: Limit,
    /// The timer is set. Atomic.
    armed: AtomicBool,
    /// While the device is started. The lock protects nothing else.
    parts: SpinLock<Option<Parts>>,
}

struct Parts {
    timer: Timer<Edu>,
    recovery: WorkItem<Recovery>,
}

impl Watchdog {
    /// One for operations that may take so many milliseconds.
    pub const fn new(limit_ms: u32) -> Self {
        Self {
            limit: Limit::new(limit_ms),
            armed: AtomicBool::new(false),
            parts: SpinLock::new(None),
        }
    }

    /// An operation starts, which may take so much longer than others. To be called with the
    /// queue's lock held that the operation is in.
    pub fn start(&self, more_ms: u32, irql: &mut Dispatch) -> Left {
        self.arm(irql);
        self.limit.start(more_ms)
    }

    /// Has the timer tick. It is set at most once in a tick, however many operations start.
    fn arm(&self, irql: &mut Dispatch) {
        // SeqCst: the routine clears this before it looks at the queues. Either it finds what has
        // just been started, or its lock held, or this finds the flag clear.
        if self.armed.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut parts = self.parts.acquire_at_dpc_level(irql);
        let (parts, irql) = parts.parts();
        if let Some(parts) = parts {
            parts.timer.set(self.limit.period_ms(), irql);
        }
    }

    /// What the watchdog needs for a device that is being started.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn install(
        &self,
        edu: &Shared<Edu>,
        device: &Fdo<FunctionDevice<EduFunction>>,
        irql: &mut Passive,
    ) -> Result<()> {
        let recovery = Recovery {
            edu: edu.clone(),
            physical: device.physical().reference(),
        };
        let parts = Parts {
            timer: Timer::new(tags::WATCHDOG, edu.clone(), irql)?,
            recovery: WorkItem::new(tags::WATCHDOG, device.reference(), recovery, irql)?,
        };
        self.armed.store(false, Ordering::SeqCst);
        *self.parts.acquire(irql) = Some(parts);
        Ok(())
    }

    /// Gives it back. No operation is running, and none is started any more.
    pub fn uninstall(&self, irql: &mut Passive) {
        let parts = self.parts.acquire(irql).take();
        if let Some(Parts { timer, recovery }) = parts {
            // Waits for the timer's routine, without the lock that it takes.
            timer.close(irql);
            drop(recovery);
        }
    }

    /// Has the device recovered, by a thread.
    fn recover(&self, irql: &mut Dispatch) {
        let mut parts = self.parts.acquire_at_dpc_level(irql);
        let (parts, irql) = parts.parts();
        if let Some(parts) = parts {
            // False if it is queued already.
            parts.recovery.queue(irql);
        }
    }
}

impl TimerRoutine for Edu {
    fn expired(&self, irql: &mut Dispatch) {
        // SeqCst: see `Watchdog::arm`.
        self.watchdog.armed.store(false, Ordering::SeqCst);
        let seen = self
            .compute
            .tick(self, irql)
            .max(self.write.tick(self, irql))
            .max(self.read.tick(self, irql));
        if seen >= Seen::Running {
            self.watchdog.arm(irql);
        }
        if seen == Seen::Overdue {
            self.watchdog.recover(irql);
        }
    }
}

/// What a thread does about a device that does not finish.
struct Recovery {
    edu: Shared<Edu>,
    physical: PhysicalReference,
}

impl WorkRoutine for Recovery {
    fn work(&self, irql: &mut Passive) {
        let edu = &*self.edu;
        // Its requests may end before the device is asked.
        let _active = edu.component.activate_and_wait(irql);
        let recovered = {
            let mut controls = edu.controls.acquire(irql);
            let (controls, irql) = controls.parts();
            controls
                .as_mut()
                .map_or(Ok(()), |controls| controls.recover(edu, irql))
        };
        if let Err(status) = recovered {
            trace::error("edu", "it does not finish what it was told", status);
            // Release: pairs with `Edu::has_failed`.
            edu.failed.store(true, Ordering::Release);
            self.physical.device().invalidate_state(irql);
        }
    }
}

/// What a started device is controlled by, beside its registers.
///
/// It lies in a mutex of its own, which the recovery takes, and PnP and power for a moment each,
/// but not while they wait for requests.
pub struct Controls {
    pub interrupt: Interrupt<Isr>,
    pub bus: Shared<BusInterface>,
    /// What the device had been told when its requests were ended, and may be at still.
    unfinished: Unfinished,
}

#[derive(Clone, Copy, Default)]
struct Unfinished {
    compute: bool,
    /// The device is not a bus master while it may be at this.
    transfer: bool,
}

impl Controls {
    /// Those of a device that has just been started.
    pub fn new(interrupt: Interrupt<Isr>, bus: Shared<BusInterface>) -> Self {
        Self {
            interrupt,
            bus,
            unfinished: Unfinished::default(),
        }
    }

    /// Ends what has been on the device for too long, and lets the device go on if it can.
    fn recover(&mut self, edu: &Edu, irql: &mut Passive) -> Result<()> {
        if !self.interrupt.acquire(irql).is_powered() {
            // Nothing is on it: it was waited for before its power went.
            return Ok(());
        }
        let compute = edu.compute.is_overdue(edu, irql);
        let transfer = edu.write.is_overdue(edu, irql) || edu.read.is_overdue(edu, irql);
        if compute {
            self.unfinished.compute = true;
            edu.compute.end_overdue(edu, irql);
        }
        if transfer {
            // If this fails, the requests stay: the device may still write to their memory.
            self.bus.set_bus_master(false, irql)?;
            self.unfinished.transfer = true;
            edu.write.end_overdue(edu, irql);
            edu.read.end_overdue(edu, irql);
        }
        self.finish(edu, irql)
    }

    /// Waits until the device is idle, and lets it go on, if its requests had to be ended.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_HARDWARE_ERROR` if it does not become idle: it stays as it is.
    pub fn finish(&mut self, edu: &Edu, irql: &mut Passive) -> Result<()> {
        let Unfinished { compute, transfer } = self.unfinished;
        if !compute && !transfer {
            return Ok(());
        }
        let mut attempts = 0;
        while compute && edu.is_computing(irql) || transfer && edu.is_transferring(irql) {
            attempts += 1;
            if attempts > ATTEMPTS {
                return Err(Status::DEVICE_HARDWARE_ERROR);
            }
            time::delay(PAUSE_MS, irql);
        }
        if transfer {
            self.bus.set_bus_master(true, irql)?;
            edu.dma.forget_registers(irql);
        }
        // What it has to say by now may have been said in vain, since messages are written by a bus
        // master. What is not about ended requests is seen to, the rest forgotten, before anything
        // new is started that it could be taken for.
        {
            let mut isr = self.interrupt.acquire(irql);
            let (isr, irql) = isr.parts();
            // Whether it was the device's is of no interest.
            let _: Claim = isr.service(irql);
        }
        dpc::flush(irql);
        self.unfinished = Unfinished::default();
        if compute {
            edu.compute.recovered(edu, irql);
        }
        if transfer {
            edu.write.recovered(edu, irql);
            edu.read.recovered(edu, irql);
        }
        Ok(())
    }
}

impl Edu {
    /// Waits until a device that is being started is at nothing. It may be at what it was told before
    /// it was pulled out and came back without having lost its power: it would take no factorial, and
    /// what it says next would be taken for the first request's.
    ///
    /// # Errors
    ///
    /// `STATUS_DEVICE_HARDWARE_ERROR` if it is not after the time of an operation.
    pub fn wait_until_idle(&self, irql: &mut Passive) -> Result<()> {
        let mut looks = self.watchdog.limit.milliseconds() / PAUSE_MS + 1;
        while self.is_computing(irql) || self.is_transferring(irql) {
            if looks == 0 {
                return Err(Status::DEVICE_HARDWARE_ERROR);
            }
            looks -= 1;
            time::delay(PAUSE_MS, irql);
        }
        Ok(())
    }

    /// Whether the device is at a factorial, as far as it can be asked.
    fn is_computing(&self, irql: &mut Passive) -> bool {
        let mut computing = false;
        let look = |registers: &mut Registers<ComputeBlock>| {
            let status = registers.read(StatusRegister);
            computing = status.contains(StatusBits::COMPUTING);
        };
        self.compute.with_registers(self, look, irql);
        computing
    }

    /// Whether the device is at a transfer, as far as it can be asked.
    fn is_transferring(&self, irql: &mut Passive) -> bool {
        self.dma.is_transferring(irql)
    }
}
