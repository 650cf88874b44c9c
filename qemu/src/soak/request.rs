//! The requests, and what their driver documents of how each may end.

use eductl::io::{IoStatus, Request};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{
        DEVICE_BUFFER_LENGTH, DmaSelfTestInput, DmaSelfTestOutput, FactorialInput, FactorialOutput,
        Identity, Liveness, RaiseEvent, WaitEventInput, WaitEventOutput,
    },
};
use nthost_protocol::random::Sequence;
use zerocopy::{FromBytes, IntoBytes};

use super::life::{Disturbance, status};

/// The bits that clients raise and wait for.
const EVENTS: u32 = 0xf0;

/// What is asked of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A factorial.
    Factorial(u32),
    /// A read, and how many bytes it gets.
    Read(u32),
    /// A write, and how many bytes it moves.
    Write(u32),
    /// A wait for an event.
    Wait(u32),
    /// An event.
    Raise,
    /// What the device is.
    Identify,
    /// Whether it answers.
    Liveness(u32),
    /// A self-test of its DMA, of so many bytes.
    SelfTest(u32),
    /// Nonsense, of which is only known that it ends.
    Hostile,
}

impl Kind {
    /// For the figures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factorial(_) => "factorials",
            Self::Read(_) => "reads",
            Self::Write(_) => "writes",
            Self::Wait(_) => "waits for events",
            Self::Raise => "events raised",
            Self::Identify => "identifications",
            Self::Liveness(_) => "liveness checks",
            Self::SelfTest(_) => "DMA self-tests",
            Self::Hostile => "hostile requests",
        }
    }

    /// The next request that chance has.
    pub fn draw(random: &mut Sequence) -> (Self, Request) {
        let mut below = |limit: u32| u32::try_from(random.below(limit.into())).unwrap_or(0);
        match below(12) {
            0 | 1 => {
                let n = below(13);
                let input = FactorialInput {
                    header: Header::of::<FactorialInput>(),
                    n,
                    reserved: 0,
                };
                let output = size_of::<FactorialOutput>();
                (
                    Self::Factorial(n),
                    control(Ioctl::Factorial, &input, output),
                )
            }
            2 => {
                let (offset, length) = (below(DEVICE_BUFFER_LENGTH), below(5000));
                let moved = length.min(DEVICE_BUFFER_LENGTH - offset);
                let offset = offset.into();
                (Self::Read(moved), Request::Read { offset, length })
            }
            3 => {
                let (offset, length) = (below(DEVICE_BUFFER_LENGTH), below(5000));
                let moved = length.min(DEVICE_BUFFER_LENGTH - offset);
                let (offset, data) = (offset.into(), vec![0x5a; length as usize]);
                (Self::Write(moved), Request::Write { offset, data })
            }
            4 | 5 => {
                let mask = 0x10 << below(4);
                let input = WaitEventInput {
                    header: Header::of::<WaitEventInput>(),
                    mask,
                    timeout_ms: below(100),
                };
                let output = size_of::<WaitEventOutput>();
                (Self::Wait(mask), control(Ioctl::WaitEvent, &input, output))
            }
            6 => {
                let input = RaiseEvent {
                    header: Header::of::<RaiseEvent>(),
                    bits: EVENTS & !(0x10 << below(4)),
                    reserved: 0,
                };
                (Self::Raise, control(Ioctl::RaiseEvent, &input, 0))
            }
            7 => (
                Self::Identify,
                control(Ioctl::Identify, &(), size_of::<Identity>()),
            ),
            8 => {
                let value = below(u32::MAX);
                let input = Liveness {
                    header: Header::of::<Liveness>(),
                    value,
                    inverse: 0,
                };
                let output = size_of::<Liveness>();
                (
                    Self::Liveness(value),
                    control(Ioctl::Liveness, &input, output),
                )
            }
            9 => {
                let length = 1 + below(2000);
                let input = DmaSelfTestInput {
                    header: Header::of::<DmaSelfTestInput>(),
                    seed: below(u32::MAX).into(),
                    length,
                    device_offset: below(2000),
                };
                let output = size_of::<DmaSelfTestOutput>();
                (
                    Self::SelfTest(length),
                    control(Ioctl::DmaSelfTest, &input, output),
                )
            }
            _ => (Self::Hostile, hostile(random)),
        }
    }

    /// Holds the end of a request to what is documented. `canceled` says that somebody has
    /// canceled it.
    pub fn judge(
        self,
        ended: &IoStatus,
        canceled: bool,
        disturbed: Disturbance,
    ) -> Result<(), String> {
        let eductl::status::Status::Nt(code) = ended.status else {
            return Err(format!("{:?} is no NTSTATUS", ended.status));
        };
        if code == status::PENDING {
            return Err("it is said to be over, and to be pending".to_owned());
        }
        if self == Self::Hostile {
            return Ok(());
        }
        if code != status::SUCCESS {
            let timed_out = matches!(self, Self::Wait(_)) && code == status::IO_TIMEOUT;
            let allowed =
                timed_out || canceled && code == status::CANCELLED || disturbed.allows(code);
            return if allowed {
                Ok(())
            } else {
                Err(format!("{} with {disturbed:?}", ended.status))
            };
        }
        self.judge_answer(ended, disturbed)
    }

    fn judge_answer(self, ended: &IoStatus, disturbed: Disturbance) -> Result<(), String> {
        fn answer<A: FromBytes>(ended: &IoStatus) -> Result<A, String> {
            let read = A::read_from_prefix(ended.output());
            let (answer, _) = read.map_err(|_| format!("{} bytes", ended.output().len()))?;
            Ok(answer)
        }
        let right = match self {
            Self::Factorial(n) => {
                answer::<FactorialOutput>(ended)?.result == (1..=n).product::<u32>()
            }
            Self::Read(moved) | Self::Write(moved) => ended.information == u64::from(moved),
            Self::Wait(mask) => answer::<WaitEventOutput>(ended)?.bits & mask != 0,
            Self::Identify => answer::<Identity>(ended)?.buffer_length == DEVICE_BUFFER_LENGTH,
            // A device that has just been pulled out answers something else: that is what the check is
            // for.
            Self::Liveness(value) => {
                answer::<Liveness>(ended)?.inverse == !value || disturbed == Disturbance::Some
            }
            Self::SelfTest(length) => {
                let output = answer::<DmaSelfTestOutput>(ended)?;
                (output.compared, output.mismatches) == (length, 0)
            }
            Self::Raise => ended.information == 0,
            Self::Hostile => true,
        };
        if right {
            Ok(())
        } else {
            Err(format!("a wrong answer: {ended:?}"))
        }
    }
}

fn control<I: IntoBytes + zerocopy::Immutable>(ioctl: Ioctl, input: &I, output: usize) -> Request {
    Request::DeviceControl {
        code: ioctl.code(),
        input: input.as_bytes().to_vec(),
        output_length: u32::try_from(output).unwrap_or(u32::MAX),
    }
}

/// A request that no client in its right mind sends: a code of the driver's or another, with bytes
/// of chance in buffers of any length, or a good request with one bit turned. Not a reset: that ends
/// the requests of others.
fn hostile(random: &mut Sequence) -> Request {
    if random.below(2) == 0 {
        let mut request = Kind::draw_good(random);
        if let Request::DeviceControl { input, .. } = &mut request
            && !input.is_empty()
        {
            let bit = random.below(input.len() as u64 * 8);
            let byte = usize::try_from(bit / 8).unwrap_or(0);
            input[byte] ^= 1 << (bit % 8);
        }
        return request;
    }
    let known = Ioctl::ALL[usize::try_from(random.below(Ioctl::ALL.len() as u64)).unwrap_or(0)];
    let code = if random.below(4) == 0 {
        u32::try_from(random.draw() >> 32).unwrap_or(0)
    } else {
        // With any method and any rights.
        known.code() ^ u32::try_from(random.below(4)).unwrap_or(0)
    };
    let length = random.below(300);
    let input: Vec<_> = (0..length)
        .map(|_| random.draw().to_le_bytes()[0])
        .collect();
    if code & !3 == Ioctl::Reset.code() & !3 {
        return Request::Read {
            offset: random.draw(),
            length: 16,
        };
    }
    Request::DeviceControl {
        code,
        input,
        output_length: u32::try_from(random.below(300)).unwrap_or(0),
    }
}

impl Kind {
    /// A request that is good, of those that have an input.
    fn draw_good(random: &mut Sequence) -> Request {
        loop {
            let (kind, request) = Self::draw(random);
            if kind != Self::Hostile && matches!(request, Request::DeviceControl { .. }) {
                return request;
            }
        }
    }
}
