//! The program in a terminal: `top` watches real devices, progress is shown and cleared, and keys
//! interrupt.
#![cfg(target_os = "linux")]

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::unix::ffi::OsStrExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use eduwdm_tests::Program;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// A terminal, with a program in it.
struct Terminal {
    master: File,
    slave: File,
    child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
}

const fn size(rows: u16, columns: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Terminal {
    /// Runs eductl in a terminal of its own of 30 lines.
    fn start(machine: &Program, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        tcsetwinsize(&master, size(30, 100)).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        // Its controlling terminal, so that it hears of another size.
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]);
        command.arg(machine.executable()).args(arguments);
        command.arg("--socket").arg(machine.booted.session.socket());
        command.env("TERM", "xterm-256color");
        let child = command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = child.spawn().expect("util-linux is on every system");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(30, 100, 0)));
        let master = File::from(master);
        let (mut output, shown) = (master.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // It ends when the last program has closed the terminal.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut screen = shown.lock().unwrap_or_else(PoisonError::into_inner);
                screen.process(&bytes[..count]);
            }
        });
        Self {
            master,
            slave,
            child,
            screen,
        }
    }

    fn screen(&self) -> vt100::Screen {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen().clone()
    }

    /// Waits until a line with these words is shown.
    #[track_caller]
    fn until(&self, machine: &Program, words: &[&str]) {
        let shown = || {
            let contents = self.screen().contents();
            let mut lines = contents.lines();
            lines.any(|line| words.iter().all(|word| line.contains(word)))
        };
        machine.until(&format!("{words:?} is shown"), || {
            thread::yield_now();
            shown()
        });
    }

    fn type_keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// The number in a column of a table's row, as it is shown.
    fn number(&self, row: &str, column: usize) -> Option<u64> {
        let contents = self.screen().contents();
        let line = contents.lines().find(|line| line.contains(row))?;
        let cells = line.trim_matches('│').split_whitespace();
        cells.clone().nth(column)?.parse().ok()
    }

    fn resize(&self, rows: u16, columns: u16) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen_mut().set_size(rows, columns);
        drop(screen);
        tcsetwinsize(&self.master, size(rows, columns)).unwrap();
    }

    /// Whether the terminal is as a shell leaves it: echoing, by lines, with its own screen and
    /// a cursor.
    fn is_restored(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        let screen = self.screen();
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
            && !screen.alternate_screen()
            && !screen.hide_cursor()
    }
}

#[test]
fn four_devices_are_watched_while_one_works_and_one_goes() {
    let machine = Program::boot("edu4");
    let mut top = Terminal::start(&machine, &["top", "--interval", "0.2"]);
    top.until(&machine, &["device 0", "device 1", "device 2", "device 3"]);
    top.until(&machine, &["node 0", "message-signaled", "interrupts/s"]);
    assert!(!top.is_restored(), "it draws on the shell's screen");
    // What it shows is what was done, and it does nothing itself.
    top.until(&machine, &["compute", " 0 "]);
    assert_eq!(top.number("compute", 3), Some(0));
    machine.check(&["factorial", "1", "2", "3"], 0, &["3! = 6"]);
    machine.until("three factorials are shown", || {
        top.number("compute", 3) == Some(3)
    });
    // The fourth device, and back to the second.
    top.type_keys(b"\x1b[D");
    machine.check(&["factorial", "1", "--device", "3"], 0, &["1! = 1"]);
    machine.until("one factorial is shown", || {
        top.number("compute", 3) == Some(1)
    });
    for (rows, columns) in [(50, 140), (14, 70), (5, 20), (30, 100)] {
        top.resize(rows, columns);
        machine.until("the table fills the screen", || {
            let contents = top.screen().contents();
            let widest = contents.lines().map(|line| line.trim_end().chars().count());
            widest.max() == Some(usize::from(columns))
        });
    }
    top.until(&machine, &["q quit"]);
    top.type_keys(b"\x1b[D\x1b[D");
    top.until(&machine, &["compute", " 0 "]);
    machine.check(
        &["host", "pnp", "surprise-removal", "--device", "1"],
        0,
        &["done"],
    );
    top.until(&machine, &["device 1 (gone)", "device 2"]);
    top.until(&machine, &["STATUS_"]);
    // It does not hold on to the device that has gone, and watches the others.
    machine.until("the device is removed", || {
        machine.booted.log().contains("edu: removed")
    });
    machine.check(&["factorial", "5"], 0, &["5! = 120"]);
    top.type_keys(b"\x1b[D");
    machine.until("four factorials are shown", || {
        top.number("compute", 3) == Some(4)
    });
    top.type_keys(b"q");
    let status = top.child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    machine.until("the terminal is as it was", || top.is_restored());
    machine.booted.shut_down();
}

#[test]
fn ctrl_c_and_the_machines_end_leave_the_terminal_as_it_was() {
    let machine = Program::boot("smp4");
    let mut top = Terminal::start(&machine, &["top"]);
    top.until(&machine, &["device 0"]);
    top.type_keys(b"\x03");
    assert_eq!(top.child.wait().unwrap().code(), Some(0));
    machine.until("the terminal is as it was", || top.is_restored());
    let mut top = Terminal::start(&machine, &["top"]);
    top.until(&machine, &["device 0"]);
    machine.check(&["host", "shutdown"], 0, &["done"]);
    assert_eq!(top.child.wait().unwrap().code(), Some(6));
    machine.until("the terminal is as it was", || top.is_restored());
    // It says why, on the shell's screen.
    top.until(&machine, &["eductl: ", "machine"]);
}

#[test]
fn what_takes_a_while_says_so_and_ctrl_c_ends_it() {
    let machine = Program::boot("smp4");
    let mut terminal = Terminal::start(&machine, &["wait", "0x2"]);
    terminal.until(&machine, &["waiting for 0x2"]);
    machine.until("the driver has the request", || {
        machine.counter("0", "events", "depth") == 1
    });
    machine.check(&["raise", "0x2"], 0, &["raised 0x2"]);
    terminal.until(&machine, &["raised 0x2, interrupt on processor"]);
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
    let shown = terminal.screen().contents();
    assert!(!shown.contains("waiting"), "{shown}");
    for arguments in [
        &["wait", "0x2"][..],
        &["stress", "--seed", "5", "--duration", "3600"],
        &["bench", "--requests", "1000000000"],
    ] {
        let mut terminal = Terminal::start(&machine, arguments);
        let progress = match arguments[0] {
            "wait" => "waiting for 0x2",
            "stress" => "stress, seed 0x5",
            _ => "bench",
        };
        terminal.until(&machine, &[progress]);
        // The terminal makes a signal of it.
        terminal.type_keys(b"\x03");
        assert_eq!(terminal.child.wait().unwrap().code(), Some(130));
        terminal.until(&machine, &["eductl: interrupted"]);
        assert!(terminal.is_restored());
    }
    machine.booted.shut_down();
}
