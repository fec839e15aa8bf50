//! The world of one case: a clock that moves only when the guest waits, blobs in memory, counted salts.

use std::collections::HashMap;

use data_encoding::BASE64;
use loom_machine::{Ambient, Directory, Failure, ImageId, InputSalts};
use loom_types::{Cid, Codec, Payload, SALT_BYTES, SaltSource};

/// What outlasts a run.
pub(crate) struct World {
    pub(crate) now_ms: u64,
    /// The actor's state between its turns.
    pub(crate) state: Option<Payload>,
    /// Turns that were begun.
    pub(crate) turns: u64,
    /// The guest's log lines.
    pub(crate) logs: Vec<String>,
    salts: Counting,
    blobs: HashMap<Cid, Vec<u8>>,
}

impl World {
    pub(crate) fn new(now_ms: u64, state: Option<&str>, blobs: &[Vec<u8>]) -> Self {
        let mut salts = Counting(0);
        let state = state.map(|state| Payload::json(state, &mut salts));
        let mut world = Self { now_ms, state, turns: 0, logs: Vec::new(), salts, blobs: HashMap::new() };
        for bytes in blobs {
            world.put_blob(bytes.clone());
        }
        world
    }

    pub(crate) fn salts(&mut self) -> &mut dyn SaltSource {
        &mut self.salts
    }

    pub(crate) fn ambient(&mut self) -> Ambient<'_> {
        Ambient { now_ms: self.now_ms, salts: &mut self.salts, directory: &Everybody, inputs: Some(&Everybody) }
    }

    pub(crate) fn put_blob(&mut self, bytes: Vec<u8>) -> Cid {
        let cid = Cid::of(Codec::Raw, &bytes);
        self.blobs.insert(cid, bytes);
        cid
    }

    /// A blob.
    pub(crate) fn bytes(&self, cid: Cid) -> Result<&[u8], Failure> {
        let found = self.blobs.get(&cid).map(Vec::as_slice);
        found.ok_or_else(|| Failure::new("not-found", format!("there is no blob {cid}")))
    }

    /// A blob as a JSON string: text, or base64.
    pub(crate) fn blob(&self, cid: Cid, base64: bool) -> Result<String, Failure> {
        let bytes = self.bytes(cid)?;
        let text = match std::str::from_utf8(bytes) {
            _ if base64 => BASE64.encode(bytes),
            Ok(text) => text.to_owned(),
            Err(_) => return Err(Failure::new("not-utf8", format!("blob {cid} is not UTF-8; ask for base64"))),
        };
        Ok(serde_json::to_string(&text).expect("strings serialise"))
    }
}

/// Salts that are the same in every run of a case: a script's promise tokens can be written down.
struct Counting(u64);

impl SaltSource for Counting {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0 += 1;
        let count = self.0.to_be_bytes();
        bytes.iter_mut().zip(count.iter().cycle()).for_each(|(byte, count)| *byte = *count);
    }
}

/// Whom a guest may write to is the script's to say, and so is what comes of a proof.
struct Everybody;

impl Directory for Everybody {
    fn has_actor_type(&self, _namespace: &str, _actor_type: &str) -> bool {
        true
    }
}

impl InputSalts for Everybody {
    fn salt(&self, _image_id: ImageId, _media_type: &str, _value: &[u8]) -> [u8; SALT_BYTES] {
        [0; SALT_BYTES]
    }
}
