//! Which path is which operation.

use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response};

use super::answer::{self, Answer};
use super::{accounts, chat};
use crate::driver::Core;
use crate::metrics::RestRoute;

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
    if request.method() != Method::POST {
        return (RestRoute::Other, answer::not_found());
    }
    let Some(route) = find(path) else {
        let shorter = path.strip_suffix('/').filter(|path| find(path).is_some());
        let response = shorter.map_or_else(answer::not_found, answer::redirect);
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
        Err(response) => return (route, response),
    };
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

async fn body(core: &Core, incoming: Incoming) -> Result<Bytes, Response<Answer>> {
    let limited = Limited::new(incoming, core.settings.body_bytes_max).collect();
    match tokio::time::timeout(core.settings.keep_alive, limited).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        _ => Err(answer::too_large()),
    }
}
