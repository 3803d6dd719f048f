//! The console's files, and the headers that they and all other answers go out with.
//!
//! Scripts, styles and pictures of this server alone, none inside of a page; nothing of another site may frame it or read it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use openim_web::{File, Form};
use serde_json::Value;

use crate::copying::Sent;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file, as the browser asked for it.
pub(super) fn file(file: &'static File, asked: &HeaderMap) -> Response<Sent> {
    let list = |name: HeaderName| {
        asked.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let (status, body) = match file.form(&list(IF_NONE_MATCH), &list(ACCEPT_ENCODING)) {
        Form::Known => (StatusCode::NOT_MODIFIED, &[][..]),
        Form::Gzip => (StatusCode::OK, file.gzip),
        Form::Plain => (StatusCode::OK, file.plain),
    };
    let packed = std::ptr::eq(body, file.gzip);
    let mut response = Response::new(Full::new(Bytes::from_static(body)).into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(ETAG, HeaderValue::from_static(file.tag));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// An answer that nobody keeps.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Sent> {
    let mut response = Response::new(Full::from(value.to_string()).into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What all answers have.
pub(super) fn guard(response: &mut Response<Sent>) {
    let policies = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in policies {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
}
