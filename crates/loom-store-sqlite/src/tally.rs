//! The tally: how many transactions were committed, beside the database.
//!
//! A write-ahead log that lost its end is a log that ends earlier: SQLite reads it without complaint. So every
//! transaction counts itself in the database, and when it is durable the count is written to a file of its own. A
//! database that counts less than the file has lost what was acknowledged, and is not opened.
//!
//! The file is not synced with every commit, which would cost as much as the commit. A process that dies loses
//! nothing of it; a machine that loses power may lose its last seconds, and then shows only what was lost before.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    path::Path,
};

use twox_hash::XxHash3_64;

/// Identifies one database.
pub(crate) type StoreId = [u8; 16];

/// The file, open for the next count.
#[derive(Debug)]
pub(crate) struct Tally {
    file: File,
    store: StoreId,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) store: StoreId,
    pub(crate) transactions: u64,
}

/// Store, count, and a digest of both.
const BYTES: usize = 32;

impl Counted {
    fn encode(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&self.store);
        bytes[16..24].copy_from_slice(&self.transactions.to_le_bytes());
        let digest = XxHash3_64::oneshot(&bytes[..24]);
        bytes[24..].copy_from_slice(&digest.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; BYTES]) -> Option<Self> {
        let transactions = u64::from_le_bytes(bytes[16..24].try_into().expect("eight bytes"));
        let counted = Self { store: bytes[..16].try_into().expect("sixteen bytes"), transactions };
        (counted.encode() == bytes).then_some(counted)
    }
}

impl Tally {
    /// Reads what the file says: none if it is missing or unreadable, which says nothing about the database.
    pub(crate) fn read(path: &Path) -> std::io::Result<Option<Counted>> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => drop(file.read_to_end(&mut bytes)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let counted = bytes.try_into().ok().and_then(Counted::decode);
        if counted.is_none() {
            tracing::warn!(path = %path.display(), "the tally is damaged; whether commits were lost is not known");
        }
        Ok(counted)
    }

    /// Opens the file to count on.
    pub(crate) fn open(path: &Path, counted: Counted) -> std::io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let mut tally = Self { file, store: counted.store };
        tally.write(counted.transactions)?;
        tally.file.set_len(BYTES as u64)?;
        tally.file.sync_all()?;
        Ok(tally)
    }

    /// Counts a transaction that is durable.
    pub(crate) fn write(&mut self, transactions: u64) -> std::io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(&Counted { store: self.store, transactions }.encode())
    }

    pub(crate) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }
}
