//! Making, listing and revoking tokens.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use loom_client::{Client, CreatedToken, Grants, NewToken};

use crate::{
    CliError,
    arguments::Token,
    output::{self, time},
    target::Target,
};

pub(super) async fn token(command: Token) -> Result<(), CliError> {
    match command {
        Token::Create { name, grants, out, target, json } => {
            let token = NewToken { name, grants: parse(&grants)? };
            let target = Target::open_or_make(&target).await?;
            let created = target.client.create_token(&token).await;
            target.close().await;
            show(&created?, out.as_deref(), json)
        }
        Token::List { target, json } => {
            let target = Target::open(&target).await?;
            let listed = list(&target.client, json).await;
            target.close().await;
            listed
        }
        Token::Revoke { name, target, json } => {
            let target = Target::open(&target).await?;
            let revoked = target.client.revoke_token(&name).await;
            target.close().await;
            let revoked = revoked?;
            if json {
                output::print_json(&revoked);
            } else {
                output::outln!("{} is revoked", revoked.name);
            }
            Ok(())
        }
    }
}

fn parse(grants: &[String]) -> Result<Grants, CliError> {
    let grant = |text: &String| {
        let invalid = || CliError::new("invalid-request", format!("--grant {text}: is not of the form NAMESPACE=ROLE"));
        text.split_once('=').map(|(namespace, role)| (namespace.to_owned(), role.to_owned())).ok_or_else(invalid)
    };
    grants.iter().map(grant).collect()
}

fn shown(grants: &Grants) -> String {
    grants.iter().map(|(namespace, role)| format!("{namespace}={role}")).collect::<Vec<_>>().join(" ")
}

fn show(created: &CreatedToken, out: Option<&Path>, json: bool) -> Result<(), CliError> {
    match out {
        Some(path) => {
            write(path, created.token.expose()).map_err(|error| {
                CliError::file(path, error).hint(format!("revoke it: loom token revoke {}", created.record.name))
            })?;
            if json {
                output::print_json(&created.record);
            } else {
                output::outln!(
                    "{} may {}; its token is in {}",
                    created.record.name,
                    shown(&created.record.grants),
                    path.display()
                );
            }
        }
        None if json => output::print_json(created),
        None => output::outln!("{}", created.token.expose()),
    }
    Ok(())
}

/// Never over a file that is there: it may be another token.
fn write(path: &Path, token: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{token}\n").as_bytes())
}

async fn list(client: &Client, json: bool) -> Result<(), CliError> {
    for token in client.tokens().await? {
        if json {
            output::print_json(&token);
        } else {
            output::outln!("{:<24} {}  {}", token.name, time(token.created_ms), shown(&token.grants));
        }
    }
    Ok(())
}
