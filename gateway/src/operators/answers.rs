//! The console's answers: its files, and what is told as JSON.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};
use openim_web::File;
use serde_json::Value;

use crate::copying::Sent;
use crate::web;

/// A file, as the browser asked for it.
pub(super) fn file(file: &'static File, asked: &HeaderMap) -> Response<Sent> {
    let given = web::file(file, asked, "");
    let body = Bytes::from_static(given.body.unwrap_or_default());
    let mut response = Response::new(Full::new(body).into());
    *response.status_mut() = given.status;
    *response.headers_mut() = given.headers;
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
