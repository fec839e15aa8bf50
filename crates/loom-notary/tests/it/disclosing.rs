//! Each value on its own, or not.

use loom_notary::{DisclosureError, Pointer, Request, Selection, disclose, without_identity};
use loom_tlsnotary::{committed, encode, fields, hashing};
use proptest::prelude::*;

use crate::bank::{Bank, chunked, notarize, received, response, sent};

const STATEMENT: &str =
    r#"{"holder":"Jane \"Q\"","account":{"number":"000123","open":true},"lines":[{"n":-1.5},{"n":""},[]],"é":null}"#;
/// Every scalar, its pointer and how it stands there.
const VALUES: [(&str, &str); 6] = [
    ("/holder", r#"Jane \"Q\""#),
    ("/account/number", "000123"),
    ("/account/open", "true"),
    ("/lines/0/n", "-1.5"),
    ("/lines/1/n", ""),
    ("/é", "null"),
];

fn pointer(text: &str) -> Pointer {
    text.parse().unwrap()
}

#[tokio::test]
async fn only_what_is_chosen_is_shown() {
    let bank = Bank::open(response("200 OK", &["Content-Type: application/json"], STATEMENT)).await;
    let notary = bank.notary();
    let full = notarize(&notary, &Request::get(bank.url("/a"))).await.unwrap();
    let body = |selection: &Selection| {
        let bytes = encode(&disclose(&full, selection).unwrap());
        let verified = bank.verify(&notary, &bytes).unwrap();
        assert_eq!(sent(&verified), bank.requests()[0], "what was asked stays");
        let text = received(&verified);
        text.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    assert_eq!(body(&Selection::All), STATEMENT);
    assert_eq!(
        body(&Selection::Only(vec![pointer("/account"), pointer("/lines/1/n")])),
        r#"{"holder":"__________","account":{"number":"000123","open":true},"lines":[{"n":____},{"n":""},[]],"é":____}"#,
    );
    assert_eq!(
        body(&Selection::AllBut(vec![pointer("/holder"), pointer("/account")])),
        r#"{"holder":"__________","account":{"number":"______","open":____},"lines":[{"n":-1.5},{"n":""},[]],"é":null}"#,
    );
    assert_eq!(
        body(&Selection::Only(Vec::new())),
        r#"{"holder":"__________","account":{"number":"______","open":____},"lines":[{"n":____},{"n":""},[]],"é":____}"#,
    );
    let missing = disclose(&full, &Selection::Only(vec![pointer("/lines/7")]));
    assert_eq!(missing, Err(DisclosureError::Missing { pointer: pointer("/lines/7") }));
}

/// Less can be made of less, and nothing comes back.
#[tokio::test]
async fn a_holder_of_less_can_disclose_no_more() {
    let bank = Bank::open(response("200 OK", &[], STATEMENT)).await;
    let notary = bank.notary();
    let full = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
    let one = disclose(&full, &Selection::Only(vec![pointer("/holder")])).unwrap();
    let bytes = encode(&one);
    assert!(!bytes.windows(6).any(|window| window == b"000123"));
    let widened = disclose(&one, &Selection::Only(vec![pointer("/account/number")]));
    let widened = received(&bank.verify(&notary, &encode(&widened.unwrap())).unwrap());
    assert!(!widened.contains("000123") && !widened.contains("Jane"), "{widened}");

    let nameless = without_identity(&one);
    let keys = loom_tlsnotary::NotaryKey::from_hex(&notary.public_key_text()).unwrap();
    let policy = loom_tlsnotary::Policy {
        notary_keys: &keys,
        roots: &loom_tlsnotary::Roots::none(),
        server_names: &[],
        time: loom_tlsnotary::TimeWindow::ANY,
    };
    let verified = loom_tlsnotary::verify(&encode(&nameless), &policy).unwrap();
    assert_eq!(verified.server_name, None);
    let mut transcriptless = nameless;
    transcriptless.transcript = None;
    assert_eq!(disclose(&transcriptless, &Selection::Only(Vec::new())), Err(DisclosureError::Nothing));
}

#[tokio::test]
async fn without_json_there_is_nothing_to_choose() {
    let bank = Bank::open(response("200 OK", &[], "<html>")).await;
    let notary = bank.notary();
    let full = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
    let chosen = disclose(&full, &Selection::Only(vec![pointer("/a")]));
    assert_eq!(chosen, Err(DisclosureError::NoJson));
    assert!(disclose(&full, &Selection::All).is_ok());
}

/// What has more values than are committed to one by one is disclosed in larger parts, or refused.
#[tokio::test]
async fn what_is_too_fine_is_said_to_be() {
    let lists: Vec<String> = (0..3_500).map(|n| format!("[{n},\"x\"]")).collect();
    let body = format!(r#"{{"first":"a","lists":[{}]}}"#, lists.join(","));
    let bank = Bank::open(response("200 OK", &[], &body)).await;
    let notary = bank.notary();
    let full = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
    let first = disclose(&full, &Selection::Only(vec![pointer("/first")])).unwrap();
    assert!(received(&bank.verify(&notary, &encode(&first)).unwrap()).contains(r#""first":"a","lists":____"#));
    let all = disclose(&full, &Selection::Only(vec![pointer("/lists")])).unwrap();
    assert!(received(&bank.verify(&notary, &encode(&all)).unwrap()).contains(r#"[3499,"x"]]"#));
    let within = disclose(&full, &Selection::Only(vec![pointer("/lists/7/0")]));
    assert_eq!(within, Err(DisclosureError::TooCoarse { pointer: pointer("/lists/7/0") }));
}

/// What is left out can be opened for a proof, and is found where it was left out.
#[tokio::test]
async fn what_is_kept_has_a_commitment_of_its_own() {
    let statement = r#"{"holder":"Jane","account":{"balance":"5873.12"},"income":[4210.5],"currency":"USD"}"#;
    for answer in [response("200 OK", &["Set-Cookie: sid=7"], statement), chunked(statement, 48)] {
        let bank = Bank::open(answer).await;
        let notary = bank.notary();
        let full = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
        for (text, value) in [("/account/balance", "5873.12"), ("/income/0", "4210.5")] {
            let opened = committed::opened(&full, text).unwrap();
            assert_eq!(opened.text, value);
            let commitment = hashing::hash(committed::ALGORITHM, &[value.as_bytes(), &opened.blinder]);
            let (attestation_id, range) = (opened.attestation_id, opened.range);
            let proved = committed::Proved { attestation_id, range, commitment, is_quoted: false };
            let shown = encode(&disclose(&full, &Selection::AllBut(vec![pointer(text)])).unwrap());
            let placed = committed::place(&bank.verify(&notary, &shown).unwrap(), &proved).unwrap();
            let member = placed.member.unwrap();
            assert!(member.pointer == text && member.hidden_after.is_empty() && !placed.is_disclosed, "{member:?}");
        }
    }
}

/// Whatever is chosen, the file is accepted and says that and nothing else.
#[test]
fn every_choice_discloses_what_was_chosen_and_no_more() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let answers = [response("200 OK", &["Set-Cookie: sid=7"], STATEMENT), chunked(STATEMENT, 8)];
    let sessions = answers.map(|answer| {
        runtime.block_on(async {
            let bank = Bank::open(answer).await;
            let notary = bank.notary();
            let full = notarize(&notary, &Request::get(bank.url("/"))).await.unwrap();
            (bank, notary, full)
        })
    });
    proptest!(|(chosen in proptest::sample::subsequence(VALUES.to_vec(), 0..=VALUES.len()), which in 0..2usize)| {
        let (bank, notary, full) = &sessions[which];
        let selection = Selection::Only(chosen.iter().map(|(text, _)| pointer(text)).collect());
        let bytes = encode(&disclose(full, &selection).unwrap());
        let verified = bank.verify(notary, &bytes).unwrap();
        let transcript = verified.transcript.unwrap();
        let all: Vec<String> = VALUES.iter().map(|(text, _)| (*text).to_owned()).collect();
        let found = fields::extract(&transcript.received, &all).unwrap();
        for (text, value) in VALUES {
            let is_chosen = chosen.contains(&(text, value)) || value.is_empty();
            let field = &found.fields[text];
            prop_assert_eq!(field.is_ok(), is_chosen, "{}: {:?}", text, field);
            if let Ok(field) = field {
                prop_assert_eq!(field.text.trim_matches('"'), value.trim_matches('"'));
            }
        }
    });
}
