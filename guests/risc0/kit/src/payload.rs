//! The payload block that a program's private input is: the DAG-CBOR list `[salt, media type, value]`.

use crate::{check, trap};

const SALT_BYTES: usize = 16;

/// The value in `block`. Traps unless the block is one of this media type, of at most 23 bytes, in its only encoding.
#[inline(always)]
pub fn value<'a>(block: &'a [u8], media_type: &[u8]) -> &'a [u8] {
    let type_at = 2 + SALT_BYTES;
    let value_at = type_at + 1 + media_type.len();
    let Some((head, value)) = block.split_at_checked(value_at) else { trap() };
    check(head[..2] == [0x83, 0x50] && head[type_at] == 0x60 | media_type.len() as u8);
    check(head[type_at + 1..] == *media_type);
    let (length, value) = match *value {
        [short @ 0x40..0x58, ref rest @ ..] => (usize::from(short - 0x40), rest),
        [0x58, length @ 24..=0xff, ref rest @ ..] => (usize::from(length), rest),
        [0x59, high @ 1..=0xff, low, ref rest @ ..] => (usize::from(u16::from_be_bytes([high, low])), rest),
        [0x5a, a, b, c, d, ref rest @ ..] if a | b != 0 => (u32::from_be_bytes([a, b, c, d]) as usize, rest),
        _ => trap(),
    };
    check(length == value.len());
    value
}
