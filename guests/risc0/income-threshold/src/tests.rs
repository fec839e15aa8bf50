use kit::host::{block, input, run as run_on};
use sha2::{Digest as _, Sha256};

use super::{AMOUNTS_MAX, MEDIA_TYPE, run};

fn sealed(numbers: &[u64]) -> Vec<u8> {
    block([9; 16], MEDIA_TYPE, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
}

fn journal(block: &[u8]) -> Option<Vec<u8>> {
    run_on(&input(block, b""), run).map(|output| output.journal)
}

#[test]
fn the_output_is_digest_threshold_and_verdict() {
    for count in [1, 2, 12, 29, 30, 31, 32, 100, AMOUNTS_MAX] {
        for (short_by, verdict) in [(0, 1), (1, 0)] {
            let sum: u64 = (1..=count as u64).sum();
            let numbers: Vec<u64> = [sum + short_by].into_iter().chain(1..=count as u64).collect();
            let block = sealed(&numbers);
            let expected = [&Sha256::digest(&block)[..], &(sum + short_by).to_le_bytes(), &[verdict]].concat();
            assert_eq!(journal(&block), Some(expected), "{count} amounts");
        }
    }
}

#[test]
fn amounts_that_are_none_are_refused() {
    assert!(journal(&sealed(&[1, u64::MAX])).is_some());
    for numbers in [vec![], vec![1], vec![1; AMOUNTS_MAX + 2], vec![1, u64::MAX, 1]] {
        assert_eq!(journal(&sealed(&numbers)), None, "{} numbers", numbers.len());
    }
    for odd in 1..8 {
        assert_eq!(journal(&block([9; 16], MEDIA_TYPE, &vec![0; 24 + odd])), None, "{odd} bytes more");
    }
}

#[test]
fn any_other_head_is_refused() {
    for numbers in [vec![5, 5], vec![5; 13], vec![5; 100]] {
        let good = sealed(&numbers);
        for at in (0..2).chain(18..good.len() - 8 * numbers.len()) {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(journal(&bad), None, "bit {bit} of byte {at}");
            }
        }
    }
    // The same lengths, written longer than they need be.
    let short = sealed(&[5, 5]);
    for head in [&[0x58, 16][..], &[0x59, 0, 16], &[0x5a, 0, 0, 0, 16]] {
        assert_eq!(journal(&[&short[..30], head, &short[31..]].concat()), None, "{head:x?}");
    }
}

#[test]
fn any_other_length_is_refused() {
    let block = sealed(&[5, 2, 3]);
    let good = input(&block, b"");
    assert!(run_on(&good, run).is_some());
    for length in 0..good.len() {
        assert_eq!(run_on(&good[..length], run), None, "{length} bytes");
    }
    assert_eq!(run_on(&input(&block, b"public"), run), None);
    let odd = sealed(&[5, 5]);
    assert!(!odd.len().is_multiple_of(4) && journal(&odd).is_some());
    let mut filled = input(&odd, b"");
    *filled.last_mut().expect("an input") = 1;
    assert_eq!(run_on(&filled, run), None, "what fills the last word is not zero");
}
