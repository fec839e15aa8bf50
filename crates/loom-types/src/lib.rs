//! The vocabulary of Loom: ids, digests, journal entries, payloads and their canonical bytes.
//!
//! Everything here is plain data. There is no I/O, no async, no clock and no randomness; an encoding is a
//! function from a value to exactly one byte string, and decoding refuses every other one.
//!
//! Deliberately absent: types that cross HTTP (`loom-client`), types of a port (`loom-storage`), the
//! deployment manifest (`loom-machine`). Those live beside their interface.
//!
//! Start at [`Entry`]; its bytes are described in `docs/formats/entry.md`.

mod address;
pub mod canonical;
mod cid;
mod entry;
pub mod limits;
mod message;
mod number;
mod payload;
mod segment;

pub use self::{
    address::{ActorAddress, ActorKey, ActorType, InvalidAddress, Name, Namespace},
    canonical::DecodeError,
    cid::{Cid, Codec, InvalidCid},
    entry::{EncodedEntry, Entry, EntryBody, Resolution, TurnResult},
    message::{InvalidMessageId, MessageId, StepRef},
    number::{FencingToken, SequenceNumber, TurnNumber},
    payload::{Marker, Payload, SALT_BYTES, SaltSource, media_type},
    segment::Segment,
};
