use std::path::Path;

use super::{Source, Sourced, read};
use crate::{CliError, settings::KEYS};

fn with(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str, &str)]) -> Result<Sourced, CliError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.toml");
    std::fs::write(&path, file.unwrap_or("")).unwrap();
    let owned = |text: &&str| (*text).to_owned();
    read(
        file.map(|_| path.as_path()),
        environment.iter().map(|(name, value)| (owned(name), owned(value))),
        flags.iter().map(|(name, value, flag)| (owned(name), owned(value), owned(flag))).collect(),
    )
}

fn source<'a>(sourced: &'a Sourced, name: &str) -> &'a Source {
    &sourced.sources[KEYS.iter().position(|key| key.name == name).unwrap()]
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let file = "listen = '127.0.0.1:1'\n[runtime]\nshards = 1\nrequests_max = 1\n[server]\nheader_timeout = '5s'";
    let environment = [("LOOM_RUNTIME_SHARDS", "2"), ("LOOM_LISTEN", "127.0.0.1:2"), ("LOOM_URL", "unrelated")];
    let sourced = with(Some(file), &environment, &[("runtime.shards", "3", "--shards")]).unwrap();
    let settings = &sourced.settings;
    assert_eq!((settings.runtime.shards, settings.listen.port(), settings.runtime.requests_max), (3, 2, 1));
    assert_eq!(settings.server.header_timeout.as_secs(), 5);
    assert_eq!(source(&sourced, "runtime.shards").to_string(), "flag --shards");
    assert_eq!(source(&sourced, "listen").to_string(), "environment LOOM_LISTEN");
    assert!(matches!(source(&sourced, "runtime.requests_max"), Source::File(path) if path.ends_with("node.toml")));
    assert_eq!(source(&sourced, "runtime.worker"), &Source::Default);
}

#[test]
fn paths_in_a_file_are_relative_to_the_file() {
    let sourced = with(Some("data = 'store'"), &[], &[]).unwrap();
    assert!(sourced.settings.data.is_absolute() && sourced.settings.data.ends_with("store"));
    assert_eq!(with(None, &[("LOOM_DATA", "store")], &[]).unwrap().settings.data, Path::new("store"));
}

#[test]
fn several_hosts_are_a_list_in_a_file_and_separated_by_commas_elsewhere() {
    let file = "[http]\nprivate_hosts = ['b', 'a:1']\nextra_ca = 'ca.pem'";
    for sourced in [with(Some(file), &[], &[]), with(None, &[("LOOM_HTTP_PRIVATE_HOSTS", "b, a:1")], &[])] {
        let hosts = sourced.unwrap().settings.http.private_hosts;
        assert_eq!(hosts.iter().map(String::as_str).collect::<Vec<_>>(), ["a:1", "b"]);
    }
    let mixed = with(Some("[http]\nprivate_hosts = ['a', 1]"), &[], &[]).unwrap_err();
    assert!(mixed.to_string().contains("http.private_hosts cannot be of type array"), "{mixed}");
}

#[test]
fn what_is_not_understood_is_an_error_that_names_it() {
    for (file, environment, flag, expected) in [
        (Some("[runtime]\nshard = 1"), None, None, "there is no setting 'runtime.shard'"),
        (Some("name = 'app'"), None, None, "there is no setting 'name'"),
        (Some("[actors.a]\nmodule = 'a.wasm'"), None, None, "actors.a cannot be of type table"),
        (Some("[runtime]\nshards = 'many'"), None, None, "runtime.shards: 'many' is not a number"),
        (Some("[runtime]\nshards = 0"), None, None, "0 is not between 1 and 1024"),
        (Some("listen = ["), None, None, "node.toml"),
        (None, Some(("LOOM_RUNTIME_SHARD", "1")), None, "there is no setting 'runtime.shard'"),
        (None, Some(("LOOM_LISTEN", "here")), None, "environment LOOM_LISTEN: listen: 'here' is not an address"),
        (None, None, Some(("server.headers", "1", "--set")), "flag --set: there is no setting 'server.headers'"),
        (None, None, Some(("tls_cert", "a", "--tls-cert")), "tls_cert and tls_key are needed together"),
    ] {
        let error = with(file, environment.as_slice(), flag.as_slice()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error} does not say: {expected}");
    }
    let error = with(Some("[runtime]\nshard = 1"), &[], &[]).unwrap_err();
    assert!(format!("{error:?}").contains("runtime.shards, runtime.resident_instances_max"), "{error:?}");
}
