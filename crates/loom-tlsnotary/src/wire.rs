//! The two encodings of one tree: the file's (bincode 1: fixed widths) and the one that is hashed and signed (BCS:
//! lengths and variants in ULEB128).
//!
//! A type is described once, in [`Wire`]: member after member. Reading knows the file's encoding alone, for what is
//! hashed is always written anew.

use crate::encode::Layout;

/// A member of the tree.
pub(crate) trait Wire: Sized {
    fn write(&self, writer: &mut Writer);
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// A member that stands in lists.
pub(crate) trait Element: Wire {
    /// What a list of them is called.
    const LIST: &'static str;
    /// How many a list may have.
    const COUNT_MAX: usize;
}

/// Why bytes are no presentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {problem}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with bytes that are no presentation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole file.
    #[error("the file has {0} bytes or more, and at most {max} are read", max = crate::limits::PRESENTATION_BYTES_MAX)]
    TooLarge(usize),
    /// It ends early, or a length is wrong.
    #[error("{what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// What stands there.
        what: &'static str,
        /// How long it says it is.
        needed: u64,
        /// What there is.
        left: usize,
    },
    /// Bytes after the end.
    #[error("{0} bytes follow the presentation")]
    Trailing(usize),
    /// A list, or bytes, of more than are read.
    #[error("{count} {what}, at most {max} are read")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many it says.
        count: u64,
        /// How many are read.
        max: usize,
    },
    /// Something that only has one length.
    #[error("{what} has {found} bytes, not {expected}")]
    Length {
        /// What.
        what: &'static str,
        /// The length it has.
        found: u64,
        /// The length it must have.
        expected: usize,
    },
    /// A variant or algorithm that is not known.
    #[error("{what} {tag} is not known")]
    Unknown {
        /// Of what.
        what: &'static str,
        /// Its number.
        tag: u64,
    },
    /// Ranges that are empty, overlap, touch or stand out of order.
    #[error("ranges that are empty, overlapping, touching or out of order")]
    Ranges,
    /// A text that is none.
    #[error("{0} is not UTF-8")]
    Text(&'static str),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    File,
    Hash,
}

/// Writes either encoding.
pub(crate) struct Writer {
    out: Vec<u8>,
    form: Form,
    pub(crate) layout: Layout,
}

impl Writer {
    pub(crate) fn file(layout: Layout) -> Self {
        Self { out: Vec::new(), form: Form::File, layout }
    }

    pub(crate) fn hash(layout: Layout) -> Self {
        Self { out: Vec::new(), form: Form::Hash, layout }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(crate) fn length(&mut self, length: usize) {
        match self.form {
            Form::File => self.raw(&(length as u64).to_le_bytes()),
            Form::Hash => self.uleb(length as u64),
        }
    }

    pub(crate) fn variant(&mut self, tag: u32) {
        match self.form {
            Form::File => self.raw(&tag.to_le_bytes()),
            Form::Hash => self.uleb(u64::from(tag)),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.raw(bytes);
    }

    fn uleb(&mut self, mut value: u64) {
        while value > 0x7f {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}

/// Reads the file's encoding.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(crate) fn fail<T>(&self, problem: Problem) -> Result<T, Malformed> {
        Err(Malformed { at: self.at, problem })
    }

    pub(crate) fn raw(&mut self, what: &'static str, count: u64) -> Result<&'a [u8], Malformed> {
        let left = self.left();
        let Some(taken) = usize::try_from(count).ok().filter(|count| *count <= left) else {
            return self.fail(Problem::Truncated { what, needed: count, left });
        };
        let bytes = &self.bytes[self.at..self.at + taken];
        self.at += taken;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        Ok(self.raw(what, N as u64)?.try_into().expect("as many as were asked for"))
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// Bytes after their length, of at most `max`.
    pub(crate) fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], Malformed> {
        let count = self.u64(what)?;
        if count > max as u64 {
            return self.fail(Problem::TooMany { what, count, max });
        }
        self.raw(what, count)
    }

    /// Bytes after their length, which must be `N`.
    pub(crate) fn exactly<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let found = self.u64(what)?;
        if found != N as u64 {
            return self.fail(Problem::Length { what, found, expected: N });
        }
        self.array(what)
    }

    /// The number of elements that follow. Each takes at least one byte, so a list is never longer than what is left.
    pub(crate) fn count(&mut self, what: &'static str, max: usize) -> Result<usize, Malformed> {
        let count = self.u64(what)?;
        if count > max as u64 {
            return self.fail(Problem::TooMany { what, count, max });
        }
        if count > self.left() as u64 {
            return self.fail(Problem::Truncated { what, needed: count, left: self.left() });
        }
        Ok(count as usize)
    }
}

impl<T: Element> Wire for Vec<T> {
    fn write(&self, writer: &mut Writer) {
        writer.length(self.len());
        self.iter().for_each(|element| element.write(writer));
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.count(T::LIST, T::COUNT_MAX)?;
        (0..count).map(|_| T::read(reader)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write(&self, writer: &mut Writer) {
        match self {
            None => writer.raw(&[0]),
            Some(value) => {
                writer.raw(&[1]);
                value.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8("option")? {
            0 => Ok(None),
            1 => T::read(reader).map(Some),
            tag => reader.fail(Problem::Unknown { what: "option", tag: u64::from(tag) }),
        }
    }
}

/// Members in order.
macro_rules! members {
    ($($name:ident { $($member:ident),+ })+) => {$(
        impl Wire for $name {
            fn write(&self, writer: &mut Writer) {
                $(self.$member.write(writer);)+
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self { $($member: Wire::read(reader)?),+ })
            }
        }
    )+};
}
pub(crate) use members;

/// Numbers of fixed width.
macro_rules! numbers {
    ($($number:ident)+) => {$(
        impl Wire for $number {
            fn write(&self, writer: &mut Writer) {
                writer.raw(&self.to_le_bytes());
            }

            fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                reader.$number("number")
            }
        }
    )+};
}
numbers! { u32 u64 }

impl<const N: usize> Wire for [u8; N] {
    fn write(&self, writer: &mut Writer) {
        writer.raw(self);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.array("bytes")
    }
}
