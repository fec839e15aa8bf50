//! Which blobs stored bytes may name.
//!
//! A blob's name can stand anywhere in a value that a guest or a client wrote, so every text that looks like a CID
//! counts. A name that is none keeps a blob too long, never too short.

use std::collections::HashSet;

use loom_types::{Cid, Codec, Entry, EntryBody, Marker, Payload, Segment};

/// A CID's text: `b`, then 36 bytes in base32.
const TEXT_BYTES: usize = 59;
/// What a binary CID begins with, after its codec: version 1, codec, sha2-256, 32 bytes.
const BINARY_BYTES: usize = 36;

/// Every CID whose text stands in `bytes`.
pub fn in_text(bytes: &[u8], found: &mut impl FnMut(Cid)) {
    for at in memchr_all(bytes, b"baf") {
        let text = bytes.get(at..at + TEXT_BYTES).and_then(|text| std::str::from_utf8(text).ok());
        if let Some(cid) = text.and_then(|text| text.parse().ok()) {
            found(cid);
        }
    }
}

/// Every CID that stands in `bytes` in binary, as in a manifest's links.
pub fn in_links(bytes: &[u8], found: &mut impl FnMut(Cid)) {
    for link in bytes.windows(BINARY_BYTES) {
        let codec = match link[..4] {
            [1, 0x55, 0x12, 32] => Codec::Raw,
            [1, 0x71, 0x12, 32] => Codec::DagCbor,
            _ => continue,
        };
        found(Cid::from_digest(codec, link[4..].try_into().expect("36 bytes less 4")));
    }
}

/// What a payload leads to: the block it stands for, or the names in its value. An erased one leads nowhere.
pub fn in_payload(payload: &Payload, found: &mut impl FnMut(Cid)) {
    match payload.marker() {
        Some(Marker::Spilled(cid)) => found(cid),
        Some(Marker::Erased(_)) => {}
        None => in_text(payload.value(), found),
    }
}

/// What a segment leads to. The payloads its entries name are found as payloads or markers, and only so: a name
/// alone does not keep a spilled block that was erased.
pub fn in_segment(entries: &[Entry], segment: &Segment, found: &mut impl FnMut(Cid)) {
    for entry in entries {
        match &entry.body {
            EntryBody::TurnStarted { deployment, module, .. } => {
                found(*deployment);
                found(*module);
            }
            EntryBody::Outcome { evidence, .. } => evidence.iter().for_each(|cid| found(*cid)),
            _ => {}
        }
    }
    segment.payloads.iter().for_each(|payload| in_payload(payload, found));
}

/// What a blob itself leads to: manifests and spilled payloads name others, raw bytes do not.
pub fn in_blob(cid: Cid, bytes: &[u8]) -> HashSet<Cid> {
    let mut names = HashSet::new();
    if cid.codec() == Codec::DagCbor {
        in_links(bytes, &mut |cid| names.extend([cid]));
        in_text(bytes, &mut |cid| names.extend([cid]));
    }
    names
}

fn memchr_all<'b>(bytes: &'b [u8], needle: &'static [u8]) -> impl Iterator<Item = usize> + 'b {
    bytes.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_wherever_they_stand() {
        let (module, block) = (Cid::of(Codec::Raw, b"1"), Cid::of(Codec::DagCbor, b"2"));
        let mut found = Vec::new();
        in_text(format!(r#"bafbaf{{"a":"{module}","b":["x{block}y"]}}{module}"#).as_bytes(), &mut |cid| {
            found.push(cid)
        });
        assert_eq!(found, [module, block, module]);
        let mut links = vec![0xd8, 0x2a, 0x58, 0x25, 0, 1, 0x55, 0x12, 32];
        links.extend(module.digest());
        assert_eq!(in_blob(block, &links), [module].into());
        assert!(in_blob(module, &links).is_empty(), "raw bytes lead nowhere");
    }
}
