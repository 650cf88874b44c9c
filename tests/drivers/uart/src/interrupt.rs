//! The ISR, and what it shares with the rest: bytes that came, bytes that are to go, and what happened.

use wdm::{
    dpc::Dpc,
    interrupt::{Claim, InterruptService},
    irql::Dirql,
};

use crate::{
    port::Port,
    registers::{Cause, FIFO, Settings, Uart, enable, line},
    ring::Ring,
};

/// Bits of a wait mask, as `SERIAL_EV_…` has them.
pub mod event {
    pub const RECEIVED: u32 = 0x001;
    pub const TRANSMITTED: u32 = 0x004;
    pub const CTS: u32 = 0x008;
    pub const DSR: u32 = 0x010;
    pub const RLSD: u32 = 0x020;
    pub const BREAK: u32 = 0x040;
    pub const ERROR: u32 = 0x080;
    pub const RING: u32 = 0x100;
    pub const MODEM: u32 = CTS | DSR | RLSD | RING;
}

/// How often the ISR asks for a cause before it leaves the rest to the next interrupt.
const CAUSES: usize = 64;
/// What interrupts whenever the device is started.
const ALWAYS: u8 = enable::RECEIVED | enable::LINE;

/// Protected by the interrupt's lock.
pub struct Service {
    uart: Uart,
    /// Ends the requests for which something has come or gone.
    dpc: Dpc<Port>,
    /// IER.
    enabled: u8,
    pub received: Ring<1024>,
    pub transmit: Ring<64>,
    events: u32,
}

impl Service {
    pub const fn new(uart: Uart, dpc: Dpc<Port>) -> Self {
        Self {
            uart,
            dpc,
            enabled: 0,
            received: Ring::new(),
            transmit: Ring::new(),
            events: 0,
        }
    }

    /// The device has its power, now or again: what is to be sent goes on.
    pub fn start(&mut self, settings: Settings, mask: u32) {
        self.uart.reset_fifos();
        self.uart.program(settings);
        self.enabled = ALWAYS;
        self.want(mask);
        if !self.transmit.is_empty() {
            self.send();
        }
    }

    /// The device is about to lose its power.
    pub fn stop(&mut self) {
        self.enabled = 0;
        self.uart.enable(0);
    }

    pub fn program(&mut self, settings: Settings) {
        self.uart.program(settings);
        self.uart.enable(self.enabled);
    }

    /// Has the modem's lines interrupt if somebody waits for one of them. What has changed since they
    /// were looked at last does so at once.
    pub fn want(&mut self, mask: u32) {
        self.enabled &= !enable::MODEM;
        if mask & event::MODEM != 0 {
            self.enabled |= enable::MODEM;
        }
        self.uart.enable(self.enabled);
    }

    /// Has the transmitter take what is to be sent.
    pub fn send(&mut self) {
        self.enabled |= enable::TRANSMITTER;
        self.uart.enable(self.enabled);
    }

    /// Whether all that was sent has left the UART.
    pub fn is_silent(&mut self) -> bool {
        self.line_status() & line::TRANSMITTER_EMPTY != 0
    }

    /// What has happened since this was called last.
    pub const fn take_events(&mut self) -> u32 {
        let events = self.events;
        self.events = 0;
        events
    }

    /// The modem's lines; what has changed is an event.
    pub fn modem_status(&mut self) -> u8 {
        let status = self.uart.modem_status();
        let changed = [
            (1 << 0, event::CTS),
            (1 << 1, event::DSR),
            (1 << 2, event::RING),
            (1 << 3, event::RLSD),
        ];
        for (bit, event) in changed {
            if status & bit != 0 {
                self.events |= event;
            }
        }
        status
    }

    fn line_status(&mut self) -> u8 {
        let status = self.uart.line_status();
        if status & line::ERRORS != 0 {
            self.events |= event::ERROR;
        }
        if status & line::BREAK != 0 {
            self.events |= event::BREAK;
        }
        status
    }

    fn receive(&mut self) {
        // No more than there is room for at once: a UART that is gone always has a byte.
        for _ in 0..2 * FIFO {
            let status = self.line_status();
            if status & line::READY == 0 {
                return;
            }
            let byte = self.uart.receive();
            // A break comes with a byte that nobody has sent.
            if status & line::BREAK != 0 {
                continue;
            }
            self.events |= if self.received.push(byte) {
                event::RECEIVED
            } else {
                event::ERROR
            };
        }
    }

    fn fill(&mut self) {
        for _ in 0..FIFO {
            let Some(byte) = self.transmit.pop() else {
                break;
            };
            self.uart.transmit(byte);
        }
        if self.transmit.is_empty() {
            self.enabled &= !enable::TRANSMITTER;
            self.uart.enable(self.enabled);
            self.events |= event::TRANSMITTED;
        }
    }
}

impl InterruptService for Service {
    fn service(&mut self, irql: &mut Dirql) -> Claim {
        let mut claim = Claim::NotOurs;
        for _ in 0..CAUSES {
            match self.uart.cause() {
                None => break,
                // A break has a byte to be read as well.
                Some(Cause::Line | Cause::Received) => self.receive(),
                Some(Cause::Transmitter) => self.fill(),
                Some(Cause::Modem) => {
                    self.modem_status();
                }
            }
            claim = Claim::Ours;
        }
        if claim == Claim::Ours {
            // If it is queued already, it has not run yet and will see this too.
            self.dpc.queue(irql);
        }
        claim
    }
}
