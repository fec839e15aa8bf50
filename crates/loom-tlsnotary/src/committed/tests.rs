use super::*;
use crate::{
    decode,
    http::tests::with_holes,
    presentation::{Field as Leaf, TypedHash},
    ranges::RangeSet,
    verify::{NotaryKey, Transcript},
};

const RESPONSE: &str =
    "HTTP/1.1 200 OK\r\nContent-Length: 52\r\n\r\n{\"a\":{\"b\":\"5873.12\"},\"c\":[40,\"x\"],\"d\":\"12.50\",\"e\":7}";
const GENUINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/valid/s2-bank-sha256-p256.full.presentation.tlsn");

fn range_of(text: &str) -> Range {
    let start = RESPONSE.find(text).unwrap() as u64;
    start..start + text.len() as u64
}

/// A presentation of the response by a notary who committed to these texts of it; nothing of it is signed.
fn presentation(committed: &[(&str, HashAlgorithm)]) -> Presentation {
    let mut presentation = decode(&std::fs::read(GENUINE).unwrap()).unwrap();
    let proof = presentation.transcript.as_mut().unwrap();
    (proof.received, proof.received_total) = (RESPONSE.into(), RESPONSE.len() as u64);
    proof.received_ranges = RangeSet::union([range_of(RESPONSE)]);
    (proof.openings, presentation.body.commitments) = (Vec::new(), Vec::new());
    for (text, algorithm) in committed {
        let (direction, ranges) = (Direction::Received, RangeSet::union([range_of(text)]));
        let blinder = [text.len() as u8; 16];
        let hash = TypedHash { algorithm: *algorithm, value: hash(*algorithm, &[text.as_bytes(), &blinder]) };
        let commitment = Commitment { direction, ranges: ranges.clone(), hash };
        presentation.body.commitments.push(Leaf { id: 0, data: commitment });
        proof.openings.push(Opening { direction, ranges, algorithm: *algorithm, blinder });
    }
    presentation
}

#[test]
fn a_value_of_its_own_is_opened() {
    const SHA: HashAlgorithm = HashAlgorithm::Sha256;
    let full = presentation(&[(RESPONSE, SHA), ("5873.12", SHA), ("40", SHA), ("\"12.50\"", SHA)]);
    for (pointer, text) in [("/a/b", "5873.12"), ("/c/0", "40"), ("/d", "\"12.50\"")] {
        let opened = opened(&full, pointer).unwrap();
        assert_eq!((&opened.text[..], opened.range.clone()), (text, range_of(text)));
        assert_eq!((opened.attestation_id, opened.blinder), (full.header.id, [text.len() as u8; 16]));
        assert!(!format!("{opened:?}").contains(text), "private");
    }
    assert_eq!(opened(&full, "/e"), Err(NotOpened::TooCoarse));
    assert_eq!(opened(&full, "/f"), Err(NotOpened::Missing(Missing::Absent)));
    let blake3 = presentation(&[("40", HashAlgorithm::Blake3)]);
    assert_eq!(opened(&blake3, "/c/0"), Err(NotOpened::Algorithm(HashAlgorithm::Blake3)));
    let mut changed = full.clone();
    changed.transcript.as_mut().unwrap().openings[2].blinder[0] ^= 1;
    assert_eq!(opened(&changed, "/c/0"), Err(NotOpened::Uncommitted));
    assert!(opened(&changed, "/a/b").is_ok());
    let nothing = Presentation { transcript: None, ..full };
    assert_eq!(opened(&nothing, "/a/b"), Err(NotOpened::NothingDisclosed));
}

/// Genuine notaries of others committed to members with their names.
#[test]
fn a_member_with_its_name_is_no_value_alone() {
    let genuine = decode(&std::fs::read(GENUINE).unwrap()).unwrap();
    assert_eq!(opened(&genuine, "/closing_balance"), Err(NotOpened::TooCoarse));
}

const COMMITMENT: [u8; 32] = [7; 32];

/// What is verified of a response, in which `_` stands for a byte that is not disclosed.
fn verified(response: &str, committed: &Range) -> Verified {
    let commitment = Commitment {
        direction: Direction::Received,
        ranges: RangeSet::union([committed.clone()]),
        hash: TypedHash { algorithm: ALGORITHM, value: COMMITMENT },
    };
    let key = "031b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f";
    Verified {
        notary_key: NotaryKey::from_hex(key).unwrap()[0].clone(),
        attestation_id: [1; 16],
        time: 0,
        tls_version: crate::presentation::TlsVersion::V12,
        server_name: None,
        extensions: Vec::new(),
        commitments: vec![commitment],
        transcript: Some(Transcript { sent: Disclosed::whole(Vec::new()), received: with_holes(response) }),
        findings: Vec::new(),
    }
}

fn proved(range: Range, is_quoted: bool) -> Proved {
    Proved { attestation_id: [1; 16], range, commitment: COMMITMENT, is_quoted }
}

/// Where the last hole of a document is found to be, once it is proved to be an amount.
fn place_in(json: &str, is_quoted: bool) -> Result<Member, NoMember> {
    let response = format!("HTTP/1.1 200 OK\r\n\r\n{json}");
    let end = response.rfind('_').unwrap() + 1;
    let start = response[..end].rfind(|byte| byte != '_').unwrap() + 1;
    let range = start as u64..end as u64;
    place(&verified(&response, &range), &proved(range, is_quoted)).unwrap().member
}

#[test]
fn a_hidden_amount_has_its_pointer() {
    for (json, is_quoted, pointer) in [
        (r#"{"a":{"b":"_______"},"c":1}"#, false, "/a/b"),
        (r#"{"a":{"b":_________},"c":1}"#, true, "/a/b"),
        (r#"{"a":{"b":_________},"c":1}"#, false, "/a/b"),
        (r#"{"a":[1,{"~":_}]}"#, false, "/a/1/~0"),
        (r#"[[___]]"#, false, "/0/0"),
        (r#"["__"]"#, false, "/0"),
        (r#"___"#, true, ""),
        (r#"____"#, false, ""),
    ] {
        let member = place_in(json, is_quoted).unwrap_or_else(|problem| panic!("{json}: {problem}"));
        assert_eq!((&member.pointer[..], member.assumes.len(), member.hidden_after.len()), (pointer, 0, 0), "{json}");
    }
    let member = place_in(r#"{"z":"_","a":"__"}"#, false).unwrap();
    assert_eq!((&member.pointer[..], member.assumes.len()), ("/a", 1));
}

#[test]
fn a_place_that_is_no_value_has_no_pointer() {
    for (json, is_quoted) in [
        (r#"{"a":"____"}"#, true),
        (r#"{"a":"x____"}"#, false),
        (r#"{"a":"____x"}"#, false),
        (r#"{"a":1____}"#, false),
        (r#"{"____":1}"#, false),
        (r#"{____:1}"#, true),
        (r#"{____}"#, false),
        (r#"{"a"____}"#, false),
        (r#"{"a":"____","a":1}"#, false),
        (r#"{"a":-___}"#, false),
        (r#"_____{"a":1}"#, false),
    ] {
        assert!(place_in(json, is_quoted).is_err(), "{json}: {:?}", place_in(json, is_quoted));
    }
    let failed = "HTTP/1.1 404 Not Found\r\n\r\n{\"a\":___}";
    let range = failed.find('_').unwrap() as u64..failed.len() as u64 - 1;
    let found = place(&verified(failed, &range), &proved(range, false)).unwrap();
    assert_eq!(found, Placed { member: Err(NoMember::Status(404)), is_disclosed: false });
    // A length that is hidden as an amount is no reason to read the body at any other length.
    let framed = "HTTP/1.1 200 OK\r\nContent-Length: __\r\n\r\n{\"a\":1}";
    let range = framed.find('_').unwrap() as u64..framed.rfind('_').unwrap() as u64 + 1;
    let found = place(&verified(framed, &range), &proved(range, false)).unwrap();
    assert!(matches!(found.member, Err(NoMember::NoFields(_))), "{found:?}");
}

/// More hidden than was proved, or less: what is left of the hole could be anything.
#[test]
fn a_hole_is_what_was_proved_of_it() {
    let response = "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"________\"}";
    let (start, end) = (response.find('_').unwrap() as u64, response.rfind('_').unwrap() as u64 + 1);
    for range in [start..end - 1, start + 1..end, start + 1..end - 1] {
        let found = place(&verified(response, &range), &proved(range.clone(), false)).unwrap();
        assert_eq!(found.member, Err(NoMember::NotAlone), "{range:?}");
    }
    for range in [start - 1..end, end..u64::MAX, u64::MAX - 3..u64::MAX] {
        let found = place(&verified(response, &range), &proved(range.clone(), false)).unwrap();
        assert_eq!(found.member, Err(NoMember::NotAlone), "{range:?}");
    }
    let disclosed = response.replace("________", "12345.67");
    let found = place(&verified(&disclosed, &(start..end)), &proved(start..end, false)).unwrap();
    assert!(found.is_disclosed && found.member.unwrap().pointer == "/a");
}

#[test]
fn a_proof_of_something_else_has_no_place() {
    let response = "HTTP/1.1 200 OK\r\n\r\n{\"a\":\"____\"}";
    let range = response.find('_').unwrap() as u64..response.rfind('_').unwrap() as u64 + 1;
    let verified = verified(response, &range);
    let good = proved(range.clone(), false);
    assert!(place(&verified, &good).unwrap().member.is_ok());
    for (proved, expected) in [
        (Proved { attestation_id: [2; 16], ..good.clone() }, NotCommitted::OtherAttestation),
        (Proved { commitment: [8; 32], ..good.clone() }, NotCommitted::OtherCommitment),
        (Proved { range: range.start..range.end + 1, ..good.clone() }, NotCommitted::OtherCommitment),
    ] {
        assert_eq!(place(&verified, &proved), Err(expected));
    }
    for change in [
        |commitment: &mut Commitment| commitment.direction = Direction::Sent,
        |commitment: &mut Commitment| commitment.hash.algorithm = HashAlgorithm::Keccak256,
        |commitment: &mut Commitment| commitment.ranges = RangeSet::default(),
    ] {
        let mut verified = verified.clone();
        change(&mut verified.commitments[0]);
        assert_eq!(place(&verified, &good), Err(NotCommitted::OtherCommitment));
    }
    let silent = Verified { transcript: None, ..verified };
    assert_eq!(place(&silent, &good).unwrap().member, Err(NoMember::NothingDisclosed));
}
