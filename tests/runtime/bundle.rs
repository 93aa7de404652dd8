//! What the tests start from: a bundle whose root holds busybox, and the command under test.

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::{Value, json};
use std::fs;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use tare_kit::{Finished, Need, Tare, World};

/// What a test that runs containers needs.
pub(crate) const NEEDS: &[Need] = &[Need::Root, Need::Program("busybox")];

/// A bundle and the containers made of it.
pub(crate) struct Bundle<'a> {
    world: &'a World,
    pub(crate) path: PathBuf,
    pub(crate) config: Value,
}

impl<'a> Bundle<'a> {
    /// A bundle with the configuration that `spec` writes, without a terminal, which runs this shell script.
    pub(crate) fn new(world: &'a World, script: &str) -> Bundle<'a> {
        let path = world.folder("bundle");
        let bin = path.join("rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        let busybox = Tare::program("sh").args(["-c", "command -v busybox"]).ok();
        fs::copy(busybox.trim(), bin.join("busybox")).unwrap();
        // Whatever mode the machine's own has: users other than root run it.
        fs::set_permissions(bin.join("busybox"), fs::Permissions::from_mode(0o755)).unwrap();
        let _ = Tare::program("chroot")
            .args([path.join("rootfs").as_os_str()])
            .args(["/bin/busybox", "--install", "-s", "/bin"])
            .ok();
        let file = path.join("config.json");
        let _ = fs::remove_file(&file);
        let mut bundle = Bundle {
            world,
            path,
            config: Value::Null,
        };
        let _ = bundle
            .runtime(&["spec", "--bundle", bundle.path.to_str().unwrap()])
            .ok();
        bundle.config = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        bundle.set("/process/terminal", json!(false));
        let namespaces = bundle.config["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "cgroup");
        namespaces.push(json!({"type": "cgroup"}));
        bundle.set("/process/args", json!(["sh", "-c", script]));
        bundle
    }

    /// Sets a member of the configuration, which must be there.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        self.config.pointer_mut(parent).unwrap()[name] = value;
        fs::write(self.path.join("config.json"), self.config.to_string()).unwrap();
    }

    /// Leaves a namespace to the machine; without a mount namespace of its own nothing can be covered either.
    pub(crate) fn share(&mut self, kind: &str) {
        let mut namespaces = self.config["linux"]["namespaces"].clone();
        namespaces.as_array_mut().unwrap().retain(|n| n["type"] != kind);
        self.set("/linux/namespaces", namespaces);
        if kind == "mount" {
            self.set("/linux/maskedPaths", json!([]));
            self.set("/linux/readonlyPaths", json!([]));
        }
    }

    /// `tare-runtime --root … WORDS`.
    pub(crate) fn runtime(&self, words: &[&str]) -> Tare {
        self.world
            .program("tare-runtime")
            .args(["--root"])
            .args([self.home()])
            .args(words)
    }

    /// Where containers are kept.
    pub(crate) fn home(&self) -> PathBuf {
        self.world.folder("containers")
    }

    /// `run ID` in the foreground.
    pub(crate) fn run(&self) -> Finished {
        self.runtime(&["run", "--bundle", self.path.to_str().unwrap(), "c"])
            .run()
    }

    /// `create ID`, with its output in a file.
    pub(crate) fn create(&self) {
        let _ = self
            .runtime(&["create", "--bundle", self.path.to_str().unwrap(), "c"])
            .ok();
    }

    /// `create`, then `start`.
    pub(crate) fn start(&self) {
        self.create();
        let _ = self.runtime(&["start", "c"]).ok();
    }

    /// The container's status.
    pub(crate) fn status(&self) -> String {
        let state: Value = serde_json::from_str(&self.runtime(&["state", "c"]).ok()).unwrap();
        state["status"].as_str().unwrap().to_owned()
    }

    /// Waits until the container has stopped.
    pub(crate) fn wait_until_stopped(&self) {
        while self.status() != "stopped" {}
    }

    /// Nothing of any container is left: no folder, no cgroup.
    pub(crate) fn assert_nothing_left(&self) {
        let left: Vec<_> = fs::read_dir(self.home())
            .into_iter()
            .flatten()
            .flatten()
            // What was compiled is kept for the next one.
            .filter(|entry| entry.file_name() != "@filters")
            .collect();
        assert!(left.is_empty(), "{left:?}");
        for tree in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
            for group in ["tare/c", "c"] {
                assert!(
                    !tree.path().join(group).exists(),
                    "{} {group}",
                    tree.path().display()
                );
            }
        }
    }
}

/// The fd that the next one to come to a socket sends.
pub(crate) fn receive(socket: &UnixListener) -> OwnedFd {
    let (connection, _) = socket.accept().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; 64];
    let mut into = [IoSliceMut::new(&mut bytes)];
    recvmsg(&connection, &mut into, &mut ancillary, RecvFlags::CMSG_CLOEXEC).unwrap();
    let sent = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    sent.unwrap()
}
