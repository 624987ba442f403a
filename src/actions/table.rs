//! The one table of everything that the program can be asked to do: by which route, by whom, and
//! what of it stands in the audit log. The command line, the socket, `tenure roles` and the OpenAPI
//! description are all made from it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::params::{self, Nothing};
use crate::config::Role;
use crate::error::{Failure, FailureKind, Outcome};

/// What an action does, and so what is noted of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads, and shows no customer: refusals are noted.
    Look,
    /// Reads, and shows customers: that it was done is noted.
    Show,
    /// Changes something: that it begins is noted before, and how it ended after.
    Change,
    /// Destroys something: is not done unless its beginning could be noted.
    Destroy,
}

impl Kind {
    /// Whether it changes anything.
    pub fn changes(self) -> bool {
        matches!(self, Self::Change | Self::Destroy)
    }
}

/// A row of the table.
#[derive(Debug)]
pub struct Route {
    /// The action's name, in the audit log and in `tenure roles`.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path, with parameters in braces.
    pub path: &'static str,
    /// Who may, besides admins.
    pub roles: &'static [Role],
    /// What it does.
    pub kind: Kind,
    /// Whether it may take long: it then runs as a job.
    pub is_long: bool,
    /// Makes the action of its parameters.
    pub parse: fn(Map<String, Value>) -> Outcome<Action>,
    /// Its parameters for the description of the interface.
    pub parameters: &'static [Parameter],
}

/// One parameter of an action, for the description of the interface.
#[derive(Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// `string`, `boolean`, `integer` or `array`.
    pub kind: &'static str,
    /// Whether it must be given.
    pub required: bool,
}

const VIEW: &[Role] = &[Role::Viewer, Role::Operator, Role::Dpo, Role::Auditor];
const PEOPLE: &[Role] = &[Role::Viewer, Role::Operator, Role::Dpo];
/// Admins alone.
const ADMIN: &[Role] = &[];
const OPERATE: &[Role] = &[Role::Operator];
const PROTECT: &[Role] = &[Role::Dpo];
const WATCH: &[Role] = &[Role::Dpo, Role::Auditor];
const RESTORE: &[Role] = &[Role::Operator, Role::Dpo];

/// Takes an action's parameters out of the request.
fn read<T: DeserializeOwned>(parameters: Map<String, Value>) -> Outcome<T> {
    serde_json::from_value(Value::Object(parameters)).map_err(|error| {
        Failure::of(FailureKind::Usage, "the request is not understood").because(error)
    })
}

macro_rules! actions {
    ($(
        $variant:ident($params:ty) $name:literal $method:ident $path:literal
        $roles:ident $kind:ident $long:literal
        [$($parameter:ident: $type:ident $($must:literal)?),*]
        $about:literal;
    )*) => {
        /// What the program can be asked to do.
        #[derive(Clone, Debug)]
        pub enum Action {
            $(#[doc = $about] $variant($params),)*
        }

        /// All actions, in the order in which people read them.
        pub const ROUTES: &[Route] = &[$(Route {
            name: $name,
            about: $about,
            method: stringify!($method),
            path: $path,
            roles: $roles,
            kind: Kind::$kind,
            is_long: $long,
            parse: |parameters| Ok(Action::$variant(read(parameters)?)),
            parameters: &[$(Parameter {
                name: stringify!($parameter),
                kind: stringify!($type),
                required: !stringify!($($must)?).is_empty(),
            },)*],
        },)*];

        impl Action {
            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)* }
            }

            /// Its parameters as they are sent.
            ///
            /// # Errors
            /// When something cannot be written as JSON, such as a path that is not UTF-8.
            pub fn parameters(&self) -> Outcome<Map<String, Value>> {
                let written = match self {
                    $(Self::$variant(parameters) => serde_json::to_value(parameters),)*
                };
                match written {
                    Ok(Value::Object(map)) => Ok(map),
                    Ok(_) => Err(Failure::new("the parameters are no object")),
                    Err(error) => Err(Failure::new("cannot write the request").because(error)),
                }
            }
        }
    };
}

actions! {
    Status(Nothing) "status" GET "/v1/status" VIEW Look false []
        "one screen: are we safe?";
    Check(Nothing) "check" GET "/v1/check" VIEW Look false []
        "everything that is wrong with configuration, sources, stores and keyring";
    Inspect(Nothing) "inspect" GET "/v1/inspect" VIEW Look false []
        "the ownership plan";
    Schedule(Nothing) "schedule" GET "/v1/schedule" VIEW Look false []
        "the tasks, their last results, their next times";
    Roles(Nothing) "roles" GET "/v1/roles" VIEW Look false []
        "which action needs which role";
    Snapshots(Nothing) "snapshots" GET "/v1/snapshots" VIEW Look false []
        "lists the snapshots";
    Snapshot(params::Snapshot) "snapshot" POST "/v1/snapshots" OPERATE Change true
        [full: boolean]
        "takes a snapshot now";
    Track(params::Track) "track" POST "/v1/sources/{source}/track" ADMIN Change false
        [source: string "must", remove: boolean, dry_run: boolean]
        "installs triggers that note what changes, or takes them out";
    Verify(params::Verify) "verify" POST "/v1/verify" OPERATE Change true
        [store: string, data: boolean]
        "sees that every object is there and whole";
    Replicate(Nothing) "replicate" POST "/v1/replicate" OPERATE Change true []
        "brings stores that are behind up to date";
    Prune(params::Prune) "prune" POST "/v1/prune" OPERATE Destroy true
        [confirm: string, dry_run: boolean]
        "deletes the snapshots that the keep rules let go";
    Restore(params::Restore) "restore" POST "/v1/restore" RESTORE Change true
        [to: string "must", snapshot: string, at: string, store: string, source: string]
        "restores everything into an empty directory of this host";
    CustomerList(params::List) "customer.list" GET "/v1/customers" PEOPLE Show false
        [hidden: boolean, all: boolean, state: string, limit: integer, after: string]
        "the register with states";
    CustomerShow(params::Who) "customer.show" GET "/v1/customers/{id}" PEOPLE Show false
        [id: string "must"]
        "one customer: state, why, until when";
    CustomerHide(params::Hide) "customer.hide" POST "/v1/customers/{id}/hide" PROTECT Change false
        [id: string "must", reason: string "must", mode: string, restriction: boolean]
        "takes a customer out of sight";
    CustomerUnhide(params::Because) "customer.unhide" POST "/v1/customers/{id}/unhide" PROTECT
        Change false [id: string "must", reason: string "must"]
        "brings a hidden customer back, exactly";
    CustomerHold(params::Hold) "customer.hold" POST "/v1/customers/{id}/hold" PROTECT Change false
        [id: string "must", reason: string "must", until: string]
        "puts a legal hold";
    CustomerRelease(params::Because) "customer.release" POST "/v1/customers/{id}/release" PROTECT
        Change false [id: string "must", reason: string "must"]
        "lifts a legal hold";
    CustomerRestore(params::RestoreCustomer) "customer.restore" POST "/v1/customers/{id}/restore"
        RESTORE Change true
        [id: string "must", to: string, live: boolean, replace: boolean, snapshot: string,
         at: string, store: string]
        "restores one customer, into a directory or into the live systems";
    CustomerErase(params::Erase) "customer.erase" POST "/v1/customers/{id}/erase" PROTECT Destroy
        true [id: string "must", reason: string "must", ground: string, vacuum: boolean]
        "erases a customer now, everywhere";
    CustomerReadmit(params::Because) "customer.readmit" POST "/v1/customers/{id}/readmit" PROTECT
        Change false [id: string "must", reason: string "must"]
        "lets an erased customer in again, under a new number";
    RetentionPlan(params::PlanAt) "retention.plan" GET "/v1/retention/plan" WATCH Show false
        [at: string]
        "what is due, and why";
    RetentionRun(params::Run) "retention.run" POST "/v1/retention/run" PROTECT Destroy true
        [confirm: string]
        "erases what is due";
    CertificateShow(params::Number) "certificate.show" GET "/v1/certificates/{number}" WATCH Look
        false [number: integer "must"]
        "the certificate of an erasure";
    CertificateVerify(params::Text) "certificate.verify" POST "/v1/certificates/verify" VIEW Look
        false [text: string "must"]
        "checks a certificate's signature";
    KeysForget(params::Forget) "keys.forget" POST "/v1/keys/forget" PROTECT Destroy false
        [ids: array, tables: array]
        "forgets customers in all backups; the live rows stay";
    KeysRecipients(Nothing) "keys.recipients" GET "/v1/keys/recipients" WATCH Look false []
        "who can recover";
    AuditLog(params::AuditLog) "audit.log" GET "/v1/audit/log" WATCH Look false
        [limit: integer, from: integer]
        "who did what";
    AuditVerify(params::AuditVerify) "audit.verify" GET "/v1/audit/verify" WATCH Look false
        [against: string]
        "that the audit log was not altered";
}

impl Action {
    /// Its row in the table.
    #[expect(clippy::expect_used, reason = "names are made from the same rows")]
    pub fn route(&self) -> &'static Route {
        let name = self.name();
        ROUTES
            .iter()
            .find(|route| route.name == name)
            .expect("every action has a row")
    }

    /// What it does: a trial changes nothing.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Prune(prune) if prune.dry_run => Kind::Look,
            Self::Track(track) if track.dry_run => Kind::Look,
            _ => self.route().kind,
        }
    }

    /// Why it is done, where somebody must say.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::CustomerHide(hide) => Some(&hide.reason),
            Self::CustomerHold(hold) => Some(&hold.reason),
            Self::CustomerErase(erase) => Some(&erase.reason),
            Self::CustomerUnhide(b) | Self::CustomerRelease(b) | Self::CustomerReadmit(b) => {
                Some(&b.reason)
            }
            _ => None,
        }
    }

    /// The customers whom it names, as typed.
    pub fn ids(&self) -> &[String] {
        use std::slice::from_ref;
        match self {
            Self::CustomerShow(who) => from_ref(&who.id),
            Self::CustomerHide(hide) => from_ref(&hide.id),
            Self::CustomerHold(hold) => from_ref(&hold.id),
            Self::CustomerUnhide(b) | Self::CustomerRelease(b) | Self::CustomerReadmit(b) => {
                from_ref(&b.id)
            }
            Self::CustomerRestore(restore) => from_ref(&restore.id),
            Self::CustomerErase(erase) => from_ref(&erase.id),
            Self::KeysForget(forget) => &forget.ids,
            _ => &[],
        }
    }
}

impl Route {
    /// Whether one who has these roles may.
    pub fn allows(&self, roles: impl IntoIterator<Item = Role>) -> bool {
        let mut roles = roles.into_iter();
        roles.any(|role| role == Role::Admin || self.roles.contains(&role))
    }
}
