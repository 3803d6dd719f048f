//! `/third/tencent_cloud_storage_credential`: what is answered without asking anybody.

use super::sts::{self, Sts};
use crate::support::http::call;
use crate::support::server::Server;

#[test]
fn without_an_account_the_missing_settings_are_named() {
    let server = Server::start();
    let text = "object storage is not configured: set credential.tencent.appID, credential.tencent.region, credential.tencent.bucket, credential.tencent.secretID, credential.tencent.secretKey";
    sts::assert_none(&sts::ask(server.rest()), text);
}

#[test]
fn a_bucket_without_an_account_is_none() {
    let sts = Sts::start();
    let setup = sts.setup().unset("OPENIM_CREDENTIAL_TENCENT_SECRETKEY");
    let server = setup.unset("OPENIM_CREDENTIAL_TENCENT_SECRETID").start();
    let text = "object storage is not configured: set credential.tencent.secretID, credential.tencent.secretKey";
    sts::assert_none(&sts::ask(server.rest()), text);
    assert!(!sts.is_asked());
}

#[test]
fn a_body_that_is_no_object_gets_the_fixed_text() {
    let sts = Sts::start();
    let server = sts.setup().start();
    for body in
        ["", "{", "bad", "[]", "7", "\"text\"", "null", "{\"token\":1}", "{\"OPERATIONID\":[]}"]
    {
        let answer = call(server.rest(), "POST", sts::PATH, &[], body.as_bytes());
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
        assert_eq!(
            answer.text(),
            "{\"errCode\":400,\"errMsg\":\"Parameter parsing error\u{ff0c}please check the parameters and request service again\"}",
            "{body:?}"
        );
    }
    assert!(!sts.is_asked());
}

#[test]
fn both_fields_may_be_left_out() {
    let server = Server::start();
    for body in ["{}", "{\"token\":null,\"more\":[1]}"] {
        let answer = call(server.rest(), "POST", sts::PATH, &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{body:?}: {}", answer.text());
    }
}
