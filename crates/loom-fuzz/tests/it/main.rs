//! Replays the fuzzers' corpora: what once went wrong, and the seeds, on the stable compiler.

#![expect(clippy::unwrap_used, reason = "a test that cannot read its corpus has failed")]

use std::{fs, path::PathBuf};

use loom_fuzz::TARGETS;

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../fuzz/corpus")
        .join(name);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

#[test]
fn every_input_of_every_corpus_is_survived() {
    for (name, run) in TARGETS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name} has seeds");
        for (path, input) in corpus {
            if std::panic::catch_unwind(|| run(&input)).is_err() {
                panic!("{path} breaks a promise; see above");
            }
        }
    }
}

#[test]
fn every_target_has_a_fuzzer() {
    for (name, _) in TARGETS {
        let path = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
            .join(format!("../../fuzz/fuzz_targets/{name}.rs"));
        assert!(fs::read_to_string(path).unwrap().contains(&format!("\"{name}\"")), "{name}");
    }
}
