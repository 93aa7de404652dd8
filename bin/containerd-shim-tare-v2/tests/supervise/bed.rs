//! A pod in a test's scratch folder, and clients for it.

use rustix::fd::{AsFd, OwnedFd};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use tare_kit::World;
use tare_shim::{
    Attach, Connection, CreateRequest, Ended, ExecRequest, Exit, Hangup, Launch, PodDir, end, launch,
};
use tare_spec_oci::Spec;

/// The program under test, where the kit shows this build: an ordinary user may pass there.
pub(crate) const PROGRAM: &str = "/mnt/bin/containerd-shim-tare-v2";

/// A pod with the folders around it.
pub(crate) struct Bed {
    pub(crate) dir: PathBuf,
    pub(crate) pod: PodDir,
}

/// The container's id.
pub(crate) const ID: &str = "c1";

/// A container to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) spec: Spec,
    pub(crate) stdin_open: bool,
    pub(crate) on_hangup: Hangup,
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
        launch(&self.of(&self.containers())).unwrap()
    }

    /// Ends what a supervisor left; the exit is known, and its record still there.
    pub(crate) fn end(&self) -> tare_error::Result<Ended> {
        end(&self.of(&self.containers()), ID)
    }

    fn of<'a>(&'a self, containers: &'a Path) -> Launch<'a> {
        Launch {
            program: Path::new(PROGRAM),
            pod: &self.pod,
            containers,
        }
    }

    fn containers(&self) -> PathBuf {
        self.dir.join("containers")
    }

    pub(crate) fn call(&self, args: &[&str]) -> Asked {
        Asked {
            spec: spec(args),
            stdin_open: false,
            on_hangup: Hangup::Kill,
        }
    }

    /// The bundle, and what is asked of the supervisor.
    pub(crate) fn request(&self, asked: &Asked) -> CreateRequest {
        let spec = serde_json::to_vec(&asked.spec).unwrap();
        std::fs::write(self.dir.join("config.json"), spec).unwrap();
        CreateRequest {
            health: None,
            id: ID.into(),
            bundle: self.dir.clone(),
            rootfs: Vec::new(),
            maker: None,
            terminal: asked.spec.process.as_ref().is_some_and(|p| p.terminal),
            stdin_open: asked.stdin_open,
            copy: None,
            log: None,
            on_hangup: asked.on_hangup,
            reap: self.reap(),
        }
    }

    /// A process to be executed in the container.
    pub(crate) fn exec(&self, exec_id: &str, args: &[&str]) -> ExecRequest {
        ExecRequest {
            id: ID.into(),
            exec_id: exec_id.into(),
            process: spec(args).process.unwrap(),
            stdin_open: false,
            timeout: None,
            most_output: None,
        }
    }

    /// How many executed processes the supervisor has on record.
    pub(crate) fn executed(&self) -> usize {
        let text = std::fs::read(self.pod.path().join("containers/c1.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let folders = std::fs::read_dir(self.pod.path().join("execs"));
        let processes = record["processes"].as_array().unwrap().len() - 1;
        assert!(folders.is_ok_and(|mut all| all.next().is_none()) || processes > 0);
        processes
    }

    /// The record of the container's end.
    pub(crate) fn exit_record(&self) -> Option<Exit> {
        let text = std::fs::read(self.containers().join(ID).join("exit.json")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// The container's first process, as a successor would find it.
    pub(crate) fn first(&self) -> tare_shim::Stamp {
        let text = std::fs::read(self.pod.path().join("containers/c1.json")).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let stamp = record.pointer("/processes/0/stage/living").unwrap();
        serde_json::from_value(stamp.clone()).unwrap()
    }

    /// A clean-up that leaves a trace.
    fn reap(&self) -> Vec<String> {
        let script =
            "cp \"$0\"/containers/c1/exit.json \"$0\"/reaped; cat /proc/self/status > \"$0\"/reap-status";
        let dir = self.dir.display().to_string();
        ["sh", "-c", script, &dir].map(str::to_owned).to_vec()
    }

    /// The exit record as the clean-up saw it.
    pub(crate) fn reaped(&self) -> Option<Exit> {
        let text = std::fs::read(self.dir.join("reaped")).ok()?;
        Some(serde_json::from_slice(&text).unwrap())
    }

    /// What the clean-up saw of itself, last of all.
    pub(crate) fn reap_status(&self) -> String {
        std::fs::read_to_string(self.dir.join("reap-status")).unwrap_or_default()
    }

    /// Runs a command in the foreground, to its end, and lets the supervisor leave.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut connection = self.launch();
        connection.create(self.request(&self.call(args))).unwrap();
        let ran = attach(&mut connection, None);
        self.finish(connection, &ran.exit);
        ran
    }

    /// Says good-bye and looks at what is left: nothing.
    pub(crate) fn finish(&self, connection: Connection, exit: &Exit) {
        assert_eq!(self.exit_record().as_ref(), Some(exit));
        // A machine may refuse us the right to lower our score.
        let log = self.pod.log();
        let odd: Vec<&str> = log
            .lines()
            .filter(|line| !line.contains("oom_score_adj"))
            .collect();
        assert_eq!(odd, Vec::<&str>::new());
        connection.finish(ID).unwrap();
        assert_eq!(self.reaped(), None);
        assert!(!self.pod.path().exists(), "left: {:?}", self.left());
        assert!(!self.containers().join(ID).exists());
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

    /// Starts a client in a process of its own, which has one thread and can be killed.
    pub(crate) fn client(&self, request: &Asked) -> Child {
        let mut command = self.client_command(&[], request);
        command
            .stdin(Stdio::null())
            .stdout(File::create(self.dir.join("client.out")).unwrap())
            .stderr(File::create(self.dir.join("client.err")).unwrap());
        command.spawn().unwrap()
    }

    /// The command of such a client, perhaps started by another program.
    pub(crate) fn client_command(&self, starter: &[&str], asked: &Asked) -> Command {
        let request = self.request(asked);
        let mut words = starter.iter().map(OsString::from).collect::<Vec<_>>();
        words.extend(["/mnt/bin/examples/foreground".into(), PROGRAM.into()]);
        words.extend([
            self.pod.path().into(),
            self.containers().into(),
            self.dir.as_path().into(),
        ]);
        words.extend([if asked.stdin_open { "open" } else { "empty" }.into()]);
        words.extend(request.reap.iter().map(OsString::from));
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        command
    }

    /// What a client of [`Bed::client`] has printed.
    pub(crate) fn printed(&self) -> String {
        let read = |name| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        read("client.out") + &read("client.err")
    }

    /// Processes that name this bed in their arguments: supervisors, clients, clean-ups.
    pub(crate) fn processes(&self) -> Vec<String> {
        self.processes_where(|_| true)
    }

    /// The same without the one that was made for the container, and waits in it to be started: by its name it is a supervisor.
    pub(crate) fn supervisors(&self) -> Vec<String> {
        let namespace = |process: &Path| std::fs::read_link(process.join("ns/pid")).ok();
        let ours = namespace(Path::new("/proc/self"));
        self.processes_where(|process| namespace(process) == ours)
    }

    fn processes_where(&self, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
        let bed = self.dir.display().to_string();
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let wanted = entries.map(|e| e.path()).filter(|process| wanted(process));
        let commands = wanted.filter_map(|process| std::fs::read(process.join("cmdline")).ok());
        let commands = commands.map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " "));
        commands.filter(|command| command.contains(&bed)).collect()
    }
}

/// A container with the machine's own files, read-only, all namespaces and a cgroup of its own.
pub(crate) fn spec(args: &[&str]) -> Spec {
    let spec = serde_json::json!({
        "ociVersion": "1.3.0",
        "process": {
            "args": args,
            "cwd": "/",
            "user": {"uid": 0, "gid": 0},
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "root": {"path": "/", "readonly": true},
        "hostname": "c1",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
            {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},
        ],
        "linux": {
            "cgroupsPath": "/tare/c1",
            "namespaces": [
                {"type": "pid"}, {"type": "mount"}, {"type": "ipc"},
                {"type": "uts"}, {"type": "network"}, {"type": "cgroup"},
            ],
        },
    });
    serde_json::from_value(spec).unwrap()
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
        .attach(
            ID,
            &Attach {
                stdin: stdin.as_ref().map(AsFd::as_fd),
                stdout: out_write.as_fd(),
                stderr: err_write.as_fd(),
                terminal: false,
            },
        )
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
