//! An LDAP server that says what it is told to say: for the faults that no real server makes on demand.
//!
//! It knows just enough of RFC 4511 to take requests apart and to put answers together; a script decides the rest.

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ldap3::asn1::{PL, StructureTag, parse_tag};

/// A request, as far as scripts care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Bind,
    Search(Search),
}

/// A search request. `cookie` is that of the page before; `None` if no pages are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Search {
    pub(crate) base: String,
    pub(crate) base_only: bool,
    pub(crate) attributes: Vec<String>,
    pub(crate) cookie: Option<Vec<u8>>,
}

impl Search {
    /// Whether an attribute is asked for.
    pub(crate) fn asks(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|name| name == attribute)
    }
}

/// One message of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// The result of a bind.
    Bound(u8),
    /// A search result entry: name, and descriptions with their values.
    Entry(String, Vec<(String, Vec<Vec<u8>>)>),
    /// A reference to another server.
    Reference(String),
    /// The end of a search, with the cookie of the next page (empty: the last one).
    Done(u8, Option<Vec<u8>>),
    /// A message of the protocol with other contents than it may have: its tag and the contents.
    Broken(u8, Vec<u8>),
    /// Bytes that are no message.
    Bytes(Vec<u8>),
    /// Closes the connection.
    HangUp,
    /// Says nothing more, and keeps the connection.
    Hold,
}

/// An entry with attributes of one text value each; an attribute given twice has two values.
pub(crate) fn entry(dn: &str, attributes: &[(&str, &str)]) -> Say {
    let mut all: Vec<(String, Vec<Vec<u8>>)> = Vec::new();
    for (name, value) in attributes {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value.as_bytes().to_vec()),
            None => all.push(((*name).to_owned(), vec![value.as_bytes().to_vec()])),
        }
    }
    Say::Entry(dn.to_owned(), all)
}

/// The end of a search that has no more pages.
pub(crate) fn done() -> Say {
    Say::Done(0, Some(Vec::new()))
}

/// Starts a server for one test, and gives its address. `script` answers each request; it ends with the test process.
pub(crate) fn serve(mut script: impl FnMut(&Request) -> Vec<Say> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("ldap://{}", listener.local_addr().expect("its number"));
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            if converse(&mut connection, &mut script) {
                held.push(connection);
            }
        }
    });
    url
}

/// [`serve_answers`] with one answer.
pub(crate) fn serve_bytes(answer: Vec<u8>) -> (String, Arc<Mutex<Vec<u8>>>) {
    serve_answers(vec![answer])
}

/// Starts a server for one test that says one of these after the other, whenever it hears something, and then nothing more. Gives
/// its address, and everything that it was sent.
pub(crate) fn serve_answers(answers: Vec<Vec<u8>>) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!("ldap://{}", listener.local_addr().expect("its number"));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&heard);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            let mut part = [0; 4096];
            let mut answers = answers.iter();
            while let Ok(length @ 1..) = connection.read(&mut part) {
                all.lock().unwrap().extend_from_slice(&part[..length]);
                // The client may hang up on the rest of it.
                if answers.next().is_some_and(|answer| connection.write_all(answer).is_err()) {
                    break;
                }
            }
        }
    });
    (url, heard)
}

/// How many bytes the message has, for requests of small numbers.
pub(crate) fn size_of(say: Say) -> usize {
    message(&[1], say).len()
}

/// An answer to message 1: its tag, result code 0, and further elements.
pub(crate) fn first_answer(tag: u8, more: &[u8]) -> Vec<u8> {
    message(&[1], Say::Broken(tag, [result(0), more.to_vec()].concat()))
}

/// Elements within each other, `levels` of them. Two more are around them in a message.
pub(crate) fn nested(levels: usize) -> Vec<u8> {
    assert!(levels <= 40, "just above the limit of 32, never more");
    (0..levels).fold(Vec::new(), |inner, _| ber(0x30, &[inner]))
}

/// A value of so many bytes.
pub(crate) fn value(bytes: usize) -> Vec<u8> {
    ber(0x04, &[vec![b'x'; bytes]])
}

/// Answers until the client leaves; whether the connection is to be kept open in silence.
fn converse(connection: &mut TcpStream, script: &mut impl FnMut(&Request) -> Vec<Say>) -> bool {
    let mut buffer = Vec::new();
    while let Some((id, request)) = next_request(connection, &mut buffer) {
        for say in script(&request) {
            let bytes = match say {
                Say::HangUp => return false,
                Say::Hold => return true,
                Say::Bytes(bytes) => bytes,
                other => message(&id, other),
            };
            if connection.write_all(&bytes).is_err() {
                return false;
            }
        }
    }
    false
}

/// The message id and the request; `None` when the client unbinds or hangs up.
fn next_request(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<(Vec<u8>, Request)> {
    loop {
        if let Ok((rest, tag)) = parse_tag(buffer) {
            let rest = rest.to_vec();
            *buffer = rest;
            return request(tag);
        }
        let mut part = [0; 4096];
        let length = connection.read(&mut part).ok().filter(|length| *length > 0)?;
        buffer.extend_from_slice(&part[..length]);
    }
}

fn request(message: StructureTag) -> Option<(Vec<u8>, Request)> {
    let mut parts = list(message).into_iter();
    let id = bytes(parts.next()?);
    let operation = parts.next()?;
    match operation.id {
        0 => Some((id, Request::Bind)),
        3 => {
            let cookie = parts.next().map(|controls| cookie(list(controls).remove(0)));
            let mut fields = list(operation).into_iter();
            let base = string(fields.next()?);
            let base_only = bytes(fields.next()?) == [0];
            let attributes = list(fields.last()?).into_iter().map(string).collect();
            Some((id, Request::Search(Search { base, base_only, attributes, cookie })))
        }
        _ => None,
    }
}

fn cookie(control: StructureTag) -> Vec<u8> {
    let value = bytes(list(control).pop().expect("a control value"));
    let (_, value) = parse_tag(&value).expect("the paging control");
    bytes(list(value).pop().expect("a cookie"))
}

fn list(tag: StructureTag) -> Vec<StructureTag> {
    match tag.payload {
        PL::C(parts) => parts,
        PL::P(_) => panic!("not a list: {tag:?}"),
    }
}

fn bytes(tag: StructureTag) -> Vec<u8> {
    match tag.payload {
        PL::P(bytes) => bytes,
        PL::C(_) => panic!("not a value: {tag:?}"),
    }
}

fn string(tag: StructureTag) -> String {
    String::from_utf8(bytes(tag)).expect("text")
}

fn message(id: &[u8], say: Say) -> Vec<u8> {
    let mut controls = Vec::new();
    let operation = match say {
        Say::Bound(code) => ber(0x61, &[result(code)]),
        Say::Entry(dn, attributes) => {
            let attributes = attributes.into_iter().map(|(name, values)| {
                let values: Vec<_> = values.iter().map(|value| ber(0x04, &[value])).collect();
                ber(0x30, &[ber(0x04, &[name]), ber(0x31, &values)])
            });
            ber(0x64, &[ber(0x04, &[dn]), ber(0x30, &attributes.collect::<Vec<_>>())])
        }
        Say::Reference(url) => ber(0x73, &[ber(0x04, &[url])]),
        Say::Done(code, cookie) => {
            if let Some(cookie) = cookie {
                let value = ber(0x30, &[ber(0x02, &[[0]]), ber(0x04, &[cookie])]);
                let control = ber(0x30, &[ber(0x04, &["1.2.840.113556.1.4.319"]), ber(0x04, &[value])]);
                controls = ber(0xa0, &[control]);
            }
            ber(0x65, &[result(code)])
        }
        Say::Broken(tag, contents) => ber(tag, &[contents]),
        Say::Bytes(_) | Say::HangUp | Say::Hold => unreachable!("not a message"),
    };
    ber(0x30, &[ber(0x02, &[id]), operation, controls])
}

fn result(code: u8) -> Vec<u8> {
    [ber(0x0a, &[[code]]), ber(0x04, &[""]), ber(0x04, &[""])].concat()
}

/// A tag, the length (X.690 §8.1.3) and the parts.
fn ber(tag: u8, parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let contents: Vec<u8> = parts.iter().flat_map(|part| part.as_ref().iter().copied()).collect();
    let length = u32::try_from(contents.len()).expect("a short message").to_be_bytes();
    [&[tag, 0x84][..], &length, &contents].concat()
}
