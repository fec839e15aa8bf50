use loom_types::{EntryBody, SaltSource, SequenceNumber, TurnNumber, TurnResult};

use super::*;

struct Counting(u8);

impl SaltSource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
        self.0 += 1;
    }
}

/// Two entries, two payloads, a module.
fn bundle() -> Bundle {
    let actor: ActorAddress = "default/loan-review/A1".parse().unwrap();
    let mut salts = Counting(0);
    let (message, seed) = (Payload::json("1", &mut salts), Payload::json("2", &mut salts));
    let module = Bytes::from_static(b"a module");
    let material = Cid::of(Codec::Raw, &module);
    let opened = Entry {
        actor: actor.clone(),
        seq: SequenceNumber(0),
        prev: None,
        turn: TurnNumber(0),
        at_ms: 1,
        body: EntryBody::Opened {},
    }
    .encode();
    let ended = Entry {
        actor: actor.clone(),
        seq: SequenceNumber(1),
        prev: Some(opened.cid),
        turn: TurnNumber(1),
        at_ms: 2,
        body: EntryBody::TurnEnded { result: TurnResult::Reply(message.cid()), state: Some(seed.cid()), fuel: 3 },
    }
    .encode();
    let history = History {
        actor,
        entries: vec![opened.cid, ended.cid],
        inclusion: Some(Inclusion { index: 4, proof: vec![[5; 32], [6; 32]] }),
    };
    let log = Some(LogEvidence { checkpoint: "text\n".to_owned(), handovers: vec!["note\n".to_owned()] });
    let manifest = Manifest { histories: vec![history], log, material: vec![material] };
    let payloads = [&message, &seed].map(|payload| (payload.cid(), payload.block().clone()));
    let blocks = [(opened.cid, opened.bytes), (ended.cid, ended.bytes), (material, module)];
    Bundle::assemble(manifest, blocks.into_iter().chain(payloads).collect()).unwrap()
}

fn written(bundle: &Bundle) -> Bytes {
    let mut bytes = Vec::new();
    bundle.write(&mut bytes).unwrap();
    let pieces: Vec<Bytes> = bundle.clone().into_pieces().collect();
    assert_eq!(pieces.concat(), bytes, "the same in pieces");
    bytes.into()
}

/// The file of these blocks, whatever they are.
fn file(root: Cid, blocks: &[(Cid, Bytes)]) -> Bytes {
    let mut bytes = Vec::new();
    car::write_header(root, &mut bytes).unwrap();
    for (cid, block) in blocks {
        car::write_head(*cid, block.len(), &mut bytes).unwrap();
        bytes.extend_from_slice(block);
    }
    bytes.into()
}

#[test]
fn a_bundle_is_read_as_it_was_written() {
    let bundle = bundle();
    let bytes = written(&bundle);
    let read = Bundle::read(&bytes).unwrap();
    assert_eq!((read.manifest(), read.cid(), read.blocks()), (bundle.manifest(), bundle.cid(), 6));
    assert_eq!(written(&read), bytes);
}

#[test]
fn no_other_bytes_are_the_same_bundle() {
    let bundle = bundle();
    let bytes = written(&bundle);
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1;
        assert!(Bundle::read(&changed.into()).is_err(), "byte {at}");
        let cut = Bundle::read(&bytes.slice(..at));
        assert!(cut.is_err(), "cut after {at} bytes");
    }
    assert!(Bundle::read(&[&bytes[..], &[0]].concat().into()).is_err());
}

#[test]
fn blocks_have_one_place() {
    let bundle = bundle();
    let root = bundle.cid();
    for first in 0..bundle.blocks.len() {
        for second in 0..bundle.blocks.len() {
            let mut blocks = bundle.blocks.clone();
            blocks.swap(first, second);
            let is_same = first == second;
            assert_eq!(Bundle::read(&file(root, &blocks)).is_ok(), is_same, "{first} and {second} changed places");
        }
        let mut blocks = bundle.blocks.clone();
        blocks.push(blocks[first].clone());
        assert!(matches!(Bundle::read(&file(root, &blocks)), Err(BundleError::OutOfPlace { expected: None, .. })));
    }
    let stray = Bytes::from_static(b"what nothing names");
    let mut blocks = bundle.blocks.clone();
    blocks.push((Cid::of(Codec::Raw, &stray), stray));
    assert!(matches!(Bundle::read(&file(root, &blocks)), Err(BundleError::OutOfPlace { .. })));
}

#[test]
fn only_payloads_may_be_missing() {
    let bundle = bundle();
    for (place, (cid, _)) in bundle.blocks.iter().enumerate() {
        let mut blocks = bundle.blocks.clone();
        blocks.remove(place);
        let read = Bundle::read(&file(bundle.cid(), &blocks));
        match bundle.payloads.contains_key(cid) {
            true => assert_eq!(read.unwrap().payloads().len(), 1),
            false => assert!(matches!(read, Err(BundleError::Missing { cid: missing, .. }) if missing == *cid)),
        }
    }
}

/// A block that is named a million times is read a million times.
#[test]
fn an_entry_has_one_place() {
    let mut manifest = bundle().manifest().clone();
    let twice = manifest.histories[0].entries[1];
    manifest.histories[0].entries.push(twice);
    let refused = Manifest::decode(&manifest.encode()).unwrap_err();
    assert!(refused.to_string().contains(&format!("entry {twice} twice")), "{refused}");
}

#[test]
fn what_is_not_read_back_is_not_made() {
    let bundle = bundle();
    let bytes = written(&bundle).len();
    assert_eq!(car::fits(bundle.cid(), &bundle.blocks), Ok(()));
    // One and the same block of memory, as often as it takes.
    let large = Bytes::from(vec![0; 64 * 1024 * 1024]);
    let mut blocks = bundle.blocks.clone();
    blocks.extend((0..15).map(|_| (bundle.cid(), large.clone())));
    let with = |rest: usize| [&blocks[..], &[(bundle.cid(), large.slice(..rest))]].concat();
    // A length of that size takes four bytes.
    let section = 4 + 36;
    let rest = crate::limits::BUNDLE_BYTES_MAX - bytes - 15 * (section + large.len()) - section;
    assert_eq!(car::fits(bundle.cid(), &with(rest)), Ok(()));
    assert_eq!(car::fits(bundle.cid(), &with(rest + 1)), Err(CarError::TooLarge(crate::limits::BUNDLE_BYTES_MAX + 1)));
    let many = vec![blocks[1].clone(); crate::limits::BLOCKS_MAX + 1];
    assert_eq!(car::fits(bundle.cid(), &many), Err(CarError::TooMany));
    let mut manifest = bundle.manifest().clone();
    manifest.material.push(manifest.material[0]);
    assert!(matches!(Bundle::assemble(manifest, bundle.parts()), Err(BundleError::Manifest(_))));
}
