//! A function's configuration space in memory, for the tests of what reads and writes it.

use core::cell::RefCell;

use super::config::Config;

/// 256 bytes, of which those of the base address registers keep their size's lower bits zero.
pub struct Fake {
    bytes: RefCell<[u8; 256]>,
    bar_masks: [u32; 6],
}

impl Fake {
    /// As QEMU's edu: one memory BAR of 1 MiB, one message with a 64-bit address at 0x40.
    pub fn edu() -> Self {
        let fake = Self {
            bytes: RefCell::new([0; 256]),
            bar_masks: [0xfff0_0000, 0, 0, 0, 0, 0],
        };
        fake.write(0x00, 0x11e8_1234);
        fake.write(0x04, 0x0010_0002);
        fake.write(0x08, 0x00ff_0010);
        fake.write(0x10, 0xfea0_0000);
        fake.write(0x2c, 0x1100_1af4);
        fake.write(0x34, 0x40);
        fake.write(0x3c, 0x0100);
        fake.write(0x40, 0x0080_0005);
        fake
    }

    /// The same with other BARs: `(index, mask, value)`.
    pub fn with_bars(bars: &[(usize, u32, u32)]) -> Self {
        let mut fake = Self::edu();
        fake.bar_masks = [0; 6];
        fake.bytes.borrow_mut()[0x10..0x28].fill(0);
        for &(index, mask, value) in bars {
            fake.bar_masks[index] = mask;
            let offset = 0x10 + 4 * index;
            fake.bytes.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        }
        fake
    }

    /// Sets one byte.
    pub fn put(&self, offset: usize, byte: u8) {
        self.bytes.borrow_mut()[offset] = byte;
    }
}

impl Config for Fake {
    fn read(&self, offset: u16) -> u32 {
        let offset = usize::from(offset);
        let bytes = self.bytes.borrow();
        u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap())
    }

    fn write(&self, offset: u16, value: u32) {
        let old = self.read(offset);
        let value = match offset {
            0x10..0x28 => {
                let mask = self.bar_masks[usize::from(offset - 0x10) / 4];
                value & mask | old & !mask
            }
            _ => value,
        };
        let offset = usize::from(offset);
        self.bytes.borrow_mut()[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}
