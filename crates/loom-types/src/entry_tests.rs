use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::{Segment, payload::Payload};

fn cid(n: u8) -> Cid {
    Cid::from_digest(Codec::DagCbor, [n; 32])
}

fn entry(seq: u64, body: EntryBody) -> Entry {
    Entry {
        actor: "default/loan-review/A00001".parse().unwrap(),
        seq: SequenceNumber(seq),
        prev: (seq > 0).then(|| cid(0xaa)),
        turn: TurnNumber(1),
        at_ms: 1_700_000_000_000,
        body,
    }
}

fn bodies() -> Vec<EntryBody> {
    vec![
        EntryBody::TurnStarted {
            message: cid(1),
            deployment: cid(2),
            module: Cid::from_digest(Codec::Raw, [3; 32]),
            engine: "wasmtime-48.0.8/0123456789abcdef".into(),
            seed: cid(4),
        },
        EntryBody::Step {
            n: 0,
            op: "activity".into(),
            request: cid(5),
            outcome: Some(Resolution::Ok(cid(6))),
            input: None,
        },
        EntryBody::Step { n: 1, op: "call".into(), request: cid(7), outcome: None, input: None },
        EntryBody::Outcome {
            n: 1,
            result: Resolution::Err(cid(8)),
            attempts: 2,
            worker: "worker-1".into(),
            evidence: vec![cid(9)],
        },
        EntryBody::TurnEnded { result: TurnResult::Reply(cid(10)), state: Some(cid(11)), fuel: 12_345 },
        EntryBody::TurnEnded { result: TurnResult::Failure(cid(10)), state: None, fuel: 0 },
        EntryBody::Control { what: "pause".into(), by: "admin".into(), detail: None, state: None },
    ]
}

/// The vectors of `docs/formats/entry.md`.
#[test]
fn the_bytes_are_as_documented() {
    let opened = entry(0, EntryBody::Opened {}).encode();
    expect![[r#"
        a7617601626174 1b0000018bcfe56800 63736571 00 64626f6479 a1666f70656e6564a0 6470726576 f6 647475726e 01 656163746f72 781a64656661756c742f6c6f616e2d7265766965772f413030303031"#]]
    .assert_eq(&grouped(&opened.bytes));
    expect!["bafyreierffi2c2emu7equd6zkuoet2y6m7nle5rhp55xkwyduspl2egwpa"].assert_eq(&opened.cid.to_string());
}

/// Hex, with a space around each member's value so that the vector can be read.
fn grouped(bytes: &[u8]) -> String {
    let hex = data_encoding::HEXLOWER.encode(bytes);
    hex.replace("1b0000018bcfe56800", " 1b0000018bcfe56800 ")
        .replace("63736571", "63736571 ")
        .replace("64626f6479", " 64626f6479 ")
        .replace("6470726576", " 6470726576 ")
        .replace("647475726e", " 647475726e ")
        .replace("656163746f72", " 656163746f72 ")
}

#[test]
fn every_kind_survives_a_round_trip() {
    for (seq, body) in bodies().into_iter().enumerate() {
        let entry = entry(seq as u64 + 1, body);
        assert_eq!(Entry::decode(&entry.encode().bytes).unwrap(), entry);
    }
}

#[test]
fn every_single_byte_change_is_refused_or_another_entry() {
    for body in bodies() {
        let entry = entry(1, body);
        let bytes = entry.encode().bytes;
        for position in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[position] ^= 1;
            if let Ok(decoded) = Entry::decode(&changed) {
                assert_ne!(decoded, entry, "byte {position} carries no meaning");
            }
            assert!(Entry::decode(&bytes[..position]).is_err(), "truncation at {position} was accepted");
        }
    }
}

/// Whoever reads an entry counts on from it.
#[test]
fn numbers_have_room_above_them() {
    for change in [
        |entry: &mut Entry| entry.seq.0 = 1 << 63,
        |entry: &mut Entry| entry.turn.0 = u64::MAX,
        |entry: &mut Entry| entry.at_ms = u64::MAX,
    ] {
        let mut entry = entry(1, bodies().remove(1));
        change(&mut entry);
        assert!(Entry::decode(&entry.encode().bytes).is_err());
    }
}

#[test]
fn only_the_first_entry_opens() {
    let mut late = entry(1, EntryBody::Opened {});
    assert!(Entry::decode(&late.encode().bytes).is_err());
    late.seq = SequenceNumber(0);
    assert!(Entry::decode(&late.encode().bytes).is_err(), "it links back");
    let early = entry(0, EntryBody::Control { what: "pause".into(), by: "admin".into(), detail: None, state: None });
    assert!(Entry::decode(&early.encode().bytes).is_err());
}

#[test]
fn a_segment_survives_a_round_trip() {
    struct Zero;
    impl crate::SaltSource for Zero {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }
    let entries: Vec<_> = bodies().into_iter().enumerate().map(|(n, body)| entry(n as u64 + 1, body)).collect();
    let segment = Segment {
        entries: entries.iter().map(Entry::encode).collect(),
        payloads: vec![Payload::json("{\"a\":1}", &mut Zero), Payload::json("", &mut Zero)],
    };
    assert_eq!(Segment::decode(&segment.encode()).unwrap(), (entries, segment));
}

proptest! {
    #[test]
    fn decoding_foreign_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::decode(&bytes);
        let _ = Segment::decode(&bytes);
        let _ = Payload::from_block(bytes.into());
    }
}
