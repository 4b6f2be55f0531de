//! Sends what waits, one receiver a task. In: a spool, a receiver. Out: posts, and a note of how they are taken.
//!
//! The oldest first and one at a time. What is not taken is sent again after a while, longer each time; after three days it is
//! given up. The policy is that of every call of this program: https or loopback, no redirect followed, limits on all of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use serde_json::{Map, Value};

use super::message::MessageBody;
use super::render::{RenderedMessage, render};
use super::spool::{Spool, Waiting};
use super::{ReceiverStatus, sign};
use crate::bounded;
use crate::clock::Clock;
use crate::config::ca;
use crate::config::notify::{NotifyTable, signing_key};
use crate::config::secret::Secrets;
use crate::http::failure::{FailureClass, reason};
use crate::http::retry::Backoff;
use crate::http::{Client, ClientIdentity, ClientSettings, HttpRequest, Method, Network};

const PAUSES: Backoff = Backoff { base: Duration::from_secs(5), cap: Duration::from_secs(3600) };
/// The longest that a secret may take to be read without a sign of life.
const SECRET_LIMIT: Duration = Duration::from_secs(20);
const GIVEN_UP: SignedDuration = SignedDuration::from_hours(72);

/// Where the standing of a receiver is noted.
pub(super) fn note_of(receiver: &str) -> String {
    format!("notify/{receiver}.standing")
}

/// The end of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It was taken: the status.
    Taken(u16),
    /// It was not: why, and how long the receiver asks to be left alone.
    Not(String, Option<Duration>),
}

/// Sends one body, once.
pub async fn deliver(table: &NotifyTable, body: &MessageBody, now: Timestamp) -> Delivery {
    match send(table, body, now).await {
        Ok(delivery) => delivery,
        Err(why) => Delivery::Not(why, None),
    }
}

async fn send(table: &NotifyTable, body: &MessageBody, now: Timestamp) -> Result<Delivery, String> {
    let (own, limit) = (table.clone(), SECRET_LIMIT);
    // Aside: a file may lie on a share that hangs, and a program takes its time.
    let fetched = bounded::run("a secret or certificate of a receiver", limit, move || Fetched::of(&own, now)).await;
    let Fetched { secret, ca_pem, identity, network } = fetched.map_err(|overdue| overdue.to_string())??;
    let RenderedMessage { segments, query, headers, body } = in_its_form(table, body, &secret, now)?;
    // A client a try: messages are rare, and each has headers of its own.
    let client = Client::new(&ClientSettings {
        allow_http_loopback: table.allow_http_loopback,
        ca_pem,
        identity,
        network,
        extra_headers: headers,
        total_timeout: Duration::from_secs(30),
        max_body: 64 << 10,
        ..ClientSettings::new(&table.url)
    })
    .map_err(|error| error.to_string())?;
    let request =
        HttpRequest { encoded_query: query, body: Some(body.into_bytes()), ..HttpRequest::new(Method::Post, segments) };
    let reply = client.send(request).await.map_err(|error| error.to_string())?;
    let host = client.host();
    Ok(match FailureClass::of(reply.status) {
        _ if (200..300).contains(&reply.status) => Delivery::Taken(reply.status),
        FailureClass::Redirect => {
            let why =
                format!("{host} answered {}: redirects are not followed; put the new address into url", reply.status);
            Delivery::Not(why, None)
        }
        _ => Delivery::Not(format!("{host} answered {} ({})", reply.status, reason(reply.status)), reply.retry_after),
    })
}

/// What a receiver's table names, as it is now.
struct Fetched {
    secret: Zeroizing<String>,
    ca_pem: Option<Vec<u8>>,
    identity: Option<ClientIdentity>,
    network: Network,
}

impl Fetched {
    fn of(table: &NotifyTable, now: Timestamp) -> Result<Self, String> {
        let secrets = Secrets::of_this_process();
        let secret = secrets.fetch(&table.secret).map_err(|error| error.to_string())?;
        let read = |path: &PathBuf| ca::read(path).map_err(|error| format!("reading {}: {error}", path.display()));
        let ca_pem = table.ca_file.as_ref().map(read).transpose()?;
        let load = |table| ClientIdentity::load(table, &secrets, now);
        let identity = table.client_certificate.as_ref().map(load).transpose().map_err(|error| error.to_string())?;
        let network = Network::load(&table.network.clone().unwrap_or_default(), &secrets);
        Ok(Self { secret, ca_pem, identity, network: network.map_err(|error| error.to_string())? })
    }
}

/// The message as its receiver takes it: by a template, or the JSON of the documentation with its signature.
fn in_its_form(
    table: &NotifyTable,
    body: &MessageBody,
    secret: &str,
    now: Timestamp,
) -> Result<RenderedMessage, String> {
    if let Some(template) = table.template()? {
        let message: Map<String, Value> =
            serde_json::from_str(&body.json).map_err(|error| format!("the message that waited: {error}"))?;
        return Ok(render(&template, &message, &table.values, secret));
    }
    let key = signing_key(secret).map_err(|why| format!("the key of the signature: {why}"))?;
    let seconds = now.as_second();
    let signature = sign::signature(&key, &body.id, seconds, body.json.as_bytes());
    let headers =
        [("webhook-id", body.id.clone()), ("webhook-timestamp", seconds.to_string()), ("webhook-signature", signature)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
    Ok(RenderedMessage { segments: Vec::new(), query: None, headers, body: body.json.clone() })
}

/// A receiver's task. Dropping it ends the task; what waits stays on the disk.
pub(super) struct ReceiverTask {
    name: String,
    spool: Spool,
    wake: Arc<Notify>,
    task: JoinHandle<()>,
}

impl ReceiverTask {
    pub(super) fn start(name: String, table: NotifyTable, spool: Spool, clock: Arc<dyn Clock>) -> Self {
        let wake = Arc::new(Notify::new());
        let post = Post { name: name.clone(), table, spool: spool.clone(), clock };
        let task = tokio::spawn(post.run(Arc::clone(&wake)));
        Self { name, spool, wake, task }
    }

    /// Keeps a message and wakes the task.
    pub(super) fn send(&self, body: MessageBody, now: Timestamp) {
        match self.spool.put(body, now) {
            Ok(0) => {}
            Ok(gone) => {
                tracing::error!(receiver = self.name, gone, "too many queued messages: dropping the oldest");
            }
            Err(error) => tracing::error!(receiver = self.name, %error, "could not queue a message: it is not sent"),
        }
        self.wake.notify_one();
    }
}

impl Drop for ReceiverTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Post {
    name: String,
    table: NotifyTable,
    spool: Spool,
    clock: Arc<dyn Clock>,
}

impl Post {
    async fn run(self, wake: Arc<Notify>) {
        let mut failures: u32 = 0;
        loop {
            let Some(Waiting { since, body }) = self.spool.oldest() else {
                wake.notified().await;
                continue;
            };
            let now = self.clock.now();
            let pause = match deliver(&self.table, &body, now).await {
                Delivery::Taken(_) => {
                    failures = 0;
                    self.done(&body, None);
                    continue;
                }
                Delivery::Not(why, _) if now.duration_since(since) > GIVEN_UP => {
                    tracing::error!(
                        receiver = self.name,
                        id = body.id,
                        why,
                        "a message could not be delivered for three days: giving up"
                    );
                    self.done(&body, Some(why));
                    continue;
                }
                Delivery::Not(why, asked) => {
                    failures = failures.saturating_add(1);
                    tracing::warn!(receiver = self.name, id = body.id, why, "a message was not delivered");
                    self.note(Some(why));
                    PAUSES.least(failures, asked)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn done(&self, body: &MessageBody, trouble: Option<String>) {
        if let Err(error) = self.spool.drop(&body.id) {
            tracing::error!(receiver = self.name, %error, "could not remove a sent message from the queue: it is sent again");
        }
        self.note(trouble);
    }

    /// Notes how it went, for `rosterd notify`.
    fn note(&self, trouble: Option<String>) {
        let (notes, name) = (&self.spool.notes, note_of(&self.name));
        let before: ReceiverStatus = notes.get(&name).ok().flatten().unwrap_or_default();
        let delivered = if trouble.is_none() { Some(self.clock.now()) } else { before.delivered };
        if let Err(error) = notes.set(&name, &ReceiverStatus { waiting: 0, delivered, trouble }) {
            tracing::warn!(receiver = self.name, %error, "could not record the delivery status");
        }
    }
}
