//! What the socket is asked, and who may ask it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::job::{Job, Standing};
use super::wire::{Form, Sent, body_of, status_of};
use super::worker::{Rank, Worker};
use super::{openapi, place};
use crate::actions::audited::{Caller, may_not, perform_for, refused};
use crate::actions::{Action, Answer, Context, Parameter, ROUTES, Route};
use crate::admin::{Call, Event, Method, Peer, Reply, Service, may_see_hidden, roles};
use crate::config::{Config, Role};
use crate::error::{Failure, FailureKind, Outcome};
use crate::report::{Report, Silent};

/// How often a follower hears of progress.
const BREATH: Duration = Duration::from_millis(100);
/// The routes that are not actions, after those that are.
const JOBS: [&str; 5] = [
    "/v1/jobs",
    "/v1/jobs/{job}",
    "/v1/jobs/{job}/answer",
    "/v1/jobs/{job}/events",
    "/v1/openapi.json",
];

/// Answers the socket.
pub struct Admin {
    /// The configuration's file.
    pub path: PathBuf,
    /// The configuration in force.
    pub config: Arc<RwLock<Arc<Config>>>,
    /// What asynchronous parts run on.
    pub runtime: Handle,
    /// What changes things.
    pub worker: Arc<Worker>,
}

impl Service for Admin {
    fn routes(&self) -> Vec<(Method, String)> {
        let actions = ROUTES.iter().map(|route| {
            let method = if route.method == "GET" {
                Method::GET
            } else {
                Method::POST
            };
            (method, route.path.to_owned())
        });
        let jobs = JOBS.map(|path| (Method::GET, path.to_owned()));
        actions.chain(jobs).collect()
    }

    fn call(&self, call: Call) -> Reply {
        let form = Form::of(call.accept.as_deref());
        let replied = match ROUTES.get(call.route) {
            Some(route) => self.act(route, &call, form),
            None => self.look(call.route - ROUTES.len(), &call, form),
        };
        replied.unwrap_or_else(|failure| refuse(&failure))
    }

    fn refused(&self, peer: &Peer, method: &str, path: &str, status: u16) {
        let caller = self.caller(peer);
        let context = self.context(false, true, Arc::new(Silent));
        let what = format!("{method} {path}");
        if let Err(failure) = refused(&caller, &context, what.trim_end(), &status.to_string()) {
            tracing::error!("cannot write the audit log: {failure}");
        }
    }
}

impl Admin {
    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        let config = self.config.read();
        Arc::clone(&config.unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn caller(&self, peer: &Peer) -> Caller {
        let config = self.config();
        let roles = config.admin.as_ref().map(|admin| roles(peer, admin));
        Caller {
            uid: Some(peer.uid),
            name: peer.user.clone().unwrap_or_else(|| peer.uid.to_string()),
            roles: roles.unwrap_or_default().into_iter().collect(),
        }
    }

    /// What an action is given.
    pub fn context(&self, json: bool, sees_hidden: bool, report: Arc<dyn Report>) -> Context {
        Context {
            path: self.path.clone(),
            config: Some(self.config()),
            json,
            runtime: self.runtime.clone(),
            report,
            sees_hidden,
            notes: Mutex::default(),
        }
    }

    /// Does an action, or has it done.
    fn act(&self, route: &'static Route, call: &Call, form: Option<Form>) -> Outcome<Reply> {
        let caller = self.caller(&call.peer);
        let action = parameters(route, call).and_then(route.parse);
        let action = match action {
            // Who may not is told that, and not what is wrong with the request.
            Err(_) if !route.allows(caller.roles.iter().copied()) => {
                let context = self.context(true, false, Arc::new(Silent));
                refused(&caller, &context, route.name, "role")?;
                return Err(may_not(&caller, route));
            }
            action => action?,
        };
        place::check(&action, call.peer.uid)?;
        let sees = self.config();
        let sees = sees
            .admin
            .as_ref()
            .is_some_and(|admin| may_see_hidden(&call.peer, admin));
        let json = form != Some(Form::Text);
        // Whoever may not is told at once, and never waits behind others' work.
        if !route.kind.changes() || !route.allows(caller.roles.iter().copied()) {
            let context = self.context(json, sees, Arc::new(Silent));
            return Ok(whole(&perform_for(&caller, &context, &action)?, form));
        }
        let job = self.submit(caller, action, json, sees)?;
        if route.is_long && call.respond_async {
            let body = json!({ "job": job.id });
            return Ok(Reply::Whole {
                status: 202,
                content_type: "application/json",
                headers: vec![("location", format!("/v1/jobs/{}", job.id))],
                body: format!("{body}\n").into_bytes(),
            });
        }
        Ok(whole(&job.wait()?, form))
    }

    fn submit(&self, caller: Caller, action: Action, json: bool, sees: bool) -> Outcome<Arc<Job>> {
        let rank = match action {
            Action::CustomerHold(_) => Rank::Hold,
            _ => Rank::Person,
        };
        let (name, uid) = (action.name(), caller.uid);
        let own = Self {
            path: self.path.clone(),
            config: Arc::clone(&self.config),
            runtime: self.runtime.clone(),
            worker: Arc::clone(&self.worker),
        };
        self.worker.submit(rank, name, uid, move |report| {
            perform_for(&caller, &own.context(json, sees, report), &action)
        })
    }

    /// Jobs, and the description of all this.
    fn look(&self, which: usize, call: &Call, form: Option<Form>) -> Outcome<Reply> {
        let caller = self.caller(&call.peer);
        if JOBS[which] == "/v1/openapi.json" {
            return Ok(document(&openapi::description()));
        }
        let mine = |job: &Arc<Job>| {
            caller.roles.contains(&Role::Admin) || job.uid.is_some() && job.uid == caller.uid
        };
        if JOBS[which] == "/v1/jobs" {
            let jobs = self.worker.jobs().into_iter().filter(mine);
            return Ok(document(&jobs.map(|job| job.json()).collect()));
        }
        let wanted = call.path.first().and_then(|(_, text)| text.parse().ok());
        let found = wanted.and_then(|id| self.worker.job(id)).filter(mine);
        let job =
            found.ok_or_else(|| Failure::of(FailureKind::NotFound, "there is no such job"))?;
        match JOBS[which] {
            "/v1/jobs/{job}/answer" => match job.outcome() {
                Some(outcome) => Ok(whole(&outcome?, form)),
                None => Err(Failure::of(FailureKind::Usage, "the job has not ended yet")),
            },
            "/v1/jobs/{job}/events" => Ok(Reply::Events(self.events(&job))),
            _ => Ok(document(&job.json())),
        }
    }

    /// Tells how a job gets on, until it ends.
    fn events(&self, job: &Arc<Job>) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(4);
        let (job, mut progress) = (Arc::clone(job), job.follow());
        self.runtime.spawn(async move {
            loop {
                let ended = job.standing() == Standing::Ended;
                let now = progress.borrow_and_update().clone();
                let event = Event {
                    name: if ended { "end" } else { "progress" }.to_owned(),
                    data: serde_json::to_string(&now).unwrap_or_default(),
                };
                if sender.send(event).await.is_err() || ended {
                    return;
                }
                tokio::time::sleep(BREATH).await;
                if progress.changed().await.is_err() {
                    return;
                }
            }
        });
        receiver
    }
}

/// The parameters of a call: those of the path, then those of the query or of the body.
fn parameters(route: &Route, call: &Call) -> Outcome<Map<String, Value>> {
    let mut all = Map::new();
    if let Some(query) = &call.query {
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = typed(route, &name, &text)?;
            all.insert(name.into_owned(), value);
        }
    }
    if !call.body.is_empty() {
        let body: Value = serde_json::from_slice(&call.body).map_err(|error| {
            Failure::of(FailureKind::Usage, "the body is no JSON").because(error)
        })?;
        match body {
            Value::Object(fields) => {
                for name in fields.keys() {
                    known(route, name)?;
                }
                all.extend(fields);
            }
            _ => {
                let what = "the body is no JSON object";
                return Err(Failure::of(FailureKind::Usage, what));
            }
        }
    }
    for (name, text) in &call.path {
        let value = typed(route, name, text)?;
        all.insert(name.clone(), value);
    }
    Ok(all)
}

/// A text of the path or the query as what the parameter is.
fn typed(route: &Route, name: &str, text: &str) -> Outcome<Value> {
    let wrong = |what: &str| {
        let what = format!("parameter {name:?} is no {what}");
        Failure::of(FailureKind::Usage, what)
    };
    match known(route, name)?.kind {
        "boolean" => match text {
            "true" | "" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(wrong("boolean")),
        },
        "integer" => {
            let number: u64 = text.parse().map_err(|_| wrong("number"))?;
            Ok(Value::from(number))
        }
        _ => Ok(Value::from(text)),
    }
}

/// The parameter of that name. What is not known is never passed over: it may be a slip that changes what
/// is done.
fn known(route: &Route, name: &str) -> Outcome<&'static Parameter> {
    let found = route.parameters.iter().find(|known| known.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = route.parameters.iter().map(|known| known.name).collect();
        let what = format!("there is no parameter {name:?}");
        let hint = format!("parameters: {}", known.join(", "));
        Failure::of(FailureKind::Usage, what).hint(hint)
    })
}

fn document(value: &Value) -> Reply {
    Reply::Whole {
        status: 200,
        content_type: "application/json",
        headers: Vec::new(),
        body: format!("{value:#}\n").into_bytes(),
    }
}

/// An answer: for the command line as it is to be printed, for everybody else the JSON document.
fn whole(answer: &Answer, form: Option<Form>) -> Reply {
    let body = match form {
        None => answer.body.clone().into_bytes(),
        Some(_) => serde_json::to_vec(&Sent::from(answer)).unwrap_or_default(),
    };
    Reply::Whole {
        status: 200,
        content_type: "application/json",
        headers: vec![("tenure-exit-code", answer.code.to_string())],
        body,
    }
}

fn refuse(failure: &Failure) -> Reply {
    Reply::Whole {
        status: status_of(failure),
        content_type: "application/json",
        headers: Vec::new(),
        body: body_of(failure),
    }
}
