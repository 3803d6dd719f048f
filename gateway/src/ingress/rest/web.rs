//! The chat page: its files, and what it has to know of the server.
//!
//! Files are the program's own text, so an answer takes no memory but its head's. They talk to this server and its websocket only.

use hyper::HeaderMap;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use openim_web::File;

use super::answer::{self, Response};
use crate::page::{GUEST, Page};
use crate::web;

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
    web::guard(response.headers_mut());
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
    let given = web::file(file, asked, &page.connects_to(host));
    let mut response = answer::file(given.status, given.body);
    response.headers_mut().extend(given.headers);
    response
}
