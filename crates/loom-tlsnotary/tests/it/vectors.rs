//! Every file of the manifest gets the verdict that it names, with the facts that it names.

use std::fmt::Write as _;

use expect_test::expect;
use loom_tlsnotary::{Disclosed, Verified, decode, encode};
use serde_json::{Value, json};

use crate::{Trust, bytes, manifest};

fn ranges(said: &Disclosed) -> Value {
    said.ranges().as_slice().iter().map(|range| json!([range.start, range.end])).collect()
}

/// The facts, as the manifest has them.
fn facts(verified: &Verified) -> Value {
    let extensions: Vec<_> = verified
        .extensions
        .iter()
        .map(|extension| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            json!({ "id": text(&extension.id), "value": text(&extension.value) })
        })
        .collect();
    json!({
        "notary_key_hex": verified.notary_key.to_string(),
        "server_name": verified.server_name,
        "time": verified.time,
        "tls_version": format!("V{}", verified.tls_version).replace('.', "_"),
        "attestation_id": data_encoding::HEXLOWER.encode(&verified.attestation_id),
        "extensions": extensions,
        "transcript": verified.transcript.as_ref().map(|transcript| json!({
            "sent_ranges": ranges(&transcript.sent), "received_ranges": ranges(&transcript.received),
            "sent_text": transcript.sent.to_text('X'), "received_text": transcript.received.to_text('X'),
        })),
    })
}

fn expected(vector: &Value) -> Value {
    let members = ["notary_key_hex", "server_name", "time", "tls_version", "attestation_id", "extensions"];
    let mut expected: Value = members.iter().map(|name| ((*name).to_owned(), vector[name].clone())).collect();
    let said = &vector["transcript"];
    expected["transcript"] = if said.is_null() {
        Value::Null
    } else {
        json!({
            "sent_ranges": said["sent_ranges"], "received_ranges": said["recv_ranges"],
            "sent_text": said["sent_text"], "received_text": said["recv_text"],
        })
    };
    expected
}

#[test]
fn what_genuine_notaries_attested_is_accepted_with_all_its_facts() {
    let manifest = manifest();
    let vectors = manifest["valid"].as_array().unwrap();
    assert_eq!(vectors.len(), 19);
    for vector in vectors {
        let file = bytes(vector["file"].as_str().unwrap());
        let verified = Trust::of(vector).verify(&file).unwrap_or_else(|error| panic!("{}: {error}", vector["file"]));
        assert_eq!(facts(&verified), expected(vector), "{}", vector["file"]);
        if let Some(transcript) = &verified.transcript {
            assert_eq!((transcript.sent.total(), transcript.received.total()), lengths(vector), "{}", vector["file"]);
        }
        assert_eq!(encode(&decode(&file).unwrap()), file, "{}", vector["file"]);
    }
}

fn lengths(vector: &Value) -> (u64, u64) {
    (vector["sent_len"].as_u64().unwrap(), vector["recv_len"].as_u64().unwrap())
}

/// What is to be known about genuine presentations, too.
#[test]
fn findings_of_genuine_presentations() {
    let mut found = String::new();
    for vector in manifest()["valid"].as_array().unwrap() {
        let verified = Trust::of(vector).verify(&bytes(vector["file"].as_str().unwrap())).unwrap();
        let codes: Vec<_> = verified.findings.iter().map(|finding| finding.code()).collect();
        writeln!(found, "{} {codes:?}", vector["case"].as_str().unwrap()).unwrap();
    }
    expect![[r#"
        full []
        redacted []
        fields ["host-undisclosed"]
        identity-only ["nothing-disclosed"]
        no-identity ["no-identity"]
        nothing-disclosed ["host-undisclosed", "nothing-disclosed"]
        attestation-only ["no-identity", "nothing-disclosed"]
        full []
        redacted []
        fields ["host-undisclosed"]
        full []
        redacted []
        fields ["host-undisclosed"]
        full []
        redacted []
        fields ["host-undisclosed"]
        full []
        redacted []
        fields ["host-undisclosed"]
    "#]]
    .assert_eq(&found);
}

/// Each change is met by its own check; a file that is still valid says the same, or less.
#[test]
fn what_was_changed_gets_the_verdict_of_the_manifest() {
    let manifest = manifest();
    let mut verdicts = String::new();
    for vector in manifest["adversarial"].as_array().unwrap() {
        let name = vector["file"].as_str().unwrap();
        let result = Trust::of(vector).verify(&bytes(name));
        let codes = |verified: &Verified| verified.findings.iter().map(|finding| finding.code()).collect::<Vec<_>>();
        match (vector["expected"].as_str().unwrap(), &result) {
            ("reject", Err(_)) | ("either", _) | ("accept", Ok(_)) => {}
            ("accept-but-flag", Ok(verified)) => assert!(codes(verified).contains(&"wildcard-certificate"), "{name}"),
            ("accept-no-identity", Ok(verified)) => {
                assert!(verified.server_name.is_none() && codes(verified).contains(&"no-identity"), "{name}");
            }
            ("accept-no-transcript", Ok(verified)) => {
                assert!(verified.transcript.is_none() && codes(verified).contains(&"nothing-disclosed"), "{name}");
            }
            (expected, result) => panic!("{name}: expected {expected}, got {result:?}"),
        }
        let verdict = match result {
            Ok(verified) => {
                format!("accepted {:?} {:?}", verified.server_name.as_deref().unwrap_or("-"), codes(&verified))
            }
            Err(rejected) => format!("{}: {rejected}", rejected.code()),
        };
        let name = name.trim_start_matches("adversarial/").trim_end_matches(".tlsn");
        writeln!(verdicts, "{name}: {verdict}").unwrap();
    }
    expect![[r#"
        recv-text-flip: opening-uncommitted: opening 8 opens none of the notary's commitments
        amount-raised: opening-uncommitted: opening 8 opens none of the notary's commitments
        sig-truncated: signature-length: the signature has 63 bytes, not 64
        sig-empty: signature-length: the signature has 0 bytes, not 64
        sig-alg-unknown: malformed: not a presentation of 0.1.0-alpha.15: byte 1: signature algorithm 200 is not known
        sig-from-other: signature: the notary's key did not make the signature
        header-id-flip: signature: the notary's key did not make the signature
        header-root-flip: root: the fields do not hash to the root that is signed
        header-root-alg-unknown: malformed: not a presentation of 0.1.0-alpha.15: byte 94: hash algorithm 77 is not known
        header-root-65: malformed: not a presentation of 0.1.0-alpha.15: byte 102: digest has 65 bytes, not 32
        tls13: root: the fields do not hash to the root that is signed
        ephem-key-flip: root: the fields do not hash to the root that is signed
        notary-key-swapped: root: the fields do not hash to the root that is signed
        commitment-swapped: field-id: field 4 has the id 5
        commitment-reordered: field-id: field 4 has the id 5
        field-id-huge: field-id: field 59 has the id 4294967295
        ext-added: field-id: field 4 has the id 60
        merkle-leafcount-plus: leaf-count: the proof is over 61 leaves, the body has 60 fields
        merkle-leafcount-zero: leaf-count: the proof is over 0 leaves, the body has 60 fields
        merkle-extra-hash: proof-hashes: the proof has 1 hashes of fields that are not there; all fields have to be
        merkle-alg-changed: proof-algorithm: the proof has another hash algorithm than the root
        name-chase: name-not-covered: the server's certificate is not for www.chase.com
        name-wildcard-ok: accepted "x.api.examplebank.test" ["wildcard-certificate", "host-differs"]
        name-upper: accepted "statements.examplebank.test" []
        name-trailing-dot: name-invalid: "statements.examplebank.test." is no server name
        name-invalid: name-invalid: "not a name" is no server name
        no-intermediate: certificate-commitment: the server's certificates are not those that the notary committed to
        leaf-cert-flip: certificate-commitment: the server's certificates are not those that the notary committed to
        handshake-alg: certificate-commitment: the server's certificates are not those that the notary committed to
        client-random-flip: certificate-commitment: the server's certificates are not those that the notary committed to
        id-from-other-session: certificate-commitment: the server's certificates are not those that the notary committed to
        opening-blinder-flip: opening-uncommitted: opening 0 opens none of the notary's commitments
        opening-alg-unknown: malformed: not a presentation of 0.1.0-alpha.15: byte 7396: hash algorithm 9 is not known
        opening-dup: opening-repeated: opening 10 stands there twice
        opening-dir: opening-uncommitted: opening 0 opens none of the notary's commitments
        opening-shifted: opening-uncommitted: opening 0 opens none of the notary's commitments
        opening-split: malformed: not a presentation of 0.1.0-alpha.15: byte 7411: ranges that are empty, overlapping, touching or out of order
        openings-none: uncommitted: bytes that were sent are disclosed without an opening
        claim-less: opening-undisclosed: opening 8 is over bytes that are not disclosed
        index-oob: out-of-bounds: bytes up to 1099511628470 are disclosed, 976 were received
        total-huge-1T: total: 1099511627776 bytes are said to be received, the notary saw 976
        transcript-from-other: opening-uncommitted: opening 0 opens none of the notary's commitments
        identity-dropped: accepted "-" ["no-identity"]
        transcript-dropped: accepted "statements.examplebank.test" ["nothing-disclosed"]
        trunc-0: malformed: not a presentation of 0.1.0-alpha.15: byte 0: signature algorithm needs 1 bytes, 0 are left
        trunc-9: malformed: not a presentation of 0.1.0-alpha.15: byte 9: signature bytes needs 64 bytes, 0 are left
        trunc-last: malformed: not a presentation of 0.1.0-alpha.15: byte 7865: bytes needs 16 bytes, 15 are left
        trailing-bytes: malformed: not a presentation of 0.1.0-alpha.15: byte 7881: 8 bytes follow the presentation
        huge-len-2p60: malformed: not a presentation of 0.1.0-alpha.15: byte 9: 1152921504606846976 signature bytes, at most 65 are read
        servername-variant-7: malformed: not a presentation of 0.1.0-alpha.15: byte 4760: kind of server name 7 is not known
        zeros-4k: malformed: not a presentation of 0.1.0-alpha.15: byte 1: signature algorithm 0 is not known
        p256-high-s: accepted "statements.examplebank.test" []
        eth-v-flip: signature-recovery: the signature's recovery byte does not give the notary's key
        eth-64: signature-length: the signature has 64 bytes, not 65
    "#]].assert_eq(&verdicts);
}

/// Without a trusted notary, a trusted authority, the right server or the right time, the same file is nothing.
#[test]
fn a_policy_refuses_what_it_does_not_trust() {
    use loom_tlsnotary::{Policy, Roots, TimeWindow, verify};
    let manifest = manifest();
    let vector = &manifest["valid"][0];
    let (file, trust) = (bytes(vector["file"].as_str().unwrap()), Trust::of(vector));
    let (none, name) = (Roots::none(), ["statements.EXAMPLEBANK.test".to_owned()]);
    let (other, time) = (["bank.example".to_owned()], vector["time"].as_u64().unwrap());
    let at = |not_before, not_after| TimeWindow { not_before, not_after };
    let policy = trust.policy();
    for (policy, code) in [
        (Policy { server_names: &name, time: at(time, time), ..policy }, "accepted"),
        (Policy { notary_keys: &[], ..policy }, "notary-untrusted"),
        (Policy { roots: &none, ..policy }, "certificate"),
        (Policy { server_names: &other, ..policy }, "name-unexpected"),
        (Policy { time: at(time + 1, u64::MAX), ..policy }, "too-old"),
        (Policy { time: at(0, time - 1), ..policy }, "too-new"),
    ] {
        assert_eq!(verify(&file, &policy).map_or_else(|rejected| rejected.code(), |_| "accepted"), code);
    }
    let nameless = bytes("valid/s1-bank-blake3-k256.no-identity.presentation.tlsn");
    let policy = Policy { server_names: &name, ..policy };
    assert_eq!(verify(&nameless, &policy).unwrap_err().code(), "name-missing");
}
