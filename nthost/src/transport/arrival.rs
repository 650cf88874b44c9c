//! What arrives from the host: bytes in, messages out, and complaints about what is none.

use alloc::string::ToString;

use nthost_protocol::{Decoder, FrameError, ToGuest, ToHost};

/// Puts messages together from the pieces in which they arrive.
#[derive(Debug, Default)]
pub struct Arrival(Decoder);

impl Arrival {
    /// Takes bytes; hands on each message that is whole, in the order of arrival, and the
    /// answer to what is no message.
    ///
    /// # Errors
    ///
    /// After a frame whose length makes no sense, nothing more can be understood.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut handle: impl FnMut(ToGuest),
        mut answer: impl FnMut(&ToHost),
    ) -> Result<(), FrameError> {
        self.0.push(bytes);
        loop {
            match self.0.decode::<ToGuest>() {
                Ok(Some(message)) => handle(message),
                Ok(None) => return Ok(()),
                Err(error @ FrameError::Malformed { .. }) => {
                    answer(&ToHost::Malformed(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use nthost_protocol::{HostRequest, MAX_FRAME, encode};

    use super::*;

    fn request(id: u64) -> ToGuest {
        ToGuest::Host {
            id,
            request: HostRequest::Shutdown { code: 0 },
        }
    }

    /// The messages, and how many complaints there were.
    fn take(arrival: &mut Arrival, bytes: &[u8]) -> Result<(Vec<ToGuest>, usize), FrameError> {
        let (mut messages, mut complaints) = (vec![], 0);
        let result = arrival.take(
            bytes,
            |message| messages.push(message),
            |answer| {
                assert!(matches!(answer, ToHost::Malformed(_)), "{answer:?}");
                complaints += 1;
            },
        );
        result.map(|()| (messages, complaints))
    }

    #[test]
    fn messages_that_arrive_together_or_in_pieces_are_handed_on_in_order() {
        let mut bytes = encode(&request(1)).unwrap();
        bytes.extend(encode(&request(2)).unwrap());
        let mut arrival = Arrival::default();
        let expected = vec![request(1), request(2)];
        assert_eq!(take(&mut arrival, &bytes), Ok((expected.clone(), 0)));
        let mut messages = vec![];
        for byte in bytes {
            messages.extend(take(&mut arrival, &[byte]).unwrap().0);
        }
        assert_eq!(messages, expected);
    }

    #[test]
    fn what_is_no_message_is_complained_about_and_the_next_is_understood() {
        let mut bytes = vec![2, 0, 0, 0, 0xff, 0xff];
        bytes.extend(encode(&request(3)).unwrap());
        let taken = take(&mut Arrival::default(), &bytes);
        assert_eq!(taken, Ok((vec![request(3)], 1)));
    }

    #[test]
    fn after_a_length_that_makes_no_sense_nothing_is_understood() {
        let mut bytes = encode(&request(4)).unwrap();
        bytes.extend([0xff; 4]);
        let taken = take(&mut Arrival::default(), &bytes);
        assert!(matches!(taken, Err(FrameError::TooLong(length)) if length > MAX_FRAME));
    }
}
