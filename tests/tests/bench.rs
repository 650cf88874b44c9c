//! The client in the kernel that measures: all of its requests are made, and each ends as it should,
//! however many threads make them and however many are outstanding.
#![cfg(unix)]

use eductl::{Interrupt, Request, Status, device::OpenDevice, io::IoSystem};
use eduwdm_abi::{
    Header,
    bench::{self, Kind, MAX_DEPTH, MAX_LENGTH, MAX_THREADS, RunInput, RunOutput},
};
use eduwdm_qemu::bench::manifest;
use eduwdm_tests::{boot, options};
use zerocopy::{FromBytes, IntoBytes};

const INVALID_PARAMETER: Status = Status::Nt(0xc000_000d);

fn run(device: &OpenDevice, input: &RunInput) -> (Status, Option<RunOutput>) {
    let request = Request::DeviceControl {
        code: bench::RUN,
        input: input.as_bytes().to_vec(),
        output_length: u32::try_from(size_of::<RunOutput>()).unwrap(),
    };
    let answer = device.submit("run", request).unwrap().wait().unwrap();
    (
        answer.status,
        RunOutput::read_from_bytes(answer.output()).ok(),
    )
}

fn input(kind: Kind, threads: u32, depth: u32, requests: u32) -> RunInput {
    RunInput {
        header: Header::of::<RunInput>(),
        kind: kind as u32,
        threads,
        depth,
        requests,
        length: 64,
        reserved: 0,
    }
}

#[test]
fn each_request_of_each_thread_is_made_and_ends_as_it_should() {
    let booted = boot("smp4", &options(manifest().unwrap())).unwrap_or_else(|it| panic!("{it}"));
    let path = booted
        .host
        .interface_list(&bench::INTERFACE)
        .unwrap()
        .remove(0);
    let device = OpenDevice::open(&booted.host, &path, &Interrupt::default()).unwrap();
    for kind in Kind::ALL {
        // A transfer takes the device a tenth of a second.
        let is_transfer = matches!(kind, Kind::Read | Kind::Write);
        let cases = [(1, 1, 1), (2, 4, 3), (1, 8, 40), (4, 16, 30), (6, 4, 3)];
        for (threads, depth, requests) in &cases[..if is_transfer { 2 } else { 5 }] {
            let (threads, depth, requests) = (*threads, *depth, *requests);
            let (status, output) = run(&device, &input(kind, threads, depth, requests));
            assert_eq!(status, Status::Nt(0), "{kind:?}");
            let output = output.unwrap();
            let made = u64::from(threads * requests);
            assert_eq!((output.right, output.wrong), (made, 0), "{kind:?}");
            assert_eq!(output.latencies.iter().sum::<u64>(), made, "{kind:?}");
        }
    }
    // What is out of bounds is refused, and nothing is done.
    let valid = input(Kind::Null, 1, 1, 1);
    let wrong: [fn(&mut RunInput); 8] = [
        |input| input.kind = 5,
        |input| input.threads = 0,
        |input| input.threads = MAX_THREADS + 1,
        |input| input.depth = 0,
        |input| input.depth = MAX_DEPTH + 1,
        |input| input.requests = 0,
        |input| input.length = MAX_LENGTH + 1,
        |input| input.reserved = 1,
    ];
    for change in wrong {
        let mut input = valid;
        change(&mut input);
        assert_eq!(run(&device, &input), (INVALID_PARAMETER, None), "{input:?}");
    }
    drop(device);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}
