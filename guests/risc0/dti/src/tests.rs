use kit::host::{block, input, run as run_on};
use sha2::{Digest as _, Sha256};

use super::{BLOCK_BYTES, OUTPUT_BYTES, run};

const SALT: [u8; 16] = [7; 16];

fn case(income: u64, debt: u64, limit_bps: u16, dti_bps: u16) -> Vec<u8> {
    let value = [&income.to_le_bytes()[..], &debt.to_le_bytes(), &limit_bps.to_le_bytes(), &dti_bps.to_le_bytes()];
    block(SALT, "loom/dti", &value.concat())
}

fn journal(block: &[u8]) -> Option<Vec<u8>> {
    run_on(&input(block, b""), run).map(|output| output.journal)
}

/// The rounding of `guests/loan-review/ratios`: up to the next basis point.
fn ratio(income: u64, debt: u64) -> u16 {
    u128::from(debt).saturating_mul(10_000).div_ceil(u128::from(income)).try_into().unwrap_or(u16::MAX)
}

#[test]
fn the_output_is_digest_ratio_limit_and_verdict() {
    for (debt, verdict) in [(215_000, 1), (215_001, 0)] {
        let dti_bps = ratio(500_000, debt);
        let block = case(500_000, debt, 4300, dti_bps);
        assert_eq!(block.len(), BLOCK_BYTES);
        let mut expected = Sha256::digest(&block).to_vec();
        expected.extend(dti_bps.to_le_bytes());
        expected.extend(4300u16.to_le_bytes());
        expected.push(verdict);
        assert_eq!(expected.len(), OUTPUT_BYTES);
        assert_eq!(journal(&block), Some(expected));
    }
}

/// What `env::finalize` of risc0-zkvm ends with, recomputed.
#[test]
fn the_run_ends_with_the_digest_of_the_output() {
    let output = run_on(&input(&case(500_000, 215_000, 4300, 4300), b""), run).expect("a right ratio");
    let structure =
        [&Sha256::digest(b"risc0.Output")[..], &Sha256::digest(&output.journal), &[0; 32], &2u16.to_le_bytes()];
    assert_eq!(kit::bytes(&output.digest), &Sha256::digest(structure.concat())[..]);
}

#[test]
fn only_the_right_ratio_is_taken() {
    const MOST: u64 = (1 << 48) - 1;
    let amounts = [0, 1, 2, 3, 7, 9_999, 10_000, 10_001, 65_534, 65_535, 65_536, 430_001, 1 << 32, MOST - 1, MOST];
    for income in amounts.into_iter().filter(|income| *income > 0) {
        for debt in amounts {
            let right = ratio(income, debt);
            assert!(journal(&case(income, debt, 0, right)).is_some(), "{debt} of {income} is {right}");
            for wrong in [right.wrapping_sub(1), right.wrapping_add(1), !right, 0, 1, u16::MAX - 1, u16::MAX] {
                let taken = journal(&case(income, debt, 0, wrong)).is_some();
                assert_eq!(taken, wrong == right, "{debt} of {income} is {right}, not {wrong}");
            }
        }
    }
}

/// Amounts with the ratios that the activity `ratios` derives from them in its own tests.
#[test]
fn it_rounds_as_the_activity_does() {
    let monthly = 12_000_000 / 12;
    for (debt, bps) in [(430_000, 4300), (430_001, 4301), (0, 0), (440_001, 4401), (419_900, 4199), (610_001, 6101)] {
        assert!(journal(&case(monthly, debt, 4300, bps)).is_some(), "{debt}");
    }
}

#[test]
fn amounts_out_of_range_are_refused() {
    for (income, debt, dti_bps) in [(0, 0, 0), (0, 1, u16::MAX), (1 << 48, 0, 0), (1, 1 << 48, u16::MAX)] {
        assert_eq!(journal(&case(income, debt, 0, dti_bps)), None, "{debt} of {income}");
    }
}

#[test]
fn any_other_byte_of_the_header_is_refused() {
    let good = case(500_000, 215_000, 4300, 4300);
    for at in (0..2).chain(18..28) {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert_eq!(journal(&bad), None, "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn any_other_length_is_refused() {
    let block = case(500_000, 215_000, 4300, 4300);
    let good = input(&block, b"");
    for length in 0..good.len() {
        assert_eq!(run_on(&good[..length], run), None, "{length} bytes");
    }
    for public in 1..20 {
        assert_eq!(run_on(&input(&block, &vec![0; public]), run), None, "{public} public bytes");
    }
    let mut said = good;
    said[0] -= 1;
    assert_eq!(run_on(&said, run), None);
}
