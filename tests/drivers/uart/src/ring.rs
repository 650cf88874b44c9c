//! Bytes in the order in which they came, in memory of their own.

/// Room for `N` bytes.
pub struct Ring<const N: usize> {
    bytes: [u8; N],
    first: usize,
    length: usize,
}

impl<const N: usize> Ring<N> {
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            first: 0,
            length: 0,
        }
    }

    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// For how many more there is room.
    pub const fn room(&self) -> usize {
        N - self.length
    }

    /// Whether there was room.
    pub fn push(&mut self, byte: u8) -> bool {
        if self.room() == 0 {
            return false;
        }
        if let Some(place) = self.bytes.get_mut((self.first + self.length) % N) {
            *place = byte;
        }
        self.length += 1;
        true
    }

    pub fn pop(&mut self) -> Option<u8> {
        if self.is_empty() {
            return None;
        }
        let byte = self.bytes.get(self.first).copied();
        self.first = (self.first + 1) % N;
        self.length -= 1;
        byte
    }

    /// Takes as many as fit, and says how many.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let mut taken = 0;
        for place in into {
            let Some(byte) = self.pop() else {
                break;
            };
            *place = byte;
            taken += 1;
        }
        taken
    }
}
