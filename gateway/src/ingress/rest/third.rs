//! `/third/tencent_cloud_storage_credential` (spec, REST 1.11). Asks for no token.

use std::fmt;
use std::rc::Rc;

use hyper::Response;
use openim_protocol::errcode::ErrCode;
use serde::Serialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};

use super::answer::{self, Answer};
use crate::driver::Core;
use crate::third::{self, Credential};

/// To every body that is not what it should be. The comma is of full width, as in the original.
const UNREADABLE: &str =
    "Parameter parsing error\u{ff0c}please check the parameters and request service again";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    data: Option<&'a Credential>,
    err_code: i32,
    err_msg: &'a str,
    region: &'a str,
    bucket: &'a str,
}

pub(super) async fn tencent_credential(core: &Rc<Core>, body: &[u8]) -> Response<Answer> {
    if !is_asked(body) {
        return answer::error(ErrCode::Binding, UNREADABLE);
    }
    let outcome = third::credential(core).await;
    let account = core.sts.account();
    let failure;
    let told = match &*outcome {
        Ok(credential) => Told {
            data: Some(credential),
            err_code: ErrCode::Ok.number(),
            err_msg: "",
            region: &account.region,
            bucket: &account.bucket,
        },
        Err(error) => {
            failure = error.for_clients();
            let err_code = ErrCode::Binding.number();
            Told { data: None, err_code, err_msg: &failure, region: "", bucket: "" }
        }
    };
    let text = serde_json::to_vec(&told).expect("texts and numbers have a JSON form");
    // A failure has the number of a bad request, but not its status.
    answer::json(200, text)
}

/// Whether a body begins with an object whose `token` and `operationID`, if any, are texts.
fn is_asked(body: &[u8]) -> bool {
    // What follows the first value is not read.
    serde_json::Deserializer::from_slice(body).deserialize_map(Asked).is_ok()
}

struct Asked;

impl<'de> Visitor<'de> for Asked {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key::<String>()? {
            if key.eq_ignore_ascii_case("token") || key.eq_ignore_ascii_case("operationID") {
                members.next_value::<Option<String>>()?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_asks_and_nothing_else_does() {
        for body in [
            "{}",
            r#" {"token":"t","operationID":"o"} trailing"#,
            r#"{"TOKEN":null,"other":[{"token":1}],"token":"\u00e4"}"#,
        ] {
            assert!(is_asked(body.as_bytes()), "{body}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for body in [
            "",
            "{",
            "bad",
            "[]",
            "null",
            "7",
            "\"text\"",
            r#"{"token":1}"#,
            r#"{"operationid":{}}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            "{\"a\":\"\n\"}",
            &deep,
        ] {
            assert!(!is_asked(body.as_bytes()), "{body}");
        }
    }
}
