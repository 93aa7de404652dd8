//! Names as docker reads them, and what is said about bad ones.

use super::*;

const HEX: &str = "6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b";

#[test]
fn names_are_completed_as_docker_does() {
    for (text, canonical, familiar) in [
        ("busybox", "docker.io/library/busybox:latest", "busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36", "busybox:1.36"),
        (
            "library/busybox",
            "docker.io/library/busybox:latest",
            "busybox:latest",
        ),
        (
            "docker.io/busybox",
            "docker.io/library/busybox:latest",
            "busybox:latest",
        ),
        (
            "index.docker.io/library/busybox",
            "docker.io/library/busybox:latest",
            "busybox:latest",
        ),
        ("user/app", "docker.io/user/app:latest", "user/app:latest"),
        (
            "library/a/b",
            "docker.io/library/a/b:latest",
            "library/a/b:latest",
        ),
        ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
        (
            "localhost:5000/app",
            "localhost:5000/app:latest",
            "localhost:5000/app:latest",
        ),
        (
            "127.0.0.1:5000/a/b:v1",
            "127.0.0.1:5000/a/b:v1",
            "127.0.0.1:5000/a/b:v1",
        ),
        ("[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app:latest"),
        (
            "quay.io/a/b__c/d--e.f",
            "quay.io/a/b__c/d--e.f:latest",
            "quay.io/a/b__c/d--e.f:latest",
        ),
        ("Host/app", "Host/app:latest", "Host/app:latest"),
        ("app:5000", "docker.io/library/app:5000", "app:5000"),
    ] {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.canonical(), canonical, "{text}");
        assert_eq!(reference.to_string(), familiar, "{text}");
        assert_eq!(
            Reference::parse(&reference.canonical()).unwrap(),
            reference,
            "{text}"
        );
        assert_eq!(
            Reference::parse(&reference.to_string()).unwrap(),
            reference,
            "{text}"
        );
    }
}

#[test]
fn a_digest_stands_with_or_without_a_tag() {
    let pinned = Reference::parse(&format!("busybox@sha256:{HEX}")).unwrap();
    assert_eq!(pinned.tag(), None);
    assert_eq!(pinned.digest().unwrap().digest(), HEX);
    let both = Reference::parse(&format!("busybox:1@sha256:{HEX}")).unwrap();
    assert_eq!(both.to_string(), format!("busybox:1@sha256:{HEX}"));
    assert_eq!(both.at_digest(pinned.digest().unwrap()), pinned);
}

#[test]
fn a_bad_name_is_answered_with_its_fault() {
    let long = "a".repeat(256);
    let long_tag = format!("a:{}", "t".repeat(129));
    let sha512 = format!("a@sha512:{}", "0".repeat(128));
    for (text, reason) in [
        ("", "it is empty"),
        ("Busybox", "the name must be lower case, it has 'B'"),
        ("quay.io/Team/app", "the name must be lower case, it has 'T'"),
        ("a b", "the name has ' ', allowed"),
        ("a\nb", "the name has '\\n', allowed"),
        ("bücher", "the name has 'ü', allowed"),
        ("a//b", "a part of the name is empty"),
        ("/a", "a part of the name is empty"),
        ("a/", "a part of the name is empty"),
        ("-a", "\"-a\" must start and end with a letter or a digit"),
        ("a..b", "\"a..b\" has \"..\" between letters"),
        ("a___b", "\"a___b\" has \"___\" between letters"),
        (
            "../../etc/passwd",
            "the registry \"..\" has characters that no host name has",
        ),
        ("a:", "nothing follows the colon"),
        ("a:b c", "the tag has ' ', allowed"),
        ("a:.b", "the tag starts with . or -"),
        (
            "host:port/a",
            "the registry \"host:port\" has no port number after its colon",
        ),
        (
            "host:70000/a",
            "the registry \"host:70000\" has no port number after its colon",
        ),
        ("[::1/a", "the registry \"[::1\" has no closing bracket"),
        ("[zz]/a", "a part of the name is empty"),
        (
            "-x.y/a",
            "the registry \"-x.y\" has characters that no host name has",
        ),
        ("a@sha256:12", "the digest \"sha256:12\" is not sha256: and 64"),
        (&sha512, "digests of the algorithm sha512 are not supported"),
        ("https://quay.io/a", "it has a scheme"),
        (HEX, "64 hexadecimal digits are an id, not a name"),
        (&long, "the name is longer than 255 bytes"),
        (&long_tag, "the tag is longer than 128 bytes"),
        (&"x".repeat(5000), "5000 bytes are too long for a name"),
    ] {
        let error = Reference::parse(text).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
        if text != "[zz]/a" {
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
        assert!(!error.to_string().contains('\n'), "{text}");
    }
}

#[test]
fn a_name_to_try_is_given_only_where_it_is_good() {
    let hint = |text: &str| {
        Reference::parse(text)
            .unwrap_err()
            .first_hint()
            .map(str::to_owned)
    };
    assert_eq!(hint("Busybox").as_deref(), Some("try busybox"));
    assert_eq!(
        hint("quay.io/Team/App:V1").as_deref(),
        Some("try quay.io/team/app:V1")
    );
    assert_eq!(hint("https://quay.io/a").as_deref(), Some("try quay.io/a"));
    assert_eq!(hint("Bad Name"), None);
    assert_eq!(hint("a..b"), None);
}
