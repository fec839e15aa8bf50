//! Bundles from strangers: refused, or read as exactly one thing; and verified in bounded time, whatever they say.
//!
//! A changed byte changes a block's name, and no fuzzer finds a new one. So every input is tried twice: as it is, and with
//! all names made anew, as a stranger would who wants to be believed.

use std::{
    cell::Cell,
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use loom_evidence::{Bundle, Manifest, SigningKey};
use loom_machine::{Failure, GuestLimits, HostFault, Module, Sandbox};
use loom_types::{Cid, Codec};
use loom_verify::{Auditor, page, verify, verify_both};
use loom_wasmtime::{Settings, WasmtimeSandbox};

/// Blocks whose names are made anew.
const BLOCKS_MAX: usize = 200;
/// Modules that are kept compiled.
const COMPILED_MAX: usize = 64;
/// How often a verification may look at its watch.
const LOOKS_MAX: u64 = 400;
/// Bytes of a CID.
const CID_BYTES: usize = 36;

/// Takes a bundle.
pub(crate) fn run(input: &[u8]) {
    if let Ok(manifest) = Manifest::decode(input) {
        assert_eq!(manifest.encode(), input, "a manifest has one encoding");
    }
    let given = Bytes::copy_from_slice(input);
    check(&given);
    if let Some(renamed) = renamed(input)
        && renamed != given
    {
        check(&renamed);
    }
}

fn check(file: &Bytes) {
    if let Ok(bundle) = Bundle::read(file) {
        let mut again = Vec::new();
        bundle.write(&mut again).expect("memory takes everything");
        assert_eq!(again, *file, "a bundle has one form");
        let assembled = Bundle::assemble(bundle.manifest().clone(), bundle.parts()).expect("its parts make it again");
        assert_eq!(assembled.cid(), bundle.cid());
    }
    let key = SigningKey::from_secret("log.example/golden", &[1; 32]).expect("a good name").public();
    let strict = Auditor { keys: vec![key.clone()], monitors: vec![key], ..auditor() };
    let Ok(report) = verify(file, &auditor(), sandbox()) else {
        assert!(verify(file, &strict, sandbox()).is_err(), "whom one trusts does not make a file readable");
        return;
    };
    assert_eq!(report.ok, report.failures.is_empty());
    assert!(report.turns.re_executed <= report.turns.all);
    let is_attested = |class: &loom_verify::Class| *class == loom_verify::Class::Attested;
    assert!(!report.claims.iter().any(|claim| is_attested(&claim.class)), "nobody was trusted");
    let by_strict = verify(file, &strict, sandbox()).expect("it was read before");
    assert!(!by_strict.claims.iter().any(|claim| is_attested(&claim.class)), "this key signed nothing");
    let shown = page(file, &report);
    assert!(!shown.contains("<script"), "nothing of the file becomes code");
    let both = verify_both(file, file, &auditor(), sandbox()).expect("both were read before");
    assert_eq!(both.ok, report.ok, "a file goes on where it ended: {both:?}");
}

/// Somebody who trusts nobody, and whose watch goes on whenever it is looked at.
fn auditor() -> Auditor {
    thread_local! { static LOOKS: Cell<u64> = const { Cell::new(0) } }
    let elapsed = || Duration::from_millis(LOOKS.replace(LOOKS.get() + 1));
    Auditor { time: Duration::from_millis(LOOKS_MAX), elapsed, ..Auditor::default() }
}

type Compiled = Result<Arc<dyn Module>, Failure>;

/// An engine that compiles each module once, for that is what takes time.
struct CompilesOnce {
    engine: WasmtimeSandbox,
    compiled: Mutex<HashMap<Cid, Compiled>>,
}

impl Sandbox for CompilesOnce {
    fn engine(&self) -> &str {
        self.engine.engine()
    }

    fn check_limits(&self, limits: &GuestLimits) -> Result<(), String> {
        self.engine.check_limits(limits)
    }

    fn compile(&self, cid: Cid, bytes: &[u8]) -> Result<Compiled, HostFault> {
        let mut compiled = self.compiled.lock().expect("nothing panics under this lock");
        if let Some(known) = compiled.get(&cid) {
            return Ok(known.clone());
        }
        let module = self.engine.compile(cid, bytes)?;
        if compiled.len() == COMPILED_MAX {
            compiled.clear();
        }
        compiled.insert(cid, module.clone());
        Ok(module)
    }
}

fn sandbox() -> &'static CompilesOnce {
    static SANDBOX: OnceLock<CompilesOnce> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let settings =
            Settings { instances_max: 4, memory_bytes_max: 1 << 28, slice_fuel: 100_000, ..Settings::default() };
        let engine = WasmtimeSandbox::new(settings).expect("an engine");
        CompilesOnce { engine, compiled: Mutex::default() }
    })
}

/// The file with every block under the name that its bytes have, and every mention of the old name changed.
fn renamed(file: &[u8]) -> Option<Bytes> {
    let mut sections = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        let (length, behind) = length(rest)?;
        let (section, behind) = behind.split_at_checked(length)?;
        sections.push(section);
        rest = behind;
    }
    let (header, blocks) = sections.split_first()?;
    if blocks.len() > BLOCKS_MAX {
        return None;
    }
    let blocks: Vec<(&[u8], &[u8])> =
        blocks.iter().map(|block| block.split_at_checked(CID_BYTES)).collect::<Option<_>>()?;
    let named = blocks.iter().enumerate().map(|(at, (name, _))| (*name, at)).collect();
    let mut renaming = Renaming { blocks: &blocks, named, done: vec![Name::Old; blocks.len()] };
    let mut written = Vec::new();
    for at in 0..blocks.len() {
        renaming.settle(at);
    }
    let header = renaming.put(header);
    let blocks = renaming.done.iter().filter_map(|name| match name {
        Name::New(name, data) => Some([&name[..], data].concat()),
        Name::Old | Name::Open => None,
    });
    for section in std::iter::once(header).chain(blocks) {
        put_length(section.len(), &mut written);
        written.extend(section);
    }
    Some(written.into())
}

#[derive(Clone)]
enum Name {
    Old,
    /// It is being named; who mentions it meanwhile keeps its old name.
    Open,
    New(Vec<u8>, Vec<u8>),
}

struct Renaming<'a> {
    blocks: &'a [(&'a [u8], &'a [u8])],
    /// By old name.
    named: HashMap<&'a [u8], usize>,
    /// New names, and bytes.
    done: Vec<Name>,
}

impl Renaming<'_> {
    /// Names a block after those that it mentions.
    fn settle(&mut self, at: usize) {
        if !matches!(self.done[at], Name::Old) {
            return;
        }
        self.done[at] = Name::Open;
        let (name, data) = self.blocks[at];
        let data = self.put(data);
        let codec = if name[1] == 0x71 { Codec::DagCbor } else { Codec::Raw };
        self.done[at] = Name::New(Cid::of(codec, &data).to_bytes().to_vec(), data);
    }

    /// The bytes with new names.
    fn put(&mut self, data: &[u8]) -> Vec<u8> {
        let mut data = data.to_vec();
        let mut at = 0;
        while let Some(window) = data.get(at..at + CID_BYTES) {
            let Some(block) = self.named.get(window).copied() else {
                at += 1;
                continue;
            };
            self.settle(block);
            if let Name::New(renamed, _) = &self.done[block] {
                data[at..at + CID_BYTES].copy_from_slice(renamed);
            }
            at += CID_BYTES;
        }
        data
    }
}

/// An unsigned LEB128 number, and what is behind it.
fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[place + 1..]));
        }
    }
    None
}

fn put_length(mut length: usize, written: &mut Vec<u8>) {
    while length >= 0x80 {
        written.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    written.push(length as u8);
}
