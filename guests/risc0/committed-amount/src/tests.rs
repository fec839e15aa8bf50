use kit::host::{block, input, run as run_on};
use sha2::{Digest as _, Sha256};

use super::{MEDIA_TYPE, TEXT_BYTES_MAX, run};

const ID: [u8; 16] = *b"an attestation's";
const BLINDER: [u8; 16] = *b"sixteen at rando";

fn value(range: (u64, u64), threshold: u64, text: &[u8]) -> Vec<u8> {
    [&ID[..], &range.0.to_le_bytes(), &range.1.to_le_bytes(), &threshold.to_le_bytes(), text, &BLINDER].concat()
}

fn of_value(value: &[u8]) -> Option<Vec<u8>> {
    run_on(&input(&block([9; 16], MEDIA_TYPE, value), b""), run).map(|output| output.journal)
}

/// What is put out about a text at byte 300.
fn journal(threshold: u64, text: &[u8]) -> Option<Vec<u8>> {
    of_value(&value((300, 300 + text.len() as u64), threshold, text))
}

/// The amount that the program takes a text for, by what thresholds it reaches; none if it refuses it.
fn cents(text: &[u8]) -> Option<u64> {
    let reaches = |threshold| journal(threshold, text).map(|journal| journal[104] == 1);
    reaches(0)?;
    let (mut low, mut high) = (0u64, u64::MAX);
    while low < high {
        let middle = high - (high - low) / 2;
        (low, high) = if reaches(middle)? { (middle, high) } else { (low, middle - 1) };
    }
    Some(low)
}

#[test]
fn the_output_is_digest_place_commitment_threshold_and_verdict() {
    for (text, is_quoted) in [(&b"5873.12"[..], 0), (b"\"5873.12\"", 1)] {
        for (threshold, reached) in [(0, 1), (587_311, 1), (587_312, 1), (587_313, 0), (u64::MAX, 0)] {
            let end = 300 + text.len() as u64;
            let sealed = block([9; 16], MEDIA_TYPE, &value((300, end), threshold, text));
            let expected = [
                &Sha256::digest(&sealed)[..],
                &ID,
                &300u64.to_le_bytes(),
                &end.to_le_bytes(),
                &Sha256::digest([text, &BLINDER].concat()),
                &threshold.to_le_bytes(),
                &[reached, is_quoted],
            ];
            assert_eq!(journal(threshold, text), Some(expected.concat()), "{text:?} of {threshold}");
        }
    }
}

#[test]
fn amounts_are_read_to_the_cent() {
    for (text, expected) in [
        ("0", 0),
        ("7", 700),
        ("0.00", 0),
        ("0.01", 1),
        ("0.5", 50),
        ("10", 1_000),
        ("1234567.89", 123_456_789),
        ("\"5873.10\"", 587_310),
        ("\"5873.1\"", 587_310),
        ("184467440737095516.15", u64::MAX),
        ("184467440737095516", u64::MAX - 15),
    ] {
        assert_eq!(cents(text.as_bytes()), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_amount_has_no_proof() {
    let texts = "|.|\"|\"\"|-1|+1|1.|.5|00|01|01.00|1.234|1..2|1.2.3|1 | 1|1,000.00|1e3|1E3|0x1|1.0e1|\"1|1\"|\"1\"\"|\
                 \"\"1\"\"|1\",\"b\":\"2|null|true|٣|1\n|12.3a|$1|184467440737095516.16|999999999999999999999";
    for text in texts.split('|').map(str::as_bytes).chain([&b"1\0"[..], b"\0", b"\xff"]) {
        assert_eq!(journal(0, text), None, "{}", text.escape_ascii());
    }
    assert!(journal(0, &[b"1", &[b'0'; 15][..], b".00"].concat()).is_some());
    assert_eq!(journal(0, &[b'1'; TEXT_BYTES_MAX]), None, "too large a number");
    assert_eq!(journal(0, &[b'1'; TEXT_BYTES_MAX + 1]), None);
}

/// Every byte in every place of an amount: what is accepted is one, by another reader's rules.
#[test]
fn one_byte_changed_is_another_amount_or_none() {
    for good in [&b"5873.12"[..], b"\"5873.12\"", b"40"] {
        for at in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut text = good.to_vec();
                text[at] = byte;
                assert_eq!(journal(0, &text).is_some(), is_amount(&text), "{}", text.escape_ascii());
            }
        }
    }
}

fn is_amount(text: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(text) else { return false };
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole) && (whole == "0" || !whole.starts_with('0')) && is_digits(fraction) && fraction.len() <= 2
}

#[test]
fn the_range_is_as_long_as_the_text() {
    assert!(of_value(&value((0, 4), 1, b"1.00")).is_some());
    assert!(of_value(&value((u64::MAX - 4, u64::MAX), 1, b"1.00")).is_some());
    for range in [(0, 0), (0, 3), (0, 5), (4, 0), (4, 4), (u64::MAX, 3), (0, u64::MAX), (0, 4 + (1 << 32))] {
        assert_eq!(of_value(&value(range, 1, b"1.00")), None, "{range:?}");
    }
}

#[test]
fn any_other_head_or_length_is_refused() {
    let good = block([9; 16], MEDIA_TYPE, &value((0, 4), 1, b"1.00"));
    let journal = |block: &[u8]| run_on(&input(block, b""), run).map(|output| output.journal);
    assert!(journal(&good).is_some());
    for at in (0..2).chain(18..42) {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_eq!(journal(&bad), None, "bit {bit} of byte {at}");
        }
    }
    let whole = input(&good, b"");
    for length in 0..whole.len() {
        assert_eq!(run_on(&whole[..length], run), None, "{length} bytes");
    }
    assert_eq!(run_on(&input(&good, b"public"), run), None);
    let mut filled = whole.clone();
    *filled.last_mut().expect("an input") = 1;
    assert!(!good.len().is_multiple_of(4) && run_on(&filled, run).is_none(), "what fills the last word is not zero");
    for cut in 0..value((0, 4), 1, b"1.00").len() {
        assert_eq!(of_value(&value((0, 4), 1, b"1.00")[..cut]), None, "{cut} bytes of value");
    }
}
