//! Limits that every part of Loom agrees on. Limits of one port or of a deployment stand beside it.

/// Largest encoded journal entry, in bytes. Values are payloads outside the entry, so this is generous.
pub const ENTRY_BYTES_MAX: usize = 16 * 1024;
/// Largest value in one payload (message body, request, outcome, reply, state), in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Largest payload block that stands in a store's rows, in bytes. A larger one is a blob, and a marker stands in
/// its place: rows stay small enough to be read, logged and copied together.
pub const PAYLOAD_INLINE_BYTES_MAX: usize = 64 * 1024;
/// Largest segment (what one commit appends), in bytes. A commit is cut before it grows past this.
pub const SEGMENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most entries one turn may write; a turn that asks for more fails with `too-many-steps`.
pub const TURN_ENTRIES_MAX: u32 = 100_000;
/// Longest namespace, actor type or activity name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest actor key, in bytes.
pub const KEY_BYTES_MAX: usize = 200;
/// Longest client-chosen message id (idempotency key), in bytes.
pub const MESSAGE_ID_BYTES_MAX: usize = 128;
/// Longest media type of a payload, in bytes.
pub const MEDIA_TYPE_BYTES_MAX: usize = 128;
/// Largest blob, in bytes.
pub const BLOB_BYTES_MAX: usize = 64 * 1024 * 1024;
