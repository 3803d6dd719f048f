//! Which path is which operation.

use std::rc::Rc;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use openim_protocol::errcode::ErrCode;

use super::answer::{self, Answer};
use super::{accounts, chat};
use crate::driver::Core;
use crate::metrics::RestRoute;

/// The description of the routes, for a GET.
const DESCRIPTION_PATH: &str = "/openapi.json";

/// The routes; every one is a POST.
const ROUTES: [(&str, RestRoute); 5] = [
    ("/auth/user_register", RestRoute::UserRegister),
    ("/auth/user_token", RestRoute::UserToken),
    ("/chat/newest_seq", RestRoute::NewestSeq),
    ("/chat/pull_msg", RestRoute::PullMsg),
    ("/chat/send_msg", RestRoute::SendMsg),
];

fn find(path: &str) -> Option<RestRoute> {
    ROUTES.iter().find(|(known, _)| *known == path).map(|&(_, route)| route)
}

/// Answers one request; there is always an answer.
pub(super) async fn answer(core: &Rc<Core>, request: Request<Incoming>) -> Response<Answer> {
    let (route, response) = dispatch(core, request).await;
    core.metrics.rest_requests.add(route, response.status().as_u16());
    response
}

async fn dispatch(core: &Rc<Core>, request: Request<Incoming>) -> (RestRoute, Response<Answer>) {
    if request.method() == Method::OPTIONS {
        return (RestRoute::Other, answer::options());
    }
    let path = request.uri().path();
    if request.method() == Method::GET && path == DESCRIPTION_PATH {
        return (RestRoute::Other, answer::description());
    }
    if request.method() != Method::POST {
        return (RestRoute::Other, answer::not_found());
    }
    let Some(route) = find(path) else {
        let shorter = path.strip_suffix('/').filter(|path| find(path).is_some());
        let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
        let response = shorter
            .map_or_else(answer::not_found, |path| answer::redirect(&format!("{path}{query}")));
        return (RestRoute::Other, response);
    };
    let token = request
        .headers()
        .get("token")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let body = match body(core, request.into_body()).await {
        Ok(body) => body,
        Err(fault) => return (route, fault.answer()),
    };
    // From here on a drain waits for the answer; a body that never ends is not waited for.
    let _open = Open::new(core);
    let response = match route {
        RestRoute::UserRegister => accounts::user_register(core, &body).await,
        RestRoute::UserToken => accounts::user_token(core, &body).await,
        RestRoute::NewestSeq => chat::newest_seq(core, &token, &body).await,
        RestRoute::PullMsg => chat::pull_msg(core, &token, &body).await,
        RestRoute::SendMsg => chat::send_msg(core, &token, &body).await,
        RestRoute::Other => answer::not_found(),
    };
    (route, response)
}

/// Reads a body within its bounds: its own size, what all bodies of the shard may take, its time.
async fn body(core: &Core, incoming: Incoming) -> Result<Vec<u8>, BodyFault> {
    let collected = tokio::time::timeout(core.settings.keep_alive, collect(core, incoming));
    collected.await.unwrap_or(Err(BodyFault::Slow))
}

/// Why a body was not read.
enum BodyFault {
    /// Over `limits.requestBodyBytesMax`.
    Large,
    /// All bodies together are over `limits.requestBodiesBytesMax`.
    Many,
    /// It did not arrive in its time, or broke off.
    Slow,
}

impl BodyFault {
    fn answer(&self) -> Response<Answer> {
        match self {
            Self::Large => answer::too_large(),
            Self::Many => answer::refused(ErrCode::Unavailable),
            Self::Slow => answer::too_slow(),
        }
    }
}

async fn collect(core: &Core, mut incoming: Incoming) -> Result<Vec<u8>, BodyFault> {
    let mut arriving = Arriving { core, body: Vec::new(), counted: 0 };
    while let Some(frame) = incoming.frame().await {
        // A body that breaks off has nobody left to answer.
        let frame = frame.map_err(|_| BodyFault::Slow)?;
        if let Some(part) = frame.data_ref() {
            arriving.append(part)?;
        }
    }
    Ok(std::mem::take(&mut arriving.body))
}

/// A body that is being read; its bytes count while it lives. Parts are copied into one buffer: kept as
/// they come, a body of tiny chunks would cost many times its size.
struct Arriving<'a> {
    core: &'a Core,
    body: Vec<u8>,
    counted: usize,
}

impl Arriving<'_> {
    fn append(&mut self, part: &[u8]) -> Result<(), BodyFault> {
        if self.body.len() + part.len() > self.core.settings.body_bytes_max {
            return Err(BodyFault::Large);
        }
        let all = self.core.body_bytes.get() + part.len();
        if all > self.core.settings.bodies_bytes_max {
            return Err(BodyFault::Many);
        }
        self.core.body_bytes.set(all);
        self.counted += part.len();
        self.body.extend_from_slice(part);
        Ok(())
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        let counted = self.counted;
        self.core.body_bytes.set(self.core.body_bytes.get() - counted);
    }
}

/// A request that is not answered, also when its client goes away before.
struct Open<'a>(&'a Core);

impl<'a> Open<'a> {
    fn new(core: &'a Core) -> Self {
        core.rest_open.set(core.rest_open.get() + 1);
        Self(core)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.rest_open.set(self.0.rest_open.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Described and not yet built.
    const NOT_YET: &[&str] = &[
        "/chat/pull_msg_by_seq",
        "/conversation/",
        "/friend/",
        "/group/",
        "/manager/",
        "/third/",
        "/user/",
    ];

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document: serde_json::Value =
            serde_json::from_slice(answer::DESCRIPTION).expect("docs/openapi.json is JSON");
        let paths = document["paths"].as_object().expect("an object of paths");
        let described: BTreeSet<(&str, &str)> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an object of methods");
                methods.keys().map(|method| (path.as_str(), method.as_str()))
            })
            .filter(|(path, _)| !NOT_YET.iter().any(|prefix| path.starts_with(prefix)))
            .collect();
        let served: BTreeSet<(&str, &str)> = ROUTES
            .iter()
            .map(|&(path, _)| (path, "post"))
            .chain([(DESCRIPTION_PATH, "get")])
            .collect();
        assert_eq!(described, served, "docs/openapi.json and ROUTES must have the same routes");
    }
}
