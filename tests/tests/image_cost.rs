//! What a request costs in instructions of the driver's own image, which depend on nothing but the
//! image: QEMU logs each of them.
#![cfg(unix)]

use eduwdm_abi::{Header, Ioctl, edu::FactorialInput};
use eduwdm_qemu::image_trace;
use nthost_protocol::exercise::ExerciseRequest;
use zerocopy::IntoBytes;

/// So many of each.
const COUNT: u32 = 20;
/// A control code that no driver here has: `CTL_CODE` of `FILE_DEVICE_UNKNOWN`, function 0xfff,
/// buffered, any access.
const NULL: u32 = 0x0022_3ffc;
/// The most instructions of each: what they cost, and a little for another compiler.
const LIMITS: [u64; 3] = [165, 360, 1150];

#[test]
fn a_request_costs_few_instructions_of_the_driver() {
    let directory = tempfile::tempdir().unwrap();
    let control = |code, input: &[u8], output| ExerciseRequest::Control {
        code,
        input: input.to_vec(),
        output,
    };
    let factorial = FactorialInput {
        header: Header::of::<FactorialInput>(),
        n: 5,
        reserved: 0,
    };
    let requests = vec![
        control(NULL, &[], 0),
        control(Ioctl::Identify.code(), &[], 4096),
        control(Ioctl::Factorial.code(), factorial.as_bytes(), 4096),
    ];
    let file = directory.path().join("trace");
    let costs = image_trace::measure(&eduwdm_tests::artifacts(), requests, COUNT, &file);
    let costs = costs.unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(costs.len(), LIMITS.len());
    for (what, (cost, limit)) in ["null", "Identify", "factorial"]
        .iter()
        .zip(costs.iter().zip(LIMITS))
    {
        println!("{what}: {} instructions", cost.each());
        // Less is no request that the driver has seen.
        assert!((50..=limit).contains(&cost.each()), "{what}: {cost:?}");
    }
}
