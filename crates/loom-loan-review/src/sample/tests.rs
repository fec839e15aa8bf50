//! The generator is stable, its output is what the example ships, and it follows the figures it claims to follow.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::PathBuf;

use super::{COUNT, DERIVED_COUNT, SEED, write_csv, write_derived};
use crate::input::{Application, Applications, Decision, Format};

fn example(name: &str) -> Vec<u8> {
    let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../examples/loan-review")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn csv(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_csv(seed, count, &mut bytes).unwrap();
    bytes
}

fn derived() -> Vec<u8> {
    let mut bytes = Vec::new();
    write_derived(SEED, DERIVED_COUNT, &mut bytes).unwrap();
    bytes
}

fn read(bytes: Vec<u8>, format: Format) -> Vec<Application> {
    let applications = Applications::from_reader(Box::new(Cursor::new(bytes)), format).unwrap();
    applications.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_example_ships_what_the_generator_writes() {
    assert!(csv(SEED, COUNT) == example("applications.csv"), "run: cargo xtask sample-data");
    assert!(derived() == example("derived-dti.jsonl"), "run: cargo xtask sample-data");
}

#[test]
fn every_synthetic_row_is_an_application() {
    assert_eq!(read(csv(SEED, COUNT), Format::Csv).len(), COUNT);
    let derived = read(derived(), Format::JsonLines);
    assert_eq!(derived.len(), DERIVED_COUNT);
    assert!(derived.iter().all(|application| application.fields.contains_key("monthly_debt")));
}

#[test]
fn no_lender_can_be_real() {
    for application in read(csv(SEED, COUNT), Format::Csv).iter().chain(&read(derived(), Format::JsonLines)) {
        assert!(application.lei.starts_with("SYNTHETIC"), "{}", application.lei);
        assert_ne!(lei_remainder(&application.lei), 1, "{} passes the check digits", application.lei);
    }
}

/// ISO 17442: letters become two digits, and the number leaves 1 when divided by 97.
fn lei_remainder(lei: &str) -> u32 {
    lei.chars().filter_map(|character| character.to_digit(36)).fold(0, |remainder, value| {
        let shift = if value < 10 { 10 } else { 100 };
        (remainder * shift + value) % 97
    })
}

#[test]
fn the_check_digit_rule_accepts_valid_check_digits() {
    assert_eq!(lei_remainder("00000000000000000098"), 1);
}

/// Shares in per mille: of all applications, then of approvals within a group.
fn shares(applications: &[Application]) -> BTreeMap<&'static str, u64> {
    let field = |application: &Application, name: &str| application.fields[name].as_str().unwrap().to_owned();
    let dti = |application: &Application| field(application, "debt_to_income_ratio");
    let has = |name: &'static str, value: &'static str| move |a: &Application| field(a, name) == value;
    let approved = |application: &Application| application.lender == Some(Decision::Approve);
    let share = |filter: &dyn Fn(&Application) -> bool| {
        applications.iter().filter(|application| filter(application)).count() * 1000 / applications.len()
    };
    let rate = |filter: &dyn Fn(&Application) -> bool| {
        let group: Vec<_> = applications.iter().filter(|application| filter(application)).collect();
        group.iter().filter(|application| approved(application)).count() * 1000 / group.len().max(1)
    };
    let shares: [(&'static str, usize); 17] = [
        ("approved", share(&approved)),
        ("2022", share(&has("activity_year", "2022"))),
        ("2023", share(&has("activity_year", "2023"))),
        ("conventional", share(&has("loan_type", "1"))),
        ("fha", share(&has("loan_type", "2"))),
        ("va", share(&has("loan_type", "3"))),
        ("purchase", share(&has("loan_purpose", "1"))),
        ("manufactured", share(&has("derived_dwelling_category", super::tables::MANUFACTURED))),
        ("dti exact", share(&|a| dti(a).parse::<u32>().is_ok())),
        ("dti bucket", share(&|a| dti(a).contains('%'))),
        ("dti missing", share(&has("debt_to_income_ratio", "NA"))),
        ("cltv missing", share(&has("combined_loan_to_value_ratio", "NA"))),
        ("value missing", share(&has("property_value", "NA"))),
        ("income missing", share(&has("income", "NA"))),
        ("approved at dti >60%", rate(&has("debt_to_income_ratio", ">60%"))),
        ("approved at dti 50%-60%", rate(&has("debt_to_income_ratio", "50%-60%"))),
        ("approved at dti 36-49", rate(&|a| dti(a).parse::<u32>().is_ok())),
    ];
    shares.into_iter().map(|(name, share)| (name, share as u64)).collect()
}

/// The public sample's figure; how far the shipped thousand may be off (chance alone moves a share of one half by 32
/// per mille at two standard deviations, and the groups by debt-to-income ratio are small); how far the generator.
const EXPECTED: [(&str, u64, u64, u64); 17] = [
    ("approved", 783, 40, 15),
    ("2022", 393, 45, 10),
    ("2023", 283, 45, 10),
    ("conventional", 801, 40, 10),
    ("fha", 128, 35, 10),
    ("va", 63, 25, 10),
    ("purchase", 555, 45, 20),
    ("manufactured", 73, 30, 15),
    ("dti exact", 447, 45, 15),
    ("dti bucket", 480, 45, 15),
    ("dti missing", 73, 25, 10),
    ("cltv missing", 103, 30, 10),
    ("value missing", 62, 25, 10),
    ("income missing", 29, 15, 8),
    ("approved at dti >60%", 103, 100, 30),
    ("approved at dti 50%-60%", 616, 130, 40),
    ("approved at dti 36-49", 868, 50, 20),
];

#[test]
fn the_figures_of_the_public_sample_are_kept() {
    for (count, shipped) in [(COUNT, true), (100_000, false)] {
        let actual = shares(&read(csv(SEED, count), Format::Csv));
        for (name, expected, tolerance_shipped, tolerance) in EXPECTED {
            let tolerance = if shipped { tolerance_shipped } else { tolerance };
            let off = actual[name].abs_diff(expected);
            assert!(off <= tolerance, "{name}: {} of 1000 in {count}, expected {expected}", actual[name]);
        }
    }
}
