//! New projects: a template with the project's name put in, and a copy of the SDK.

use std::{
    fs,
    path::{Path, PathBuf},
};

use include_dir::{Dir, DirEntry, include_dir};

use crate::{Language, NewError, error::NAME_BYTES_MAX};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static RUST_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/rust/src");
static RUST_SDK_MANIFEST: &str = include_str!("../../../sdk/rust/Cargo.toml");
static ASSEMBLYSCRIPT_SDK: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../sdk/assemblyscript/assembly");
static ASSEMBLYSCRIPT_SDK_MANIFEST: &str = include_str!("../../../sdk/assemblyscript/package.json");

/// The name that stands in the templates for the project's; a name that would be valid itself, so that the
/// templates are projects and not only text.
const PLACEHOLDER: &str = "project-name";

/// Names that cargo refuses for packages: words of Rust, and packages that come with it.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "loom-guest",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// What the project's first guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has a state and asks for steps.
    Actor,
    /// It is a function of its input.
    Activity,
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct NewProject<'a> {
    /// Name of the project, of its guest, and of its folder.
    pub name: &'a str,
    /// What its guest is.
    pub kind: Kind,
    /// What it is written in.
    pub language: Language,
}

/// Makes the folder `parent/name`; gives its path and its files.
pub fn create(parent: &Path, project: NewProject<'_>) -> Result<(PathBuf, Vec<String>), NewError> {
    check_name(project.name)?;
    let folder = parent.join(project.name);
    if folder.symlink_metadata().is_ok() {
        return Err(NewError::Exists(folder));
    }
    let files = files(project);
    for (path, text) in &files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(NewError::io(parent))?;
        fs::write(&path, text).map_err(NewError::io(&path))?;
    }
    Ok((folder, files.into_iter().map(|(path, _)| path).collect()))
}

fn check_name(name: &str) -> Result<(), NewError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fits {
        return Err(NewError::Name { name: name.chars().take(NAME_BYTES_MAX + 1).collect() });
    }
    if RESERVED.contains(&name) {
        return Err(NewError::Reserved { name: name.to_owned() });
    }
    Ok(())
}

/// Paths and texts of everything in the project.
fn files(NewProject { name, kind, language }: NewProject<'_>) -> Vec<(String, String)> {
    let kind = match kind {
        Kind::Actor => "actor",
        Kind::Activity => "activity",
    };
    let (template, sdk) = match language {
        Language::Rust => ("rust", rust_sdk()),
        Language::AssemblyScript => ("assemblyscript", assemblyscript_sdk()),
    };
    let mut found = Vec::new();
    for part in ["common".to_owned(), kind.to_owned(), template.to_owned(), format!("{template}-{kind}")] {
        let folder = TEMPLATES.get_dir(&part).expect("every part of every template is compiled in");
        texts(folder, folder.path(), &mut found);
    }
    let named =
        |text: &str| text.replace(PLACEHOLDER, name).replace(&PLACEHOLDER.replace('-', "_"), &name.replace('-', "_"));
    let found = found.into_iter().map(|(path, text)| (hidden(&named(&path)), named(&text)));
    let mut files: Vec<_> = found.chain(sdk).collect();
    files.sort();
    files
}

/// Files that would mean something to tools here have their dot only in the project.
fn hidden(path: &str) -> String {
    if ["gitignore", "npmrc"].contains(&path) { format!(".{path}") } else { path.to_owned() }
}

fn rust_sdk() -> Vec<(String, String)> {
    let mut files = Vec::new();
    texts(&RUST_SDK, Path::new(""), &mut files);
    let mut files: Vec<_> = files.into_iter().map(|(path, text)| (format!("sdk/src/{path}"), text)).collect();
    files.push(("sdk/Cargo.toml".to_owned(), without_section(RUST_SDK_MANIFEST, "[dev-dependencies]")));
    files
}

fn assemblyscript_sdk() -> Vec<(String, String)> {
    let mut files = Vec::new();
    texts(&ASSEMBLYSCRIPT_SDK, Path::new(""), &mut files);
    let mut files: Vec<_> = files.into_iter().map(|(path, text)| (format!("sdk/assembly/{path}"), text)).collect();
    files.push(("sdk/package.json".to_owned(), ASSEMBLYSCRIPT_SDK_MANIFEST.to_owned()));
    files
}

fn texts(folder: &Dir<'_>, root: &Path, found: &mut Vec<(String, String)>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => texts(folder, root, found),
            DirEntry::File(file) => {
                let path = file.path().strip_prefix(root).unwrap_or(file.path());
                let text = file.contents_utf8().expect("templates and SDKs are text");
                found.push((path.to_string_lossy().replace('\\', "/"), text.to_owned()));
            }
        }
    }
}

/// TOML text without one of its tables: what only the SDK's own tests need.
fn without_section(text: &str, header: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        if line.starts_with('[') {
            inside = *line == header;
        }
        !inside
    });
    kept.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_fit_nowhere_are_refused() {
        for name in ["a", "my-actor", "k8s"] {
            check_name(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for name in ["", "A", "my_actor", "-a", "a-", "8k", "../a", "ä", "fn", "test", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_template_is_whole_and_named() {
        for language in [Language::Rust, Language::AssemblyScript] {
            for kind in [Kind::Actor, Kind::Activity] {
                let files = files(NewProject { name: "my-guest", kind, language });
                let has = |path: &str| files.iter().any(|(found, _)| found == path);
                assert!(has("loom.toml") && has("README.md") && has("tests/my-guest.json") && has(".gitignore"));
                let placeholder = files.iter().find(|(path, text)| {
                    !path.starts_with("sdk/") && (path.contains(PLACEHOLDER) || text.contains(PLACEHOLDER))
                });
                assert_eq!(placeholder, None);
                let mut paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
                paths.dedup();
                assert_eq!(paths.len(), files.len(), "no file is there twice");
            }
        }
    }

    #[test]
    fn the_vendored_sdk_leaves_its_own_tests_behind() {
        let manifest = rust_sdk().into_iter().find(|(path, _)| path == "sdk/Cargo.toml").unwrap().1;
        assert!(manifest.contains("serde_json") && !manifest.contains("wat"), "{manifest}");
        assert!(manifest.contains("[lints.rust]"), "{manifest}");
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let project = NewProject { name: "twice", kind: Kind::Actor, language: Language::Rust };
        let (made, files) = create(folder.path(), project).unwrap();
        assert!(files.iter().all(|file| made.join(file).is_file()));
        assert!(matches!(create(folder.path(), project), Err(NewError::Exists(_))));
    }
}
