//! Good files, and every way we know in which a file is bad.

use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use super::*;

const LEI: &str = "SYNTHETICLENDER00001";

fn read(format: Format, bytes: impl Into<Vec<u8>>) -> Result<Applications, OpenError> {
    Applications::from_reader(Box::new(Cursor::new(bytes.into())), format)
}

/// One line for each item: `id lender` or `row/line code`.
fn summary(format: Format, bytes: impl Into<Vec<u8>>) -> Vec<String> {
    read(format, bytes)
        .unwrap()
        .map(|item| match item {
            Ok(application) => format!("{} {:?}", application.id, application.lender),
            Err(rejection) => format!("{}/{} {}", rejection.row, rejection.line, rejection.code.as_str()),
        })
        .collect()
}

fn csv(rows: &str) -> String {
    format!("application_id,lei,action_taken,x\n{rows}")
}

#[test]
fn the_lender_is_split_off_and_the_rest_is_sent_as_it_is() {
    let text = format!(
        "Application_ID,lei,action_taken,denial_reason-1,interest_rate,open-end_line_of_credit,applicant_race-1,\
         tract_population,tract_minority_population_percent,debt_to_income_ratio\n\
         A1,{LEI},3,1,NA,2,5,3031,40.5,30%-<36%\n"
    );
    let application = read(Format::Csv, text).unwrap().next().unwrap().unwrap();
    let expected = serde_json::json!({
        "application_id": "A1",
        "lei": LEI,
        "open-end_line_of_credit": "2",
        "applicant_race-1": "5",
        "tract_minority_population_percent": "40.5",
        "debt_to_income_ratio": "30%-<36%",
    });
    assert_eq!(Value::Object(application.fields.clone()), expected);
    assert_eq!(application.lender, Some(Decision::Deny));
    assert_eq!(
        application.message("bafk"),
        serde_json::json!({"type": "review", "application": expected, "program": "bafk"})
    );
}

#[test]
fn no_outcome_or_context_column_is_ever_sent() {
    let names: Vec<&str> =
        crate::columns::OUTCOME.iter().chain(crate::columns::CONTEXT).map(|(name, _)| *name).collect();
    for spelling in [str::to_owned, |name: &str| name.replace('_', "-"), |name: &str| name.to_uppercase()] {
        let header: Vec<String> = names.iter().map(|name| spelling(name)).collect();
        let values: Vec<&str> = names.iter().map(|_| "1").collect();
        let text = format!("lei,{}\n{LEI},{}\n", header.join(","), values.join(","));
        let application = read(Format::Csv, text).unwrap().next().unwrap().unwrap();
        let sent: Vec<&String> = application.fields.keys().collect();
        assert_eq!(sent.len(), 2, "{sent:?}");
    }
}

#[test]
fn the_outcome_decides_the_label() {
    let cases = [
        ("1", "", "Ok(Some(Approve))"),
        ("2", "", "Ok(Some(Approve))"),
        ("8", "NA", "Ok(Some(Approve))"),
        ("3", "", "Ok(Some(Deny))"),
        ("7", "", "Ok(Some(Deny))"),
        ("4", "", "Ok(None)"),
        ("5", "", "Ok(None)"),
        ("6", "", "Ok(None)"),
        ("", "", "Ok(None)"),
        ("NA", "0", "Ok(Some(Deny))"),
        ("", "1", "Ok(Some(Approve))"),
        ("1", "1", "Ok(Some(Approve))"),
        ("1", "0", "Err(\"bad-outcome\")"),
        ("9", "", "Err(\"bad-outcome\")"),
        ("", "yes", "Err(\"bad-outcome\")"),
    ];
    for (action, approved, expected) in cases {
        let text = format!("lei,action_taken,approved\n{LEI},{action},{approved}\n");
        let item = read(Format::Csv, text).unwrap().next().unwrap();
        let label = item.map(|application| application.lender).map_err(|rejection| rejection.code.as_str());
        assert_eq!(format!("{label:?}"), expected, "action_taken {action:?}, approved {approved:?}");
    }
}

#[test]
fn csv_in_all_its_dress() {
    let plain = csv(&format!("A1,{LEI},1,a\nA2,{LEI},3,b"));
    let expected = ["A1 Some(Approve)", "A2 Some(Deny)"];
    let dressed = [
        plain.clone(),
        format!("\u{feff}{plain}\n"),
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\n\n  \r\n"),
        plain.replace("A1", "\"A1\"").replace("application_id", "\"application_id\""),
        format!("\n{plain}"),
    ];
    for text in dressed {
        assert_eq!(summary(Format::Csv, text.clone()), expected, "{text:?}");
    }
    let quoted = csv(&format!("A1,{LEI},1,\"a, \"\"b\"\" \u{e9}\"\n"));
    let application = read(Format::Csv, quoted).unwrap().next().unwrap().unwrap();
    assert_eq!(application.fields["x"], "a, \"b\" \u{e9}");
}

#[test]
fn a_bad_row_is_named_and_the_next_one_read() {
    let good = format!("G,{LEI},1,x");
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("too few columns", format!("A1,{LEI},1").into(), "wrong-column-count"),
        ("too many columns", format!("A1,{LEI},1,x,y").into(), "wrong-column-count"),
        ("far too many columns", ",".repeat(COLUMNS_MAX).into(), "too-many-columns"),
        ("open quote", format!("A1,{LEI},1,\"x").into(), "bad-quoting"),
        ("text after a quote", format!("A1,{LEI},1,\"x\"y").into(), "bad-quoting"),
        ("quote inside", format!("A1,{LEI},1,x\"y").into(), "bad-quoting"),
        ("not UTF-8", [b"A1,".as_slice(), &[0xff, 0xfe], b",1,x"].concat(), "not-utf8"),
        ("NUL", b"\0\0\0,,,".to_vec(), "bad-id"),
        ("no id", format!(",{LEI},1,x").into(), "missing-id"),
        ("no id either", format!("NA,{LEI},1,x").into(), "missing-id"),
        ("id of an address", format!("../A1,{LEI},1,x").into(), "bad-id"),
        ("long id", format!("{},{LEI},1,x", "i".repeat(65)).into(), "bad-id"),
        ("no lender", b"A1,,1,x".to_vec(), "missing-lei"),
        ("lender in small letters", format!("A1,{},1,x", LEI.to_lowercase()).into(), "bad-lei"),
        ("lender too short", b"A1,SYNTHETIC,1,x".to_vec(), "bad-lei"),
        ("unknown outcome", format!("A1,{LEI},77,x").into(), "bad-outcome"),
        ("long row", format!("A1,{LEI},1,{}", "x".repeat(ROW_BYTES_MAX)).into(), "row-too-large"),
        ("very long row", vec![b'"'; 3 * ROW_BYTES_MAX], "row-too-large"),
    ];
    for (name, row, code) in cases {
        let text = [csv("").as_bytes(), row, b"\n", good.as_bytes()].concat();
        assert_eq!(summary(Format::Csv, text), [format!("1/2 {code}"), "G Some(Approve)".to_owned()], "{name}");
    }
}

#[test]
fn a_row_of_exactly_the_limit_is_read() {
    let beginning = format!("A1,{LEI},1,");
    let row = format!("{beginning}{}", "x".repeat(ROW_BYTES_MAX - beginning.len()));
    assert_eq!(summary(Format::Csv, csv(&row)), ["A1 Some(Approve)"]);
    assert_eq!(summary(Format::Csv, csv(&format!("{row}x\r\n"))), ["1/2 row-too-large"]);
}

#[test]
fn the_second_of_two_ids_is_refused() {
    let rows = format!("A1,{LEI},1,x\nA1,{LEI},1,x\nA2,{LEI},1,x\n");
    assert_eq!(summary(Format::Csv, csv(&rows)), ["A1 Some(Approve)", "2/3 duplicate-id", "A2 Some(Approve)"]);
}

#[test]
fn a_file_without_ids_gets_them_from_its_rows() {
    let text = format!("lei,x\n{LEI},1\n\nshort\n{LEI},2\n");
    assert_eq!(summary(Format::Csv, text), ["R0000001 None", "2/4 wrong-column-count", "R0000003 None"]);
}

#[test]
fn json_lines_mean_the_same() {
    let cases = [
        (format!(r#"{{"application_id":"A1","lei":"{LEI}","action_taken":1}}"#), "A1 Some(Approve)"),
        (format!(r#"{{"lei":"{LEI}","income":62.5,"b":true,"n":null}}"#), "R0000001 None"),
        (format!(r#"{{"application_id":17,"lei":"{LEI}"}}"#), "17 None"),
        (format!(r#"{{"application_id":null,"lei":"{LEI}"}}"#), "1/1 missing-id"),
        (format!(r#"{{"lei":"{LEI}","a":1,"a":2}}"#), "1/1 duplicate-column"),
        (format!(r#"{{"lei":"{LEI}","denial_reason-1":1,"denial_reason_1":2}}"#), "1/1 duplicate-column"),
        (format!(r#"{{"lei":"{LEI}","a":[1]}}"#), "1/1 nested-value"),
        (format!(r#"{{"lei":"{LEI}","a":{{"b":1}}}}"#), "1/1 nested-value"),
        (r#"{"a":1}"#.to_owned(), "1/1 missing-lei"),
        ("{}".to_owned(), "1/1 missing-lei"),
        ("[]".to_owned(), "1/1 not-an-object"),
        ("7".to_owned(), "1/1 not-an-object"),
        (r#"{"a":1} {"a":2}"#.to_owned(), "1/1 not-an-object"),
        (r#"{"a":"#.to_owned(), "1/1 not-an-object"),
        (format!(r#"{{"a":{}"#, "[".repeat(30_000)), "1/1 not-an-object"),
        (r#"{"a":"\ud800"}"#.to_owned(), "1/1 not-an-object"),
    ];
    for (line, expected) in cases {
        assert_eq!(summary(Format::JsonLines, line.clone()), [expected], "{line:.100}");
    }
    let line = format!(r#"{{"lei":"{LEI}","i":185000,"f":71.667,"b":true,"n":null,"s":" x "}}"#);
    let application = read(Format::JsonLines, line).unwrap().next().unwrap().unwrap();
    let values: Vec<_> = ["i", "f", "b", "n", "s"].map(|name| application.fields[name].clone()).into();
    assert_eq!(values, ["185000", "71.667", "true", "", " x "]);
    let many: Vec<String> = (0..=COLUMNS_MAX).map(|n| format!("\"c{n}\":1")).collect();
    assert_eq!(summary(Format::JsonLines, format!("{{{}}}", many.join(","))), ["1/1 too-many-columns"]);
}

#[test]
fn a_ratio_can_be_derived_from_debt_and_income_alone() {
    let cases = [
        (r#""income":"62","monthly_debt":"800""#, true),
        (r#""Income":62,"Monthly-Debt":0"#, true),
        (r#""income":"62","monthly_debt":"NA""#, false),
        (r#""income":"","monthly_debt":"800""#, false),
        (r#""income":"62""#, false),
    ];
    for (fields, expected) in cases {
        let line = format!(r#"{{"lei":"{LEI}",{fields}}}"#);
        let application = read(Format::JsonLines, line).unwrap().next().unwrap().unwrap();
        assert_eq!(application.states_debt(), expected, "{fields}");
    }
}

#[test]
fn the_format_is_found_by_extension_then_by_content() {
    let cases = [
        ("a.csv", "{", Format::Csv),
        ("a.CSV", "{", Format::Csv),
        ("a.jsonl", "lei", Format::JsonLines),
        ("a.ndjson", "lei", Format::JsonLines),
        ("a.txt", "\u{feff} {", Format::JsonLines),
        ("a", "lei,x", Format::Csv),
        ("a", "", Format::Csv),
    ];
    for (path, beginning, expected) in cases {
        assert_eq!(Format::detect(Path::new(path), beginning.as_bytes()), expected, "{path} {beginning}");
    }
}

#[test]
fn a_file_that_is_none_of_ours_is_an_error() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"a,b\n1,2\n", "the header has no column \"lei\""),
        (b"lei,a,A\n", "the header names column \"A\" twice"),
        (b"lei,\"a\n", "the first line is no header: the quote in column 2 is not closed"),
        (b"PK\x03\x04\xff\xff", "the first line is no header: invalid utf-8"),
    ];
    for (bytes, expected) in cases {
        let error = read(Format::Csv, *bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let wide = format!("lei{}\n", ",a".repeat(COLUMNS_MAX));
    assert!(read(Format::Csv, wide).unwrap_err().to_string().contains("COLUMNS_MAX is 256"));
    let long = format!("lei,{}\n", "a".repeat(ROW_BYTES_MAX));
    assert!(read(Format::Csv, long).unwrap_err().to_string().contains("at most 65536"));
    assert!(matches!(Applications::open(Path::new("/no/such/file")), Err(OpenError::Read(_))));
}

#[test]
fn a_failing_disk_ends_the_rows_with_a_rejection() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("disk on fire"))
        }
    }
    let begun = Cursor::new(csv(&format!("A1,{LEI},1,x\n")).into_bytes());
    let reader = BufReader::new(begun.chain(Failing));
    let items: Vec<_> = Applications::from_reader(Box::new(reader), Format::Csv).unwrap().collect();
    assert_eq!(items.len(), 2);
    let rejection = items[1].as_ref().unwrap_err();
    assert_eq!((rejection.code, rejection.message.as_str()), (RejectionCode::ReadFailed, "disk on fire"));
}

#[test]
fn progress_counts_every_byte() {
    let text = csv(&format!("A1,{LEI},1,x\nA2,{LEI},1,\u{e9}"));
    let mut applications = read(Format::Csv, text.clone()).unwrap();
    assert_eq!(applications.by_ref().count(), 2);
    assert_eq!(applications.bytes_read(), text.len() as u64);
}
