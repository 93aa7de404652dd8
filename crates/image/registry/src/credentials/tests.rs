//! Files as docker writes them.

use super::*;

struct Written(PathBuf);

impl Written {
    fn new(name: &str, text: &str) -> Written {
        let path = std::env::temp_dir().join(format!("tare-config-{}-{name}.json", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Written(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

fn password(user: &str, password: &str) -> (String, Proof) {
    (user.to_owned(), Proof::Password(Secret::new(password)))
}

#[test]
fn entries_are_found_by_every_key_docker_uses() {
    // "ada:pass:word", "hub:pw\0\0", "old:pw", "ip:pw"
    let file = Written::new(
        "keys",
        r#"{"auths": {
            "localhost:5000": {"auth": "YWRhOnBhc3M6d29yZA==", "email": "x"},
            "https://index.docker.io/v1/": {"auth": "aHViOnB3AAA="},
            "https://old.example/v1/": {"auth": "b2xkOnB3"},
            "127.0.0.1": {"username": "ip", "password": "pw"},
            "token.example": {"auth": "AAAA", "identitytoken": "refresh"},
            "empty.example": {}
        }, "HttpHeaders": {"User-Agent": "Docker"}}"#,
    );
    let credentials = Credentials::load(&file.0).unwrap();
    for (domain, expected) in [
        ("localhost:5000", Some(password("ada", "pass:word"))),
        ("docker.io", Some(password("hub", "pw"))),
        ("old.example", Some(password("old", "pw"))),
        ("127.0.0.1", Some(password("ip", "pw"))),
        ("127.0.0.1:5000", None),
        ("localhost", None),
        (
            "token.example",
            Some((String::new(), Proof::Identity(Secret::new("refresh")))),
        ),
        ("empty.example", None),
        ("evil.example", None),
    ] {
        let login = credentials.login(domain).unwrap();
        assert_eq!(login.map(|l| (l.user, l.proof)), expected, "{domain}");
    }
    let found = credentials.login("localhost:5000").unwrap().unwrap();
    assert_eq!(found.found_in, file.0.display().to_string());
}

#[test]
fn bad_files_are_said_without_their_secrets() {
    assert_eq!(
        Credentials::load(Path::new("/no/such"))
            .unwrap()
            .login("docker.io")
            .unwrap(),
        None
    );
    let typed = Written::new("type", r#"{"auths": {"a": {"auth": ["s3cret"]}}}"#);
    let error = Credentials::load(&typed.0).unwrap_err();
    assert!(error.to_string().contains("line 1 column"), "{error}");
    assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    let coded = Written::new(
        "base64",
        r#"{"auths": {"a.b": {"auth": "s3cret!"}, "c.d": {"auth": "czNjcmV0"}}}"#,
    );
    let credentials = Credentials::load(&coded.0).unwrap();
    for domain in ["a.b", "c.d"] {
        let error = credentials.login(domain).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    assert!(!format!("{credentials:?}").contains("czNjcmV0"));
}

#[test]
fn a_named_helper_comes_before_the_file() {
    let file = Written::new(
        "helper",
        r#"{"auths": {"quay.io": {"auth": "YWRhOnB3"}}, "credHelpers": {"quay.io": "no-such-helper-of-ours"}}"#,
    );
    let error = Credentials::load(&file.0).unwrap().login("quay.io").unwrap_err();
    assert_eq!(error.operation(), "ask for the login to");
}
