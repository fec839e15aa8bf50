//! Receipts as proving servers write them: bincode 1.3 of RISC Zero's `Receipt`.
//!
//! It differs from borsh, which `loom-risc0-verify` reads, in how lengths (64 bits) and variants (32 bits) are written,
//! and in nothing else. So it is written again as borsh, piece by piece, and whether the pieces are a receipt is found
//! out where all receipts are read. The crate `bincode` is not maintained any more and would do the same in two steps.

/// Bytes that are no receipt in bincode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no receipt in bincode")]
pub struct NoReceipt;

type Step = Result<(), NoReceipt>;

/// The same receipt in borsh, of which nothing is known yet. It is never longer.
pub(super) fn to_borsh(bincode: &[u8]) -> Result<Vec<u8>, NoReceipt> {
    let mut rewriting = Rewriting { rest: bincode, borsh: Vec::new() };
    rewriting.receipt()?;
    if rewriting.rest.is_empty() { Ok(rewriting.borsh) } else { Err(NoReceipt) }
}

struct Rewriting<'a> {
    rest: &'a [u8],
    borsh: Vec<u8>,
}

impl Rewriting<'_> {
    fn receipt(&mut self) -> Step {
        match self.variant(4)? {
            0 => self.composite()?,
            1 => self.succinct()?,
            2 => self.groth16()?,
            // Without a proof.
            _ => return Err(NoReceipt),
        }
        self.bytes()?;
        self.digest()
    }

    fn composite(&mut self) -> Step {
        for _ in 0..self.length()? {
            self.words()?;
            self.copy(4)?;
            self.bytes()?;
            self.digest()?;
            self.claim()?;
        }
        // Receipts that this one rests on: none are read.
        self.nothing()?;
        self.digest()
    }

    fn succinct(&mut self) -> Step {
        self.words()?;
        self.digest()?;
        self.or_digest(Self::claim)?;
        self.bytes()?;
        self.digest()?;
        self.copy(4)?;
        for _ in 0..self.length()? {
            self.digest()?;
        }
        Ok(())
    }

    fn groth16(&mut self) -> Step {
        self.bytes()?;
        self.or_digest(Self::claim)?;
        self.digest()
    }

    fn claim(&mut self) -> Step {
        self.or_digest(Self::state)?;
        self.or_digest(Self::state)?;
        // How it ended: the first two have a code.
        if self.variant(4)? < 2 {
            self.copy(4)?;
        }
        // Nobody can make an input.
        self.or_digest(|this| if this.is_some()? { Err(NoReceipt) } else { Ok(()) })?;
        self.or_digest(|this| if this.is_some()? { this.output() } else { Ok(()) })
    }

    fn state(&mut self) -> Step {
        self.copy(4)?;
        self.digest()
    }

    fn output(&mut self) -> Step {
        self.or_digest(Self::bytes)?;
        self.or_digest(|this| {
            for _ in 0..this.length()? {
                this.or_digest(|this| this.digest().and_then(|()| this.digest()))?;
            }
            Ok(())
        })
    }

    /// A value, or only its digest.
    fn or_digest(&mut self, value: impl FnOnce(&mut Self) -> Step) -> Step {
        match self.variant(2)? {
            0 => value(self),
            _ => self.digest(),
        }
    }

    fn variant(&mut self, count: u8) -> Result<u8, NoReceipt> {
        let variant = u8::try_from(u32::from_le_bytes(self.take()?)).map_err(|_| NoReceipt)?;
        if variant >= count {
            return Err(NoReceipt);
        }
        self.borsh.push(variant);
        Ok(variant)
    }

    fn is_some(&mut self) -> Result<bool, NoReceipt> {
        let [is_some] = self.take()?;
        self.borsh.push(is_some);
        match is_some {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(NoReceipt),
        }
    }

    fn nothing(&mut self) -> Step {
        if self.length()? == 0 { Ok(()) } else { Err(NoReceipt) }
    }

    fn length(&mut self) -> Result<u32, NoReceipt> {
        let length = u32::try_from(u64::from_le_bytes(self.take()?)).map_err(|_| NoReceipt)?;
        self.borsh.extend(length.to_le_bytes());
        Ok(length)
    }

    fn bytes(&mut self) -> Step {
        let length = self.length()?;
        self.copy(length as usize)
    }

    fn words(&mut self) -> Step {
        let length = self.length()? as usize;
        self.copy(length.checked_mul(4).ok_or(NoReceipt)?)
    }

    fn digest(&mut self) -> Step {
        self.copy(32)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], NoReceipt> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(NoReceipt)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn copy(&mut self, length: usize) -> Step {
        let (copied, rest) = self.rest.split_at_checked(length).ok_or(NoReceipt)?;
        self.borsh.extend_from_slice(copied);
        self.rest = rest;
        Ok(())
    }
}
