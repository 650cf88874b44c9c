//! The library on Windows, or on Wine: requests to files and pipes, which end in all the ways in
//! which requests to devices end. It has no harness, since not every compiler has the standard
//! one for Windows.

#[cfg(not(windows))]
const fn main() {}

#[cfg(windows)]
fn main() {
    windows::main();
}

#[cfg(windows)]
mod windows {
    use std::{fs, path::Path, sync::Arc, thread, time::Duration};

    use ::windows::{
        Win32::{
            Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE},
            Storage::FileSystem::{PIPE_ACCESS_DUPLEX, WriteFile},
            System::Pipes::{CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_TYPE_BYTE, PIPE_WAIT},
        },
        core::HSTRING,
    };
    use eductl::{
        Error, Interrupt, IoSystem, Status, device::OpenDevice, io::Request,
        overlapped::Overlapped, win32::Win32,
    };
    use eduwdm_abi::EDU_INTERFACE;
    use libtest_mimic::{Arguments, Trial};

    pub fn main() {
        macro_rules! trials {
            ($($name:ident),* $(,)?) => {
                vec![$(Trial::test(stringify!($name), || {
                    $name();
                    Ok(())
                })),*]
            };
        }
        let trials = trials![
            what_is_written_is_read_where_it_was_written,
            many_requests_are_outstanding_and_each_gets_its_own_data,
            a_request_that_is_refused_at_once_ends_once,
            a_read_beyond_the_end_is_refused,
            a_path_that_is_none_is_refused_in_words,
            a_request_ends_when_what_it_waits_for_happens,
            a_request_that_takes_too_long_is_canceled_and_has_ended,
            one_request_is_canceled_and_its_neighbour_is_not,
            an_interrupt_cancels_all_and_lets_none_begin,
            dropping_a_request_ends_it,
            memory_is_read_and_written_within_its_length,
            a_class_that_nobody_registers_has_no_interfaces,
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit();
    }

    /// A file of some bytes, open.
    struct Opened {
        device: OpenDevice,
        _folder: tempfile::TempDir,
    }

    fn open_file(content: &[u8]) -> Opened {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        let device = open(&path, &Interrupt::default());
        Opened {
            device,
            _folder: folder,
        }
    }

    fn open(path: &Path, interrupt: &Interrupt) -> OpenDevice {
        let system = Win32::new().unwrap();
        OpenDevice::open(&system, path.to_str().unwrap(), interrupt).unwrap()
    }

    /// The other end of a pipe, which is written to when a read of this end is to end.
    struct Pipe {
        server: HANDLE,
        device: OpenDevice,
        interrupt: Interrupt,
    }

    impl Pipe {
        fn new(name: &str) -> Self {
            let path = format!(r"\\.\pipe\eductl-{}-{name}", std::process::id());
            let name = HSTRING::from(&path);
            let mode = PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT;
            // SAFETY: the name outlives the call, and there is nothing else to point to.
            let server = unsafe {
                CreateNamedPipeW(&name, PIPE_ACCESS_DUPLEX, mode, 1, 4096, 4096, 0, None)
            };
            assert_ne!(server, INVALID_HANDLE_VALUE);
            let interrupt = Interrupt::default();
            let device = open(Path::new(&path), &interrupt);
            Self {
                server,
                device,
                interrupt,
            }
        }

        fn read(&self) -> Result<Overlapped, Error> {
            let request = Request::Read {
                offset: 0,
                length: 16,
            };
            self.device.submit("read", request)
        }

        fn write(&self, data: &[u8]) {
            // SAFETY: the pipe is open, and the data outlives the call.
            unsafe { WriteFile(self.server, Some(data), None, None) }.unwrap();
        }
    }

    impl Drop for Pipe {
        fn drop(&mut self) {
            // SAFETY: it is open, and this is the last use.
            unsafe { CloseHandle(self.server) }.unwrap();
        }
    }

    fn what_is_written_is_read_where_it_was_written() {
        let Opened { device, _folder } = open_file(&[0; 64]);
        let data = b"hello".to_vec();
        let write = device.submit("write", Request::Write { offset: 7, data });
        let status = write.unwrap().wait().unwrap();
        assert_eq!((status.status, status.information), (Status::SUCCESS, 5));
        let read = Request::Read {
            offset: 6,
            length: 7,
        };
        let status = device.submit("read", read).unwrap().wait().unwrap();
        assert_eq!(status.status, Status::SUCCESS);
        assert_eq!(status.output(), b"\0hello\0");
    }

    fn many_requests_are_outstanding_and_each_gets_its_own_data() {
        let content: Vec<u8> = (0..=u8::MAX).collect();
        let Opened { device, _folder } = open_file(&content);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let begin = |offset| Request::Read { offset, length: 2 };
                    let requests: Vec<_> = (0..u8::MAX)
                        .map(|offset| {
                            let request = device.submit("read", begin(offset.into()));
                            (offset, request.unwrap())
                        })
                        .collect();
                    for (offset, request) in requests {
                        let status = request.wait().unwrap();
                        assert_eq!(status.output(), [offset, offset + 1]);
                    }
                });
            }
        });
    }

    fn a_request_that_is_refused_at_once_ends_once() {
        let Opened { device, _folder } = open_file(&[]);
        for _ in 0..100 {
            let control = Request::DeviceControl {
                code: eduwdm_abi::Ioctl::Identify.code(),
                input: vec![1, 2, 3],
                output_length: 16,
            };
            let status = device.submit("control", control).unwrap().wait().unwrap();
            assert!(!status.status.is_success(), "{:?}", status.status);
            assert_eq!(status.information, 0);
        }
    }

    fn a_read_beyond_the_end_is_refused() {
        let Opened { device, _folder } = open_file(&[1, 2, 3]);
        let read = |offset| Request::Read { offset, length: 4 };
        let status = device.submit("read", read(1)).unwrap().wait().unwrap();
        assert_eq!(status.output(), [2, 3]);
        let status = device.submit("read", read(3)).unwrap().wait().unwrap();
        assert!(status.status.is(0xc000_0011), "{:?}", status.status);
        assert!(status.output().is_empty());
    }

    fn a_path_that_is_none_is_refused_in_words() {
        let system = Win32::new().unwrap();
        let fault = OpenDevice::open(&system, r"\\?\PCI#none", &Interrupt::default()).unwrap_err();
        assert!(matches!(fault, Error::Refused { .. }), "{fault}");
        assert!(
            fault.to_string().contains("ERROR_FILE_NOT_FOUND"),
            "{fault}"
        );
        assert!(fault.to_string().contains("What to do"), "{fault}");
    }

    fn a_request_ends_when_what_it_waits_for_happens() {
        let pipe = Pipe::new("ends");
        let read = pipe.read().unwrap();
        assert!(!read.is_complete());
        pipe.write(b"now");
        let status = read.wait().unwrap();
        assert_eq!(status.status, Status::SUCCESS);
        assert_eq!(status.output(), b"now");
    }

    fn a_request_that_takes_too_long_is_canceled_and_has_ended() {
        let pipe = Pipe::new("late");
        let fault = pipe.read().unwrap().wait_for(Duration::from_millis(10));
        let fault = fault.unwrap_err();
        assert!(matches!(fault, Error::TimedOut { .. }), "{fault}");
        // It takes nothing of what comes later.
        pipe.write(b"later");
        assert_eq!(pipe.read().unwrap().wait().unwrap().output(), b"later");
    }

    fn one_request_is_canceled_and_its_neighbour_is_not() {
        let pipe = Pipe::new("one");
        let (first, second) = (pipe.read().unwrap(), pipe.read().unwrap());
        first.cancel();
        let status = first.wait().unwrap();
        assert!(status.status.is_canceled(), "{:?}", status.status);
        assert!(!second.is_complete());
        pipe.write(b"second");
        assert_eq!(second.wait().unwrap().output(), b"second");
    }

    fn an_interrupt_cancels_all_and_lets_none_begin() {
        let pipe = Pipe::new("interrupt");
        let reads = [pipe.read().unwrap(), pipe.read().unwrap()];
        pipe.interrupt.raise();
        for read in reads {
            assert!(matches!(read.wait(), Err(Error::Interrupted)));
        }
        assert!(matches!(pipe.read(), Err(Error::Interrupted)));
    }

    fn dropping_a_request_ends_it() {
        let pipe = Pipe::new("drop");
        drop(pipe.read().unwrap());
        pipe.write(b"kept");
        assert_eq!(pipe.read().unwrap().wait().unwrap().output(), b"kept");
    }

    fn memory_is_read_and_written_within_its_length() {
        let system: Arc<dyn IoSystem> = Arc::new(Win32::new().unwrap());
        let mut memory = system.allocate(5).unwrap();
        assert_ne!(memory.address(), 0);
        assert_eq!(memory.read(5).unwrap(), [0; 5]);
        memory.write(b"abc").unwrap();
        assert_eq!(memory.read(5).unwrap(), b"abc\0\0");
        assert!(memory.read(6).is_err() && memory.write(&[0; 6]).is_err());
    }

    fn a_class_that_nobody_registers_has_no_interfaces() {
        let system = Win32::new().unwrap();
        assert_eq!(
            system.interface_list(&EDU_INTERFACE).unwrap(),
            Vec::<String>::new()
        );
    }
}
