//! An app that only takes notes: it answers every create as RFC 7644 §3.3 says, holds nobody, and remembers what it was sent.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

type Bodies = Arc<Mutex<Vec<String>>>;

/// The app, until it is dropped.
pub(crate) struct Notepad {
    pub(crate) base_url: String,
    bodies: Bodies,
    _runtime: tokio::runtime::Runtime,
}

impl Notepad {
    pub(crate) fn open() -> Self {
        let bodies = Bodies::default();
        let runtime = crate::tenant::runtime();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).expect("a loopback port");
        let base_url = format!("http://{}/scim/v2", listener.local_addr().expect("its address"));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&bodies));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { base_url, bodies, _runtime: runtime }
    }

    /// What was created, each on a line.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.bodies.lock().expect("no writer panicked").clone()
    }
}

async fn answer(State(bodies): State<Bodies>, method: Method, body: String) -> Response {
    let (status, resource) = if method == Method::POST {
        let mut resource: Value = serde_json::from_str(&body).expect("JSON");
        let mut bodies = bodies.lock().expect("no writer panicked");
        resource["id"] = json!(bodies.len().to_string());
        bodies.push(body);
        (StatusCode::CREATED, resource)
    } else {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:ListResponse"];
        (StatusCode::OK, json!({ "schemas": schemas, "totalResults": 0, "Resources": [] }))
    };
    (status, [(header::CONTENT_TYPE, "application/scim+json")], resource.to_string()).into_response()
}
