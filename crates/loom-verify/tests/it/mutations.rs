//! Somebody without the node's key changes a bundle: whatever he changes, and however well he hides it.

use std::collections::BTreeMap;

use bytes::Bytes;
use ipld_core::ipld::Ipld;
use loom_evidence::{Bundle, Manifest};
use loom_types::{Cid, Codec, Entry, Payload, SequenceNumber};
use loom_verify::{Auditor, Class, Report};

use crate::world::{WIDE, World, file, sandbox, verified};

/// Every way to change one value in a tree of them, with the path to it.
pub(crate) fn changes(value: &Ipld, path: &str, all: &mut Vec<(String, Ipld)>, whole: &dyn Fn(Ipld) -> Ipld) {
    let mut add = |what: &str, changed: Ipld| all.push((format!("{path} {what}"), whole(changed)));
    match value {
        Ipld::Null => add("set", Ipld::Integer(1)),
        Ipld::Bool(is) => add("turned", Ipld::Bool(!is)),
        Ipld::Integer(number) => {
            add("raised", Ipld::Integer(number + 1));
            add("lowered", Ipld::Integer(number - 1));
        }
        Ipld::String(text) => {
            add("longer", Ipld::String(format!("{text}x")));
            add("empty", Ipld::String(String::new()));
        }
        Ipld::Bytes(bytes) => {
            let mut changed = bytes.clone();
            changed.push(0);
            add("longer", Ipld::Bytes(changed));
        }
        Ipld::Link(_) => {
            let other = Cid::of(Codec::DagCbor, b"something else");
            add("elsewhere", Ipld::Link(ipld_core::cid::Cid::try_from(&other.to_bytes()[..]).unwrap()));
            add("cleared", Ipld::Null);
        }
        Ipld::List(items) => {
            for (place, item) in items.iter().enumerate() {
                let put = |changed| {
                    let mut items = items.clone();
                    items[place] = changed;
                    whole(Ipld::List(items))
                };
                let mut without = items.clone();
                without.remove(place);
                all.push((format!("{path}/{place} dropped"), whole(Ipld::List(without))));
                let mut doubled = items.clone();
                doubled.insert(place, item.clone());
                all.push((format!("{path}/{place} doubled"), whole(Ipld::List(doubled))));
                changes(item, &format!("{path}/{place}"), all, &put);
            }
            for place in 1..items.len() {
                let mut swapped = items.clone();
                swapped.swap(place - 1, place);
                if swapped != *items {
                    all.push((format!("{path}/{place} swapped"), whole(Ipld::List(swapped))));
                }
            }
        }
        Ipld::Map(members) => {
            for (name, member) in members {
                let put = |changed| {
                    let mut members = members.clone();
                    members.insert(name.clone(), changed);
                    whole(Ipld::Map(members))
                };
                let mut without = members.clone();
                without.remove(name);
                all.push((format!("{path}/{name} dropped"), whole(Ipld::Map(without))));
                changes(member, &format!("{path}/{name}"), all, &put);
            }
        }
        Ipld::Float(_) => unreachable!("no block has floats"),
    }
}

pub(crate) fn all_changes(block: &[u8]) -> Vec<(String, Bytes)> {
    let value: Ipld = serde_ipld_dagcbor::from_slice(block).unwrap();
    let mut all = Vec::new();
    changes(&value, "", &mut all, &|changed| changed);
    let encoded = all.into_iter().map(|(path, changed)| (path, serde_ipld_dagcbor::to_vec(&changed).unwrap().into()));
    encoded.filter(|(_, changed): &(String, Bytes)| changed != block).collect()
}

/// The bundle with its first history written anew, and in no log. `payloads` and `material` are added to what it has.
pub(crate) fn rewritten(
    bundle: &Bundle,
    payloads: &[Payload],
    material: &[(Cid, Bytes)],
    rewrite: impl FnOnce(&mut Vec<Entry>),
) -> Bundle {
    let (mut manifest, mut blocks) = (bundle.manifest().clone(), bundle.parts());
    blocks.extend(payloads.iter().map(|payload| (payload.cid(), payload.block().clone())));
    blocks.extend(material.iter().cloned());
    let mut entries = bundle.entries()[0].clone();
    rewrite(&mut entries);
    let (first, mut prev) = (entries[0].seq, entries[0].prev);
    let mut names = Vec::new();
    for (mut entry, at) in entries.into_iter().zip(first.0..) {
        (entry.seq, entry.prev) = (SequenceNumber(at), prev);
        let encoded = entry.encode();
        blocks.insert(encoded.cid, encoded.bytes);
        names.push(encoded.cid);
        prev = Some(encoded.cid);
    }
    manifest.histories[0].entries = names;
    manifest.material.extend(material.iter().map(|(cid, _)| *cid));
    manifest.material.sort_by_key(|cid| cid.to_bytes());
    manifest.material.dedup();
    manifest.log = None;
    manifest.histories.iter_mut().for_each(|history| history.inclusion = None);
    Bundle::assemble(manifest, blocks).unwrap()
}

/// What an auditor makes of these parts; nothing if they are no bundle.
fn judged(manifest: Manifest, blocks: BTreeMap<Cid, Bytes>, auditor: &Auditor) -> Option<Report> {
    let bundle = Bundle::assemble(manifest, blocks).ok()?;
    Some(verified(&bundle, auditor))
}

/// How strong a report is: what it says of each subject, without the file's name.
pub(crate) fn strength(report: &Report) -> Vec<(String, Class)> {
    let mut claims: Vec<_> = report.claims.iter().map(|claim| (claim.subject.clone(), claim.class)).collect();
    claims.sort();
    claims
}

/// Less is said, or the same on less; nothing more is more than somebody's word.
pub(crate) fn is_weaker(now: &[(String, Class)], honest: &[(String, Class)]) -> bool {
    let was = |(subject, class): &&(String, Class)| honest.iter().any(|(of, was)| of == subject && was <= class);
    now != honest && now.iter().filter(|claim| !was(claim)).all(|(_, class)| *class >= Class::Claimed)
}

async fn world() -> (World, Bundle) {
    let world = World::new().await;
    world.run(WIDE).await;
    world.run(r#"{"do":[{"op":"state.get"},{"reply":{"$ref":0}}]}"#).await;
    let bundle = world.bundle(None).await;
    (world, bundle)
}

/// Every member of every entry is changed: under its old name; under its new one; and with everything after it linked
/// anew, which only the log then contradicts.
#[tokio::test]
async fn no_entry_can_be_changed() {
    let (world, bundle) = world().await;
    let (auditor, original) = (world.auditor(), bundle.parts());
    let mut tried = 0;
    for (place, cid) in bundle.manifest().histories[0].entries.iter().enumerate() {
        for (path, changed) in all_changes(&original[cid]) {
            tried += 1;
            let what = format!("entry {place} {path}");
            let hidden = raw_file(&bundle, *cid, &changed);
            let report = loom_verify::verify(&hidden, &auditor, &*sandbox()).unwrap();
            assert!(!report.ok && report.failures[0].reason.contains("not those that its name names"), "{what}");

            let renamed = renamed(&bundle, &original, place, &changed);
            assert!(renamed.is_none_or(|parts| judged(parts.0, parts.1, &auditor).is_none_or(|it| !it.ok)), "{what}");

            let Ok(entry) = Entry::decode(&changed) else { continue };
            let (manifest, blocks) = relinked(&bundle, &original, place, entry);
            assert!(judged(manifest, blocks, &auditor).is_none_or(|report| !report.ok), "{what}, linked anew");
        }
    }
    assert!(tried > 300, "{tried}");
    world.runtime.shutdown().await;
}

/// Every member of the manifest: what is left is no bundle, is contradicted, or says less.
#[tokio::test]
async fn no_change_of_the_manifest_makes_a_bundle_say_as_much() {
    let (world, bundle) = world().await;
    let (auditor, original) = (world.auditor(), bundle.parts());
    let honest = strength(&verified(&bundle, &auditor));
    let mut tried = 0;
    for (path, changed) in all_changes(&bundle.manifest().encode()) {
        tried += 1;
        let Ok(manifest) = Manifest::decode(&changed) else { continue };
        let Some(report) = judged(manifest, original.clone(), &auditor) else { continue };
        assert!(!report.ok || is_weaker(&strength(&report), &honest), "{path}: {report:#?}");
    }
    assert!(tried > 50, "{tried}");
    world.runtime.shutdown().await;
}

/// Leaving out a payload is redaction: never a contradiction, always less.
#[tokio::test]
async fn a_payload_left_out_makes_a_report_weaker() {
    let (world, bundle) = world().await;
    let auditor = world.auditor();
    let honest = verified(&bundle, &auditor);
    let count = |report: &Report, class| report.claims.iter().filter(|claim| claim.class == class).count();
    for cid in bundle.payloads().keys() {
        let mut left = bundle.parts();
        left.remove(cid);
        let report = judged(bundle.manifest().clone(), left, &auditor).expect("still a bundle");
        assert!(report.ok, "{report:#?}");
        assert!(
            count(&report, Class::Redacted) > 0
                && count(&report, Class::ReExecuted) < count(&honest, Class::ReExecuted)
        );
    }
    world.runtime.shutdown().await;
}

/// The file with other bytes under a block's old name.
fn raw_file(bundle: &Bundle, cid: Cid, changed: &[u8]) -> Bytes {
    let (file, old) = (file(bundle), bundle.parts()[&cid].clone());
    let section = |bytes: &[u8]| {
        let mut section = Vec::new();
        let mut length = 36 + bytes.len();
        while length >= 0x80 {
            section.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        section.push(length as u8);
        section.extend_from_slice(&cid.to_bytes());
        section.extend_from_slice(bytes);
        section
    };
    let (old, new) = (section(&old), section(changed));
    let at = file.windows(old.len()).position(|window| window == old).expect("the block is in the file");
    [&file[..at], &new, &file[at + old.len()..]].concat().into()
}

type Parts = (Manifest, BTreeMap<Cid, Bytes>);

/// The changed entry under its own name, and the manifest with it.
fn renamed(bundle: &Bundle, original: &BTreeMap<Cid, Bytes>, place: usize, changed: &Bytes) -> Option<Parts> {
    let (mut manifest, mut blocks) = (bundle.manifest().clone(), original.clone());
    let cid = Cid::of(Codec::DagCbor, changed);
    manifest.histories[0].entries[place] = cid;
    blocks.insert(cid, changed.clone());
    Some((manifest, blocks))
}

/// The same, with every later entry linked to the one before.
pub(crate) fn relinked(bundle: &Bundle, original: &BTreeMap<Cid, Bytes>, place: usize, entry: Entry) -> Parts {
    let (mut manifest, mut blocks) = (bundle.manifest().clone(), original.clone());
    let mut entries = bundle.entries()[0].clone();
    entries[place] = entry;
    let mut prev = None;
    for (at, mut entry) in entries.into_iter().enumerate() {
        if at > place {
            entry.prev = prev;
        }
        let encoded = entry.encode();
        manifest.histories[0].entries[at] = encoded.cid;
        blocks.insert(encoded.cid, encoded.bytes);
        prev = Some(encoded.cid);
    }
    (manifest, blocks)
}
