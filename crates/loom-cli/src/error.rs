//! What can go wrong for a user of the command line, and its exit code.

use std::{
    fmt::{self, Display},
    path::Path,
    process::ExitCode,
};

use loom_client::{ClientError, InvalidCertificates};
use loom_server::{TlsError, TokensError};
use loom_store_sqlite::OpenError;

/// An error for the person at the terminal.
#[derive(Debug)]
pub struct CliError {
    code: String,
    message: String,
    hint: Option<String>,
    exit: u8,
}

impl CliError {
    /// An error with a stable code.
    pub fn new(code: &str, message: impl Display) -> Self {
        Self { code: code.to_owned(), message: message.to_string(), hint: None, exit: 1 }
    }

    /// The same with something to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub(crate) fn exit(self, exit: u8) -> Self {
        Self { exit, ..self }
    }

    /// An error about a file.
    pub(crate) fn file(path: &Path, error: impl Display) -> Self {
        Self::new("file", format!("{}: {error}", path.display()))
    }

    /// An exit code; everything has been said.
    pub(crate) fn silent(exit: u8) -> Self {
        Self { code: String::new(), message: String::new(), hint: None, exit }
    }

    pub(crate) fn print(&self) {
        if self.message.is_empty() {
            return;
        }
        eprintln!("{self}");
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
    }

    /// 1 for what went wrong, 2 for what was asked wrongly, 3 for a turn that failed, 4 for a
    /// deployment that diverges from what is recorded.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit)
    }
}

impl Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)
    }
}

impl From<TlsError> for CliError {
    fn from(error: TlsError) -> Self {
        Self::new("tls-files", error)
    }
}

impl From<InvalidCertificates> for CliError {
    fn from(error: InvalidCertificates) -> Self {
        Self::new("tls-files", loom_runtime::causes(&error))
    }
}

impl From<TokensError> for CliError {
    fn from(error: TokensError) -> Self {
        Self::new("tokens-file", error)
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { ref url, .. } => {
                // A certificate that is not trusted ends here as well; the last cause says so.
                let message = format!("no node answers at {url}: {}", loom_runtime::causes(&error));
                Self::new("server-unreachable", message)
                    .hint("start one with `loom dev`, or name a data folder with --data")
            }
            ClientError::Problem(problem) => {
                let exit = match problem.code.as_str() {
                    "turn-failed" | "query-failed" => 3,
                    _ if problem.status < 500 => 2,
                    _ => 1,
                };
                let mut error = Self { exit, ..Self::new(&problem.code, &problem.detail) };
                error.hint = problem.hint;
                if let Some(failure) = problem.failure {
                    for frame in &failure.backtrace {
                        error.message.push_str("\n  at ");
                        error.message.push_str(frame);
                    }
                }
                error
            }
            ClientError::Unexpected(_) => Self::new("unexpected-answer", error),
        }
    }
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match &error {
            OpenError::InUse { .. } => Self::new("data-folder-in-use", &error)
                .hint("stop that process, or talk to it: leave out --data (and name its address with --url)"),
            OpenError::Version { .. } => {
                Self::new("data-folder-format", &error).hint("use the version of loom that wrote it, or a newer one")
            }
            OpenError::Lost { folder, .. } => Self::new("data-folder-lost-commits", &error).hint(format!(
                "restore the folder from a backup; to go on with what is left, delete {}",
                folder.join("tally").display()
            )),
            OpenError::Replaced { folder } => Self::new("data-folder-lost-commits", &error).hint(format!(
                "put back the loom.db that belongs here; if this one is meant, delete {}",
                folder.join("tally").display()
            )),
            OpenError::Io { source, .. } => Self::new("data-folder", format!("{error}: {source}")),
            OpenError::Database { source, .. } => Self::new("data-folder", format!("{error}: {source}")),
        }
    }
}
