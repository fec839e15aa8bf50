//! Fields of responses: without holes the same as serde_json finds, and with them never another value.

use loom_tlsnotary::{
    Disclosed, RangeSet,
    fields::{Missing, extract},
};
use serde_json::{Value, value::RawValue};

/// Stands for a byte that is not disclosed.
const HOLE: u8 = 0xff;

pub(crate) fn run(input: &[u8]) {
    let pointers = ["", "/a", "/a/0", "/a/b", "/b"].map(str::to_owned);
    let known = || input.iter().zip(0u64..).filter(|(byte, _)| **byte != HOLE);
    let ranges = RangeSet::union(known().map(|(_, at)| at..at + 1));
    if ranges.as_slice().len() > loom_tlsnotary::limits::RANGES_MAX {
        return;
    }
    let bytes: Vec<u8> = known().map(|(byte, _)| *byte).collect();
    let disclosed = Disclosed::new(bytes, ranges, input.len() as u64).expect("its parts fit");
    let Ok(extracted) = extract(&disclosed, &pointers) else { return };
    let document = body_until_close(input).and_then(|body| serde_json::from_slice::<Value>(body).ok());
    for (pointer, field) in extracted.fields {
        if let Err(Missing::Withheld(hidden)) = &field {
            let (start, end) = (hidden.range.start as usize, hidden.range.end as usize);
            assert!(start < end && input[start..end].iter().all(|byte| *byte == HOLE), "a place that is known");
        }
        let Ok(field) = field else { continue };
        let _: &RawValue = serde_json::from_str(&field.text).expect("a value is JSON");
        assert!(field.range.end <= input.len() as u64 && field.range.start < field.range.end);
        // None with numbers that no float comes near.
        if let Some(document) = &document {
            let value: Value = serde_json::from_str(&field.text).expect("it is a part of the document");
            assert_eq!(document.pointer(&pointer), Some(&value), "{pointer}");
        }
    }
}

/// The body of a response without framing of its own and without holes.
fn body_until_close(input: &[u8]) -> Option<&[u8]> {
    let head_end = input.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = input[..head_end].to_ascii_lowercase();
    let is_framed = [&b"content-"[..], b"transfer-"].iter().any(|name| head.windows(name.len()).any(|at| at == *name));
    (!is_framed && !input.contains(&HOLE)).then_some(&input[head_end..])
}
