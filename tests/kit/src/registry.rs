//! Debian's docker-registry on loopback, with the images of fixture `registry`.

use crate::world::World;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

/// A registry that runs; ended when it is dropped.
#[derive(Debug)]
pub struct Registry {
    child: Child,
    reader: Option<JoinHandle<()>>,
    port: u16,
}

impl Registry {
    pub(crate) fn start(world: &World, with_password: bool) -> Self {
        let port = free_port();
        let storage = world.fixture("registry").join("storage");
        let mut config = format!(
            "version: 0.1\nlog: {{level: info, formatter: json}}\nhttp: {{addr: \"127.0.0.1:{port}\"}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n  maintenance: {{readonly: {{enabled: true}}}}\n",
            storage.display()
        );
        if with_password {
            let line = Command::new("htpasswd")
                .args(["-nbB", "tester", "secret"])
                .output()
                .expect("run htpasswd");
            let file = world.file(&format!("htpasswd-{port}"), line.stdout);
            config += &format!("auth:\n  htpasswd: {{realm: kit, path: {}}}\n", file.display());
        }
        let file = world.file(&format!("registry-{port}.yml"), config);
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(file)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start docker-registry");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let mut said = Vec::new();
        // It says when it listens; nothing else tells without asking again and again.
        while let Some(Ok(line)) = log.next() {
            if line.contains("listening on") {
                let reader = std::thread::spawn(move || log.for_each(drop));
                return Registry {
                    child,
                    reader: Some(reader),
                    port,
                };
            }
            said.push(line);
        }
        let _ = child.wait();
        panic!("docker-registry did not start:\n{}", said.join("\n"));
    }

    /// What goes before a repository's name: `127.0.0.1:PORT`.
    #[must_use]
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The reference of an image in it.
    #[must_use]
    pub fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.host())
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone after this.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

/// A port that nobody uses: the network namespace is this test's own.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
    listener.local_addr().expect("its address").port()
}
