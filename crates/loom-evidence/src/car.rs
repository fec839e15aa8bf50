//! CARv1, the container of content-addressed blocks: a header that names the root, then blocks with their names.
//! Source: <https://ipld.io/specs/transport/car/carv1/>. Only what a bundle needs: one root, CIDs of this system.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use loom_types::{Cid, canonical};
use serde::{Deserialize, Serialize};

use crate::limits::{BLOCKS_MAX, BUNDLE_BYTES_MAX};

/// Bytes of an encoded CID.
const CID_BYTES: usize = 36;
/// Largest header, in bytes.
const HEADER_BYTES_MAX: usize = 256;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// Why bytes are no container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CarError {
    #[error("it has {0} bytes, at most {BUNDLE_BYTES_MAX} are read")]
    TooLarge(usize),
    #[error("it has more than {BLOCKS_MAX} blocks")]
    TooMany,
    #[error("{problem} at byte {at}")]
    Malformed { at: usize, problem: &'static str },
}

/// Whether a container of these blocks is one that is read back.
pub(crate) fn fits(root: Cid, blocks: &[(Cid, Bytes)]) -> Result<(), CarError> {
    if blocks.len() > BLOCKS_MAX {
        return Err(CarError::TooMany);
    }
    let mut header = Vec::new();
    write_header(root, &mut header).expect("memory takes all");
    let section = |bytes: &Bytes| {
        let length = CID_BYTES + bytes.len();
        // Seven bits in each byte of a length.
        (usize::BITS - length.leading_zeros()).div_ceil(7) as usize + length
    };
    let bytes = blocks.iter().fold(header.len(), |all, (_, block)| all.saturating_add(section(block)));
    if bytes > BUNDLE_BYTES_MAX { Err(CarError::TooLarge(bytes)) } else { Ok(()) }
}

/// Writes the header.
pub(crate) fn write_header(root: Cid, sink: &mut impl Write) -> io::Result<()> {
    let header = canonical::encode(&Header { roots: vec![root], version: 1 });
    write_length(header.len(), sink)?;
    sink.write_all(&header)
}

/// Writes what stands before a block's bytes.
pub(crate) fn write_head(cid: Cid, length: usize, sink: &mut impl Write) -> io::Result<()> {
    write_length(CID_BYTES + length, sink)?;
    sink.write_all(&cid.to_bytes())
}

/// An unsigned LEB128 number, as everywhere in multiformats.
fn write_length(mut length: usize, sink: &mut impl Write) -> io::Result<()> {
    while length >= 0x80 {
        sink.write_all(&[(length & 0x7f) as u8 | 0x80])?;
        length >>= 7;
    }
    sink.write_all(&[length as u8])
}

/// Reads a container: its root, and its blocks in order. Names are not compared with bytes yet.
pub(crate) fn read(bytes: &Bytes) -> Result<(Cid, Vec<(Cid, Bytes)>), CarError> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(CarError::TooLarge(bytes.len()));
    }
    let mut reader = Reader { total: bytes.len(), rest: bytes.clone() };
    let header = reader.section()?;
    let malformed = |problem| CarError::Malformed { at: 0, problem };
    let header: Header = canonical::decode("header", &header, HEADER_BYTES_MAX).map_err(|_| malformed("no header"))?;
    let [root] = header.roots[..] else { return Err(malformed("not exactly one root")) };
    if header.version != 1 {
        return Err(malformed("not version 1"));
    }
    let mut blocks = Vec::new();
    while reader.rest.has_remaining() {
        if blocks.len() == BLOCKS_MAX {
            return Err(CarError::TooMany);
        }
        let at = reader.at();
        let mut block = reader.section()?;
        if block.len() < CID_BYTES {
            return Err(CarError::Malformed { at, problem: "a block without a name" });
        }
        let name = block.split_to(CID_BYTES);
        let cid = Cid::from_bytes(&name).map_err(|_| CarError::Malformed { at, problem: "a name of another kind" })?;
        blocks.push((cid, block));
    }
    Ok((root, blocks))
}

struct Reader {
    total: usize,
    rest: Bytes,
}

impl Reader {
    fn at(&self) -> usize {
        self.total - self.rest.len()
    }

    /// A length and as many bytes.
    fn section(&mut self) -> Result<Bytes, CarError> {
        let at = self.at();
        let malformed = |problem| CarError::Malformed { at, problem };
        let mut length = 0usize;
        // Five groups of seven bits are more than any file that is read.
        for group in 0..5 {
            if !self.rest.has_remaining() {
                return Err(malformed("a length that breaks off"));
            }
            let byte = self.rest.get_u8();
            length |= usize::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                if byte == 0 && group > 0 {
                    return Err(malformed("a length that is longer than it need be"));
                }
                if length > self.rest.len() {
                    return Err(malformed("a section that breaks off"));
                }
                return Ok(self.rest.split_to(length));
            }
        }
        Err(malformed("a length beyond all measure"))
    }
}
