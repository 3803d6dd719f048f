//! Files of pages as browsers get them: in which form, and with which headers.
//!
//! In: a file, and what the browser has and takes. Out: status, body and headers; who answers puts them together. A page may run scripts of
//! this server alone, none that stand inside of it, talks to nobody else, and stands in no other page. Never: a socket.

use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use openim_web::{File, Form};

/// An answer with a file.
pub(crate) struct Given {
    pub(crate) status: StatusCode,
    /// `None`: the browser has it.
    pub(crate) body: Option<&'static [u8]>,
    pub(crate) headers: HeaderMap,
}

/// A file, as the browser asked for it. `connects_to` is what it may talk to besides its own origin.
pub(crate) fn file(file: &'static File, asked: &HeaderMap, connects_to: &str) -> Given {
    let list = |name: HeaderName| {
        asked.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>()
    };
    let form = file.form(&list(IF_NONE_MATCH), &list(ACCEPT_ENCODING));
    let (status, body) = match form {
        Form::Known => (StatusCode::NOT_MODIFIED, None),
        Form::Gzip => (StatusCode::OK, Some(file.gzip)),
        Form::Plain => (StatusCode::OK, Some(file.plain)),
    };
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
    headers.insert(ETAG, HeaderValue::from_static(file.tag));
    // Kept, and asked for each time whether it still is the same: after an update all files are of one version.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if form == Form::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy(connects_to)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    Given { status, body, headers }
}

/// What all answers of pages have.
pub(crate) fn guard(headers: &mut HeaderMap) {
    let policies = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in policies {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn policy(connects_to: &str) -> String {
    let space = if connects_to.is_empty() { "" } else { " " };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'{space}{connects_to}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}
