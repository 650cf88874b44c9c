//! DMA transfers: which part of the device's buffer a request may move, and the device's
//! transfers that move it.
//!
//! A transfer that leaves the device's buffer ends the emulator or corrupts its memory. So a
//! [`DeviceRange`] can only be made inside of the buffer, and a [`Step`], which is what the
//! device is told, only inside of a `DeviceRange`: there is no other way to a step.
//!
//! The device has no scatter/gather: each element of a request's list is a transfer of its own.

use crate::request::Refusal;

/// Where the device's buffer is, as the device addresses it.
pub const DEVICE_BUFFER_ADDRESS: u64 = 0x4_0000;

/// How wide the device's DMA addresses are: it drops the bits above.
pub const DMA_ADDRESS_WIDTH: u32 = 28;

/// A part of the device's buffer, not empty and inside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceRange {
    offset: u16,
    length: u16,
}

/// What of a read or write lies in the device's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clipped {
    /// Nothing was asked for.
    Nothing,
    /// All of it lies behind the end.
    BehindEnd,
    /// This part; less than was asked for if that goes past the end.
    Range(DeviceRange),
}

impl DeviceRange {
    /// Exactly this part of a buffer of `buffer_length` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidParameter`] if it is empty or leaves the buffer.
    pub fn exact(offset: u32, length: u32, buffer_length: u32) -> Result<Self, Refusal> {
        let end = offset
            .checked_add(length)
            .ok_or(Refusal::InvalidParameter)?;
        if length == 0 || end > buffer_length {
            return Err(Refusal::InvalidParameter);
        }
        // Both are below `buffer_length`, which is at most 4096.
        match (u16::try_from(offset), u16::try_from(length)) {
            (Ok(offset), Ok(length)) => Ok(Self { offset, length }),
            _ => Err(Refusal::InvalidParameter),
        }
    }

    /// What of a read or write at this byte offset lies in a buffer of `buffer_length` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidParameter`] for a negative offset: those have a meaning for files, such
    /// as the file's own position, and none for a device.
    pub fn clip(offset: i64, length: u32, buffer_length: u32) -> Result<Clipped, Refusal> {
        let offset = u64::try_from(offset).map_err(|_| Refusal::InvalidParameter)?;
        if length == 0 {
            return Ok(Clipped::Nothing);
        }
        let Some(left) = u64::from(buffer_length).checked_sub(offset) else {
            return Ok(Clipped::BehindEnd);
        };
        if left == 0 {
            return Ok(Clipped::BehindEnd);
        }
        // Both are at most `buffer_length` here.
        let length = u32::try_from(left).map_or(length, |left| left.min(length));
        let offset = u32::try_from(offset).map_err(|_| Refusal::InvalidParameter)?;
        Self::exact(offset, length, buffer_length).map(Clipped::Range)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(self) -> u32 {
        self.length.into()
    }
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From memory to the device.
    ToDevice,
    /// From the device to memory.
    FromDevice,
}

/// A contiguous piece of memory, as the device addresses it: an element of a scatter/gather list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its first address.
    pub address: u64,
    /// Its length in bytes.
    pub length: u32,
}

/// One transfer of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    memory: u64,
    device: u64,
    count: u32,
}

impl Step {
    /// The address in memory.
    #[must_use]
    pub const fn memory(self) -> u64 {
        self.memory
    }

    /// The address in the device's buffer.
    #[must_use]
    pub const fn device(self) -> u64 {
        self.device
    }

    /// How many bytes.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count
    }
}

/// Why there is no next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepError {
    /// The list describes fewer bytes than the request.
    ListTooShort,
    /// An element lies where the device cannot address it.
    OutOfReach,
}

/// How far a request has been moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    range: DeviceRange,
    done: u32,
    element: usize,
}

impl Progress {
    /// Nothing of it yet.
    #[must_use]
    pub const fn new(range: DeviceRange) -> Self {
        Self {
            range,
            done: 0,
            element: 0,
        }
    }

    /// Bytes moved so far.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.done
    }

    /// The next transfer, or none when all is moved. `element` gives the elements of the list by
    /// their index.
    ///
    /// # Errors
    ///
    /// [`StepError`]; nothing must be transferred then.
    pub fn next_step(
        &self,
        element: impl Fn(usize) -> Option<Element>,
    ) -> Result<Option<Step>, StepError> {
        const LIMIT: u64 = 1 << DMA_ADDRESS_WIDTH;
        let left = self.range.length() - self.done;
        if left == 0 {
            return Ok(None);
        }
        let element = element(self.element).ok_or(StepError::ListTooShort)?;
        // The list may describe more than was asked for; never more of it is moved.
        let count = element.length.min(left);
        if count == 0 {
            return Err(StepError::ListTooShort);
        }
        let end = element.address.checked_add(u64::from(count));
        if end.is_none_or(|end| end > LIMIT) {
            return Err(StepError::OutOfReach);
        }
        Ok(Some(Step {
            memory: element.address,
            device: DEVICE_BUFFER_ADDRESS + u64::from(self.range.offset) + u64::from(self.done),
            count,
        }))
    }

    /// Moves all of it once more, by another list.
    pub const fn restart(&mut self) {
        *self = Self::new(self.range);
    }

    /// The part of the device's buffer that is moved.
    #[must_use]
    pub const fn range(&self) -> DeviceRange {
        self.range
    }

    /// The device has done this step.
    pub fn advance(&mut self, step: Step) {
        self.done += step.count;
        self.element += 1;
    }
}

/// What the DMA registers hold, so that only what changes is written: every access to a register
/// leaves the virtual machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Programmed {
    source: Option<u64>,
    destination: Option<u64>,
    count: Option<u64>,
}

/// What must be written before a step is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changes {
    /// To the source register.
    pub source: Option<u64>,
    /// To the destination register.
    pub destination: Option<u64>,
    /// To the count register.
    pub count: Option<u64>,
}

impl Programmed {
    /// What to write for this step; afterwards it counts as written.
    pub fn program(&mut self, step: Step, direction: Direction) -> Changes {
        fn changed(register: &mut Option<u64>, value: u64) -> Option<u64> {
            (register.replace(value) != Some(value)).then_some(value)
        }
        let (source, destination) = match direction {
            Direction::ToDevice => (step.memory, step.device),
            Direction::FromDevice => (step.device, step.memory),
        };
        Changes {
            source: changed(&mut self.source, source),
            destination: changed(&mut self.destination, destination),
            count: changed(&mut self.count, step.count.into()),
        }
    }

    /// The device has been reset: nothing is known of its registers.
    pub const fn forget(&mut self) {
        self.source = None;
        self.destination = None;
        self.count = None;
    }
}

/// The byte at `index` of the pattern that the DMA self-test moves: different for each seed, and
/// unlike its neighbours, so that a shift by any distance shows.
#[must_use]
pub fn pattern(seed: u64, index: u32) -> u8 {
    // SplitMix64, which is made for turning neighbouring inputs into unlike outputs.
    let mut z = seed.wrapping_add(u64::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).to_le_bytes()[0]
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use std::collections::HashMap;

    use eduwdm_abi::edu::{DEVICE_BUFFER_LENGTH, DEVICE_BUFFER_LENGTH_FULL};
    use proptest::prelude::*;

    use super::*;

    /// The device, as far as DMA goes: registers, buffer, and the check that ends the emulator.
    struct Device {
        source: u64,
        destination: u64,
        count: u64,
        buffer: Vec<u8>,
        memory: HashMap<u64, u8>,
        writes: usize,
    }

    impl Device {
        fn new() -> Self {
            Self {
                source: 0,
                destination: 0,
                count: 0,
                buffer: vec![0; 4096],
                memory: HashMap::new(),
                writes: 0,
            }
        }

        fn run(&mut self, changes: Changes, direction: Direction) {
            for (register, value) in [
                (&mut self.source, changes.source),
                (&mut self.destination, changes.destination),
                (&mut self.count, changes.count),
            ] {
                if let Some(value) = value {
                    *register = value;
                    self.writes += 1;
                }
            }
            let (memory, device) = match direction {
                Direction::ToDevice => (self.source, self.destination),
                Direction::FromDevice => (self.destination, self.source),
            };
            assert!(
                device >= DEVICE_BUFFER_ADDRESS
                    && device + self.count <= DEVICE_BUFFER_ADDRESS + 4096,
                "the device's buffer is left: {device:#x} + {:#x}",
                self.count
            );
            assert!(memory + self.count <= 1 << DMA_ADDRESS_WIDTH, "masked");
            for i in 0..self.count {
                let at = usize::try_from(device - DEVICE_BUFFER_ADDRESS + i).unwrap();
                match direction {
                    Direction::ToDevice => self.buffer[at] = self.memory[&(memory + i)],
                    Direction::FromDevice => {
                        self.memory.insert(memory + i, self.buffer[at]);
                    }
                }
            }
        }

        fn transfer(
            &mut self,
            programmed: &mut Programmed,
            range: DeviceRange,
            list: &[Element],
            direction: Direction,
        ) -> Result<usize, StepError> {
            let mut progress = Progress::new(range);
            let mut steps = 0;
            while let Some(step) = progress.next_step(|i| list.get(i).copied())? {
                self.run(programmed.program(step, direction), direction);
                progress.advance(step);
                steps += 1;
            }
            assert_eq!(progress.done(), range.length());
            Ok(steps)
        }
    }

    /// Elements of the given lengths, each in a megabyte of its own.
    fn list(lengths: &[u32]) -> Vec<Element> {
        (1..)
            .zip(lengths)
            .map(|(megabyte, &length)| Element {
                address: (megabyte << 20) + 123,
                length,
            })
            .collect()
    }

    #[test]
    fn the_last_byte_is_only_to_be_had_when_the_buffer_is_said_to_be_whole() {
        let whole = DEVICE_BUFFER_LENGTH_FULL;
        assert!(DeviceRange::exact(0, 4095, DEVICE_BUFFER_LENGTH).is_ok());
        assert!(DeviceRange::exact(4094, 1, DEVICE_BUFFER_LENGTH).is_ok());
        assert!(DeviceRange::exact(4095, 1, DEVICE_BUFFER_LENGTH).is_err());
        assert!(DeviceRange::exact(0, 4096, DEVICE_BUFFER_LENGTH).is_err());
        assert!(DeviceRange::exact(0, 4096, whole).is_ok());
        assert!(DeviceRange::exact(4095, 1, whole).is_ok());
        assert!(DeviceRange::exact(4096, 1, whole).is_err());
        assert!(DeviceRange::exact(0, 0, whole).is_err());
        assert!(DeviceRange::exact(u32::MAX, 2, whole).is_err());
    }

    #[test]
    fn a_read_past_the_end_is_shorter_and_one_behind_it_has_nothing() {
        let clip = |offset, length| DeviceRange::clip(offset, length, DEVICE_BUFFER_LENGTH);
        let range = |offset, length| {
            Ok(Clipped::Range(
                DeviceRange::exact(offset, length, DEVICE_BUFFER_LENGTH).unwrap(),
            ))
        };
        assert_eq!(clip(4000, 4096), range(4000, 95));
        assert_eq!(clip(0, u32::MAX), range(0, 4095));
        assert_eq!(clip(4095, 1), Ok(Clipped::BehindEnd));
        assert_eq!(clip(i64::MAX, 1), Ok(Clipped::BehindEnd));
        assert_eq!(clip(i64::MAX, 0), Ok(Clipped::Nothing));
        assert_eq!(clip(-1, 1), Err(Refusal::InvalidParameter));
        assert_eq!(clip(i64::MIN, 0), Err(Refusal::InvalidParameter));
    }

    #[test]
    fn an_element_beyond_the_devices_reach_is_not_transferred() {
        let range = DeviceRange::exact(0, 16, DEVICE_BUFFER_LENGTH).unwrap();
        let step = |address| {
            Progress::new(range).next_step(|_| {
                Some(Element {
                    address,
                    length: 16,
                })
            })
        };
        assert!(step((1 << 28) - 16).is_ok());
        assert_eq!(step((1 << 28) - 15), Err(StepError::OutOfReach));
        assert_eq!(step(1 << 28), Err(StepError::OutOfReach));
        assert_eq!(step(u64::MAX), Err(StepError::OutOfReach));
    }

    #[test]
    fn a_transfer_that_left_the_reach_in_its_middle_is_moved_whole_by_another_list() {
        let range = DeviceRange::exact(4, 16, DEVICE_BUFFER_LENGTH).unwrap();
        let mut progress = Progress::new(range);
        let far = [
            Element {
                address: 1 << 20,
                length: 8,
            },
            Element {
                address: 1 << 28,
                length: 8,
            },
        ];
        let first = progress.next_step(|index| far.get(index).copied());
        progress.advance(first.unwrap().unwrap());
        let second = progress.next_step(|index| far.get(index).copied());
        assert_eq!(second, Err(StepError::OutOfReach));
        progress.restart();
        assert_eq!((progress.done(), progress.range()), (0, range));
        let near = [Element {
            address: 2 << 20,
            length: 4096,
        }];
        let only = progress
            .next_step(|index| near.get(index).copied())
            .unwrap()
            .unwrap();
        assert_eq!(
            (only.memory(), only.device(), only.count()),
            (2 << 20, DEVICE_BUFFER_ADDRESS + 4, 16)
        );
        progress.advance(only);
        let rest = progress.next_step(|index| near.get(index).copied());
        assert_eq!(rest, Ok(None));
    }

    #[test]
    fn a_list_that_ends_early_or_has_an_empty_element_is_refused() {
        let range = DeviceRange::exact(0, 16, DEVICE_BUFFER_LENGTH).unwrap();
        let mut device = Device::new();
        device
            .memory
            .extend((0..16).map(|i| ((1 << 20) + 123 + i, 0)));
        for lengths in [&[8][..], &[0, 16], &[]] {
            assert_eq!(
                device.transfer(
                    &mut Programmed::default(),
                    range,
                    &list(lengths),
                    Direction::ToDevice
                ),
                Err(StepError::ListTooShort),
                "{lengths:?}"
            );
        }
    }

    #[test]
    fn registers_that_keep_their_value_are_not_written_again() {
        let range = DeviceRange::exact(8, 16, DEVICE_BUFFER_LENGTH).unwrap();
        let mut device = Device::new();
        let mut programmed = Programmed::default();
        let list = list(&[16]);
        for (direction, writes) in [
            (Direction::FromDevice, 3),
            (Direction::FromDevice, 0),
            // Source and destination change places.
            (Direction::ToDevice, 2),
        ] {
            device.writes = 0;
            device
                .transfer(&mut programmed, range, &list, direction)
                .unwrap();
            assert_eq!(device.writes, writes, "{direction:?}");
        }
        programmed.forget();
        device.writes = 0;
        device
            .transfer(&mut programmed, range, &list, Direction::ToDevice)
            .unwrap();
        assert_eq!(device.writes, 3);
    }

    #[test]
    fn patterns_differ_by_seed_and_by_place() {
        let bytes = |seed| -> Vec<u8> { (0..4096).map(|i| pattern(seed, i)).collect() };
        assert_ne!(bytes(1), bytes(2));
        let one = bytes(1);
        for shift in 1..4096 {
            assert_ne!(one[shift..], one[..4096 - shift], "shifted by {shift}");
        }
    }

    proptest! {
        #[test]
        fn no_parameters_make_a_range_outside_of_the_buffer(
            offset in prop_oneof![any::<i64>(), -2_i64..4100],
            length in prop_oneof![any::<u32>(), 0_u32..4100],
            whole in any::<bool>(),
        ) {
            let buffer = if whole { DEVICE_BUFFER_LENGTH_FULL } else { DEVICE_BUFFER_LENGTH };
            let inside = |range: DeviceRange| {
                u32::from(range.offset) + range.length() <= buffer && range.length() > 0
            };
            if let Ok(Clipped::Range(range)) = DeviceRange::clip(offset, length, buffer) {
                prop_assert!(inside(range));
                prop_assert!(range.length() <= length);
                prop_assert_eq!(i64::from(range.offset), offset);
            }
            if let Ok(range) = u32::try_from(offset)
                .map_err(|_| Refusal::InvalidParameter)
                .and_then(|offset| DeviceRange::exact(offset, length, buffer))
            {
                prop_assert!(inside(range));
                prop_assert_eq!(range.length(), length);
            }
        }

        #[test]
        fn any_list_that_is_long_enough_moves_exactly_the_request(
            offset in 0_u32..4095,
            lengths in proptest::collection::vec(1_u32..700, 1..20),
            length in 1_u32..=4095,
            to_device in any::<bool>(),
            seed in any::<u64>(),
        ) {
            let length = length.min(4095 - offset);
            let range = DeviceRange::exact(offset, length, DEVICE_BUFFER_LENGTH).unwrap();
            let direction = if to_device { Direction::ToDevice } else { Direction::FromDevice };
            let list = list(&lengths);
            let mut device = Device::new();
            // All bytes of the list, in order, and the device's buffer.
            let addresses: Vec<u64> = list
                .iter()
                .flat_map(|element| element.address..element.address + u64::from(element.length))
                .collect();
            for (&address, i) in addresses.iter().zip(0..) {
                device.memory.insert(address, pattern(seed, i));
            }
            for (byte, i) in device.buffer.iter_mut().zip(0..) {
                *byte = pattern(!seed, i);
            }
            let buffer = device.buffer.clone();
            let memory = device.memory.clone();

            let moved = device.transfer(&mut Programmed::default(), range, &list, direction);

            let long_enough = addresses.len() >= length as usize;
            prop_assert_eq!(moved.is_ok(), long_enough);
            if !long_enough {
                return Ok(());
            }
            for i in 0..4096_u32 {
                let moved = i >= offset && i < offset + length;
                let expected = if moved && to_device {
                    memory[&addresses[(i - offset) as usize]]
                } else {
                    buffer[i as usize]
                };
                prop_assert_eq!(device.buffer[i as usize], expected, "device byte {}", i);
            }
            for (&address, i) in addresses.iter().zip(0..) {
                let expected = if i < length && !to_device {
                    buffer[(offset + i) as usize]
                } else {
                    memory[&address]
                };
                prop_assert_eq!(device.memory[&address], expected, "memory byte {}", i);
            }
        }
    }
}
