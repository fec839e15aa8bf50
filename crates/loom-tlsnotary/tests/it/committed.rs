//! A value that its holder keeps and proves something of: the two presentations of `testdata/committed`, in which a
//! notary of this project's states a genuine session once more, with a commitment of its own to each amount.

use data_encoding::{BASE64, HEXLOWER};
use k256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use loom_tlsnotary::{
    NotaryKey, Policy, Presentation, Range, RangeSet, Roots, TimeWindow, activity,
    committed::{Member, NotCommitted, Placed, Proved, opened, place},
    decode, encode,
    hashing::{hash, root, signed_message},
    presentation::{
        Commitment, Direction, Field, HashAlgorithm, KeyAlgorithm, Opening, SignatureAlgorithm, TypedHash, VerifyingKey,
    },
    verify,
};
use serde_json::{Value, json};

use crate::bytes;

const GENUINE: &str = "valid/s2-bank-sha256-p256.full.presentation.tlsn";
const SHA256: HashAlgorithm = HashAlgorithm::Sha256;
/// The one's place within its quotes, the other's with them.
const CLOSING: Range = 399..406;
const OPENING: Range = 370..379;

fn notary() -> SigningKey {
    SigningKey::from_slice(&[7; 32]).unwrap()
}

fn notary_key() -> String {
    HEXLOWER.encode(notary().verifying_key().to_sec1_point(true).as_bytes())
}

/// The genuine session, with the commitments that the notary makes: to what was asked without the token, to the answer
/// without the two amounts, and to these.
fn full() -> Presentation {
    let mut full = decode(&bytes(GENUINE)).unwrap();
    let proof = full.transcript.as_mut().unwrap();
    let pieces = [
        (Direction::Sent, vec![0..186, 212..216]),
        (Direction::Received, vec![0..OPENING.start, OPENING.end..CLOSING.start, CLOSING.end..976]),
        (Direction::Received, vec![OPENING]),
        (Direction::Received, vec![CLOSING]),
    ];
    full.header.id = *b"committed amount";
    (proof.openings, full.body.commitments) = (Vec::new(), Vec::new());
    for (place, (direction, ranges)) in (0u8..).zip(pieces) {
        let (blinder, ranges) = ([place; 16], RangeSet::new(ranges).unwrap());
        let said = if direction == Direction::Sent { &proof.sent } else { &proof.received };
        let mut parts: Vec<_> = ranges.as_slice().iter().map(|range| &said[indices(range)]).collect();
        parts.push(&blinder);
        let hash = TypedHash { algorithm: SHA256, value: hash(SHA256, &parts) };
        let data = Commitment { direction, ranges: ranges.clone(), hash };
        full.body.commitments.push(Field { id: 4 + u32::from(place), data });
        proof.openings.push(Opening { direction, ranges, algorithm: SHA256, blinder });
    }
    let sent = proof.openings[0].ranges.clone();
    proof.sent = sent.as_slice().iter().flat_map(|range| proof.sent[indices(range)].to_vec()).collect();
    proof.sent_ranges = sent;
    signed(full)
}

fn indices(range: &Range) -> std::ops::Range<usize> {
    range.start as usize..range.end as usize
}

fn signed(mut presentation: Presentation) -> Presentation {
    let key = notary().verifying_key().to_sec1_point(true).as_bytes().to_vec();
    presentation.body.verifying_key.data = VerifyingKey { algorithm: KeyAlgorithm::K256, data: key };
    presentation.proof.leaf_count = 4 + presentation.body.commitments.len() as u64;
    presentation.proof.algorithm = SHA256;
    presentation.header.root = root(SHA256, &presentation.body, Default::default());
    let signature: Signature = notary().sign(&signed_message(&presentation.header));
    presentation.signature.algorithm = SignatureAlgorithm::Secp256k1;
    presentation.signature.data = signature.to_bytes().to_vec();
    presentation
}

/// Without what is at one place.
fn without(full: &Presentation, hidden: &Range) -> Presentation {
    let mut shown = full.clone();
    let proof = shown.transcript.as_mut().unwrap();
    let all = std::mem::take(&mut proof.received);
    proof.openings.retain(|opening| *opening.ranges.as_slice() != [hidden.clone()]);
    let kept = [0..hidden.start, hidden.end..all.len() as u64];
    proof.received = kept.iter().flat_map(|range| all[indices(range)].to_vec()).collect();
    proof.received_ranges = RangeSet::new(kept.to_vec()).unwrap();
    shown
}

fn verified(presentation: &Presentation) -> loom_tlsnotary::Verified {
    let mut roots = Roots::none();
    roots.add_file(&bytes("pki/ec-root.pem")).unwrap();
    let keys = NotaryKey::from_hex(&notary_key()).unwrap();
    let policy = Policy { notary_keys: &keys, roots: &roots, server_names: &[], time: TimeWindow::ANY };
    verify(&encode(presentation), &policy).unwrap()
}

#[test]
fn the_files_are_what_this_notary_states() {
    let full = full();
    let files = [("full", encode(&full)), ("shown", encode(&without(&full, &CLOSING)))];
    for (name, expected) in files {
        let path = crate::testdata(&format!("committed/{name}.tlsn"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == expected, "{}: UPDATE_EXPECT=1 writes it anew", path.display());
    }
}

#[test]
fn what_was_opened_is_found_where_it_was_hidden() {
    let full = full();
    for (pointer, range, text, is_quoted) in
        [("/closing_balance", CLOSING, "5873.12", false), ("/opening_balance", OPENING, "\"4210.55\"", true)]
    {
        let opened = opened(&full, pointer).unwrap();
        assert_eq!((&opened.text[..], &opened.range), (text, &range));
        let commitment = hash(SHA256, &[opened.text.as_bytes(), &opened.blinder]);
        let proved = Proved { attestation_id: opened.attestation_id, range: opened.range, commitment, is_quoted };
        let member = Member { pointer: pointer.to_owned(), assumes: Vec::new(), hidden_after: Vec::new() };
        let shown = verified(&without(&full, &range));
        assert!(shown.transcript.as_ref().unwrap().received.bytes(&range).is_none());
        assert_eq!(place(&shown, &proved), Ok(Placed { member: Ok(member.clone()), is_disclosed: false }));
        assert_eq!(place(&verified(&full), &proved), Ok(Placed { member: Ok(member), is_disclosed: true }));
        let genuine = decode(&bytes(GENUINE)).unwrap();
        let others = loom_tlsnotary::Verified {
            commitments: genuine.body.commitments.into_iter().map(|field| field.data).collect(),
            ..shown
        };
        assert_eq!(place(&others, &proved), Err(NotCommitted::OtherCommitment));
    }
}

/// An actor that is given such a presentation learns which commitment a receipt has to open.
#[test]
fn a_verdict_says_where_a_hidden_value_stands() {
    let shown = encode(&without(&full(), &CLOSING));
    let judged = |args: Value| -> Value {
        let root = BASE64.encode(&bytes("pki/ec-root.der"));
        let policy = json!({
            "notary_keys": [notary_key()], "roots": [root], "fields": ["/currency"], "hidden": ["/closing_balance"],
            "assume_placement": true,
        });
        let verdict = activity::verdict(&shown, &policy.to_string(), 1_795_350_794_000, &args.to_string());
        serde_json::from_str(&verdict).unwrap()
    };
    let verdict = judged(json!({}));
    assert_eq!(verdict["fields"]["/currency"]["json"], "\"USD\"", "{verdict}");
    let commitment = HEXLOWER.encode(&hash(SHA256, &[b"5873.12", &[3; 16]]));
    let expected = json!({"range": [399, 406], "commitments": [commitment], "assumes": [], "hidden_after": []});
    assert_eq!(verdict["hidden"], json!({"/closing_balance": expected}));
    for (args, problem) in [
        (json!({"hidden": ["/currency"]}), "it is disclosed"),
        (json!({"hidden": ["/nothing"]}), "no such member"),
        (json!({"fields": ["/closing_balance"]}), "in bytes 399 to 406"),
    ] {
        let verdict = judged(args.clone());
        assert_eq!((&verdict["accepted"], &verdict["code"]), (&false.into(), &"field".into()), "{args}");
        assert!(verdict["reason"].as_str().unwrap().contains(problem), "{verdict}");
    }
}
