//! The notary: a program that others trust, or not.

use std::{net::SocketAddr, path::PathBuf};

use loom_notary::{InvalidSettings, KeyFileError, OsRandom, Outside, Roots, Settings, SigningKey, Tokens, TokensError};
use loom_runtime::causes;
use loom_server::Tls;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::serve::StopSignals;
use crate::{
    CliError,
    arguments::{Notary, ServeNotary},
    output,
};

pub(super) async fn notary(command: Notary) -> Result<(), CliError> {
    match command {
        Notary::Serve(arguments) => serve(arguments).await,
        Notary::Key { key, curve } => {
            if !key.exists() {
                SigningKey::generate(curve.into(), &OsRandom).write(&key)?;
                eprintln!("made {}; the key that others verify with:", key.display());
            }
            output::outln!("{}", SigningKey::read(&key)?.public_text());
            Ok(())
        }
        Notary::Token { name, tokens } => {
            let token = Tokens::create(&tokens, &name, &OsRandom)?;
            eprintln!("its digest is in {}; the token itself is shown this once", tokens.display());
            output::outln!("{}", token.expose());
            Ok(())
        }
    }
}

async fn serve(arguments: ServeNotary) -> Result<(), CliError> {
    let signals = StopSignals::new()?;
    let tokens = Tokens::open(&arguments.tokens)?;
    check(&arguments, &tokens)?;
    let settings = Settings {
        allowed: arguments.allowed,
        private_hosts: arguments.private_hosts.into_iter().collect(),
        roots: roots(&arguments.roots)?,
    };
    let notary = loom_notary::Notary::new(SigningKey::read(&arguments.key)?, settings, Outside::system())?;
    let tls = arguments.tls_cert.as_deref().zip(arguments.tls_key.as_deref());
    let tls = tls.map(|(chain, key)| Tls::load(chain, key)).transpose()?;
    let listener = TcpListener::bind(arguments.listen).await.map_err(|error| in_use(arguments.listen, &error))?;
    let address = listener.local_addr().map_err(|error| in_use(arguments.listen, &error))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    eprintln!("loom {} notary listens on {scheme}://{address}", env!("CARGO_PKG_VERSION"));
    let known =
        if tokens.is_empty() { "no tokens: whoever reaches it may have it fetch" } else { "clients need a token" };
    eprintln!("{known}");
    notary.allowed().iter().for_each(|allowed| eprintln!("fetches {allowed}"));
    eprintln!(
        "trusted-fetch: it sees what it fetches, and is believed for every byte; the key that others verify with:"
    );
    output::outln!("{}", notary.public_key_text());
    let stop = CancellationToken::new();
    let routes = loom_notary::router(notary, tokens);
    let tls = tls.map(|tls| tls.acceptor());
    let server = tokio::spawn(loom_notary::serve(listener, routes, tls, stop.clone()));
    signals.wait().await;
    stop.cancel();
    server.await.map_err(|error| CliError::new("notary", error))
}

/// Refuses to be reachable for others without knowing who they are, or in the clear unless that was asked for.
fn check(arguments: &ServeNotary, tokens: &Tokens) -> Result<(), CliError> {
    let listen = arguments.listen;
    if listen.ip().is_loopback() {
        return Ok(());
    }
    if tokens.is_empty() {
        let message = format!("{listen} is reachable from other machines, and there are no tokens to know them by");
        let hint = format!("loom notary token NAME --tokens {}", arguments.tokens.display());
        return Err(CliError::new("tokens-missing", message).hint(hint));
    }
    if arguments.tls_cert.is_none() && !arguments.insecure_plaintext {
        let message = format!("{listen} is reachable from other machines, and clients send credentials");
        let hint = "name --tls-cert and --tls-key; or --insecure-plaintext, if something else encrypts";
        return Err(CliError::new("plaintext-refused", message).hint(hint));
    }
    Ok(())
}

fn in_use(listen: SocketAddr, error: &std::io::Error) -> CliError {
    CliError::new("address-in-use", format!("cannot listen on {listen}: {error}"))
        .hint("choose another address with --listen; port 0 takes any free one")
}

/// The authorities in files; those of the web without any.
pub(super) fn roots(files: &[PathBuf]) -> Result<Roots, CliError> {
    files.iter().try_fold(Roots::Web, |roots, path| {
        let bytes = std::fs::read(path).map_err(|error| CliError::file(path, error))?;
        let invalid = |error| CliError::new("notary", format!("{}: {}", path.display(), causes(&error))).exit(2);
        Ok(roots.and(Roots::read(&bytes).map_err(invalid)?))
    })
}

impl From<KeyFileError> for CliError {
    fn from(error: KeyFileError) -> Self {
        Self::new("notary", causes(&error)).hint("loom notary key makes a key and prints its public half")
    }
}

impl From<TokensError> for CliError {
    fn from(error: TokensError) -> Self {
        Self::new("notary", causes(&error))
    }
}

impl From<InvalidSettings> for CliError {
    fn from(error: InvalidSettings) -> Self {
        Self::new("notary", causes(&error)).exit(2)
    }
}
