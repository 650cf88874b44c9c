//! Bytes that somebody else made: frames and manifests are understood or refused with a reason,
//! and reading them ends. A failing case is printed, made small, with what makes it again.

use nthost_protocol::{Decoder, FrameError, MAX_FRAME, Manifest, ToGuest, ToHost, encode};
use proptest::prelude::*;

/// All that a decoder has to say of some bytes that arrive in these pieces. It ends: each answer
/// takes a frame, or is the last.
fn answers(bytes: &[u8], pieces: &[usize]) -> Vec<Result<ToGuest, FrameError>> {
    let mut decoder = Decoder::default();
    let mut answers = Vec::new();
    let mut rest = bytes;
    let mut pieces = pieces.iter().cycle();
    loop {
        loop {
            match decoder.decode::<ToGuest>() {
                Ok(Some(message)) => answers.push(Ok(message)),
                Ok(None) => break,
                Err(fault @ FrameError::TooLong(_)) => {
                    answers.push(Err(fault));
                    return answers;
                }
                Err(fault) => answers.push(Err(fault)),
            }
            assert!(answers.len() <= bytes.len() / 4 + 1, "a frame has a length");
        }
        if rest.is_empty() {
            return answers;
        }
        let length = pieces.next().map_or(1, |&piece| piece.clamp(1, rest.len()));
        let (piece, behind) = rest.split_at(length);
        decoder.push(piece);
        rest = behind;
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&length.to_le_bytes(), body].concat()
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// A manifest with all that there is.
fn manifest() -> Vec<u8> {
    let text = r#"
        noise = 7
        verifier = ["special-pool"]
        faults = [{ call = { routine = "ExAllocatePool2", nth = 3 } }]
        exercise = { rounds = 3, requests = [{ read = { offset = 0, length = 9 } }] }
        [[drivers]]
        service = "eduwdm"
        image = "eduwdm.sys"
        hardware_ids = ['PCI\VEN_1234&DEV_11E8']
        service_values = [{ name = "a", data.multi-string = ["b", "c"] }]
    "#;
    let manifest: Manifest = toml::from_str(text).unwrap();
    manifest.to_bytes().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_arrives_is_understood_or_refused(stream in bytes(300)) {
        for answer in answers(&stream, &[stream.len()]) {
            if let Err(fault) = answer {
                prop_assert!(!fault.to_string().is_empty());
            }
        }
    }

    #[test]
    fn what_is_said_of_a_stream_does_not_depend_on_its_pieces(
        bodies in prop::collection::vec(bytes(40), 1..8),
        pieces in prop::collection::vec(1_usize..50, 1..20),
    ) {
        let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        let whole = answers(&stream, &[stream.len()]);
        prop_assert_eq!(whole.len(), bodies.len(), "an answer for each frame");
        prop_assert_eq!(&answers(&stream, &pieces), &whole);
        for (index, answer) in whole.iter().enumerate() {
            if let Err(fault) = answer {
                let place = format!("frame {index} ");
                prop_assert!(fault.to_string().starts_with(&place), "{}", fault);
            }
        }
    }

    #[test]
    fn a_message_behind_malformed_ones_arrives(bodies in prop::collection::vec(bytes(40), 0..8)) {
        let mut stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
        stream.extend(encode(&ToGuest::Hello(7)).unwrap());
        let answers = answers(&stream, &[3]);
        prop_assert_eq!(answers.last(), Some(&Ok(ToGuest::Hello(7))));
    }

    #[test]
    fn the_host_reads_whatever_a_broken_machine_sends(body in bytes(200)) {
        let mut decoder = Decoder::default();
        decoder.push(&frame(&body));
        let _ = decoder.decode::<ToHost>();
        prop_assert_eq!(decoder.decode::<ToHost>(), Ok(None));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_with_its_length(length in MAX_FRAME + 1..u32::MAX as usize) {
        let length_bytes = u32::try_from(length).unwrap().to_le_bytes();
        prop_assert_eq!(answers(&length_bytes, &[4]), [Err(FrameError::TooLong(length))]);
    }

    #[test]
    fn a_damaged_manifest_is_refused_or_read_whole(
        damage in prop::collection::vec((0_usize..400, any::<u8>()), 1..6),
    ) {
        let mut bytes = manifest();
        for (offset, value) in damage {
            let length = bytes.len();
            bytes[offset % length] = value;
        }
        if let Ok(manifest) = Manifest::from_bytes(&bytes) {
            // What was read is all that there was to read.
            let again = Manifest::from_bytes(&manifest.to_bytes().unwrap());
            prop_assert_eq!(again, Ok(manifest));
        }
    }

    #[test]
    fn any_bytes_are_a_manifest_or_none(bytes in bytes(200)) {
        let _ = Manifest::from_bytes(&bytes);
    }

    #[test]
    fn a_manifest_of_a_person_is_refused_with_line_and_column(
        name in "[a-z]{3,12}",
        lines in 0_usize..5,
    ) {
        let known = ["drivers", "verifier", "noise", "faults", "exercise"];
        prop_assume!(!known.contains(&name.as_str()) && name != "breakpoints");
        let text = format!("{}{name} = 3\n", "noise = 7\n".repeat(lines.min(1)));
        let fault = toml::from_str::<Manifest>(&text).unwrap_err();
        let span = fault.span().expect("a place in the text");
        prop_assert_eq!(&text[span], name.as_str());
        prop_assert!(fault.to_string().contains("line"), "{}", fault);
    }
}
