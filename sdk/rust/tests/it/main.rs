//! The SDK against the shared vectors of the guest contract, `sdk/abi/vectors.json`.

mod operations;
mod vectors;

use std::path::Path;

use loom_guest::{Error, host, testing};
use serde_json::{Value, json};

use crate::vectors::{Vectors, contract_folder};

#[test]
fn hostile_modules_are_well_formed_text() {
    let vectors = Vectors::read();
    let mut listed: Vec<_> = vectors
        .hostile
        .modules
        .iter()
        .map(|m| m.file.clone())
        .collect();
    for file in &listed {
        let path = contract_folder().join(file);
        wat::parse_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let folder = contract_folder().join("hostile");
    let mut present: Vec<_> = std::fs::read_dir(&folder)
        .expect("hostile modules")
        .map(|entry| entry.expect("entry").file_name())
        .map(|name| {
            Path::new("hostile")
                .join(name)
                .to_str()
                .expect("UTF-8")
                .to_owned()
        })
        .collect();
    listed.sort();
    present.sort();
    assert_eq!(listed, present, "every hostile module is listed, once");
}

#[test]
fn strings_pass_through_the_raw_contract() {
    for string in Vectors::read().strings {
        let text = string.text();
        let answer = text.clone();
        let _host = testing::answer_raw(move |_| answer.clone());
        assert_eq!(host::raw(&text), text, "{}", string.name);
    }
}

#[test]
fn failures_encode_as_the_host_reads_them() {
    /// A handler is a plain function, so the failure reaches it through the host.
    fn fail(_: ()) -> Result<(), Error> {
        host::sleep(0)
    }
    for failure in Vectors::read()
        .outputs
        .into_iter()
        .filter_map(|output| output.failure)
    {
        let expected = json!({ "err": failure });
        let _host = testing::answer_with(move |_| Err(failure.clone()));
        let output = loom_guest::run("null".to_owned(), fail);
        assert_eq!(
            serde_json::from_str::<Value>(&output).expect("JSON"),
            expected
        );
    }
}
