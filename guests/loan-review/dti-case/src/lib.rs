//! A debt-to-income case in the bytes that the programs `dti` and `batch` take, and what `dti` says
//! of it (`docs/formats/programs.md`).
//!
//! The programs check all of it again, and a proof is of what they computed. What is written here
//! wrongly has no proof; it cannot have a wrong one.

use serde::{Deserialize, Serialize};

/// The media type of one case.
pub const MEDIA_TYPE: &str = "loom/dti";
/// Bytes of a case's value.
pub const VALUE_BYTES: usize = 20;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a case's payload block: a list's head, the salt, the media type and the value, each of
/// these with its head.
pub const BLOCK_BYTES: usize = 48;
/// The largest amount, in cents.
pub const AMOUNT_MAX: u64 = (1 << 48) - 1;

/// What stays private, and the limit that it is compared with.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// Income in some period, 1 to [`AMOUNT_MAX`].
    income_cents: u64,
    /// Debt to be served in the same period, up to [`AMOUNT_MAX`].
    debt_cents: u64,
    /// In basis points.
    limit_bps: u16,
}

impl Figures {
    /// The figures, unless the programs would refuse them.
    pub fn new(income_cents: i64, debt_cents: i64, limit_bps: i64) -> Option<Self> {
        let figures = Self {
            income_cents: income_cents.try_into().ok()?,
            debt_cents: debt_cents.try_into().ok()?,
            limit_bps: limit_bps.try_into().ok()?,
        };
        figures.are_taken().then_some(figures)
    }

    /// Whether the programs take them.
    pub fn are_taken(&self) -> bool {
        (1..=AMOUNT_MAX).contains(&self.income_cents) && self.debt_cents <= AMOUNT_MAX
    }

    /// The limit.
    pub fn limit_bps(&self) -> u16 {
        self.limit_bps
    }

    /// Debt over income, rounded up to the basis point; `u16::MAX` means that or more.
    pub fn ratio_bps(&self) -> u16 {
        // Amounts that are taken are far below what this product holds.
        let bps = self.debt_cents.saturating_mul(10_000);
        let bps = bps.div_ceil(self.income_cents.max(1));
        u16::try_from(bps).unwrap_or(u16::MAX)
    }

    /// The value of the payload.
    pub fn value(&self) -> [u8; VALUE_BYTES] {
        let mut value = [0; VALUE_BYTES];
        value[..8].copy_from_slice(&self.income_cents.to_le_bytes());
        value[8..16].copy_from_slice(&self.debt_cents.to_le_bytes());
        value[16..18].copy_from_slice(&self.limit_bps.to_le_bytes());
        value[18..].copy_from_slice(&self.ratio_bps().to_le_bytes());
        value
    }

    /// The payload's block under this salt, as `batch` takes it.
    pub fn block(&self, salt: &[u8; SALT_BYTES]) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..2].copy_from_slice(b"\x83\x50");
        block[2..18].copy_from_slice(salt);
        block[18..28].copy_from_slice(b"\x68loom/dti\x54");
        block[28..].copy_from_slice(&self.value());
        block
    }
}

/// What `dti` says in public, behind the digest of the private block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The ratio, in basis points.
    pub ratio_bps: u16,
    /// The limit.
    pub limit_bps: u16,
    /// Whether the ratio is at most the limit.
    pub within_limit: bool,
}

impl Verdict {
    /// Reads a public output; nothing if it is none of `dti`.
    pub fn read(output: &[u8]) -> Option<Self> {
        let (_, said) = output.split_at_checked(32)?;
        let [ratio_low, ratio_high, limit_low, limit_high, within] = *said else {
            return None;
        };
        Some(Self {
            ratio_bps: u16::from_le_bytes([ratio_low, ratio_high]),
            limit_bps: u16::from_le_bytes([limit_low, limit_high]),
            within_limit: match within {
                0 => false,
                1 => true,
                _ => return None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The example of `docs/formats/programs.md`.
    #[test]
    fn the_bytes_are_those_that_the_programs_take() {
        let figures = Figures::new(500_000, 215_000, 4300).unwrap();
        assert_eq!(
            hex(&figures.block(&std::array::from_fn(|n| n as u8))),
            "8350000102030405060708090a0b0c0d0e0f686c6f6f6d2f6474695420a1070000000000d847030000000000cc10cc10"
        );
    }

    #[test]
    fn a_ratio_is_rounded_up_and_ends_at_the_largest() {
        let cases = [
            ((500_000, 215_000), 4300),
            ((500_000, 215_001), 4301),
            ((300, 0), 0),
            ((1, AMOUNT_MAX as i64), u16::MAX),
            ((10_000, 65_534), 65_534),
            ((10_000, 65_536), u16::MAX),
        ];
        for ((income, debt), expected) in cases {
            let figures = Figures::new(income, debt, 4300).unwrap();
            assert_eq!(figures.ratio_bps(), expected, "{debt} of {income}");
        }
    }

    #[test]
    fn what_the_programs_refuse_are_no_figures() {
        let beyond = AMOUNT_MAX as i64 + 1;
        let cases = [
            (0, 1, 1),
            (-1, 1, 1),
            (1, -1, 1),
            (1, 1, -1),
            (1, 1, 65_536),
            (beyond, 1, 1),
            (1, beyond, 1),
        ];
        for (income, debt, limit) in cases {
            assert!(
                Figures::new(income, debt, limit).is_none(),
                "{income} {debt} {limit}"
            );
        }
    }

    #[test]
    fn a_public_output_is_read_to_the_byte() {
        let output = |said: &[u8]| [&[7; 32][..], said].concat();
        let expected = Verdict {
            ratio_bps: 4301,
            limit_bps: 4300,
            within_limit: false,
        };
        assert_eq!(
            Verdict::read(&output(&[0xcd, 0x10, 0xcc, 0x10, 0])),
            Some(expected)
        );
        for said in [&[0xcd, 0x10, 0xcc, 0x10, 2][..], &[0; 4], &[0; 6], &[]] {
            assert_eq!(Verdict::read(&output(said)), None, "{said:?}");
        }
        assert_eq!(Verdict::read(&[0; 31]), None);
    }
}
