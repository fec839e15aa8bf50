//! Reads for upkeep: what is left to erase, and what rows lead to. The latter go through whole tables.

use std::collections::HashSet;

use loom_storage::{Unerased, references};
use loom_types::{ActorAddress, Cid, Payload, Segment, SequenceNumber};
use rusqlite::{Connection, Row, params};

use super::{ReadError, Reader, address};

pub(super) const UNERASED: &str = "SELECT address, erased_to FROM actors WHERE address > ?1 AND erased_to < next_seq \
     ORDER BY address LIMIT ?2";
const SEGMENTS: &str = "SELECT bytes FROM segments";
/// A cancellation has an empty block.
const BLOCKS: [&str; 4] = [
    "SELECT block FROM states",
    "SELECT block FROM mailbox WHERE length(block) > 0",
    "SELECT block FROM delayed",
    "SELECT block FROM dead_letters",
];
const TEXTS: [&str; 3] = [
    "SELECT coalesce(label, '') || ' ' || coalesce(data, '') FROM promises",
    "SELECT cid FROM deployments",
    "SELECT cid FROM tiles",
];

impl Reader<'_> {
    pub(crate) fn unerased(&self, after: Option<&ActorAddress>, limit: usize) -> Result<Vec<Unerased>, ReadError> {
        let mut query = self.connection.prepare_cached(UNERASED)?;
        let mut rows = query.query(params![after.map_or("", ActorAddress::as_str), limit as i64])?;
        let mut unerased = Vec::new();
        while let Some(row) = rows.next()? {
            unerased.push(Unerased { actor: address(row, 0)?, from: SequenceNumber(row.get(1)?) });
        }
        Ok(unerased)
    }

    pub(crate) fn unreferenced(&self, mut names: HashSet<Cid>) -> Result<HashSet<Cid>, ReadError> {
        // One transaction: a value that moves from one table to another is seen in one of them.
        let transaction = self.connection.unchecked_transaction()?;
        let mut found = |cid: Cid| {
            names.remove(&cid);
        };
        each(&transaction, SEGMENTS, |row| {
            let (entries, segment) = Segment::decode(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)
                .map_err(|error| ReadError::Corrupt(format!("a segment: {error}")))?;
            references::in_segment(&entries, &segment, &mut found);
            Ok(())
        })?;
        for table in BLOCKS {
            each(&transaction, table, |row| {
                let block: Vec<u8> = row.get(0)?;
                let payload = Payload::from_block(block.into())
                    .map_err(|error| ReadError::Corrupt(format!("a payload: {error}")))?;
                references::in_payload(&payload, &mut found);
                Ok(())
            })?;
        }
        for table in TEXTS {
            each(&transaction, table, |row| {
                references::in_text(row.get::<_, String>(0)?.as_bytes(), &mut found);
                Ok(())
            })?;
        }
        Ok(names)
    }
}

fn each(
    connection: &Connection,
    query: &str,
    mut take: impl FnMut(&Row<'_>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut query = connection.prepare(query)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}
