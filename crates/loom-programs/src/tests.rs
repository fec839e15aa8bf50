//! The programs themselves, run natively: what is encoded here they take, and what they say is decoded here.

use kit::host::{block, run};
use serde_json::{Value, json};

use super::{Digest, Output, Program, batch, committed_amount, compliance, dti, registry, stdin};

const SALT: [u8; 16] = *b"0123456789abcdef";

fn main_of(program: Program) -> fn() -> kit::Digest {
    match program {
        Program::Batch => ::batch::run,
        Program::CommittedAmount => ::committed_amount::run,
        Program::Compliance => ::compliance::run,
        Program::Dti => ::dti::run,
        Program::IncomeThreshold => ::income_threshold::run,
    }
}

/// Encodes, seals, runs, decodes.
fn prove(program: Program, input: &Value, public: &[u8]) -> (Vec<u8>, Output) {
    let value = program.encode(input).unwrap();
    let block = block(SALT, program.media_type(), &value);
    let output = run(&stdin(&block, public), main_of(program)).expect("what is encoded is taken");
    let mut journal = output.journal;
    let output = program.decode(&journal).unwrap();
    for length in 0..journal.len() {
        assert!(program.decode(&journal[..length]).is_err(), "{length} of {} bytes", journal.len());
    }
    journal.push(0);
    assert!(program.decode(&journal).is_err(), "a byte more");
    assert_eq!(output.payload_sha256(), Digest::of(&block));
    (block, output)
}

fn said(output: &Output) -> Value {
    let mut json = serde_json::to_value(output).unwrap();
    assert!(json.as_object_mut().unwrap().remove("payload_sha256").unwrap().is_string());
    json
}

#[test]
fn one_ratio() {
    for (debt_cents, dti_bps, within_limit) in
        [(215_000u64, 4300, true), (215_001, 4301, false), (1u64 << 47, 65_535, false)]
    {
        let input = json!({"income_cents": 500_000, "debt_cents": debt_cents, "limit_bps": 4300});
        let (block, output) = prove(Program::Dti, &input, b"");
        assert_eq!(said(&output), json!({"dti_bps": dti_bps, "limit_bps": 4300, "within_limit": within_limit}));
        assert_eq!(dti::Output::of(&block).map(Output::Dti), Some(output));
    }
}

#[test]
fn a_sum() {
    for (threshold_cents, reached) in [(36, true), (37, false)] {
        let input = json!({"threshold_cents": threshold_cents, "amounts_cents": [1, 2, 3, 4, 5, 6, 7, 8]});
        let (_, output) = prove(Program::IncomeThreshold, &input, b"");
        assert_eq!(said(&output), json!({"threshold_cents": threshold_cents, "reached": reached}));
    }
}

/// An opening of a notary's, as JSON has it.
fn opening(text: &str, threshold_cents: u64) -> Value {
    json!({
        "attestation_id": "d78f753259058b84f4445beefdd15ae0", "range": [399, 399 + text.len()],
        "blinder": "000102030405060708090a0b0c0d0e0f", "text": text, "threshold_cents": threshold_cents,
    })
}

#[test]
fn an_amount_that_a_notary_committed_to() {
    for (text, is_quoted) in [("5873.12", false), ("\"5873.12\"", true)] {
        for (threshold_cents, reached) in [(587_312, true), (587_313, false)] {
            let input = opening(text, threshold_cents);
            let (_, output) = prove(Program::CommittedAmount, &input, b"");
            let blinder: Vec<u8> = (0..16).collect();
            assert_eq!(
                said(&output),
                json!({
                    "attestation_id": input["attestation_id"], "range": input["range"],
                    "commitment": Digest::of(&[text.as_bytes(), &blinder].concat()),
                    "threshold_cents": threshold_cents, "reached": reached, "quoted": is_quoted,
                })
            );
            let input = committed_amount::Input::read(&input).unwrap();
            assert!(!format!("{input:?}").contains("5873."), "private");
            let Output::CommittedAmount(output) = output else { panic!("{output:?} is no amount's") };
            assert_eq!(output.commitment, input.commitment());
        }
    }
}

/// What is taken for an amount here is taken for the same amount there, and nothing else is.
#[test]
fn amounts_are_read_alike_inside_and_outside() {
    let pieces = ["", "0", "1", "9", "10", "73", ".", "\"", "-", "e", " ", ",", "٣"];
    let all = |pieces: &[&str], length: u32| -> Vec<String> {
        let count = pieces.len();
        let text = |number: usize| (0..length).map(|place| pieces[number / count.pow(place) % count]).collect();
        (0..count.pow(length)).map(text).collect()
    };
    let long = ["184467440737095516.15", "184467440737095516.16", "0184467440737095516.15", "99999999999999999999"];
    let (mut taken, mut refused) = (0, 0);
    for text in all(&pieces, 4).into_iter().chain(long.map(str::to_owned)) {
        let amount = committed_amount::Amount::read(&text);
        // Past the encoder, which would refuse it.
        let threshold = amount.map_or(0, |amount| amount.cents);
        let value = |threshold: u64| {
            let numbers = [399, 399 + text.len() as u64, threshold].map(u64::to_le_bytes);
            [&[7; 16][..], numbers.as_flattened(), text.as_bytes(), &[8; 16]].concat()
        };
        let run_on = |threshold| {
            let block = block(SALT, committed_amount::MEDIA_TYPE, &value(threshold));
            let output = run(&stdin(&block, b""), ::committed_amount::run);
            output.map(|output| committed_amount::Output::decode(&output.journal).unwrap())
        };
        let said = run_on(threshold).map(|output| (output.reached, output.quoted));
        assert_eq!(said, amount.map(|amount| (true, amount.is_quoted)), "{text:?}");
        match amount {
            Some(amount) if amount.cents < u64::MAX => {
                assert!(!run_on(amount.cents + 1).unwrap().reached, "{text:?}");
                taken += 1;
            }
            _ => refused += 1,
        }
    }
    assert!(taken > 500 && refused > 10_000, "{taken} {refused}");
}

#[test]
fn a_decision() {
    let program = r#"{"format": "loom-criteria/1", "name": "t", "version": "1", "criteria": [
        {"id": "cap", "severity": "deny", "code": 1, "text": "too high", "require": {"field": "x", "at_most": 50}}]}"#;
    for (x, decision, missed) in [(50, "approve", json!([])), (51, "deny", json!(["cap"]))] {
        let input = json!({"state": null, "facts": {"x": x}});
        let (_, output) = prove(Program::Compliance, &input, program.as_bytes());
        let program_sha256 = Digest::of(program.as_bytes()).to_string();
        assert_eq!(said(&output), json!({"program_sha256": program_sha256, "decision": decision, "missed": missed}));
    }
}

/// Payload blocks of which every third is over its limit.
fn cases(count: u64) -> Vec<Vec<u8>> {
    let case = |number: u64| {
        let debt_cents = 430_000 + u64::from(number.is_multiple_of(3));
        let input = dti::Input { income_cents: 1_000_000, debt_cents, limit_bps: 4300 };
        let mut salt = SALT;
        salt[..8].copy_from_slice(&number.to_le_bytes());
        block(salt, dti::MEDIA_TYPE, &input.encode().unwrap())
    };
    (0..count).map(case).collect()
}

#[test]
fn a_set_and_every_case_in_it() {
    for count in [1, 2, 5, 6, 16, 17, 256, 257, 300, 1365, 1366] {
        let cases = cases(count);
        let hex: Vec<String> = cases.iter().map(|case| data_encoding::HEXLOWER.encode(case)).collect();
        let (_, output) = prove(Program::Batch, &json!({"cases": hex}), b"");
        let Output::Batch(set) = output else { panic!("{output:?} is no set's") };
        assert_eq!((u64::from(set.cases), u64::from(set.within_limit)), (count, count - count.div_ceil(3)));

        let outputs: Vec<_> = cases.iter().map(|case| dti::Output::of(case).unwrap()).collect();
        let set_block = block(SALT, batch::MEDIA_TYPE, &batch::value(&cases).unwrap());
        assert_eq!(batch::outputs(&set_block).as_ref(), Some(&outputs));
        assert_eq!(batch::outputs(&set_block[..set_block.len() - 1]), None);
        let tree = batch::Tree::new(&outputs).unwrap();
        assert_eq!(tree.root(), set.root);
        for (index, output) in outputs.iter().enumerate() {
            let path = tree.path(index as u32).unwrap();
            path.verify(output, &set).unwrap();
            let json = serde_json::to_string(&path).unwrap();
            assert_eq!(serde_json::from_str::<batch::Path>(&json).unwrap(), path);
        }
        assert_eq!(tree.path(count as u32), None);
    }
    assert!(batch::Tree::new(&[]).is_none());
}

#[test]
fn a_path_shows_one_case_in_one_set() {
    let outputs: Vec<_> = cases(300).iter().map(|case| dti::Output::of(case).unwrap()).collect();
    let tree = batch::Tree::new(&outputs).unwrap();
    let set = batch::Output { payload_sha256: Digest([0; 32]), root: tree.root(), cases: 300, within_limit: 200 };
    let good = tree.path(299).unwrap();
    good.verify(&outputs[299], &set).unwrap();

    let error = |path: &batch::Path, case: usize, set: &batch::Output| path.verify(&outputs[case], set).unwrap_err();
    let other_root = batch::Output { root: Digest([1; 32]), ..set.clone() };
    let fewer = batch::Output { cases: 299, ..set.clone() };
    let more = batch::Output { cases: 301, ..set.clone() };
    let at = |index| batch::Path { index, ..good.clone() };
    let mut short = good.clone();
    short.levels.pop();
    let mut long = good.clone();
    long.levels.push(vec![]);
    let mut flipped = good.clone();
    flipped.levels[1][0].0[0] ^= 1;
    let shown = [
        error(&good, 298, &set),
        error(&good, 299, &other_root),
        error(&good, 299, &fewer),
        error(&good, 299, &more),
        error(&at(298), 298, &set),
        error(&at(0), 0, &set),
        error(&short, 299, &set),
        error(&long, 299, &set),
        error(&flipped, 299, &set),
    ]
    .map(|error| error.to_string());
    expect_test::expect![[r#"
        the path does not lead to the root
        the path does not lead to the root
        there is no case 299 among 299
        the path is not that of a tree of 301 cases
        the path does not lead to the root
        the path is not that of a tree of 300 cases
        the path is not that of a tree of 300 cases
        the path is not that of a tree of 300 cases
        the path does not lead to the root"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn what_a_program_would_refuse_is_not_encoded() {
    let hex = data_encoding::HEXLOWER.encode(&cases(1)[0]);
    let changed = |member: &str, value: Value| {
        let mut input = opening("5873.12", 1);
        input[member] = value;
        input
    };
    let inputs = [
        (Program::Dti, json!({"income_cents": 0, "debt_cents": 1, "limit_bps": 1})),
        (Program::Dti, json!({"income_cents": 1, "debt_cents": 1u64 << 48, "limit_bps": 1})),
        (Program::Dti, json!({"income_cents": 1, "debt_cents": 1, "limit_bps": 65_536})),
        (Program::Dti, json!({"income_cents": 1.5, "debt_cents": 1, "limit_bps": 1})),
        (Program::Dti, json!({"income_cents": 1, "debt_cents": 1, "limit_bps": 1, "dti_bps": 1})),
        (Program::IncomeThreshold, json!({"threshold_cents": 1, "amounts_cents": []})),
        (Program::IncomeThreshold, json!({"threshold_cents": 1, "amounts_cents": vec![1; 501]})),
        (Program::IncomeThreshold, json!({"threshold_cents": 1, "amounts_cents": [u64::MAX, 1]})),
        (Program::CommittedAmount, opening("5873,12", 1)),
        (Program::CommittedAmount, opening(&"1".repeat(33), 1)),
        (Program::CommittedAmount, changed("range", json!([399, 405]))),
        (Program::CommittedAmount, changed("range", json!([405, 399]))),
        (Program::CommittedAmount, changed("blinder", json!("00"))),
        (Program::CommittedAmount, changed("threshold_cents", json!(-1))),
        (Program::Compliance, json!({"state": null, "facts": {}, "program": "{}"})),
        (Program::Compliance, json!({"state": null, "facts": {"long": "x".repeat(65_536)}})),
        (Program::Batch, json!({"cases": []})),
        (Program::Batch, json!({"cases": [hex, "00"]})),
        (Program::Batch, json!({"cases": ["not hex"]})),
    ];
    let shown = inputs.map(|(program, input)| {
        let error = program.encode(&input).unwrap_err();
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    });
    expect_test::expect![[r#"
        income_cents is 0, and must be from 1 to 281474976710655
        debt_cents is 281474976710656, and must be from 0 to 281474976710655
        not what the program takes: invalid value: integer `65536`, expected u16
        not what the program takes: invalid type: floating point `1.5`, expected u64
        not what the program takes: unknown field `dti_bps`, expected one of `income_cents`, `debt_cents`, `limit_bps`
        0 amounts, and there must be 1 to 500
        501 amounts, and there must be 1 to 500
        the amounts add up to more than 64 bits hold
        the text is no amount: a whole number, or one with one or two decimals, of at most 32 bytes
        the text is no amount: a whole number, or one with one or two decimals, of at most 32 bytes
        the range from 399 to 405 is not that of a text of 7 bytes
        the range from 405 to 399 is not that of a text of 7 bytes
        not what the program takes: 16 bytes are 32 hex digits
        not what the program takes: invalid value: integer `-1`, expected u64
        not what the program takes: unknown field `program`, expected `state` or `facts`
        65570 bytes, 65472 are read
        0 cases, and there must be 1 to 65536
        case 1 is no payload block of the media type loom/dti with the right ratio
        case 0 is no payload block of the media type loom/dti with the right ratio"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn other_outputs_are_refused() {
    for program in Program::ALL {
        for length in 0..100 {
            assert!(program.decode(&vec![2; length]).is_err(), "{} takes {length} twos", program.name());
        }
    }
    let amount = |range: [u64; 2], last: [u8; 2]| {
        let range = range.map(u64::to_le_bytes);
        committed_amount::Output::decode(&[&[0; 48], range.as_flattened(), &[0; 40], &last].concat())
    };
    assert!(amount([5, 37], [0, 0]).is_ok() && amount([5, 8], [1, 1]).is_ok());
    for (range, last) in [([5, 5], [0, 0]), ([5, 38], [0, 0]), ([6, 5], [0, 0]), ([5, 7], [0, 1]), ([5, 8], [0, 2])] {
        assert!(amount(range, last).is_err(), "{range:?} {last:?}");
    }
    let good = dti::Output { payload_sha256: Digest([7; 32]), dti_bps: 2, limit_bps: 1, within_limit: false };
    assert_eq!(dti::Output::decode(&good.encode()), Ok(good.clone()));
    let lie = dti::Output { within_limit: true, ..good };
    assert!(dti::Output::decode(&lie.encode()).is_err());
    let decided = |rest: &[u8]| compliance::Output::decode(&[&[0; 64], rest].concat());
    assert_eq!(decided(&[2, 1, 0, 3, b'c', b'a', b'p']).unwrap().missed, ["cap"]);
    for rest in [&[0, 0, 0][..], &[4, 0, 0], &[1, 1, 0], &[1, 1, 0, 1], &[1, 0, 0, 0], &[1, 1, 0, 1, 0xff]] {
        assert!(decided(rest).is_err(), "{rest:?}");
    }
}

#[test]
fn programs_are_found_by_name() {
    for program in Program::ALL {
        assert_eq!(Program::named(program.name()), Some(program));
    }
    assert_eq!(Program::named("loan"), None);
}

#[test]
fn every_program_has_a_build() {
    let built: Vec<&str> = registry::registry().iter().map(|build| build.name.as_str()).collect();
    assert_eq!(built, Program::ALL.map(Program::name));
    for build in registry::registry() {
        assert_eq!(registry::identified(&build.image_id.0), Some(build));
        assert_eq!(registry::named(&build.name), Some(build));
        #[cfg(feature = "binaries")]
        assert_eq!((Digest::of(build.binary()), build.binary().len() as u64), (build.sha256, build.bytes));
    }
    assert_eq!(registry::identified(&[0; 32]), None);
}

/// The test vectors of `docs/formats/programs.md`: what is sealed there, and what the programs say of it.
#[test]
fn the_documented_bytes() {
    let document = include_str!("../../../docs/formats/programs.md");
    let salt: [u8; 16] = std::array::from_fn(|index| index as u8);
    let criteria = document.lines().find(|line| line.starts_with("{\"format\"")).expect("a criteria program");
    let case = |number: u8| {
        let input = json!({"income_cents": 500_000, "debt_cents": 215_000 + u64::from(number), "limit_bps": 4300});
        let mut salt = salt;
        salt[0] = number;
        block(salt, dti::MEDIA_TYPE, &Program::Dti.encode(&input).unwrap())
    };
    let set = [case(0), case(1)].map(|case| data_encoding::HEXLOWER.encode(&case));
    let inputs = [
        (Program::Dti, json!({"income_cents": 500_000, "debt_cents": 215_000, "limit_bps": 4300}), ""),
        (
            Program::IncomeThreshold,
            json!({"threshold_cents": 600_000, "amounts_cents": [200_000, 150_000, 250_000]}),
            "",
        ),
        (Program::CommittedAmount, opening("5873.12", 500_000), ""),
        (Program::Batch, json!({"cases": set}), ""),
    ];
    let mut runs = inputs.map(|(program, input, public)| (program, program.encode(&input).unwrap(), public)).to_vec();
    runs.push((Program::Compliance, br#"{"state":null,"facts":{"dti_bps":4301}}"#.to_vec(), criteria));
    for (program, value, public) in runs {
        let block = block(salt, program.media_type(), &value);
        let output = run(&stdin(&block, public.as_bytes()), main_of(program)).unwrap();
        for bytes in [block, output.journal] {
            let hex = data_encoding::HEXLOWER.encode(&bytes);
            assert!(document.lines().any(|line| line == hex), "{}: {hex} is not documented", program.name());
        }
    }
}
