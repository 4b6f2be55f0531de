//! The way to the server: TCP, StartTLS (RFC 4511 §4.14) and TLS. In comes an address; out comes a connection on which the
//! password may be sent, or the reason why there is none.
//!
//! TLS is rosterd's own here, not the LDAP library's, so that every answer can be looked at before the library decodes it.

use std::sync::Arc;

use ldap3::LdapResult;
use ldap3::asn1::{StructureTag, TagClass, Types, parse_tag};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::ber::{BerLimits, Breach, Walker};
use super::envelope::{EXTENDED_RESPONSE, RefusedMessage};
use super::outcome;
use super::relay::Duplex;
use crate::source::SourceError;

/// The StartTLS request: message 1, extended operation 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// Connects. With `tls` the connection is under TLS when this returns, after StartTLS if `start_tls`. `largest` is the largest
/// answer that is read.
pub(super) async fn open(
    url: &Url,
    start_tls: bool,
    tls: Option<&Arc<ClientConfig>>,
    largest: u64,
) -> Result<Box<dyn Duplex>, SourceError> {
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost");
    let port = url.port().unwrap_or(if url.scheme() == "ldaps" { 636 } else { 389 });
    let mut stream = TcpStream::connect(format!("{host}:{port}")).await.map_err(|error| outcome::of_io(&error))?;
    let Some(config) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| outcome::no_server_name())?;
    if start_tls {
        ask_for_tls(&mut stream, BerLimits::of_bytes(largest)).await?;
    }
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| outcome::of_handshake(&error, &format!("{host}:{port}")))?))
}

/// Asks for TLS. When this returns, the next byte belongs to the handshake.
async fn ask_for_tls(stream: &mut TcpStream, limits: BerLimits) -> Result<(), SourceError> {
    stream.write_all(START_TLS).await.map_err(|error| outcome::of_io(&error))?;
    let answer = read_answer(stream, limits).await?;
    let Some(result) = result_of(&answer) else {
        return Err(refused(Breach::NoMessage));
    };
    outcome::of_start_tls(&result)
}

/// One message, whole and checked.
async fn read_answer(stream: &mut TcpStream, limits: BerLimits) -> Result<Vec<u8>, SourceError> {
    let mut walker = Walker::new(limits);
    let mut answer = Vec::new();
    let mut chunk = [0; 1024];
    while !walker.is_whole() {
        let length = stream.read(&mut chunk).await.map_err(|error| outcome::of_io(&error))?;
        let bytes = chunk.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return Err(SourceError::Unreachable(
                "the server closed the connection instead of answering StartTLS".into(),
            ));
        }
        let mut rest = bytes;
        while !rest.is_empty() && !walker.is_whole() {
            let (taken, _) = walker.step(rest).map_err(refused)?;
            if let Some(breach) = walker.too_large() {
                return Err(refused(breach));
            }
            let (piece, after) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
            answer.extend_from_slice(piece);
            rest = after;
        }
        if !rest.is_empty() {
            // Sent in the clear, and made to look like the server's first answer under TLS.
            let why = "more than the answer to StartTLS came before TLS began; none of it is used, and the password was not sent";
            return Err(SourceError::Malformed(why.to_owned()));
        }
    }
    Ok(answer)
}

fn refused(breach: Breach) -> SourceError {
    let refusal = RefusedMessage { breach, entry: None, after: None, bound: false };
    SourceError::Malformed(format!("{} (the password was not sent)", refusal.explain("the answer to StartTLS")))
}

/// The result in the answer to message 1, if it is that of an extended operation. `answer` was checked.
fn result_of(answer: &[u8]) -> Option<LdapResult> {
    let (_, message) = parse_tag(answer).ok()?;
    let mut parts = message.match_id(Types::Sequence as u64)?.expect_constructed()?.into_iter();
    let id = parts.next()?.expect_primitive()?;
    let operation = parts.next()?.match_class(TagClass::Application)?.match_id(u64::from(EXTENDED_RESPONSE & 0x1f))?;
    let mut fields = operation.expect_constructed()?.into_iter();
    let code = fields.next()?.match_id(Types::Enumerated as u64)?.expect_primitive()?;
    if id.as_slice() != [1] || code.is_empty() || code.len() > 4 {
        return None;
    }
    let mut text = || fields.next().and_then(StructureTag::expect_primitive);
    let (matched, text) = (text()?, text()?);
    Some(LdapResult {
        rc: code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)),
        matched: String::from_utf8_lossy(&matched).into_owned(),
        text: String::from_utf8_lossy(&text).into_owned(),
        refs: Vec::new(),
        ctrls: Vec::new(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::ber::tests::{element, nested};
    use super::super::relay::BEFORE_BIND;
    use super::*;

    fn answer(id: u8, operation: u8, code: u8, more: &[u8]) -> Vec<u8> {
        let result = [&element(0x0a, &[code])[..], &element(0x04, &[]), &element(0x04, b"why"), more].concat();
        element(0x30, &[element(0x02, &[id]), element(operation, &result)].concat())
    }

    /// Asks a server that answers with these bytes.
    async fn asked(answer: Vec<u8>) -> Result<(), SourceError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let server = tokio::spawn(async move {
            let mut request = [0; START_TLS.len()];
            server.read_exact(&mut request).await.unwrap();
            // It may hang up on the rest.
            let _ = server.write_all(&answer).await;
            request
        });
        let asked = ask_for_tls(&mut stream, BerLimits::of_bytes(BEFORE_BIND)).await;
        drop(stream);
        assert_eq!(server.await.unwrap(), START_TLS);
        asked
    }

    #[test]
    fn the_request_is_what_the_rfc_says() {
        let (rest, message) = parse_tag(START_TLS).unwrap();
        assert!(rest.is_empty());
        let operation = message.expect_constructed().unwrap().remove(1);
        assert_eq!((operation.class, operation.id), (TagClass::Application, 23));
        assert_eq!(
            operation.expect_constructed().unwrap().remove(0).expect_primitive().unwrap(),
            b"1.3.6.1.4.1.1466.20037"
        );
    }

    #[tokio::test]
    async fn a_yes_is_a_yes_and_a_no_has_its_words() {
        asked(answer(1, 0x78, 0, &[])).await.unwrap();
        asked(answer(1, 0x78, 0, &element(0x8a, b"1.3.6.1.4.1.1466.20037"))).await.unwrap();
        let refused = asked(answer(1, 0x78, 53, &[])).await.unwrap_err().to_string();
        assert!(refused.contains("StartTLS") && refused.contains("why") && refused.contains("53"), "{refused}");
        let error = asked(Vec::new()).await.unwrap_err();
        assert!(matches!(&error, SourceError::Unreachable(why) if why.contains("StartTLS")), "{error}");
    }

    #[tokio::test]
    async fn l1_an_answer_to_start_tls_is_looked_at_before_it_is_decoded() {
        let over = answer(1, 0x78, 0, &element(0x8b, &vec![0; BEFORE_BIND as usize]));
        for (bytes, says) in [
            (answer(1, 0x78, 0, &nested(31)), "nested more than 32 levels"),
            (over, "the limit is 1048576 bytes"),
            (b"\x30\x80\x02\x01\x01".to_vec(), "indefinite length"),
            (answer(1, 0x61, 0, &[]), "no LDAP message"),
            (answer(2, 0x78, 0, &[]), "no LDAP message"),
            (element(0x30, &[]), "no LDAP message"),
            ([answer(1, 0x78, 0, &[]), answer(2, 0x61, 0, &[])].concat(), "before TLS began"),
        ] {
            let error = asked(bytes).await.unwrap_err();
            assert!(matches!(&error, SourceError::Malformed(why) if why.contains(says)), "{says}: {error}");
            assert!(error.to_string().contains("password was not sent"), "{error}");
        }
        asked(answer(1, 0x78, 0, &nested(30))).await.unwrap();
    }
}
