//! How a connection becomes a WebSocket (RFC 6455, section 4.2).
//!
//! ```text
//! GET /v1 HTTP/1.1                 -->  101 Switching Protocols
//! Connection: upgrade                   connection: upgrade
//! Upgrade: websocket                    upgrade: websocket
//! Sec-WebSocket-Version: 13             sec-websocket-accept: base64(SHA-1(key, GUID))
//! Sec-WebSocket-Key: 16 bytes in base64
//! ```

use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, Method, Request, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::upgrade::OnUpgrade;
use sha1::{Digest, Sha1};

/// What the protocol puts behind a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Whether a header, which may be a list, has a word.
fn has(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
}

/// What is said to who does not ask as the protocol has it.
#[derive(Debug)]
pub(super) struct Refused(StatusCode, &'static str);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, [(header::SEC_WEBSOCKET_VERSION, "13")], self.1).into_response()
    }
}

/// The answer to who asks for a WebSocket, and what it will be one on when that was sent.
///
/// # Errors
/// Who does not ask for one as the protocol has it is refused.
pub(super) fn upgrade(request: &mut Request<Body>) -> Result<(Response, OnUpgrade), Refused> {
    let headers = request.headers();
    let asked = request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has(headers, &header::CONNECTION, "upgrade")
        && has(headers, &header::UPGRADE, "websocket");
    if !asked {
        return Err(Refused(StatusCode::BAD_REQUEST, "here is a WebSocket\n"));
    }
    if !has(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(Refused(StatusCode::UPGRADE_REQUIRED, "version 13 is spoken here\n"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| key.as_bytes());
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
    let Some(key) = key else {
        return Err(Refused(StatusCode::BAD_REQUEST, "the key of the WebSocket is none\n"));
    };
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    let told = [
        (header::CONNECTION, "upgrade".to_owned()),
        (header::UPGRADE, "websocket".to_owned()),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    let response = (StatusCode::SWITCHING_PROTOCOLS, told).into_response();
    Ok((response, hyper::upgrade::on(request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut Request<Body>)) -> Result<(Response, OnUpgrade), StatusCode> {
        let request = Request::builder()
            .uri("/v1")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut request = request.body(Body::empty()).unwrap();
        change(&mut request);
        upgrade(&mut request).map_err(|refused| refused.0)
    }

    #[test]
    fn who_asks_as_the_protocol_has_it_gets_its_key_back_and_nobody_else() {
        let (answer, _) = asked(|_| {}).unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        // The example of the RFC.
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for name in ["connection", "upgrade", "sec-websocket-key"] {
            assert_eq!(asked(|request| drop(request.headers_mut().remove(name))).unwrap_err(), StatusCode::BAD_REQUEST);
        }
        let version = |request: &mut Request<Body>| {
            request.headers_mut().insert("sec-websocket-version", "12".parse().unwrap());
        };
        assert_eq!(asked(version).unwrap_err(), StatusCode::UPGRADE_REQUIRED);
        let short = |request: &mut Request<Body>| {
            request.headers_mut().insert("sec-websocket-key", "c2hvcnQ=".parse().unwrap());
        };
        assert_eq!(asked(short).unwrap_err(), StatusCode::BAD_REQUEST);
        assert_eq!(asked(|request| *request.method_mut() = Method::HEAD).unwrap_err(), StatusCode::BAD_REQUEST);
        assert_eq!(asked(|request| *request.version_mut() = Version::HTTP_10).unwrap_err(), StatusCode::BAD_REQUEST);
    }
}
