//! For fuzzing: an answer of any bytes, read in every way in which answers are read.

use super::body::Room;
use super::error::RequestKind;
use super::list::ListPage;
use super::resource::Wire;
use crate::config::profile::Profile;
use crate::http::{HttpResponse, Method};
use crate::model::Path;

/// Reads the bytes as the body of answers of several kinds. What comes of it does not matter; that something comes of it does.
pub(crate) fn read_anything(bytes: &[u8]) {
    let wire = Wire::new(&Profile::default()).unwrap();
    let paths: Vec<Path> = ["userName", "active", "emails[type eq \"work\"].value", "name.givenName", "members"]
        .iter()
        .map(|path| Path::parse(path).unwrap())
        .collect();
    for (status, kind) in [(200, "application/scim+json"), (201, "text/html"), (400, "application/json"), (503, "")] {
        let reply = HttpResponse {
            status,
            content_type: Some(kind.to_owned()).filter(|kind| !kind.is_empty()),
            location: None,
            location_host: None,
            retry_after: None,
            headers: Default::default(),
            body: bytes.to_vec(),
            fault: None,
        };
        let room = Room { bytes: 1 << 20, key: "transport.max_response_bytes", members_as_values: status == 200 };
        for method in [Method::Get, Method::Post, Method::Patch, Method::Delete] {
            match (RequestKind { method, path: "/Users/7" }).answer(&reply, room) {
                Ok(Some(mut body)) => {
                    wire.read_all(&body, &paths);
                    if let Ok(page) = ListPage::read(&mut body) {
                        page.resources.iter().for_each(|resource| drop(wire.read_all(resource, &paths)));
                    }
                }
                Ok(None) => {}
                Err(error) => assert!(error.to_string().len() < 2000, "what is said stays small"),
            }
        }
    }
}
