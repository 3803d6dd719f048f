//! Which path is which operation.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request};

use openim_protocol::errcode::ErrCode;

use super::answer::{self, Outcome, Refusal, Response};
use super::bearer::{Guard, Manager, Open, Secret, Token};
use super::body::Body;
use super::connection::Peer;
use super::{
    account, accounts, chat, conversations, dismissing, friend_lists, friends, group_lists, groups,
    managing, sessions, third, users, web, why,
};
use crate::doors::Crowded;
use crate::driver::Core;
use crate::ingress::forwarded::origin;
use crate::metrics::{Label as _, RestRoute};
use crate::routes::routes;

/// The description of the routes, for a GET.
const DESCRIPTION_PATH: &str = "/openapi.json";

/// A route: who is asked for, and who carries it out.
pub(super) struct Route {
    path: &'static str,
    pub(super) label: RestRoute,
    pub(super) guard: Guard,
    run: for<'a> fn(&'a Rc<Core>, &'a str, &'a [u8]) -> Running<'a>,
}

type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

macro_rules! table {
    ($( $path:literal, $route:ident, $name:literal, $guard:ident, $handler:path; )*) => {
        /// The routes; every one is a POST.
        const ROUTES: &[Route] = &[
            $( Route {
                path: $path,
                label: RestRoute::$route,
                guard: Guard::$guard,
                run: |core, token, body| Box::pin($handler(core, $guard::new(token), body)),
            }, )*
        ];
    };
}

routes!(table);

impl Route {
    /// As metrics and logs have it.
    pub(super) fn name(&self) -> &'static str {
        RestRoute::VALUES[self.label.index()]
    }
}

fn find(path: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.path == path)
}

/// What a request's head says, besides its route.
pub(super) struct Asked {
    pub(super) token: String,
    /// Who asks: the peer, or whom trusted proxies speak for.
    pub(super) from: IpAddr,
}

impl Asked {
    fn new(core: &Core, peer: IpAddr, headers: &HeaderMap) -> Self {
        let text = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        let from = origin(peer, &core.live().trusted_proxies, text("x-forwarded-for"));
        Self { token: text("token").next().unwrap_or_default().to_owned(), from }
    }
}

/// Answers one request; there is always an answer.
pub(super) async fn answer(core: &Rc<Core>, peer: &Peer, request: Request<Incoming>) -> Response {
    let (route, response) = dispatch(core, peer, request).await;
    core.metrics.rest_requests.add(route, response.status().as_u16());
    response
}

async fn dispatch(
    core: &Rc<Core>,
    peer: &Peer,
    request: Request<Incoming>,
) -> (RestRoute, Response) {
    if request.method() == Method::OPTIONS {
        return (RestRoute::Other, answer::options());
    }
    let path = request.uri().path();
    if request.method() == Method::GET
        && let Some(text) = text(core, path, request.headers())
    {
        // The longest texts that anybody can have.
        let from = Asked::new(core, peer.address, request.headers()).from;
        let may = core.doors.count_request(from, core.now().mono_ms / 1000).is_ok();
        return (RestRoute::Other, if may { text } else { answer::too_many() });
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
    let asked = Asked::new(core, peer.address, request.headers());
    if core.doors.count_request(asked.from, core.now().mono_ms / 1000).is_err() {
        return (route.label, answer::too_many());
    }
    let (core, places) = (Rc::clone(core), Rc::clone(&peer.places));
    let progress = Rc::clone(&peer.progress);
    // On a task of its own, from the first byte of the body on: what was read whole is carried out, and who
    // is to be told of it is told, though the client goes away. Until then the task keeps the connection's
    // place, so there are no more tasks than connections may be.
    let run = tokio::task::spawn_local(async move {
        let _places = places;
        let body = match Body::read(&core, request.into_body()).await {
            Ok(body) => body,
            Err(fault) => return fault.answer(),
        };
        progress.body_read();
        drop(progress);
        if route.guard == Guard::Secret
            && let Err(Crowded { tell }) = slowed(&core, &asked).await
        {
            account::crowded(&asked, tell);
            account::slowed(&core, route, &asked, &body.bytes);
            return answer::too_many();
        }
        // From here on a drain waits for the answer; a body that never ends is not waited for.
        let _unanswered = core.rest.request();
        let since = Instant::now();
        let outcome = (route.run)(&core, &asked.token, &body.bytes).await;
        let mut response = outcome.unwrap_or_else(Refusal::into_response);
        let took = since.elapsed();
        core.metrics.rest_seconds.observe(took);
        account::tell(&core, route, &asked, &body.bytes, &response, took);
        response.body_mut().keep(body);
        response
    });
    (route.label, run.await.unwrap_or_else(|_| answer::plain(ErrCode::Unavailable)))
}

/// What the server has to read: the description of its routes, and the chat page.
fn text(core: &Core, path: &str, headers: &HeaderMap) -> Option<Response> {
    match path {
        DESCRIPTION_PATH => Some(answer::description()),
        _ => web::answer(core.settings.page.as_ref()?, path, headers),
    }
}

/// Has a call wait whose address has given wrong secrets.
async fn slowed(core: &Core, asked: &Asked) -> Result<(), Crowded> {
    let wait = core.doors.wait_for_guesses(asked.from, core.now().mono_ms)?;
    if let Some(wait) = wait {
        core.metrics.secrets_slowed.add(1);
        tokio::time::sleep(wait).await;
        core.doors.waited_for_guesses(asked.from);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
            .collect();
        let served: BTreeSet<(&str, &str)> = ROUTES
            .iter()
            .map(|route| (route.path, "post"))
            .chain([(DESCRIPTION_PATH, "get")])
            .collect();
        assert_eq!(
            described, served,
            "docs/openapi.json and the rows of routes.rs must have the same routes"
        );
    }
}
