//! The registers of a 16550, and what is programmed into them.
//!
//! Source: the data sheet of the PC16550D, "Registers".

use wdm::{Result, Status, ports::PortRange};

/// RBR when read, THR when written; the divisor's low byte while `DLAB` is set.
const DATA: u16 = 0;
/// IER; the divisor's high byte while `DLAB` is set.
const INTERRUPT_ENABLE: u16 = 1;
/// IIR when read, FCR when written.
const INTERRUPT_ID: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const MODEM_STATUS: u16 = 6;
const SCRATCH: u16 = 7;

/// The length of the range of ports.
const PORTS: u16 = 8;
/// How many bytes go into the FIFO of an empty transmitter.
pub const FIFO: usize = 16;
/// The rate at a divisor of 1: a clock of 1.8432 MHz, divided by 16.
const HIGHEST_BAUD: u32 = 115_200;

/// Bits of IER.
pub mod enable {
    pub const RECEIVED: u8 = 1 << 0;
    pub const TRANSMITTER: u8 = 1 << 1;
    pub const LINE: u8 = 1 << 2;
    pub const MODEM: u8 = 1 << 3;
}

/// Bits of LSR.
pub mod line {
    pub const READY: u8 = 1 << 0;
    /// Overrun, parity, framing.
    pub const ERRORS: u8 = 7 << 1;
    pub const BREAK: u8 = 1 << 4;
    pub const TRANSMITTER_EMPTY: u8 = 1 << 6;
}

/// Bits of MCR.
pub mod modem {
    pub const DTR: u8 = 1 << 0;
    pub const RTS: u8 = 1 << 1;
    /// Without it, a PC's UART does not interrupt.
    const OUT2: u8 = 1 << 3;
    pub const AT_START: u8 = DTR | RTS | OUT2;
}

/// Why the UART interrupts, in the order of their priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Line,
    Received,
    Transmitter,
    Modem,
}

/// What is programmed: it is programmed again after a loss of power.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub baud: u32,
    /// As `SERIAL_LINE_CONTROL` has it: stop bits, parity, length of a word.
    pub line: [u8; 3],
    pub modem: u8,
}

impl Settings {
    pub const fn new() -> Self {
        Self {
            baud: 9600,
            line: [0, 0, 8],
            modem: modem::AT_START,
        }
    }

    /// Switches lines of the modem on or off.
    pub const fn set_modem(&mut self, lines: u8, on: bool) {
        if on {
            self.modem |= lines;
        } else {
            self.modem &= !lines;
        }
    }

    /// The rate must be one that a divisor gives.
    pub fn set_baud(&mut self, baud: u32) -> Result<()> {
        if baud == 0 || baud > HIGHEST_BAUD || !HIGHEST_BAUD.is_multiple_of(baud) {
            return Err(Status::INVALID_PARAMETER);
        }
        self.baud = baud;
        Ok(())
    }

    pub fn set_line(&mut self, line: [u8; 3]) -> Result<()> {
        let [stop, parity, word] = line;
        // One and a half stop bits are those of five bits, two those of more.
        let is_stop = stop == 0 || (word == 5 && stop == 1) || (word > 5 && stop == 2);
        if !is_stop || parity > 4 || !(5..=8).contains(&word) {
            return Err(Status::INVALID_PARAMETER);
        }
        self.line = line;
        Ok(())
    }

    /// LCR.
    fn line_control(self) -> u8 {
        let [stop, parity, word] = self.line;
        // None, odd, even, mark, space: enabled, even, stuck.
        let parity: u8 = match parity {
            0 => 0b000,
            1 => 0b001,
            2 => 0b011,
            3 => 0b101,
            _ => 0b111,
        };
        (word - 5) | (u8::from(stop != 0) << 2) | (parity << 3)
    }

    fn divisor(self) -> [u8; 2] {
        let divisor = HIGHEST_BAUD / self.baud;
        [divisor.to_le_bytes()[0], divisor.to_le_bytes()[1]]
    }
}

/// The UART: whoever has this may touch its registers.
pub struct Uart(PortRange);

impl Uart {
    /// The UART at these ports, if there is one. It does not interrupt.
    pub fn new(ports: PortRange) -> Result<Self> {
        if ports.length() < PORTS {
            return Err(Status::DEVICE_CONFIGURATION_ERROR);
        }
        let mut uart = Self(ports);
        for pattern in [0x5a, 0xa5] {
            uart.write(SCRATCH, pattern);
            if uart.read(SCRATCH) != pattern {
                return Err(Status::NO_SUCH_DEVICE);
            }
        }
        uart.enable(0);
        Ok(uart)
    }

    fn read(&self, register: u16) -> u8 {
        // All registers are within the range; what is not there reads so.
        self.0.read_u8(register).unwrap_or(0xff)
    }

    fn write(&mut self, register: u16, value: u8) {
        // Never `None`, likewise.
        let _ = self.0.write_u8(register, value);
    }

    /// Switches both FIFOs on, and empties them. The receiver interrupts when its own has 8 bytes, or
    /// after a while.
    pub fn reset_fifos(&mut self) {
        self.write(INTERRUPT_ID, 0b1000_0111);
    }

    /// Programs it. It does not interrupt until [`Self::enable`].
    pub fn program(&mut self, settings: Settings) {
        const DLAB: u8 = 1 << 7;
        self.enable(0);
        let [low, high] = settings.divisor();
        self.write(LINE_CONTROL, DLAB);
        self.write(DATA, low);
        self.write(INTERRUPT_ENABLE, high);
        self.write(LINE_CONTROL, settings.line_control());
        self.enable(0);
        self.write(MODEM_CONTROL, settings.modem);
    }

    /// Which causes interrupt. A transmitter that is empty does at once.
    pub fn enable(&mut self, causes: u8) {
        self.write(INTERRUPT_ENABLE, causes);
    }

    /// Why it interrupts, if it does.
    pub fn cause(&self) -> Option<Cause> {
        match self.read(INTERRUPT_ID) & 0x0f {
            0x06 => Some(Cause::Line),
            0x04 | 0x0c => Some(Cause::Received),
            0x02 => Some(Cause::Transmitter),
            0x00 => Some(Cause::Modem),
            // Its lowest bit: no interrupt.
            _ => None,
        }
    }

    /// Its errors are gone with that.
    pub fn line_status(&self) -> u8 {
        self.read(LINE_STATUS)
    }

    /// What has changed is gone with that.
    pub fn modem_status(&self) -> u8 {
        self.read(MODEM_STATUS)
    }

    pub fn receive(&self) -> u8 {
        self.read(DATA)
    }

    pub fn transmit(&mut self, byte: u8) {
        self.write(DATA, byte);
    }
}
