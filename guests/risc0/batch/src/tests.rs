use kit::host::{block, input, run as run_on};
use sha2::{Digest as _, Sha256};

use super::{CASES_MAX, CHILDREN, MEDIA_TYPE, run};

/// Cases of which every third is over its limit.
fn cases(count: usize) -> Vec<Vec<u8>> {
    let case = |number: usize| {
        let (income, debt) = (1_000_000u64, 430_000 + u64::from(number.is_multiple_of(3)));
        let dti_bps = (debt * 10_000).div_ceil(income) as u16;
        let value = [&income.to_le_bytes()[..], &debt.to_le_bytes(), &4300u16.to_le_bytes(), &dti_bps.to_le_bytes()];
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&number.to_le_bytes());
        block(salt, "loom/dti", &value.concat())
    };
    (0..count).map(case).collect()
}

/// With zeros up to offset 36.
fn sealed(cases: &[Vec<u8>]) -> Vec<u8> {
    let fill = match cases.len() {
        0..=5 => 3,
        6..=1365 => 2,
        _ => 0,
    };
    block([3; 16], MEDIA_TYPE, &[vec![0; fill], cases.concat()].concat())
}

fn journal(block: &[u8]) -> Option<Vec<u8>> {
    run_on(&input(block, b""), run).map(|output| output.journal)
}

/// The same tree, the obvious way.
fn root(mut hashes: Vec<Vec<u8>>) -> Vec<u8> {
    while hashes.len() > 1 {
        hashes = hashes.chunks(CHILDREN).map(|node| Sha256::digest(node.concat()).to_vec()).collect();
    }
    hashes.remove(0)
}

fn expected(cases: &[Vec<u8>]) -> Vec<u8> {
    let of_its_own = |case: &Vec<u8>| run_on(&input(case, b""), dti::run).expect("a good case").journal;
    let outputs: Vec<Vec<u8>> = cases.iter().map(of_its_own).collect();
    let within = outputs.iter().filter(|output| output[36] == 1).count() as u32;
    let leaves = outputs.iter().map(|output| Sha256::digest(output).to_vec()).collect();
    let counts = [(cases.len() as u32).to_le_bytes(), within.to_le_bytes()].concat();
    [&Sha256::digest(sealed(cases))[..], &root(leaves), &counts].concat()
}

#[test]
fn a_leaf_is_what_the_program_for_one_case_puts_out() {
    let sizes = [1, 2, 3, 5, 6, 15, 16, 17, 31, 32, 33, 255, 256, 257, 272, 273, 1365, 1366, 4095, 4096, 4097, 4353];
    let all = cases(4353);
    for count in sizes {
        let cases = &all[..count];
        assert_eq!(journal(&sealed(cases)), Some(expected(cases)), "{count} cases");
    }
}

#[test]
fn no_case_and_too_many_are_refused() {
    assert_eq!(journal(&sealed(&[])), None);
    let most = cases(CASES_MAX);
    assert!(journal(&sealed(&most)).is_some());
    let more = [&most[..], &cases(1)].concat();
    assert_eq!(journal(&sealed(&more)), None);
}

#[test]
fn one_bad_case_spoils_the_set() {
    let good = cases(40);
    for bad in [0, 15, 16, 39] {
        let mut cases = good.clone();
        cases[bad][46] ^= 1;
        assert_eq!(journal(&sealed(&cases)), None, "a wrong ratio in case {bad}");
        cases[bad] = vec![0; 48];
        assert_eq!(journal(&sealed(&cases)), None, "no case as case {bad}");
    }
}

#[test]
fn any_other_head_is_refused() {
    for count in [5, 6, 1366] {
        let good = sealed(&cases(count));
        for at in (0..2).chain(18..36) {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert_eq!(journal(&bad), None, "{count} cases, bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn lengths_are_of_the_shortest_form() {
    let cases = cases(6).concat();
    let salted = &sealed(&[])[..31];
    let forms = [&[0x58, 0x20, 0, 0, 0][..], &[0x59, 0x01, 0x22, 0, 0], &[0x5a, 0, 0, 0x01, 0x20]];
    let taken = forms.map(|head| journal(&[salted, head, &cases].concat()).is_some());
    assert_eq!(taken, [false, true, false]);
}

#[test]
fn any_other_length_is_refused() {
    let block = sealed(&cases(17));
    let good = input(&block, b"");
    assert!(run_on(&good, run).is_some());
    for length in (0..100).chain(good.len() - 60..good.len()) {
        assert_eq!(run_on(&good[..length], run), None, "{length} bytes");
    }
    for public in 1..20 {
        assert_eq!(run_on(&input(&block, &vec![0; public]), run), None, "{public} public bytes");
    }
}
