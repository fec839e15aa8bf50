//! Running the binary.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use loom_client::Client;

/// Longest wait for anything; passing tests never get near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn loom() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loom"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("LOOM_") || name.starts_with("OTEL_")) {
        command.env_remove(variable);
    }
    command.env("RUST_BACKTRACE", "0");
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    loom().args(arguments).output().unwrap()
}

/// Runs it, insists that it succeeds, and gives what it printed.
pub(crate) fn stdout(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "loom {arguments:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A `loom dev` or `loom serve` process. Dropping it kills it.
pub(crate) struct Dev {
    child: Child,
    pub(crate) url: String,
    said: Arc<Mutex<String>>,
}

impl Dev {
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_with(data, arguments, &[])
    }

    /// With variables of the environment.
    pub(crate) fn start_with(data: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let fixed = ["dev", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        Self::run_with(&[&fixed, arguments].concat(), environment)
    }

    /// Any command that runs a node.
    pub(crate) fn run(arguments: &[&str]) -> Self {
        Self::run_with(arguments, &[])
    }

    pub(crate) fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = loom();
        command.args(arguments).env("LOOM_LOG", "error").envs(environment.iter().copied()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let url = loop {
            let Some(line) = lines.next() else { panic!("loom {arguments:?} ended: {seen:?}") };
            let line = line.unwrap();
            if let Some((_, url)) = line.split_once("listens on ") {
                break url.to_owned();
            }
            seen.push(line);
        };
        // Whatever else it says must not fill the pipe.
        let said = Arc::new(Mutex::new(seen.join("\n")));
        let says = said.clone();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| says.lock().unwrap().push_str(&line)));
        Self { child, url, said }
    }

    /// What it said on standard error so far, but for the line breaks.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// SIGKILL, and wait until the process is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and wait for a clean exit.
    pub(crate) fn terminate(mut self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "a clean exit");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have been waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The tests' deployment: the probe under two names, echo as a pure and as an effectful activity.
pub(crate) fn deployment(folder: &Path) -> std::path::PathBuf {
    let prebuilt = std::path::PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"))
        .join("../../guests/prebuilt")
        .canonicalize()
        .unwrap();
    let prebuilt = prebuilt.display();
    let manifest = format!(
        r#"name = "tests"
[actors.probe]
module = "{prebuilt}/probe.wasm"
[actors.other]
module = "{prebuilt}/probe.wasm"
limits = {{ fuel = 50000000 }}
[activities.echo]
module = "{prebuilt}/echo.wasm"
[activities.effect]
module = "{prebuilt}/echo.wasm"
capabilities = ["http"]
"#
    );
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("loom.toml"), manifest).unwrap();
    folder.to_owned()
}
