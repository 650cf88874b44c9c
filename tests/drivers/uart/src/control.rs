//! The control codes, as ntddser.h has them.

use wdm::{
    Result, Status,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
};

use crate::{
    port::Port,
    registers::{Settings, modem},
};

/// A control code: FILE_DEVICE_SERIAL_PORT.
const fn code(function: u32) -> u32 {
    use wdm::control::{Access, Method};
    wdm::control::ctl_code(0x1b, function, Method::Buffered, Access::Any)
}

const SET_BAUD_RATE: u32 = code(1);
const SET_LINE_CONTROL: u32 = code(3);
const SET_DTR: u32 = code(9);
const CLR_DTR: u32 = code(10);
const SET_RTS: u32 = code(12);
const CLR_RTS: u32 = code(13);
const GET_WAIT_MASK: u32 = code(16);
const SET_WAIT_MASK: u32 = code(17);
const WAIT_ON_MASK: u32 = code(18);
const GET_BAUD_RATE: u32 = code(20);
const GET_LINE_CONTROL: u32 = code(21);
const GET_MODEMSTATUS: u32 = code(26);

/// All that can be waited for: what a 16550 can tell.
const EVENTS: u32 = {
    use crate::interrupt::event;
    event::RECEIVED | event::TRANSMITTED | event::BREAK | event::ERROR | event::MODEM
};

pub fn dispatch(port: &Port, mut irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
    let Some(control) = irp.device_control() else {
        return irp.complete(Status::INVALID_DEVICE_REQUEST, irql);
    };
    let told = match control.code {
        WAIT_ON_MASK if control.output_length >= 4 => return port.wait(irp, irql),
        WAIT_ON_MASK => Err(Status::BUFFER_TOO_SMALL),
        SET_BAUD_RATE => input(&irp).and_then(|baud| {
            let baud = u32::from_le_bytes(baud);
            port.change(|settings| settings.set_baud(baud), irql)
        }),
        GET_BAUD_RATE => {
            let baud = port.settings(irql).baud;
            irp.write_output(&baud.to_le_bytes())
        }
        SET_LINE_CONTROL => {
            input(&irp).and_then(|line| port.change(|settings| settings.set_line(line), irql))
        }
        GET_LINE_CONTROL => {
            let line = port.settings(irql).line;
            irp.write_output(&line)
        }
        SET_DTR => set(port, modem::DTR, true, irql),
        CLR_DTR => set(port, modem::DTR, false, irql),
        SET_RTS => set(port, modem::RTS, true, irql),
        CLR_RTS => set(port, modem::RTS, false, irql),
        GET_WAIT_MASK => {
            let mask = port.mask(irql);
            irp.write_output(&mask.to_le_bytes())
        }
        SET_WAIT_MASK => input(&irp).and_then(|mask| {
            let mask = u32::from_le_bytes(mask);
            if mask & !EVENTS != 0 {
                return Err(Status::INVALID_PARAMETER);
            }
            port.set_mask(mask, irql);
            Ok(())
        }),
        // The lines are the upper four bits; which of them has changed is for the driver.
        GET_MODEMSTATUS => port
            .modem_status(irql)
            .ok_or(Status::DEVICE_NOT_READY)
            .and_then(|status| irp.write_output(&u32::from(status & 0xf0).to_le_bytes())),
        _ => Err(Status::INVALID_DEVICE_REQUEST),
    };
    irp.complete(Status::of(told), irql)
}

/// What a request sends, if it has the length.
fn input<const N: usize>(irp: &Irp<Fresh>) -> Result<[u8; N]> {
    let input = irp.input();
    <[u8; N]>::try_from(input).map_err(|_| Status::INVALID_BUFFER_SIZE)
}

fn set(port: &Port, lines: u8, on: bool, irql: &mut Passive) -> Result<()> {
    let change = |settings: &mut Settings| {
        settings.set_modem(lines, on);
        Ok(())
    };
    port.change(change, irql)
}
