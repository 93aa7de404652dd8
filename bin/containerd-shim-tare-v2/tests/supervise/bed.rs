//! A pod in a test's scratch folder, and clients for it.

use rustix::fd::{AsFd, OwnedFd};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tare_kit::World;
use tare_shim::{Attach, Connection, CreateCall, Exit, Hangup, Launch, PodDir, launch};
use tare_spec_oci::{Process, Spec};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_containerd-shim-tare-v2");

/// What `client` in the main file is told to do, in its environment.
pub(crate) const SCRIPT: &str = "TARE_TEST_SCRIPT";
/// Where it finds the pod.
pub(crate) const FOLDER: &str = "TARE_TEST_FOLDER";

/// A pod with the folders around it.
pub(crate) struct Bed {
    pub(crate) dir: PathBuf,
    pub(crate) pod: PodDir,
}

/// What a foreground run gave.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: Exit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Bed {
    pub(crate) fn new(world: &World) -> Bed {
        Bed::at(&world.folder("bed"))
    }

    pub(crate) fn at(dir: &Path) -> Bed {
        std::fs::create_dir_all(dir).unwrap();
        Bed {
            dir: dir.to_owned(),
            pod: PodDir::create(dir.join("pod")).unwrap(),
        }
    }

    pub(crate) fn launch(&self) -> Connection {
        let program = Path::new(PROGRAM);
        let pod = &self.pod;
        launch(&Launch { program, pod }).unwrap()
    }

    pub(crate) fn call(&self, args: &[&str]) -> CreateCall {
        CreateCall {
            id: "c1".into(),
            bundle: self.dir.clone(),
            spec: Spec {
                oci_version: "1.3.0".into(),
                process: Some(Process {
                    args: args.iter().map(|a| (*a).to_owned()).collect(),
                    ..Process::default()
                }),
                ..Spec::default()
            },
            rootfs: Vec::new(),
            terminal: false,
            stdin_open: false,
            on_hangup: Hangup::Kill,
            reap: self.reap(),
            record_to: None,
        }
    }

    /// A clean-up that leaves a trace.
    fn reap(&self) -> Vec<String> {
        let script = "cp \"$0\"/pod/exit.json \"$0\"/reaped; cat /proc/self/status > \"$0\"/reap-status";
        let dir = self.dir.display().to_string();
        ["sh", "-c", script, &dir].map(str::to_owned).to_vec()
    }

    /// The exit record as the clean-up saw it.
    pub(crate) fn reaped(&self) -> Option<Exit> {
        let text = std::fs::read(self.dir.join("reaped")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// Runs a command in the foreground, to its end, and lets the supervisor leave.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut connection = self.launch();
        connection.create(self.call(args)).unwrap();
        let ran = attach(&mut connection, None);
        self.finish(connection, &ran.exit);
        ran
    }

    /// Says good-bye and looks at what is left: the record, until the caller removes it.
    pub(crate) fn finish(&self, mut connection: Connection, exit: &Exit) {
        // A machine may refuse us the right to lower our score.
        let mut warnings = connection.take_warnings();
        warnings.retain(|warning| !warning.contains("oom_score_adj"));
        assert_eq!(warnings, Vec::<String>::new());
        connection.finish().unwrap();
        assert_eq!(self.pod.exit_record().unwrap().as_ref(), Some(exit));
        assert_eq!(self.pod.log(), "");
        assert_eq!(self.left(), ["exit.json"]);
        assert_eq!(self.reaped(), None);
        self.pod.remove().unwrap();
        assert!(!self.pod.path().exists());
        PodDir::create(self.pod.path()).unwrap();
    }

    /// What lies in the pod's folder.
    pub(crate) fn left(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.pod.path()) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Starts this very program again as a client in a process of its own, which can be killed.
    pub(crate) fn client(&self, script: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["client", "--exact", "--ignored", "--nocapture"])
            .env(SCRIPT, script)
            .env(FOLDER, &self.dir)
            .stdin(Stdio::null())
            .stdout(File::create(self.dir.join("client.out")).unwrap())
            .stderr(File::create(self.dir.join("client.err")).unwrap())
            .spawn()
            .unwrap()
    }
}

/// Attaches with pipes: `input` goes to stdin, and both outputs are collected.
pub(crate) fn attach(connection: &mut Connection, input: Option<Vec<u8>>) -> Ran {
    let (stdin, feeder) = match input {
        Some(bytes) => {
            let (read, write) = pipe();
            let feeder = std::thread::spawn(move || drop(File::from(write).write_all(&bytes)));
            (Some(read), Some(feeder))
        }
        None => (None, None),
    };
    let (out_read, out_write) = pipe();
    let (err_read, err_write) = pipe();
    let stdout = collect(out_read);
    let stderr = collect(err_read);
    let exit = connection
        .attach(&Attach {
            stdin: stdin.as_ref().map(AsFd::as_fd),
            stdout: out_write.as_fd(),
            stderr: err_write.as_fd(),
            terminal: false,
        })
        .unwrap();
    drop((out_write, err_write, stdin));
    if let Some(feeder) = feeder {
        feeder.join().unwrap();
    }
    Ran {
        exit,
        stdout: stdout.join().unwrap(),
        stderr: stderr.join().unwrap(),
    }
}

pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

pub(crate) fn collect(fd: OwnedFd) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).unwrap();
        bytes
    })
}
