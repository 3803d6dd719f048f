//! What a browser, or a program, asks the operators' console.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Answer, call};
use super::server::Server;

/// Somebody who is logged in.
pub(crate) struct Operator<'a> {
    pub(crate) server: &'a Server,
    pub(crate) cookie: String,
}

/// Asks to be let in to the console of the server with this operators' port.
pub(crate) fn log_in_at(operator: SocketAddr, password: &str) -> Answer {
    let body = json!({ "password": password }).to_string();
    call(operator, "POST", "/console/login", &[], body.as_bytes())
}

impl Server {
    /// The password that the first start has made.
    pub(crate) fn console_password(&self) -> String {
        let file = self.data_dir().join("console_password");
        std::fs::read_to_string(file).expect("it was generated").trim().to_owned()
    }

    /// Asks to be let in to the console.
    pub(crate) fn log_in(&self, password: &str) -> Answer {
        log_in_at(self.operator(), password)
    }

    /// Somebody whom this password lets in.
    #[track_caller]
    pub(crate) fn operator_with(&self, password: &str) -> Operator<'_> {
        let answer = self.log_in(password);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let set = answer.header("set-cookie").expect("a cookie");
        Operator { server: self, cookie: set.split(';').next().expect("a part").to_owned() }
    }

    /// An operator with the generated password.
    #[track_caller]
    pub(crate) fn console(&self) -> Operator<'_> {
        self.operator_with(&self.console_password())
    }
}

impl Operator<'_> {
    /// Asks, whatever the answer.
    pub(crate) fn asks(&self, path: &str) -> Answer {
        let path = format!("/console/api/{path}");
        call(self.server.operator(), "GET", &path, &[("cookie", &self.cookie)], b"")
    }

    /// Acts, whatever the answer.
    pub(crate) fn tries(&self, act: &str, body: &Value) -> Answer {
        let (path, body) = (format!("/console/api/act/{act}"), body.to_string());
        let headers = [("cookie", self.cookie.as_str())];
        call(self.server.operator(), "POST", &path, &headers, body.as_bytes())
    }

    /// Acts, which must be done.
    #[track_caller]
    pub(crate) fn acts(&self, act: &str, body: &Value) -> Value {
        let answer = self.tries(act, body);
        assert_eq!(answer.status, 200, "{act}: {}", answer.text());
        answer.json()
    }

    /// What there is.
    #[track_caller]
    pub(crate) fn sees(&self, path: &str) -> Value {
        let answer = self.asks(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }
}
