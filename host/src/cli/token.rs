//! `arc-host token`: creates, lists and revokes the tokens of the service.

use clap::{Args, Subcommand};
use serde_json::json;

use super::CommandStatus;
use super::connection;
use super::global::Global;
use super::output::{self, Output};
use crate::access::{Scope, Token};
use crate::error::{Error, Result};
use crate::store::check_project;

/// The longest name in bytes.
const NAME_BYTES: usize = 100;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Create a token, and show it once.
    Create(CreateToken),
    /// List the tokens, without their secrets.
    List,
    /// Revoke a token.
    Revoke(RevokeToken),
}

#[derive(Debug, Args)]
pub(super) struct CreateToken {
    /// A scope of the token: read (queries), record, or admin (everything). Can be repeated. Without
    /// --project, a scope applies to all simulations: a token that records can also complete, fail and
    /// cancel simulations that others have started.
    #[arg(long, required = true, value_name = "SCOPE")]
    scope: Vec<Scope>,

    /// A name for people, such as ci.
    #[arg(long)]
    name: String,

    /// The only project that the token can read and record. Default: all of them.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct RevokeToken {
    /// The token's id or name, as `arc-host token list` shows them.
    #[arg(value_name = "TOKEN")]
    token: String,
}

pub(super) async fn run(
    global: &Global,
    command: TokenCommand,
    output: &mut Output,
) -> Result<CommandStatus> {
    match command {
        TokenCommand::Create(arguments) => new(global, arguments, output).await,
        TokenCommand::List => list(global, output).await,
        TokenCommand::Revoke(arguments) => revoke(global, arguments, output).await,
    }
}

async fn new(
    global: &Global,
    arguments: CreateToken,
    output: &mut Output,
) -> Result<CommandStatus> {
    let CreateToken { scope: mut scopes, name, project } = arguments;
    project.as_deref().map_or(Ok(()), check_project)?;
    if !(1..=NAME_BYTES).contains(&name.len()) || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!(
            "a token's name has 1 to {NAME_BYTES} bytes, and no control characters"
        )));
    }
    scopes.sort_unstable();
    scopes.dedup();
    let scope_names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let token = Token::make()?;
    let database = connection::open_current(global).await?;
    let (store, project) = (database.store(), project.as_deref());
    store.insert_token(token.id(), &name, &scope_names, project, &token.sha256()).await?;
    if output.json() {
        output.value(&json!({
            "token_id": token.id(), "name": name, "scopes": scope_names, "project": project, "token": token.reveal(),
        }))?;
    } else {
        output.bare_line(token.reveal())?;
    }
    output::note("save it now: it is shown only once, and only its hash is stored");
    Ok(CommandStatus::Complete)
}

async fn list(global: &Global, output: &mut Output) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let tokens = database.store().tokens().await?;
    if output.json() {
        for token in &tokens {
            output.value(&json!({
                "token_id": token.token_id, "name": token.name, "scopes": token.scopes,
                "project": token.project,
                "created_at": token.created_at, "revoked_at": token.revoked_at,
            }))?;
        }
        return Ok(CommandStatus::Complete);
    }
    if tokens.is_empty() {
        output::note("no tokens yet; arc-host token create --scope record --name NAME makes one");
        return Ok(CommandStatus::Complete);
    }
    let rows = tokens.into_iter().map(|token| {
        vec![
            token.token_id,
            token.name,
            token.scopes.join(", "),
            token.project.unwrap_or_default(),
            format!("{:.0}", token.created_at),
            token.revoked_at.map_or_else(String::new, |time| format!("{time:.0}")),
        ]
    });
    output.table(&["id", "name", "scopes", "project", "made", "revoked"], &[], rows)?;
    Ok(CommandStatus::Complete)
}

async fn revoke(
    global: &Global,
    arguments: RevokeToken,
    output: &mut Output,
) -> Result<CommandStatus> {
    let database = connection::open_current(global).await?;
    let token_id = database.store().revoke_token(&arguments.token).await?;
    if output.json() {
        output.value(&json!({"token_id": token_id, "revoked": true}))?;
    } else {
        output.line(&format!("{token_id} is revoked; services know within seconds"))?;
    }
    Ok(CommandStatus::Complete)
}
