//! The chat page: its files, and what it has to know of the server.
//!
//! Files are the program's own text, so an answer takes no memory but its head's. They may run scripts of this server
//! only, talk to it and its websocket only, and stand in no other page.

use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HOST, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, StatusCode};
use openim_web::{File, Form};

use super::answer::{self, Response};
use crate::page::{GUEST, Page};

/// What the page asks for before anything else.
const ABOUT: &str = "/chat/server.json";

const HOME: &str = "/chat";
/// The page's own path with a slash too many.
const WITH_SLASH: &str = "/chat/";

/// The answer to a GET of `path`, where it is one of the page's.
pub(super) fn answer(page: &Page, path: &str, asked: &HeaderMap) -> Option<Response> {
    let host = asked.get(HOST).and_then(|host| host.to_str().ok());
    if path != HOME && !path.starts_with(WITH_SLASH) {
        return None;
    }
    if path == WITH_SLASH {
        return Some(answer::redirect(HOME));
    }
    let mut response = match path {
        ABOUT => about(page, host),
        _ => file(page, openim_web::find(path)?, host, asked),
    };
    let headers = response.headers_mut();
    let policies = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in policies {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

/// Where the websocket is, and whether a name can be had.
fn about(page: &Page, host: Option<&str>) -> Response {
    let about = serde_json::json!({
        "websocket": page.websocket(host).unwrap_or_default(),
        "guests": if page.has_guests() { GUEST } else { "" },
    });
    let mut response = answer::of_page(about.to_string().into_bytes());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn file(page: &Page, file: &'static File, host: Option<&str>, asked: &HeaderMap) -> Response {
    let list = |name: HeaderName| {
        asked.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let form = file.form(&list(IF_NONE_MATCH), &list(ACCEPT_ENCODING));
    let mut response = match form {
        Form::Known => answer::file(StatusCode::NOT_MODIFIED, None),
        Form::Gzip => answer::file(StatusCode::OK, Some(file.gzip)),
        Form::Plain => answer::file(StatusCode::OK, Some(file.plain)),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(ETAG, HeaderValue::from_static(file.tag));
    // Kept, and asked for each time whether it still is the same: after an update all files are of one version.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if form == Form::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy(&page.connects_to(host))) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn policy(connects_to: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {connects_to}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
