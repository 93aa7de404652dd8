//! TLS: whom is trusted, and what is said where it is not spoken.

use crate::server::Server;
use crate::{document, manifest_answer, said, settings};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tare_error::Kind;
use tare_registry::{Host, Settings, Trust};

/// openssl's own small server with a certificate of an authority of its own.
struct Openssl {
    folder: PathBuf,
    child: Child,
    host: String,
}

/// Makes the authority `ca` and the certificate `leaf` for 127.0.0.1.
const CERTIFICATES: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 2 \
        -subj /CN=tare-test -addext basicConstraints=critical,CA:TRUE &&
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.csr -subj /CN=leaf &&
    printf 'subjectAltName=IP:127.0.0.1\\n' > leaf.ext &&
    openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 1 -extfile leaf.ext -out leaf.pem &&
    openssl x509 -in ca.pem -outform DER -out ca.der";

impl Openssl {
    fn start() -> Openssl {
        let folder = std::env::temp_dir().join(format!("tare-tls-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("v2/a/manifests")).unwrap();
        let made = Command::new("sh")
            .args(["-c", CERTIFICATES])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let answer = manifest_answer();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            answer.headers[0].1,
            answer.body.len()
        );
        std::fs::write(
            folder.join("v2/a/manifests/latest"),
            [head.as_bytes(), &answer.body].concat(),
        )
        .unwrap();
        let mut child = Command::new("openssl")
            .args([
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-cert",
                "leaf.pem",
                "-key",
                "leaf.key",
                "-HTTP",
            ])
            .current_dir(&folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let host = lines
            .find_map(|l| l.unwrap().strip_prefix("ACCEPT ").map(str::to_owned))
            .unwrap();
        std::thread::spawn(move || lines.for_each(drop));
        Openssl { folder, child, host }
    }

    fn authority(&self) -> Vec<u8> {
        std::fs::read(self.folder.join("ca.der")).unwrap()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

#[test]
fn a_certificate_is_believed_only_where_its_authority_is() {
    if !Path::new("/usr/bin/openssl").exists() {
        println!("SKIPPED: there is no openssl");
        return;
    }
    let server = Openssl::start();
    let image = format!("{}/a", server.host);
    let trusting = |trust| Settings { trust, ..settings() };
    document(trusting(Trust::Only(vec![server.authority()])), &image).unwrap();
    let error = document(trusting(Trust::Only(Vec::new())), &image).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error:?}");
    assert!(
        said(&error).starts_with(&format!("trust {}: its certificate: ", server.host)),
        "{error:?}"
    );
}

#[test]
fn a_peer_without_tls_is_not_spoken_to_where_tls_is_asked_for() {
    let plain = Server::start(|_| manifest_answer());
    let mut strict = settings();
    strict.hosts.set(
        plain.host(),
        Host {
            plain_http: Some(false),
        },
    );
    let error = document(strict, &format!("{}/a", plain.host())).unwrap_err();
    assert_eq!(
        said(&error),
        format!("connect to {}: it does not speak TLS", plain.host())
    );
    assert!(
        error.first_hint().unwrap().contains("plain-http = true"),
        "{error:?}"
    );
    assert_eq!(plain.heard().len(), 0);
}
