//! Genuine presentations after one change: nobody's, or the same facts.

use std::collections::BTreeMap;

use expect_test::expect;
use loom_tlsnotary::{Malformed, decode, encode, presentation::Presentation};
use proptest::prelude::*;

use crate::{Trust, bytes, manifest};

const FILE: &str = "valid/s1-bank-blake3-k256.fields.presentation.tlsn";

fn trust(file: &str) -> Trust {
    let manifest = manifest();
    let vectors = manifest["valid"].as_array().unwrap();
    Trust::of(vectors.iter().find(|vector| vector["file"] == file).unwrap())
}

/// Every byte, each with a few of the 255 changes. What is accepted says the same; where that is, is listed.
#[test]
fn a_changed_byte_is_rejected_or_changes_nothing() {
    let (file, trust) = (bytes(FILE), trust(FILE));
    let facts = trust.verify(&file).unwrap();
    let mut same: BTreeMap<String, u32> = BTreeMap::new();
    let mut changed = file.clone();
    for at in 0..file.len() {
        for change in [0x01, 0x20, 0x80] {
            changed[at] = file[at] ^ change;
            if let Ok(verified) = trust.verify(&changed) {
                assert_eq!(verified, facts, "byte {at} ^ {change:#x}");
                *same.entry(part(&changed, &file)).or_default() += 1;
            }
        }
        changed[at] = file[at];
    }
    expect![[r#"
        {
            "letter case of the name": 25,
        }"#]]
    .assert_eq(&format!("{same:#?}"));
}

/// Lengths, totals and ranges are u64s: what overflows is rejected like the rest.
#[test]
fn a_number_at_the_end_of_its_type_is_rejected() {
    let (file, trust) = (bytes(FILE), trust(FILE));
    for at in 0..file.len() - 8 {
        for number in [0, 1 << 63, u64::MAX - 1, u64::MAX] {
            let mut changed = file.clone();
            changed[at..at + 8].copy_from_slice(&u64::to_le_bytes(number));
            assert!(changed == file || trust.verify(&changed).is_err(), "{number:#x} at byte {at}");
        }
    }
    // Of openings nothing is signed but what they are compared with.
    let genuine = decode(&file).unwrap();
    let openings = genuine.transcript.as_ref().unwrap().openings.len();
    for place in 0..openings {
        for range in [0..u64::MAX, 1..u64::MAX, u64::MAX - 1..u64::MAX] {
            let mut changed = genuine.clone();
            let opening = &mut changed.transcript.as_mut().unwrap().openings[place];
            opening.ranges = loom_tlsnotary::RangeSet::union([range]);
            assert!(trust.verify(&encode(&changed)).is_err(), "opening {place}");
        }
    }
}

#[test]
fn openings_may_stand_in_any_order() {
    let (file, trust) = (bytes(FILE), trust(FILE));
    let mut changed = decode(&file).unwrap();
    changed.transcript.as_mut().unwrap().openings.reverse();
    let changed = encode(&changed);
    assert_ne!(changed, file);
    assert_eq!(trust.verify(&changed).unwrap(), trust.verify(&file).unwrap());
}

/// Which part of the presentation differs.
fn part(changed: &[u8], file: &[u8]) -> String {
    let (changed, file) = (decode(changed).unwrap(), decode(file).unwrap());
    let name = |presentation: &Presentation| presentation.identity.as_ref().map(|identity| identity.name.clone());
    let same_but_name = Presentation { identity: file.identity.clone(), ..changed.clone() };
    if name(&changed) != name(&file) && same_but_name == file {
        "letter case of the name".to_owned()
    } else {
        "?".to_owned()
    }
}

#[test]
fn a_file_that_ends_early_is_malformed() {
    let file = bytes(FILE);
    for end in 0..file.len() {
        decode(&file[..end]).unwrap_err();
    }
    let Err(Malformed { at, .. }) = decode(&[&file[..], b"x"].concat()) else { panic!("it goes on") };
    assert_eq!(at, file.len());
}

fn genuine() -> impl Strategy<Value = (Trust, Presentation)> {
    let files: Vec<String> = manifest()["valid"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| vector["file"].as_str().unwrap().to_owned())
        .collect();
    prop::sample::select(files).prop_map(|file| (trust(&file), decode(&bytes(&file)).unwrap()))
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.keys)
    }
}

fn ids(presentation: &mut Presentation) -> Vec<&mut u32> {
    let body = &mut presentation.body;
    let fixed = [
        &mut body.verifying_key.id,
        &mut body.connection.id,
        &mut body.server_ephemeral_key.id,
        &mut body.certificate_commitment.id,
    ];
    let extensions = body.extensions.iter_mut().map(|field| &mut field.id);
    fixed.into_iter().chain(extensions).chain(body.commitments.iter_mut().map(|field| &mut field.id)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_other_field_id_is_rejected(
        (trust, mut presentation) in genuine(), place: prop::sample::Index, id: u32, is_near: bool, near in 0u32..12,
    ) {
        let mut ids = ids(&mut presentation);
        let place = place.index(ids.len());
        let id = if is_near { near } else { id };
        prop_assume!(*ids[place] != id);
        *ids[place] = id;
        prop_assert_eq!(trust.verify(&encode(&presentation)).unwrap_err().code(), "field-id");
    }

    #[test]
    fn two_ids_that_change_places_are_rejected(
        (trust, mut presentation) in genuine(), one: prop::sample::Index, other: prop::sample::Index,
    ) {
        let mut ids = ids(&mut presentation);
        let (one, other) = (one.index(ids.len()), other.index(ids.len()));
        prop_assume!(one != other);
        (*ids[one], *ids[other]) = (*ids[other], *ids[one]);
        prop_assert_eq!(trust.verify(&encode(&presentation)).unwrap_err().code(), "field-id");
    }

    #[test]
    fn any_other_leaf_count_is_rejected((trust, mut presentation) in genuine(), count: u64) {
        prop_assume!(count != presentation.proof.leaf_count);
        presentation.proof.leaf_count = count;
        prop_assert_eq!(trust.verify(&encode(&presentation)).unwrap_err().code(), "leaf-count");
    }

    #[test]
    fn any_proof_hash_is_rejected(
        (trust, mut presentation) in genuine(), hashes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 1..4),
    ) {
        presentation.proof.hashes = hashes;
        prop_assert_eq!(trust.verify(&encode(&presentation)).unwrap_err().code(), "proof-hashes");
    }

    #[test]
    fn bytes_are_no_presentation_and_nothing_breaks(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(decode(&bytes).is_err());
    }

    /// Whatever can be read has one form, and verifying it ends.
    #[test]
    fn what_is_changed_in_a_few_places_breaks_nothing(
        (trust, presentation) in genuine(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut file = encode(&presentation);
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if let Ok(read) = decode(&file) {
            prop_assert_eq!(encode(&read), file.clone());
        }
        let _ = trust.verify(&file);
    }
}
