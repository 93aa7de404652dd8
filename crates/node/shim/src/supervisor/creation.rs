//! `Create` and `Start`: the two that begin something.

use super::calls::not_created;
use super::connection::Asked;
use super::container::Container;
use super::foreign::{Maker, Order, Runtime, Shim};
use super::life::Life;
use super::options::{self, Options};
use super::process::{Process, Stage};
use super::record::ContainerRecord;
use super::service::Service;
use super::stdio::{Owner, Streams, Wanted};
use crate::own::ShimRequest;
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
        if let Some(sandbox) = &self.sandbox {
            sandbox.join(&mut bundle.spec);
        }
        let wanted = Wanted {
            stdin: request.stdin.clone(),
            stdout: request.stdout.clone(),
            stderr: request.stderr.clone(),
            terminal: request.terminal,
        };
        let mut options = options::read(request.options.as_ref(), &self.namespace)?;
        self.set_logs_aside(&request.id)?;
        ContainerRecord::of_intent(&request.id, Path::new(&request.bundle), &wanted).write(&self.records)?;
        tare_failpoint::pass("create-intended").or_else(|error| self.not_made(&request.id, error))?;
        if let Some(maker) = self.maker(&request, &mut options) {
            let id = request.id.clone();
            let order = Order {
                request,
                maker,
                bundle,
                wanted,
            };
            let begun = self.create_foreign(asked, order);
            return begun.or_else(|error| self.not_made(&id, error));
        }
        self.journal.pod().keep_spare();
        let begun = self.begin(&request, bundle, &wanted, &options);
        let (making, streams) = begun.or_else(|error| self.not_made(&request.id, error))?;
        let number = self.number();
        let making = Box::new(making);
        let mut first = Process::new(number, String::new(), wanted, Stage::Making { making, asked });
        first.streams = streams;
        self.containers.push(Container {
            id: request.id,
            namespace: self.namespace.clone(),
            bundle: PathBuf::from(request.bundle),
            records: self.records.clone(),
            rootfs: request.rootfs,
            held: None,
            foreign: None,
            memory: None,
            paused: false,
            killed: false,
            processes: vec![first],
            left_groups: Vec::new(),
        });
        // What fails from here on is the end of a step, as if it came from the making.
        let _ = tare_failpoint::pass("create-begun");
        Ok(())
    }

    /// Who makes it, where that is not the library: another runtime's command; for our own engine also a shim.
    fn maker(&self, request: &CreateTaskRequest, options: &mut Options) -> Option<Maker> {
        let asked = request.options.as_ref().filter(|_| self.arguments.own.is_some());
        if let Some(shim) = asked.and_then(ShimRequest::of) {
            return Some(Maker {
                runtime: Runtime::of_shim(&shim.program),
                shim: Some(Shim::new(shim.options.as_ref(), &self.address)),
            });
        }
        let runtime = options.runtime.take()?;
        let oom_score = self.oom_score;
        Some(Maker {
            runtime: Runtime { oom_score, ..runtime },
            shim: None,
        })
    }

    /// A container that could not be made leaves nothing of ours either.
    fn not_made<T>(&mut self, id: &str, error: Error) -> Result<T> {
        match self.forget_unmade(id) {
            Ok(()) => Err(error),
            Err(also) => Err(error.also(also)),
        }
    }

    fn begin(
        &self,
        request: &CreateTaskRequest,
        bundle: Bundle,
        wanted: &Wanted,
        options: &Options,
    ) -> Result<(Making, Streams)> {
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
            process: "",
            records: &self.records,
        };
        let (streams, ends) = self.signals.released(|| Streams::open(wanted, owner))??;
        Ok((make(ends.as_stdio())?, streams))
    }

    /// Begins to start the container, or a process that was added; the answer comes when its program runs.
    pub(super) fn start(&mut self, asked: Asked, request: &StartRequest) -> Result<()> {
        if let Some(begun) = self.start_foreign(asked, &request.id, &request.exec_id) {
            return begun;
        }
        let Service {
            containers, signals, ..
        } = self;
        let found = containers.iter_mut().find(|container| container.id == request.id);
        let container = found.ok_or_else(|| not_created(&request.id))?;
        let number = signals
            .released(|| container.start(asked, &request.exec_id))
            .flatten()?;
        self.advance(number);
        Ok(())
    }
}

impl Container {
    /// Begins to start a process; its number.
    fn start(&mut self, asked: Asked, exec_id: &str) -> Result<u32> {
        let refused = |why: &str| Error::new(Kind::Conflict, "start", &self.id).because(why.to_owned());
        let unmade = refused("it is still being created");
        let again = refused("cannot start a running process");
        let is_made = self.held.is_some();
        let process = self.process_mut(exec_id).ok_or_else(|| {
            Error::new(Kind::NotFound, "find process", exec_id).because("there is none of this name")
        })?;
        if !is_made {
            return Err(unmade);
        }
        let number = process.number;
        match process.stage.take() {
            Stage::Created(life) => self.begin_start(asked, life)?,
            Stage::Added(command) => self.execute(asked, exec_id, &command)?,
            other => {
                process.stage = other;
                return Err(again);
            }
        }
        Ok(number)
    }

    fn begin_start(&mut self, asked: Asked, process: Life) -> Result<()> {
        let passed = tare_failpoint::pass("start-intended");
        let begun = passed.and_then(|()| self.held()?.begin_start());
        let (stage, done) = match begun {
            Ok(starting) => {
                let starting = Box::new(starting);
                let stage = Stage::Starting {
                    starting,
                    process,
                    asked,
                };
                (stage, Ok(()))
            }
            Err(error) => (Stage::Created(process), Err(error)),
        };
        if let Some(first) = self.process_mut("") {
            first.stage = stage;
        }
        done
    }

    /// Begins to execute a process. Where that fails it stays an end that nobody saw, to be deleted.
    fn execute(&mut self, asked: Asked, exec_id: &str, command: &Command) -> Result<()> {
        // A successor must not execute it a second time.
        self.write_record()?;
        tare_failpoint::pass("exec-intended")?;
        let Container {
            id,
            namespace,
            records,
            held,
            processes,
            ..
        } = self;
        let owner = Owner {
            namespace,
            container: id,
            process: exec_id,
            records,
        };
        let process = processes.iter_mut().find(|p| p.exec_id == exec_id);
        let Some((held, process)) = held.as_ref().zip(process) else {
            return Ok(());
        };
        process.stage = Stage::Entering {
            entering: Box::new(enter(held, command, process, owner)?),
            asked,
        };
        let _ = tare_failpoint::pass("exec-begun");
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
            own_group: Some(owner.process),
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
pub(super) fn mount(mount: &types::Mount) -> Mount {
    Mount {
        destination: PathBuf::from("/").join(mount.target.trim_start_matches('/')),
        kind: Some(mount.r#type.clone()),
        source: Some(PathBuf::from(&mount.source)),
        options: mount.options.clone(),
        ..Mount::default()
    }
}
