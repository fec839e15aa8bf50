use std::fs;

use super::{Built, Digests, check_digests, sha256, wasm_path};

fn built(name: &str, wasm: &[u8]) -> Built {
    Built {
        name: name.to_owned(),
        source: format!("guests/{name}"),
        compiler: "rustc 1".to_owned(),
        flags: "-O".to_owned(),
        wasm: wasm.to_owned(),
    }
}

#[test]
fn digests_survive_writing_and_reading() {
    let folder = tempfile::tempdir().expect("temporary folder");
    assert_eq!(Digests::read_or_default(folder.path()).expect("default"), Digests::default());
    assert!(Digests::read(folder.path()).is_err());
    let digests = Digests::of(&[built("b", b"2"), built("a", b"1")]).expect("two names");
    digests.write(folder.path()).expect("write");
    assert_eq!(Digests::read(folder.path()).expect("read"), digests);
    assert_eq!(digests.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(digests.names_by_compiler("rustc 1"), ["a", "b"]);
    assert!(digests.names_by_compiler("rustc 2").is_empty());
}

#[test]
fn two_guests_of_one_name_are_refused() {
    assert!(Digests::of(&[built("a", b"1"), built("a", b"2")]).is_err());
}

#[test]
fn a_changed_module_is_found() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let digests = Digests::of(&[built("a", b"wasm")]).expect("one name");
    assert!(check_digests(folder.path(), &digests).is_err(), "missing");
    fs::write(wasm_path(folder.path(), "a"), b"wasm").expect("write");
    check_digests(folder.path(), &digests).expect("as recorded");
    fs::write(wasm_path(folder.path(), "a"), b"wasn").expect("write");
    let error = check_digests(folder.path(), &digests).expect_err("changed").to_string();
    assert!(error.contains(&sha256(b"wasn")), "{error}");
}
