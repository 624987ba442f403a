//! Has an action done by the daemon, when one runs.
//!
//! The daemon makes the answer in the form that is wanted here, so there is nothing to tell an answer
//! that came over the socket from one that was made in this process. Long work is a job there, whose
//! progress is shown here.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::run::Session;
use crate::actions::params::RestoreCustomer;
use crate::actions::{Action, Answer};
use crate::admin::client::{Client, ClientReply, segment};
use crate::admin::{Event, Method};
use crate::config::{self, Config, ConfigError};
use crate::daemon::wire::{Form, Progress, Sent, failure_of};
use crate::error::{Context, Failure, FailureKind, Outcome};
use crate::fsx::FileError;
use crate::report::Report;

/// Where the socket is if the configuration may not be read by this user.
const SOCKET: &str = "/run/tenure/admin.sock";

/// The action with its paths as they are meant from here: the daemon stands in another directory.
fn absolute(action: &Action) -> Outcome<Action> {
    let from_here = |path: &Option<PathBuf>| -> Outcome<Option<PathBuf>> {
        let absolute = path.as_ref().map(std::path::absolute).transpose();
        Ok(absolute.map_err(FileError::new("find", Path::new(".")))?)
    };
    let mut action = action.clone();
    match &mut action {
        Action::Restore(wanted) => wanted.to = from_here(&wanted.to)?,
        Action::CustomerRestore(wanted) => wanted.to = from_here(&wanted.to)?,
        _ => {}
    }
    Ok(action)
}

/// The daemon's answer; none when no daemon runs.
pub(super) fn perform(session: &Session<'_>, action: &Action) -> Outcome<Option<Answer>> {
    let (socket, readable) = match Config::load(&session.args.config) {
        // A host secret that only the daemon is given makes this process unable to read anything.
        Ok(config) => {
            let readable = std::fs::File::open(&config.host_key).is_ok();
            (config.admin.map(|admin| admin.socket), readable)
        }
        Err(ConfigError::Read { source, .. })
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            (Some(PathBuf::from(SOCKET)), false)
        }
        // The daemon may run with the configuration from before this one was spoiled; where none runs,
        // whoever does it here says what is wrong.
        Err(_) => (config::socket_in(&session.args.config), true),
    };
    // A restore writes where the person says, which the daemon may not be allowed to; and on the
    // worst day it must not depend on anything that runs.
    if readable && restores_here(action) {
        return Ok(None);
    }
    let Some(client) = socket
        .map(|path| Client::connect(&path))
        .transpose()?
        .flatten()
    else {
        return Ok(None);
    };
    let form = if session.args.json {
        Form::Json
    } else {
        Form::Text
    };
    let reply = send(&client, &absolute(action)?, form)?;
    if reply.status != 202 {
        return answer(&reply).map(Some);
    }
    let job = serde_json::from_slice::<Value>(&reply.body).ok();
    let job = job.and_then(|job| job["job"].as_u64());
    let job = job.ok_or_else(|| Failure::new("the daemon's answer names no job"))?;
    follow(&client, job, session.report.as_ref())?;
    let path = format!("/v1/jobs/{job}/answer");
    let reply = client.send(Method::GET, &path, None, Some(form.media()), false)?;
    answer(&reply).map(Some)
}

fn restores_here(action: &Action) -> bool {
    matches!(
        action,
        Action::Restore(_) | Action::CustomerRestore(RestoreCustomer { live: false, .. })
    )
}

/// Sends the request that asks for an action.
fn send(client: &Client, action: &Action, form: Form) -> Outcome<ClientReply> {
    let route = action.route();
    let mut parameters = action.parameters()?;
    parameters.retain(|_, value| !value.is_null());
    let mut path = route.path.to_owned();
    for parameter in route.parameters {
        let place = format!("{{{}}}", parameter.name);
        if path.contains(&place)
            && let Some(value) = parameters.remove(parameter.name)
        {
            path = path.replace(&place, &segment(&plain(&value)));
        }
    }
    let accept = Some(form.media());
    if route.method == "GET" {
        let path = path + &query(&parameters);
        return client.send(Method::GET, &path, None, accept, false);
    }
    let body = Value::Object(parameters);
    client.send(Method::POST, &path, Some(&body), accept, route.is_long)
}

fn query(parameters: &Map<String, Value>) -> String {
    let said = parameters
        .iter()
        .filter(|(_, value)| **value != Value::Bool(false));
    let pairs: Vec<String> = said
        .map(|(name, value)| format!("{name}={}", segment(&plain(value))))
        .collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.join("&")),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn answer(reply: &ClientReply) -> Outcome<Answer> {
    if reply.status >= 400 {
        return Err(failure_of(reply.status, &reply.body));
    }
    let sent: Sent = serde_json::from_slice(&reply.body)
        .map_err(|error| Failure::new("the daemon's answer is not understood").because(error))?;
    Ok(sent.into())
}

/// Shows how a job gets on until it has ended.
fn follow(client: &Client, job: u64, report: &dyn Report) -> Outcome<()> {
    let mut shown = Progress::default();
    let refused = client.events(&format!("/v1/jobs/{job}/events"), &mut |event: Event| {
        if let Ok(now) = serde_json::from_str::<Progress>(&event.data) {
            now.show(&shown, report);
            shown = now;
        }
        event.name != "end"
    });
    report.end();
    match refused.failed_to(|| "follow the work")? {
        None => Ok(()),
        Some(reply) => Err(Failure::of(
            FailureKind::Failed,
            format!(
                "the daemon does not tell how the work gets on (status {})",
                reply.status
            ),
        )),
    }
}
