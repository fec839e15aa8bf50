//! Replays the fuzzer's corpus on the stable compiler.

mod hostile;

use std::fs;
use std::path::PathBuf;

#[test]
fn every_input_of_the_corpus_is_survived() {
    let corpus = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../../fuzz/corpus/criteria");
    let mut inputs = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let path = file.unwrap().path();
        let input = fs::read(&path).unwrap();
        let survived = std::panic::catch_unwind(|| hostile::run(&input)).is_ok();
        assert!(survived, "{} breaks a promise; see above", path.display());
        inputs += 1;
    }
    assert!(inputs > 0);
}
