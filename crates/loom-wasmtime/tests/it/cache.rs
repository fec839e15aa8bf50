//! Compiled code survives the process, and nothing that happens to its file does harm.

use std::{
    fs,
    path::{Path, PathBuf},
};

use loom_machine::{GuestLimits, Sandbox as _};
use loom_types::{Cid, Codec};
use loom_wasmtime::{EngineError, Settings, WasmtimeSandbox};
use tempfile::TempDir;

use crate::support::{prebuilt, run, settings};

fn sandbox(folder: &Path) -> WasmtimeSandbox {
    WasmtimeSandbox::new(Settings { cache_folder: Some(folder.into()), ..settings() }).unwrap()
}

fn module() -> (Cid, Vec<u8>) {
    let bytes = prebuilt("echo.wasm");
    (Cid::of(Codec::Raw, &bytes), bytes)
}

/// Whether a new sandbox finds the module's code: given bytes that are no module, it can only run if it does.
fn is_kept(folder: &Path) -> bool {
    let (cid, _) = module();
    match sandbox(folder).compile(cid, b"nothing to compile").unwrap() {
        Ok(module) => {
            assert_eq!(run(&*module, &GuestLimits::default(), "[1]").end, Ok("[1]".into()));
            true
        }
        Err(failure) => {
            assert_eq!(failure.kind, "not-wasm");
            false
        }
    }
}

fn compile(folder: &Path) {
    let (cid, bytes) = module();
    let module = sandbox(folder).compile(cid, &bytes).unwrap().unwrap();
    assert_eq!(run(&*module, &GuestLimits::default(), "[1]").end, Ok("[1]".into()));
}

/// The only file of the cache.
fn file(folder: &Path) -> PathBuf {
    let only = |folder: &Path| {
        let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries.remove(0)
    };
    only(&only(folder))
}

#[test]
fn a_second_sandbox_does_not_compile() {
    let folder = TempDir::new().unwrap();
    assert!(!is_kept(folder.path()));
    compile(folder.path());
    assert!(is_kept(folder.path()));
    compile(folder.path());
    fs::remove_file(file(folder.path())).unwrap();
    assert!(!is_kept(folder.path()));
}

#[test]
fn damaged_code_is_compiled_again() {
    let folder = TempDir::new().unwrap();
    compile(folder.path());
    let file = file(folder.path());
    let whole = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let holed = |from: usize| {
        let mut bytes = whole.clone();
        bytes[from..].fill(0);
        bytes
    };
    let mut poisons = vec![
        Vec::new(),
        b"garbage".to_vec(),
        vec![0; whole.len()],
        vec![0xff; 40],
        whole[..whole.len() / 2].to_vec(),
        whole[..whole.len() - 1].to_vec(),
        whole[..40].to_vec(),
        whole[32..].to_vec(),
        [&whole[..], b"more"].concat(),
        holed(4096),
        holed(whole.len() - 4096),
    ];
    poisons.extend((0..whole.len()).step_by(whole.len() / 20).map(flipped));
    for (index, poison) in poisons.iter().enumerate() {
        fs::write(&file, poison).unwrap();
        assert!(!is_kept(folder.path()), "poison {index}");
    }
    compile(folder.path());
    assert!(is_kept(folder.path()));
    // Another module's code under this one's name.
    let other = prebuilt("counter-actor.wasm");
    let elsewhere = TempDir::new().unwrap();
    sandbox(elsewhere.path()).compile(Cid::of(Codec::Raw, &other), &other).unwrap().unwrap();
    fs::copy(self::file(elsewhere.path()), &file).unwrap();
    assert!(!is_kept(folder.path()));
    // A folder where the file should be.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(!is_kept(folder.path()));
    compile(folder.path());
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_look() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("made/on/demand");
    compile(&folder);
    let file = file(&folder);
    let engine = file.parent().unwrap();
    assert_eq!((mode(&folder), mode(engine), mode(&file)), (0o700, 0o700, 0o600));
    // Somebody opened the folder to others.
    fs::set_permissions(engine, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(is_kept(&folder));
    assert_eq!(mode(engine), 0o700);
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_at_the_start() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let settings = Settings { cache_folder: Some(file), ..settings() };
    assert!(matches!(WasmtimeSandbox::new(settings), Err(EngineError::Cache { .. })));
}

#[test]
fn a_module_that_begins_too_large_is_refused_from_the_cache_too() {
    let folder = TempDir::new().unwrap();
    let text =
        crate::support::bytes_guest("", r#"(func (export "execute") (param i32 i32) (result i64) (i64.const 4))"#);
    let bytes =
        wat::parse_str(text.replace(r#"(memory (export "memory") 1)"#, r#"(memory (export "memory") 300)"#)).unwrap();
    let cid = Cid::of(Codec::Raw, &bytes);
    assert!(sandbox(folder.path()).compile(cid, &bytes).unwrap().is_ok());
    let small = Settings { memory_bytes_max: 1 << 24, cache_folder: Some(folder.path().into()), ..settings() };
    let failure = WasmtimeSandbox::new(small).unwrap().compile(cid, &bytes).unwrap().err().unwrap();
    assert_eq!(failure.kind, "memory-limit");
    assert!(failure.message.contains("(sandbox.memory_bytes_max)"), "{failure}");
}
