//! Stored bytes: an entry, a payload or a segment is refused, or means exactly one thing.

use bytes::Bytes;
use loom_types::{Cid, Codec, Entry, Payload, Segment};

/// What decodes, encodes to the same bytes and is named by them.
pub(crate) fn run(input: &[u8]) {
    if let Ok(entry) = Entry::decode(input) {
        let encoded = entry.encode();
        assert_eq!(&encoded.bytes[..], input, "an entry has one encoding");
        assert_eq!(encoded.cid, Cid::of(Codec::DagCbor, input));
    }
    if let Ok(payload) = Payload::from_block(Bytes::copy_from_slice(input)) {
        assert_eq!(&payload.block()[..], input);
        assert!(input.ends_with(payload.value()), "the value is the block's tail");
        assert_eq!(payload.cid(), Cid::of(Codec::DagCbor, input));
    }
    if let Ok((entries, segment)) = Segment::decode(input) {
        assert_eq!(segment.encode(), input, "a segment has one encoding");
        assert_eq!(entries.len(), segment.entries.len());
    }
    if let Ok(text) = std::str::from_utf8(input) {
        names(text);
    }
}

/// Names that are taken are written as they were read.
fn names(text: &str) {
    let cid = text.parse::<Cid>().map(|cid| cid.to_string());
    assert!(cid.is_err() || cid.as_deref() == Ok(text), "a CID has one spelling");
    let address = text.parse::<loom_types::ActorAddress>();
    assert!(address.is_err() || address.is_ok_and(|address| address.as_str() == text));
    let id = text.parse::<loom_types::MessageId>();
    assert!(id.is_err() || id.is_ok_and(|id| id.as_str() == text));
}
