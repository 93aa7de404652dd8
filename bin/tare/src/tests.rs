//! From words on the command line to what is meant, without an engine.

use crate::environment::Environment;
use crate::low::Low;
use crate::session::Session;
use crate::{commands, complaint, high, options};
use std::ffi::OsString;
use std::time::SystemTime;
use tare_engine::container::request::RunRequest;
use tare_error::{Kind, Report, Result};

/// What `tare WORDS` means for `run`.
fn meant(words: &str) -> Result<RunRequest> {
    let words: Vec<OsString> = std::iter::once("tare")
        .chain(words.split(' '))
        .map(OsString::from)
        .collect();
    let typed = commands::for_arguments(&words)
        .try_get_matches_from(&words)
        .map_err(|e| complaint::about(&e))?;
    let (_, of_verb) = typed.subcommand().unwrap();
    let low = Low::new("run", of_verb, &typed);
    let session = Session::open(&low, Environment::default(), SystemTime::now())?;
    high::run_request(&low, &session)
}

#[test]
fn options_end_at_the_image() {
    let request = meant("run -it --rm busybox -it --rm -v x").unwrap();
    assert_eq!(request.image, "busybox");
    assert_eq!(request.command, ["-it", "--rm", "-v", "x"]);
    assert!(request.life.remove && request.life.interactive && request.life.terminal);
    assert_eq!(meant("run busybox -- ls").unwrap().command, ["--", "ls"]);
    assert_eq!(meant("run -- busybox ls").unwrap().command, ["ls"]);
}

#[test]
fn short_names_of_the_verb_win_over_those_of_all() {
    let request = meant("-v run -v /a:/b -h web -m64m -c 512 x").unwrap();
    assert_eq!(request.files.mounts.len(), 1);
    assert_eq!(request.namespaces.hostname.unwrap().as_str(), "web");
    assert_eq!(request.resources.memory, Some(64 << 20));
    assert_eq!(request.resources.cpu_shares, Some(512));
}

#[test]
fn the_last_word_wins_and_lists_add_up() {
    let request =
        meant("run -m 64m -m 128m -e A=1 -e B=2 --rm --rm --cap-add NET_ADMIN --cap-add=all x").unwrap();
    assert_eq!(request.resources.memory, Some(128 << 20));
    assert_eq!(
        (request.process.environment.len(), request.security.add.len()),
        (2, 2)
    );
    assert_eq!(
        meant("run --memory-swap -1 x").unwrap().resources.swap,
        Some(tare_engine::container::request::SwapLimit::Unlimited)
    );
}

#[test]
fn nothing_asked_is_the_default_request() {
    assert_eq!(meant("run busybox").unwrap(), RunRequest::new("busybox"));
}

#[test]
fn every_option_of_run_is_read() {
    let words: Vec<OsString> = ["tare", "run", "x"].iter().map(OsString::from).collect();
    let typed = commands::for_arguments(&words)
        .try_get_matches_from(&words)
        .unwrap();
    let (_, of_verb) = typed.subcommand().unwrap();
    let low = Low::new("run", of_verb, &typed);
    let session = Session::open(&low, Environment::default(), SystemTime::now()).unwrap();
    high::run_request(&low, &session).unwrap();
    low.count("verbose");
    low.switch("quiet");
    low.text("cidfile").unwrap();
    crate::verbs::manner(&low).unwrap();
    let read = low.read.borrow();
    for option in options::of_verb("run").chain(options::of_all()) {
        assert!(read.contains(option.long), "nobody reads --{}", option.long);
    }
    for name in read.iter() {
        let known = options::of_verb("run")
            .chain(options::of_all())
            .any(|o| o.long == name);
        assert!(known, "--{name} is read and not in the table");
    }
}

#[test]
fn complaints_are_one_sentence_and_a_hint() {
    for (words, text) in [
        ("rnu x", "rnu: there is no such command\nhint: did you mean run?"),
        (
            "run --memry 1 x",
            "--memry: there is no such option\nhint: did you mean --memory?",
        ),
        (
            "run",
            "<IMAGE [COMMAND] [ARG...]>...: it is missing\nhint: `tare --help` lists commands, `tare COMMAND --help` their options",
        ),
        (
            "run -m 64x x",
            "read option --memory: read size \"64x\": \"x\" is not a unit\nhint: a size is a number and a unit: b, k, m, g, t or p, as in 64m or 1.5g",
        ),
        (
            "run --pid bogus x",
            "read option --pid: \"bogus\" is not one of its words\nhint: it is one of private, host",
        ),
        (
            "run --rm=maybe x",
            "--rm: it takes no value\nhint: `tare --help` lists commands, `tare COMMAND --help` their options",
        ),
    ] {
        let e = meant(words).unwrap_err();
        assert_eq!(Report::new(&e).with_hint().to_string(), text, "{words}");
        assert_eq!(e.kind(), Kind::Invalid);
    }
    assert_eq!(
        meant("run --network bridge x").unwrap_err().kind(),
        Kind::Unsupported
    );
    assert_eq!(
        meant("run --pid container:a x").unwrap_err().kind(),
        Kind::Unsupported
    );
}

#[test]
fn words_that_are_near() {
    let near = |typed| complaint::nearest(typed, ["run", "rmi", "images", "inspect"].into_iter());
    assert_eq!(near("rnu"), Some("run"));
    assert_eq!(near("image"), Some("images"));
    assert_eq!(near("inspcet"), Some("inspect"));
    assert_eq!(near("zzzzzz"), None);
    assert_eq!(near(""), None);
}
