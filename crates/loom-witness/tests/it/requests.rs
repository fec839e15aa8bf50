//! What strangers send. Nothing of it is cosigned unless it says the same, and nothing ends the witness.

use expect_test::expect;
use loom_witness::{Request, Witness};

use crate::support::{Log, World, ask, known};

#[test]
fn a_request_is_read_as_it_is_written() {
    let log = Log::of(100);
    for (old, size) in [(0, 0), (0, 1), (1, 1), (3, 100), (64, 100), (99, 100)] {
        let text = log.request(old, size);
        let request = Request::parse(text.as_bytes()).unwrap();
        assert_eq!((request.old, &request.proof), (old, &log.proof(old, size)));
        assert_eq!(request.encode(), text);
    }
}

#[test]
fn what_is_no_request_is_told_why() {
    let log = Log::of(100);
    let (good, note) = (log.request(37, 100), log.checkpoint(100).text().to_owned());
    let hash = "IoJ3WCBELvDKOQBj0LgPzfcOeFWzwKJK5vByInccuo4=";
    let mut told = String::new();
    for (what, body) in [
        ("nothing", String::new()),
        ("no empty line", "old 5\n".to_owned()),
        ("no old", good.replacen("old 37\n", "", 1)),
        ("another word", good.replacen("old", "new", 1)),
        ("a zero before", good.replacen("old 37", "old 037", 1)),
        ("a sign", good.replacen("old 37", "old +37", 1)),
        ("two spaces", good.replacen("old 37", "old  37", 1)),
        ("a space behind", good.replacen("old 37", "old 37 ", 1)),
        ("too large a number", good.replacen("old 37", "old 18446744073709551616", 1)),
        ("carriage returns", good.replace('\n', "\r\n")),
        ("64 hashes", format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(64))),
        ("a hash without padding", format!("old 1\n{}\n\n{note}", hash.trim_end_matches('='))),
        ("a hash with a bit behind", format!("old 1\n{}\n\n{note}", hash.replace("4=", "5="))),
        ("a hash of 31 bytes", format!("old 1\n{}\n\n{note}", data_encoding::BASE64.encode(&[1; 31]))),
        ("a hash with a space", format!("old 1\n {hash}\n\n{note}")),
        ("no note", "old 0\n\n".to_owned()),
        ("two empty lines", format!("old 0\n\n\n{note}")),
        ("a note without signatures", format!("old 0\n\n{}\n", note.split_once("\n\n").unwrap().0)),
        ("a note that goes on", format!("old 0\n\n{note}x")),
        ("a zero before the size", good.replacen("\n100\n", "\n0100\n", 1)),
        ("a size beyond all logs", good.replacen("\n100\n", "\n281474976710657\n", 1)),
        ("far too long", format!("old 0\n\n{}", "x".repeat(70 * 1024))),
    ] {
        let refusal = Request::parse(body.as_bytes()).unwrap_err();
        assert_eq!(refusal.status(), 400);
        told.push_str(&format!("{what}: {refusal}\n"));
    }
    assert_eq!(Request::parse(b"old 0\n\n\xff").unwrap_err().status(), 400);
    expect![[r#"
        nothing: malformed: there is no empty line
        no empty line: malformed: there is no empty line
        no old: malformed: the first line is not 'old SIZE'
        another word: malformed: the first line is not 'old SIZE'
        a zero before: malformed: the first line is not 'old SIZE'
        a sign: malformed: the first line is not 'old SIZE'
        two spaces: malformed: the first line is not 'old SIZE'
        a space behind: malformed: the first line is not 'old SIZE'
        too large a number: malformed: the first line is not 'old SIZE'
        carriage returns: malformed: there is no empty line
        64 hashes: malformed: the proof has more than 63 hashes
        a hash without padding: malformed: a line of the proof is not the base64 of a hash
        a hash with a bit behind: malformed: a line of the proof is not the base64 of a hash
        a hash of 31 bytes: malformed: a line of the proof is not the base64 of a hash
        a hash with a space: malformed: a line of the proof is not the base64 of a hash
        no note: malformed: no text with signatures below it
        two empty lines: malformed: not the three lines of a checkpoint
        a note without signatures: malformed: no text with signatures below it
        a note that goes on: malformed: no text with signatures below it
        a zero before the size: malformed: not the three lines of a checkpoint
        a size beyond all logs: malformed: the log is too large
        far too long: malformed: the request is too long
    "#]]
    .assert_eq(&told);
}

/// Every line dropped, doubled, or swapped with the next; every byte changed, and the end cut off.
#[tokio::test]
async fn no_near_miss_is_cosigned() {
    let log = Log::of(30);
    let good = log.request(11, 30);
    let meant = Request::parse(good.as_bytes()).unwrap();
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let mut misses: Vec<Vec<u8>> = Vec::new();
    for at in 0..lines.len() {
        let with = |middle: &[&str], rest: usize| [&lines[..at], middle, &lines[rest..]].concat().concat().into_bytes();
        misses.push(with(&[], at + 1));
        misses.push(with(&[lines[at], lines[at]], at + 1));
        if let Some(next) = lines.get(at + 1) {
            misses.push(with(&[next, lines[at]], at + 2));
        }
    }
    for at in 0..good.len() {
        misses.push(good.as_bytes()[..at].to_vec());
        let mut changed = good.clone().into_bytes();
        changed[at] ^= 1;
        misses.push(changed);
    }
    let mut cosigned = 0;
    let mut world = begun(&log).await;
    for miss in misses {
        if world.1.add_checkpoint(&miss).await.is_ok() {
            let said = Request::parse(&miss).unwrap();
            assert_eq!(said.checkpoint.checkpoint(), meant.checkpoint.checkpoint(), "{said:?}");
            cosigned += 1;
            // Not for the reason that there is something newer is the next one refused.
            world = begun(&log).await;
        }
    }
    // The line of the signature twice says the same as once.
    assert_eq!(cosigned, 1);
    assert_eq!(known(&world.1).await, 11);
    assert_eq!(ask(&world.1, &good).await, "cosigned at 1700000000");
}

/// A witness that cosigned the log's first 11 leaves.
async fn begun(log: &Log) -> (World, Witness) {
    let world = World::new();
    let witness = world.witness();
    assert_eq!(ask(&witness, &log.request(0, 11)).await, "cosigned at 1700000000");
    (world, witness)
}
