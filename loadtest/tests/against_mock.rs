//! The whole tool as a process against a mock server: passes a good one, and notices each fault.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod mock;

use mock::{Fault, Mock};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

struct Outcome {
    code: i32,
    stdout: String,
    stderr: String,
    json: Value,
}

fn run(mock: &Mock, words: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("result.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_openim-loadtest"));
    command.args(words.split_whitespace()).args(mock.arguments());
    command.args(["--revision", "test", "--timeout", "5", "--json"]).arg(&path);
    let output: Output = command.stdin(Stdio::null()).output().unwrap();
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "null".to_owned());
    Outcome {
        code: output.status.code().expect("not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        json: serde_json::from_str(&text).unwrap(),
    }
}

impl Outcome {
    fn figure(&self, path: &str) -> &Value {
        self.json.pointer(&format!("/figures/{path}")).unwrap_or(&Value::Null)
    }

    /// How many were sent of `due` ones. What a busy machine kept the tool from sending is counted, never left out.
    fn sent_of(&self, due: u64) -> u64 {
        let sent = self.figure("messages/sent").as_u64().unwrap();
        assert_eq!(sent + self.figure("unsent").as_u64().unwrap(), due, "{}", self.stdout);
        assert!(sent > 0, "{}", self.stdout);
        sent
    }

    fn passed(&self) {
        assert_eq!(self.code, 0, "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.json["ok"], true);
    }

    fn failed_with(&self, path: &str) {
        assert_eq!(self.code, 1, "{}\n{}", self.stdout, self.stderr);
        assert!(self.stdout.contains("PROBLEM"), "{}", self.stdout);
        let count = self.figure(path).as_u64();
        assert!(count.is_some_and(|count| count > 0), "{path} is {count:?}: {}", self.stdout);
    }
}

const CHAT: &str = "chat --pairs 3 --window 4 --duration 1 --grace 1 --pull-check";

#[test]
fn a_good_server_passes_and_all_figures_are_there() {
    let mock = Mock::start(Fault::None);
    let own = std::process::id();
    let processes = format!("--pid {own} --parts api={own},gateway={own}");
    let outcome = run(&mock, &format!("{CHAT} --both-ways --size 300 {processes}"));
    outcome.passed();
    let messages = outcome.figure("messages");
    let sent = messages["sent"].as_u64().unwrap();
    assert!(sent > 0);
    assert_eq!(messages["acked"], sent);
    assert_eq!(messages["delivered"], sent);
    assert_eq!(outcome.figure("inboxes/stored").as_u64().unwrap(), sent * 2);
    assert!(outcome.figure("ack_latency/p99_us").as_f64().unwrap() > 0.0);
    assert!(outcome.figure("server_cpu_us_per_message").as_f64().unwrap() > 0.0);
    for part in ["api", "gateway"] {
        let part = format!("part_cpu_us_per_message/{part}");
        assert!(outcome.figure(&part).as_f64().unwrap() > 0.0, "{part}");
    }
    assert_eq!(outcome.json["revision"], "test");
    let command = outcome.json["command"].as_str().unwrap();
    assert!(command.contains("--secret ***") && command.contains("--both-ways"));
}

#[test]
fn users_of_an_earlier_run_are_found_again_and_their_messages_do_not_disturb() {
    let mock = Mock::start(Fault::None);
    run(&mock, CHAT).passed();
    run(&mock, &format!("{CHAT} --threads 2")).passed();
}

#[test]
fn a_paced_run_sends_what_was_asked() {
    let mock = Mock::start(Fault::None);
    let outcome = run(&mock, &format!("{CHAT} --rate 200"));
    outcome.passed();
    assert_eq!(outcome.sent_of(200), outcome.figure("messages/acked").as_u64().unwrap());
    assert_eq!(outcome.figure("ack_latency/count"), 200);
}

#[test]
fn ephemeral_messages_have_no_seq_and_are_still_accounted_for() {
    let mock = Mock::start(Fault::None);
    run(&mock, "chat --pairs 2 --window 4 --duration 1 --ephemeral").passed();
}

/// Runs `words` against one mock per fault, all at the same time.
fn notices(words: &str, faults: &[(Fault, &str)]) {
    std::thread::scope(|scope| {
        for (fault, figure) in faults {
            scope.spawn(move || run(&Mock::start(*fault), words).failed_with(figure));
        }
    });
}

#[test]
fn each_fault_on_the_way_is_noticed_and_named() {
    let faults = [
        (Fault::DropPush, "messages/lost"),
        (Fault::DoublePush, "messages/doubled"),
        (Fault::SwapPushes, "messages/reordered"),
        (Fault::OtherIdInPush, "messages/mismatched"),
        (Fault::AlterContent, "oddities/corrupted"),
        (Fault::Refuse, "messages/refused"),
        (Fault::NoAck, "messages/unanswered"),
        (Fault::CloseLink, "link_losses/closed with 1001"),
    ];
    notices("chat --pairs 2 --window 8 --duration 1 --grace 1", &faults);
}

#[test]
fn each_fault_in_the_inboxes_is_noticed_and_named() {
    let faults = [
        (Fault::LoseStored, "inboxes/faults/lost"),
        (Fault::DoubleStored, "inboxes/faults/doubled"),
        (Fault::SeqHole, "inboxes/faults/seq_holes"),
    ];
    notices(CHAT, &faults);
}

#[test]
fn lost_links_are_reopened_and_what_was_not_answered_is_sent_again() {
    let mock = Mock::start(Fault::CloseLink);
    let outcome = run(&mock, &format!("{CHAT} --reconnect 5"));
    outcome.passed();
    assert!(outcome.figure("resent").as_u64().unwrap() > 0);
    assert_eq!(outcome.figure("messages/sent"), outcome.figure("messages/acked"));
}

#[test]
fn idle_links_are_ramped_probed_and_weighed() {
    let mock = Mock::start(Fault::None);
    let pid = std::process::id();
    let outcome =
        run(&mock, &format!("connect --links 60 --platforms 7 --hold 0 --probe --pid {pid}"));
    outcome.passed();
    assert_eq!(outcome.figure("opened"), 60);
    assert_eq!(outcome.figure("probe/answered"), 60);
    assert!(outcome.figure("server_private_bytes_per_link").is_number());
    let paced = run(&mock, "connect --links 20 --rate 500 --hold 0 --source-addresses 3");
    paced.passed();
}

#[test]
fn a_refused_upgrade_fails_the_run_with_its_status() {
    let mock = Mock::start(Fault::RefuseUpgrade);
    let outcome = run(&mock, "connect --links 5 --hold 0");
    assert_eq!(outcome.code, 1);
    assert!(outcome.stdout.contains("HTTP 401"), "{}", outcome.stdout);
}

/// Nothing listens there: that is said, and not what would follow from it.
#[test]
fn a_dead_rest_port_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for words in ["say --me alice --to bob", "connect --links 3 --hold 0 --timeout 5"] {
        let output = Command::new(env!("CARGO_BIN_EXE_openim-loadtest"))
            .args(words.split_whitespace())
            .args(["--secret", "s", "--rest", &format!("http://{free}")])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{text}");
        for needle in [free.to_string().as_str(), "Connection refused", "--rest"] {
            assert!(text.contains(needle), "{needle} in {text}");
        }
        assert!(!text.contains("HTTP 401"), "{text}");
    }
}

#[test]
fn a_storm_brings_every_link_back_and_asks_each_a_question() {
    let mock = Mock::start(Fault::None);
    let outcome = run(&mock, "storm --links 50");
    outcome.passed();
    assert_eq!(outcome.figure("recovered"), 50);
    assert_eq!(outcome.figure("probe/answered"), 50);
    let silent = Mock::start(Fault::ForgetProbe);
    assert_eq!(run(&silent, "storm --links 10").code, 1);
}

#[test]
fn rest_routes_are_called_as_often_as_asked() {
    let mock = Mock::start(Fault::None);
    for route in ["user_token", "user_register", "newest_seq", "send_msg"] {
        let words = format!("rest --calls 500 --concurrency 8 --users 10 --route {route}");
        let outcome = run(&mock, &words);
        outcome.passed();
        assert_eq!(outcome.figure("answered"), 500);
    }
}

const GROUP: &str = "group --members 7 --online 5 --senders 3 --duration 1 --grace 1 --pull-check";

#[test]
fn a_group_talks_beside_single_chats_and_all_figures_are_there() {
    let mock = Mock::start(Fault::None);
    let words = "--rate 100 --pairs 2 --pair-rate 50 --baseline 1 --size 300 --threads 2";
    let outcome = run(&mock, &format!("{GROUP} {words} --pid {}", std::process::id()));
    outcome.passed();
    let sent = outcome.sent_of(100);
    assert_eq!(outcome.figure("messages/acked"), sent);
    assert_eq!(outcome.figure("pushes/received"), sent * 4);
    assert_eq!(outcome.figure("inbox_entries"), sent * 7);
    assert_eq!(outcome.figure("inboxes/stored"), sent * 7);
    assert_eq!(outcome.figure("inboxes/offline"), 2);
    for (figure, count) in
        [("ack_latency", 100), ("push_latency", sent * 4), ("fanout_latency", 100)]
    {
        assert_eq!(outcome.figure(&format!("{figure}/count")), count, "{figure}");
    }
    for figure in [
        "pushes_per_s",
        "inbox_entries_per_s",
        "server_cpu_us_per_push",
        "server_cpu_us_per_inbox_entry",
        "single_chat/before/push_latency/count",
        "single_chat/during/ack_latency/count",
        "single_chat/ack_p99_ratio",
        "single_chat/push_p99_ratio",
        "rss_before_bytes",
        "rss_after_bytes",
    ] {
        assert!(outcome.figure(figure).as_f64().is_some_and(|value| value > 0.0), "{figure}");
    }
}

#[test]
fn a_group_with_more_members_than_one_call_lists_is_founded_in_steps() {
    let mock = Mock::start(Fault::None);
    let words = "group --members 2500 --online 3 --rate 5 --duration 1 --pairs 0 --pull-check";
    let outcome = run(&mock, words);
    outcome.passed();
    let sent = outcome.sent_of(5);
    assert_eq!(outcome.figure("inbox_entries"), sent * 2500);
    assert_eq!(outcome.figure("inboxes/stored"), sent * (3 + 50));
    let outcome = run(&Mock::start(Fault::KeepOut), words);
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("0 of 1000 invited"), "{}", outcome.stderr);
}

#[test]
fn many_small_groups_share_members_and_each_sender_has_its_own() {
    let mock = Mock::start(Fault::None);
    let words = "group --members 5 --online 5 --groups 20 --senders 20 --duration 1 --pairs 0";
    for again in 0..2 {
        let outcome = run(&mock, &format!("{words} --pull-check --threads 2"));
        outcome.passed();
        assert_eq!(outcome.figure("pools"), 4);
        let sent = outcome.figure("messages/sent").as_u64().unwrap();
        assert!(sent > 20, "{again}: {sent}");
        assert_eq!(outcome.figure("pushes/received").as_u64().unwrap(), sent * 4);
        assert_eq!(outcome.figure("inboxes/stored").as_u64().unwrap(), sent * 5);
    }
}

#[test]
fn each_fault_on_the_way_to_a_member_is_noticed_and_named() {
    let faults = [
        (Fault::DropPush, "pushes/faults/lost"),
        (Fault::DoublePush, "pushes/faults/doubled"),
        (Fault::SwapPushes, "pushes/faults/seq_backwards"),
        (Fault::WrongReceiver, "pushes/faults/misaddressed"),
        (Fault::OtherIdInPush, "pushes/faults/mismatched"),
        (Fault::AlterContent, "pushes/faults/corrupted"),
        (Fault::Emphasize, "pushes/faults/corrupted"),
        (Fault::EchoPush, "pushes/faults/echoed"),
        (Fault::StrangePush, "pushes/faults/foreign"),
        (Fault::Refuse, "messages/refused"),
        (Fault::NoAck, "messages/unanswered"),
        (Fault::CloseLink, "link_losses/closed with 1001"),
    ];
    notices("group --members 4 --senders 2 --duration 1 --grace 1 --pairs 0", &faults);
    // Only of a single sender are two pushes that change places surely two of the same sender.
    let faults = [(Fault::SwapPushes, "pushes/faults/reordered")];
    notices("group --members 4 --senders 1 --duration 1 --grace 1 --pairs 0", &faults);
}

#[test]
fn each_fault_in_the_inboxes_of_members_is_noticed_and_named() {
    let faults = [
        (Fault::LoseStored, "inboxes/faults/lost"),
        (Fault::DoubleStored, "inboxes/faults/doubled"),
        (Fault::SeqHole, "inboxes/faults/seq_holes"),
    ];
    notices(&format!("{GROUP} --pairs 0"), &faults);
}

#[test]
fn what_cannot_be_run_ends_with_code_2_and_one_clear_line() {
    let mock = Mock::start(Fault::None);
    for (words, says) in [
        ("chat --pears 5", "--pears"),
        ("group --members 5 --online 6", "--online"),
        ("group --groups 3 --senders 2", "--senders"),
        ("connect", "--links"),
        ("connect --links 5 --rest http://127.0.0.1:1", "given twice"),
        ("nonsense", "unknown command"),
    ] {
        let outcome = run(&mock, words);
        assert_eq!(outcome.code, 2, "{words}");
        assert!(outcome.stderr.contains(says), "{words}: {}", outcome.stderr);
        assert_eq!(outcome.stderr.trim_end().lines().count(), 1, "{}", outcome.stderr);
    }
}

fn say(mock: &Mock, me: &str, to: &str, typed: &str) -> Output {
    use std::io::Write;
    let mut command = Command::new(env!("CARGO_BIN_EXE_openim-loadtest"));
    command.args(["say", "--me", me, "--to", to]).args(mock.arguments());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

#[test]
fn a_line_said_by_one_is_shown_to_the_other_who_comes_later() {
    let mock = Mock::start(Fault::None);
    let output = say(&mock, "alice", "bob", "hello bob\n\nhow \"are\" you\n");
    assert!(output.status.success(), "{output:?}");
    let output = say(&mock, "bob", "alice", "fine\n");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("alice: hello bob\nalice: how \"are\" you\n"), "{shown}");
    let output = say(&mock, "alice", "bob", "");
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("you: hello bob") && shown.contains("bob: fine"), "{shown}");
}

#[test]
fn help_of_a_command_is_the_same_both_ways() {
    let say = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openim-loadtest"));
        let output = command.args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for name in ["say", "chat", "group", "connect", "storm", "rest"] {
        let (code, help) = say(&["help", name]);
        assert_eq!(code, Some(0));
        assert!(help.starts_with(&format!("openim-loadtest {name}: ")), "{help}");
        assert_eq!(say(&[name, "--help"]), (Some(0), help));
    }
    assert_eq!(say(&["help"]), say(&["--help"]));
    assert_eq!(say(&["help", "nothing-like-it"]).0, Some(2));
}

#[test]
fn with_tls_it_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::start_with_tls(folder.path());
    let outcome = run(&mock, &format!("{CHAT} --both-ways --size 20000"));
    outcome.passed();
    let messages = outcome.figure("messages");
    assert!(messages["sent"].as_u64().unwrap() > 0);
    assert_eq!(messages["delivered"], messages["sent"]);
}

#[test]
fn tickets_are_used_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::start_with_tls(folder.path());
    let resumed = |words: &str| {
        let outcome = run(&mock, &format!("connect --links 20 --in-flight 2 --hold 0 {words}"));
        outcome.passed();
        outcome.figure("resumed").as_u64().unwrap()
    };
    assert_eq!(resumed(""), 0);
    assert!(resumed("--resume") > 0);
}

#[test]
fn whom_nobody_vouches_for_is_not_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let mut mock = Mock::start_with_tls(folder.path());
    let own = mock.certificate.clone().unwrap();
    let others = folder.path().join("others");
    std::fs::create_dir(&others).unwrap();
    mock.certificate = Mock::start_with_tls(&others).certificate;
    let outcome = run(&mock, "connect --links 1 --hold 0");
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("invalid peer certificate"), "{}", outcome.stderr);
    std::fs::write(&own, "none").unwrap();
    mock.certificate = Some(own);
    let outcome = run(&mock, "connect --links 1 --hold 0");
    assert_eq!(outcome.code, 2, "{}", outcome.stderr);
    assert!(outcome.stderr.contains("--ca"), "{}", outcome.stderr);
}
