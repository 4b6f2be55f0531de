//! The embedded app: a small, honest SCIM 2.0 server on loopback, behind `rosterd demo` and `rosterd sandbox`.
//!
//! In: options, then HTTP calls (RFC 7643, RFC 7644). Out: a running server, what it was asked, and what it holds. It keeps
//! everything in memory, is strict unless told to misbehave, and knows nothing of the rest of rosterd.
//!
//! A call goes `handlers` → `app` → (`admit` or `patch`) → `store` → `render`. The definitions that all of them
//! share are in [`schema`](crate::schema); `filter` serves queries and PATCH paths.

mod admit;
mod answer_habits;
mod app;
mod calls;
mod discovery;
mod fault;
mod filter;
mod group_habits;
mod handlers;
mod id;

mod members;
mod misbehave;
mod patch;
mod patch_values;
mod query;
mod render;
mod store;
#[cfg(test)]
mod tests;
mod token;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::serve::ListenerExt as _;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::{Clock, SystemClock};
use crate::schema::{Attribute, Located, Mutability, ResourceType};

use self::app::{Personality, SandboxApp};
pub use self::calls::{Logged, MethodCounts};
use self::handlers::Server;
use self::misbehave::Mischief;
pub use self::misbehave::{Misbehave, UnknownMisbehave};

use self::store::{Resource, SandboxState};
use self::token::Token;

/// The path of the base URL.
const PREFIX: &str = "/scim/v2";
/// How long `stop` waits for calls in flight.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// How to start a server.
pub struct Options {
    /// Where to listen; only loopback addresses are accepted. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// The token every call must carry; none: every call is let in.
    pub bearer: Option<String>,
    /// Ways to misbehave, together.
    pub misbehave: Vec<Misbehave>,
    /// The most resources of one page, published as `filter.maxResults`.
    pub page_size_max: usize,
    /// Whether a second group of the same `displayName` is refused (the RFCs leave it open).
    pub group_unique_names: bool,
    /// Attributes of a user that cannot change once they are set, such as `userName`.
    pub immutable: Vec<String>,
    /// Whether `active: false` removes the user.
    pub inactive_deletes: bool,
    /// Whether DELETE of a user only sets `active: false`.
    pub delete_deactivates: bool,
    /// The role a user gets who is made without one.
    pub default_role: Option<String>,
    /// The roles there are, by name; any name is a role where this is empty.
    pub roles: Vec<String>,
    /// User names of accounts outside of the organisation: never shown, and in the way of an account of that name.
    pub foreign: Vec<String>,
    /// The clock for `meta.created` and `meta.lastModified`.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// A plain, strict server on a free loopback port.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            bearer: None,
            misbehave: Vec::new(),
            page_size_max: 200,
            group_unique_names: true,
            immutable: Vec::new(),
            inactive_deletes: false,
            delete_deactivates: false,
            default_role: None,
            roles: Vec::new(),
            foreign: Vec::new(),
            clock: Arc::new(SystemClock),
        }
    }
}

/// How an app behaves as a sandbox: `habits.toml` of its folder. What is left out is the strict standard.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppHabits {
    /// Names of [`Misbehave`].
    pub misbehave: Vec<String>,
    /// See [`Options::page_size_max`].
    pub page_size_max: Option<usize>,
    /// See [`Options::group_unique_names`].
    pub group_unique_names: Option<bool>,
    /// See [`Options::immutable`].
    pub immutable: Vec<String>,
    /// See [`Options::inactive_deletes`].
    pub inactive_deletes: bool,
    /// See [`Options::delete_deactivates`].
    pub delete_deactivates: bool,
    /// See [`Options::default_role`].
    pub default_role: Option<String>,
    /// See [`Options::roles`].
    pub roles: Vec<String>,
}

impl Options {
    /// A server with these habits.
    ///
    /// # Errors
    /// When one of `misbehave` is not known.
    pub fn of(habits: AppHabits) -> Result<Self, UnknownMisbehave> {
        let plain = Self::default();
        Ok(Self {
            misbehave: habits.misbehave.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
            page_size_max: habits.page_size_max.unwrap_or(plain.page_size_max),
            group_unique_names: habits.group_unique_names.unwrap_or(plain.group_unique_names),
            immutable: habits.immutable,
            inactive_deletes: habits.inactive_deletes,
            delete_deactivates: habits.delete_deactivates,
            default_role: habits.default_role,
            roles: habits.roles,
            ..plain
        })
    }
}

impl fmt::Debug for Options {
    /// Shows that there is a token, never which.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("bearer", &self.bearer.as_ref().map(|_| "(hidden)"))
            .field("misbehave", &self.misbehave)
            .field("page_size_max", &self.page_size_max)
            .field("group_unique_names", &self.group_unique_names)
            .field("immutable", &self.immutable)
            .field("inactive_deletes", &self.inactive_deletes)
            .field("delete_deactivates", &self.delete_deactivates)
            .field("default_role", &self.default_role)
            .field("roles", &self.roles)
            .field("foreign", &self.foreign)
            .finish_non_exhaustive()
    }
}

/// A user the app holds, as far as a person reads it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserView {
    /// The app's id.
    pub id: String,
    /// The client's id.
    pub external_id: Option<String>,
    /// The sign-in name.
    pub user_name: String,
    /// Whether the account may be used.
    pub active: bool,
}

/// A group the app holds, as far as a person reads it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The app's id.
    pub id: String,
    /// The client's id.
    pub external_id: Option<String>,
    /// The group's name.
    pub display_name: String,
    /// The ids of its direct members, oldest account first.
    pub members: Vec<String>,
}

/// A running server. Dropping it stops it too, without waiting.
pub struct Running {
    addr: SocketAddr,
    server: Arc<Server>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

/// Starts a server; it listens when this returns.
///
/// # Errors
/// The address is not a loopback one or is taken, `page_size_max` is 0, or `immutable` names an attribute users do not have.
pub async fn start(options: Options) -> io::Result<Running> {
    let personality = personality(&options)?;
    if !options.listen.ip().is_loopback() {
        return Err(invalid(format!(
            "the sandbox does not listen on {}: it speaks plain http and is for this machine only; use 127.0.0.1 or [::1]",
            options.listen
        )));
    }
    let listener = TcpListener::bind(options.listen).await?;
    let addr = listener.local_addr()?;
    let unique = !options.misbehave.contains(&Misbehave::Duplicates);
    let app = SandboxApp {
        base: format!("http://{addr}{PREFIX}"),
        personality,
        mischief: Mischief::new(options.misbehave),
        clock: options.clock,
        state: RwLock::new(SandboxState::new(unique, unique && options.group_unique_names)),
    };
    let token = options.bearer.as_deref().map(Token::new);
    let server = Arc::new(Server { app, token, calls: calls::CallLog::default() });
    let router = handlers::router(Arc::clone(&server), PREFIX);
    let (stop, stopped) = oneshot::channel::<()>();
    // small answers must not wait for a client's delayed acknowledgement; a socket that cannot be told so still works
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let serve = axum::serve(listener, router).with_graceful_shutdown(async {
        // an error means that `Running` was dropped, which is a request to stop as well
        let (Ok(()) | Err(_)) = stopped.await;
    });
    let task = tokio::spawn(serve.into_future());
    Ok(Running { addr, server, stop, task })
}

/// Whether this server keeps an attribute: it takes no passwords.
fn keeps(attribute: &Attribute) -> bool {
    attribute.mutability != Mutability::WriteOnly
}

/// The attribute that a client names, if this server keeps it.
fn find(kind: ResourceType, urn: Option<&str>, name: &str) -> Option<Located> {
    kind.find(urn, name).filter(|found| keeps(found.attribute))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn personality(options: &Options) -> io::Result<Personality> {
    if options.page_size_max == 0 {
        return Err(invalid("page_size_max is 0: a page holds at least one resource".to_owned()));
    }
    let writable = |name: &String| {
        find(ResourceType::User, None, name)
            .map(|found| found.attribute)
            .filter(|attr| attr.mutability != Mutability::ReadOnly && attr.name != "schemas")
            .map(|attr| attr.name)
            .ok_or_else(|| invalid(format!("{name:?} cannot be immutable: a user has no such attribute to write")))
    };
    Ok(Personality {
        page_size_max: options.page_size_max,
        immutable: options.immutable.iter().map(writable).collect::<io::Result<_>>()?,
        inactive_deletes: options.inactive_deletes,
        delete_deactivates: options.delete_deactivates,
        default_role: options.default_role.clone(),
        roles: options.roles.clone(),
        foreign: options.foreign.iter().map(|name| store::fold(name)).collect(),
    })
}

impl Running {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The SCIM base URL, without a trailing slash.
    pub fn base_url(&self) -> String {
        self.server.app.base.clone()
    }

    /// The last calls, oldest first; a bounded number of them.
    pub fn requests(&self) -> Vec<Logged> {
        self.server.calls.last()
    }

    /// How many calls there were since the start.
    pub fn counts(&self) -> MethodCounts {
        self.server.calls.counts()
    }

    /// The users it holds, oldest first.
    pub fn users(&self) -> Vec<UserView> {
        self.server.app.read().all(ResourceType::User).iter().map(|user| user_view(user)).collect()
    }

    /// The groups it holds, oldest first.
    pub fn groups(&self) -> Vec<GroupView> {
        let state = self.server.app.read();
        state.all(ResourceType::Group).iter().map(|group| group_view(&state, group)).collect()
    }

    /// Stops: takes no more calls, lets those in flight end, but not for ever.
    ///
    /// # Errors
    /// Calls in flight did not end in time, or the server had failed.
    pub async fn stop(self) -> io::Result<()> {
        // an error means that the task has ended already; joining it says why
        let (Ok(()) | Err(())) = self.stop.send(());
        let abort = self.task.abort_handle();
        match tokio::time::timeout(STOP_LIMIT, self.task).await {
            Ok(joined) => joined.map_err(io::Error::other)?,
            Err(_) => {
                abort.abort();
                Err(io::Error::new(io::ErrorKind::TimedOut, "calls to the sandbox were still open when it stopped"))
            }
        }
    }
}

fn user_view(user: &Resource) -> UserView {
    UserView {
        id: user.id.to_string(),
        external_id: user.text("externalId").map(str::to_owned),
        user_name: user.text("userName").unwrap_or_default().to_owned(),
        active: user.attrs.get("active").and_then(serde_json::Value::as_bool).unwrap_or(true),
    }
}

fn group_view(state: &SandboxState, group: &Resource) -> GroupView {
    GroupView {
        id: group.id.to_string(),
        external_id: group.text("externalId").map(str::to_owned),
        display_name: group.text("displayName").unwrap_or_default().to_owned(),
        members: state.members_of(group.id).iter().map(ToString::to_string).collect(),
    }
}
