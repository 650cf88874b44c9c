//! Frames: a length and a message. Bytes come in as the port delivers them, in any pieces.

use alloc::vec::Vec;
use core::fmt;

use serde::{Serialize, de::DeserializeOwned};

/// The longest message. Reads and writes beyond it are split by nobody: they are refused.
pub const MAX_FRAME: usize = 16 << 20;

/// Why a frame was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// The length exceeds [`MAX_FRAME`]: there is no telling where the next frame begins.
    TooLong(usize),
    /// The message of this frame (counted from 0) is no message of the expected type.
    Malformed {
        /// Which frame of the connection.
        frame: u64,
        /// What the decoder says.
        why: postcard::Error,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(length) => {
                write!(
                    f,
                    "a frame of {length} bytes, of which {MAX_FRAME} are allowed"
                )
            }
            Self::Malformed { frame, why } => write!(f, "frame {frame} holds no message: {why}"),
        }
    }
}

impl core::error::Error for FrameError {}

/// The frame that carries a message.
///
/// # Errors
///
/// [`FrameError::TooLong`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let body =
        postcard::to_allocvec(message).map_err(|why| FrameError::Malformed { frame: 0, why })?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= MAX_FRAME)
        .ok_or(FrameError::TooLong(body.len()))?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Puts frames together from the pieces in which their bytes arrive.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    frames: u64,
}

impl Decoder {
    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message, if it has arrived whole.
    ///
    /// # Errors
    ///
    /// After [`FrameError::Malformed`] the frame is skipped, and the next call goes on with
    /// the one behind it. [`FrameError::TooLong`] comes again at every call: the connection
    /// is lost.
    pub fn decode<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((length, _)) = self.bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = self.bytes.get(4..4 + length) else {
            return Ok(None);
        };
        let message = postcard::from_bytes(body);
        let frame = self.frames;
        self.frames += 1;
        self.bytes.drain(..4 + length);
        message
            .map(Some)
            .map_err(|why| FrameError::Malformed { frame, why })
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{HostRequest, ToGuest};

    #[test]
    fn a_message_arrives_whole_however_its_bytes_are_split() {
        let message = ToGuest::Host {
            id: 7,
            request: HostRequest::Shutdown { code: 3 },
        };
        let frame = encode(&message).unwrap();
        let mut decoder = Decoder::default();
        for (index, byte) in frame.iter().enumerate() {
            assert_eq!(decoder.decode::<ToGuest>(), Ok(None), "after {index} bytes");
            decoder.push(&[*byte]);
        }
        assert_eq!(decoder.decode(), Ok(Some(message)));
        assert_eq!(decoder.decode::<ToGuest>(), Ok(None));
    }

    #[test]
    fn a_malformed_frame_is_named_and_the_next_one_still_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&[1, 0, 0, 0, 0xff]);
        decoder.push(&encode(&ToGuest::Hello(1)).unwrap());
        let fault = decoder.decode::<ToGuest>().unwrap_err();
        assert!(
            fault.to_string().starts_with("frame 0 holds no message"),
            "{fault}"
        );
        assert_eq!(decoder.decode(), Ok(Some(ToGuest::Hello(1))));
    }

    #[test]
    fn a_frame_beyond_the_limit_is_refused_before_its_bytes_arrive() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(
            decoder.decode::<ToGuest>(),
            Err(FrameError::TooLong(u32::MAX as usize))
        );
    }
}
