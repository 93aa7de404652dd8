//! `Create` and `Start`: the two that begin something.

use super::calls::not_created;
use super::connection::Asked;
use super::container::Container;
use super::options;
use super::process::{Process, Stage};
use super::service::Service;
use super::stdio::{Owner, Streams, Wanted};
use std::path::{Path, PathBuf};
use tare_container::Stdio;
use tare_error::{Error, Kind, Result};
use tare_lifecycle::{Bundle, ContainerId, Create, Exec, Making};
use tare_spec_containerd::task::{CreateTaskRequest, StartRequest};
use tare_spec_containerd::types;
use tare_spec_oci::{Mount, Process as Command};

impl Service {
    /// Begins to make a container; the answer comes when it is made.
    pub(super) fn create(&mut self, asked: Asked, request: CreateTaskRequest) -> Result<()> {
        if self.containers.iter().any(|container| container.id == request.id) {
            return Err(Error::new(Kind::AlreadyExists, "create container", &request.id)
                .because("this supervisor has one of this name"));
        }
        if !request.checkpoint.is_empty() {
            return Err(Error::new(Kind::Unsupported, "restore", &request.id)
                .because("containers cannot be restored from checkpoints yet"));
        }
        let mut bundle = Bundle::read_for(&self.containers_home, Path::new(&request.bundle))?;
        if let Some(process) = &mut bundle.spec.process {
            process.terminal = request.terminal;
            process.oom_score_adj = process.oom_score_adj.or(self.oom_score);
        }
        let wanted = Wanted {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        };
        let (making, streams) = self.begin(&request, bundle, &wanted)?;
        let number = self.number();
        let making = Box::new(making);
        let mut first = Process::new(number, String::new(), wanted, Stage::Making { making, asked });
        first.streams = streams;
        self.containers.push(Container {
            id: request.id,
            namespace: self.namespace.clone(),
            bundle: PathBuf::from(request.bundle),
            rootfs: request.rootfs,
            held: None,
            memory: None,
            paused: false,
            killed: false,
            processes: vec![first],
        });
        Ok(())
    }

    fn begin(
        &self,
        request: &CreateTaskRequest,
        bundle: Bundle,
        wanted: &Wanted,
    ) -> Result<(Making, Streams)> {
        let options = options::read(request.options.as_ref())?;
        let id = ContainerId::parse(&request.id)?;
        let rootfs: Vec<Mount> = request.rootfs.iter().map(mount).collect();
        let make = |stdio: Stdio<'_>| {
            let create = Create {
                home: &self.containers_home,
                id: &id,
                bundle,
                rootfs: &rootfs,
                stdio,
                passed: &[],
                driver: &options.driver,
                shared_keyring: options.shared_keyring,
                without_pivot: options.without_pivot,
                plain_lines: false,
            };
            self.signals.released(|| create.begin())?
        };
        if wanted.terminal {
            return Ok((make(Stdio::Terminal)?, Streams::default()));
        }
        let owner = Owner {
            namespace: &self.namespace,
            container: &request.id,
        };
        let (streams, ends) = self.signals.released(|| Streams::open(wanted, owner))??;
        Ok((make(ends.as_stdio())?, streams))
    }

    /// Begins to start the container, or a process that was added; the answer comes when its program runs.
    pub(super) fn start(&mut self, asked: Asked, request: &StartRequest) -> Result<()> {
        let Service {
            containers, signals, ..
        } = self;
        let found = containers.iter_mut().find(|container| container.id == request.id);
        let Container {
            id,
            namespace,
            held,
            processes,
            ..
        } = found.ok_or_else(|| not_created(&request.id))?;
        let owner = Owner {
            namespace,
            container: id,
        };
        let missing = || {
            Error::new(Kind::NotFound, "find process", &request.exec_id).because("there is none of this name")
        };
        let mut found = processes.iter_mut();
        let process = found.find(|p| p.exec_id == request.exec_id).ok_or_else(missing)?;
        let refuse =
            |why: &str| Err(Error::new(Kind::Conflict, "start", &request.id).because(why.to_owned()));
        let Some(held) = held else {
            return refuse("it is still being created");
        };
        let number = process.number;
        process.stage = match process.stage.take() {
            Stage::Created(child) => match held.begin_start() {
                Ok(starting) => Stage::Starting {
                    starting: Box::new(starting),
                    process: child,
                    asked,
                },
                Err(error) => {
                    process.stage = Stage::Created(child);
                    return Err(error);
                }
            },
            Stage::Added(command) => match signals
                .released(|| enter(held, &command, process, owner))
                .flatten()
            {
                Ok(entering) => Stage::Entering {
                    entering: Box::new(entering),
                    asked,
                },
                // It stays an end that nobody saw, to be deleted.
                Err(error) => return Err(error),
            },
            other => {
                process.stage = other;
                return refuse("cannot start a running process");
            }
        };
        self.advance(number);
        Ok(())
    }
}

/// Begins to execute a process in a container.
fn enter(
    held: &tare_lifecycle::Container,
    command: &Command,
    process: &mut Process,
    owner: Owner<'_>,
) -> Result<tare_lifecycle::Entering> {
    let begin = |stdio| {
        held.begin_exec(&Exec {
            process: command,
            stdio,
            passed: &[],
            sub_groups: &[],
            ignore_paused: false,
            plain_lines: false,
        })
    };
    if process.stdio.terminal {
        return begin(Stdio::Terminal);
    }
    let (streams, ends) = Streams::open(&process.stdio, owner)?;
    let entering = begin(ends.as_stdio())?;
    process.streams = streams;
    Ok(entering)
}

/// A mount of the root, as containerd names it.
fn mount(mount: &types::Mount) -> Mount {
    Mount {
        destination: PathBuf::from("/").join(mount.target.trim_start_matches('/')),
        kind: Some(mount.r#type.clone()),
        source: Some(PathBuf::from(&mount.source)),
        options: mount.options.clone(),
        ..Mount::default()
    }
}
