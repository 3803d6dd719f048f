//! The description at `/openapi.json`: it is served, and each of its examples gets an answer that it allows.

use serde_json::{Value, json};

use crate::support::SECRET;
use crate::support::http::call;
use crate::support::platform::{IOS, WINDOWS};
use crate::support::server::Server;

/// One of those who may call the managers' routes by default.
const MANAGER: &str = "openIM123456";

fn description(server: &Server) -> Value {
    let answer = call(server.rest(), "GET", "/openapi.json", &[], b"");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    answer.json()
}

#[test]
fn it_is_served_to_a_get_only() {
    let server = Server::start();
    assert_eq!(description(&server)["openapi"], "3.1.0");
    for (method, path) in [("POST", "/openapi.json"), ("PUT", "/openapi.json")] {
        let answer = call(server.rest(), method, path, &[], b"");
        assert_eq!((answer.status, answer.text().as_str()), (404, "404 page not found"));
    }
}

#[test]
fn each_example_gets_a_described_answer() {
    let server = Server::start();
    let document = description(&server);
    let alice = server.register("alice", IOS);
    server.register("bob", IOS);
    let mut manager = None;
    for (path, item) in document["paths"].as_object().expect("paths") {
        let post = &item["post"];
        if post.is_null() {
            continue;
        }
        let mut body = post["requestBody"]["content"]["application/json"]["example"].clone();
        assert!(body.is_object(), "{path} has no example");
        if body.get("secret").is_some() {
            body["secret"] = json!(SECRET);
        }
        let of_managers = path.starts_with("/manager/") || path == "/friend/import_friend";
        let user = match of_managers {
            true => manager.get_or_insert_with(|| server.login(MANAGER, WINDOWS)),
            false => &alice,
        };
        let answer = server.post_as(&user.token, path, &body);
        assert!(answer.status < 500 || path == "/group/transfer_group", "{path}: {answer:?}");
        let described = resolve(&document, &post["responses"][answer.status.to_string()]);
        let schema = &described["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path}: status {} is not described", answer.status);
        if let Err(fault) = check(&document, schema, &answer.json()) {
            panic!("{path} answers {}: {fault}", answer.text());
        }
        // Of the routes that need nothing but users, more is known: the example succeeds.
        if path.starts_with("/auth/") || path.starts_with("/chat/") {
            assert_eq!(answer.json()["errCode"], 0, "{path}: {}", answer.text());
        }
    }
}

/// Follows a reference, if it is one.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    let pointer = reference.strip_prefix('#').expect("a reference inside the document");
    document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
}

/// Checks a value against the few keywords of JSON Schema that say something about answers here.
fn check(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let schema = resolve(document, schema);
    let fault = |what: &str| Err(format!("{value} {what} of {schema}"));
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let fitting = schemas.iter().filter(|one| check(document, one, value).is_ok()).count();
            if fitting == 0 || (choice == "oneOf" && fitting > 1) {
                return fault(&format!("fits {fitting}"));
            }
        }
    }
    let right_type = match schema["type"].as_str() {
        None => true,
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("null") => value.is_null(),
        Some(other) => return Err(format!("no answer should be of type {other}")),
    };
    if !right_type {
        return fault("has not the type");
    }
    if schema.get("const").is_some_and(|only| only != value)
        || schema["enum"].as_array().is_some_and(|values| !values.contains(value))
    {
        return fault("is not a value");
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().unwrap_or_default()).is_none() {
            return fault(&format!("lacks {required}"));
        }
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(known) => check(document, known, member)?,
            None if schema["additionalProperties"] == false => return fault(&format!("has {key}")),
            None => {}
        }
    }
    for element in value.as_array().into_iter().flatten() {
        check(document, &schema["items"], element)?;
    }
    match schema["maxItems"].as_u64() {
        Some(most) if value.as_array().is_some_and(|list| list.len() as u64 > most) => {
            fault("is longer than an array")
        }
        _ => Ok(()),
    }
}
