//! The walk with curl in README.md, pasted as it stands, and pasted again.

use std::process::Command;

use serde_json::Value;

use crate::support::engine::embedded_only;
use crate::support::server::Setup;

const README: &str = include_str!("../../../../README.md");

#[test]
fn each_time_it_ends_with_a_message_in_an_inbox() {
    if embedded_only("secrets of a cluster are set for all its processes, and none is made") {
        return;
    }
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is not installed");
        return;
    }
    let server =
        Setup::new().unset("OPENIM_SECRET").unset("OPENIM_TOKENPOLICY_ACCESSSECRET").start();
    let (_, walk) = README.split_once("## The same with curl alone").expect("a heading");
    let walk = walk.split("```").nth(1).expect("a block of code");
    let url = format!("http://{}", server.rest());
    let secret = server.data_dir().join("secret");
    let walk = walk
        .replace("http://127.0.0.1:10000", &url)
        .replace("data/secret", secret.to_str().expect("UTF-8"));
    assert!(walk.contains(&url), "{walk}");
    for time in 1..=2 {
        let output = Command::new("sh").args(["-c", &walk]).output().expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<Value> = text
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
            })
            .collect();
        assert_eq!(answers.len(), 3, "{time}: {text}");
        assert!(answers.iter().all(|answer| answer["errCode"] == 0), "{time}: {text}");
        assert_eq!(answers[1]["data"]["seq"], 1, "{time}: {text}");
        assert_eq!(
            answers[2]["data"]["single"][0]["list"][0]["content"], "hello",
            "{time}: {text}"
        );
    }
}
