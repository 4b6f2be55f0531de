//! Plain HTTP for the tests themselves, blocking. It knows nothing of rosterd's own client.

use std::future::Future;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

/// What a server answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The body as JSON; null for an empty one.
    pub(crate) fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in: {}", self.body))
    }
}

/// Sends one request and reads the whole answer. No redirect is followed, no proxy asked.
pub(crate) fn call(method: &str, url: &str, token: &str, body: Option<&Value>) -> Result<Answer, reqwest::Error> {
    let mut request = client()
        .request(method.parse().expect("a method"), url)
        .bearer_auth(token)
        .header("accept", "application/scim+json, application/json");
    if let Some(body) = body {
        request = request.header("content-type", "application/scim+json").body(body.to_string());
    }
    block_on(async move {
        let answer = request.send().await?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.text().await? })
    })
}

/// [`call`] where no answer means that the test is over.
pub(crate) fn send(method: &str, url: &str, token: &str, body: Option<&Value>) -> Answer {
    call(method, url, token, body).unwrap_or_else(|error| panic!("{method} {url}: {error:?}"))
}

/// Runs a future to its end on the rig's own threads, from wherever the caller stands.
pub(crate) fn block_on<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    runtime().spawn(async move { sender.send(future.await) });
    receiver.recv().expect("the task ended without a result: it panicked")
}

/// The threads on which clients and proxies run, for as long as the test binary does.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
    })
}

/// A client without redirects, proxies or hidden retries.
pub(crate) fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client")
    })
}
