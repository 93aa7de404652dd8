//! **What.** `cargo xtask codegen`: makes the message types of crates/spec/containerd from its .proto files.
//!
//! **Not.** No build script: what it makes is committed, read and reviewed like any file, and built without it.
//!
//! **Words.** *Package*: protobuf's; each becomes one file and one module.
//!
//! **Life.** .proto files → protox → what nobody speaks is dropped → prost-build, one package at a time → rustfmt.
//!
//! **Rules.** Maps are B-trees (no hasher in a supervisor). Only messages that travel inside an `Any` know their names.

use prost_build::{Config, Service, ServiceGenerator};
use prost_types::FileDescriptorSet;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const ROOT: &str = "crates/spec/containerd";

/// One protobuf package: its name, the module it becomes, and whether its messages travel inside an `Any`.
struct Package {
    name: &'static str,
    module: &'static str,
    named: bool,
}

const fn package(name: &'static str, module: &'static str, named: bool) -> Package {
    Package { name, module, named }
}

const PACKAGES: &[Package] = &[
    package("containerd.task.v3", "task", false),
    package("containerd.v1.types", "process", false),
    package("containerd.runtime.sandbox.v1", "sandbox", false),
    package("containerd.runtime.bootstrap.v1", "bootstrap", false),
    package("containerd.types", "types", false),
    package("containerd.events", "events", true),
    package("containerd.services.events.ttrpc.v1", "forward", false),
    package("containerd.runc.v1", "runc", true),
    package("runtimeoptions.v1", "runtimeoptions", true),
    package("runtime.v1", "cri", true),
    package("io.containerd.cgroups.v1", "cgroup1", true),
    package("io.containerd.cgroups.v2", "cgroup2", true),
];

const FILES: &[&str] = &[
    "cgroups/v1/metrics.proto",
    "cgroups/v2/metrics.proto",
    "cri/runtime/v1/sandbox_config.proto",
    "events/task.proto",
    "runtime/bootstrap/v1/bootstrap.proto",
    "runtime/sandbox/v1/sandbox.proto",
    "runtime/task/v3/shim.proto",
    "services/ttrpc/events/v1/events.proto",
    "types/introspection.proto",
    "types/runc/options/oci.proto",
    "types/runtimeoptions/v1/api.proto",
];

/// Messages that no containerd sends to a shim and no shim sends to it, and the one optional method that needs some.
const UNSPOKEN: &[&str] = &[
    "ActivationInfo",
    "ActiveMount",
    "ExecProcessResponse",
    "MountCapabilities",
    "Process",
    "RuntimeRequest",
    "Sandbox",
    "UpdateSandbox",
    "UpdateSandboxRequest",
    "UpdateSandboxResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut set = protox::compile(FILES, [format!("{ROOT}/proto")])?;
    drop_unspoken(&mut set);
    let scratch = Path::new("target/codegen/made");
    std::fs::create_dir_all(scratch)?;
    for package in PACKAGES {
        write(package, &set, scratch)?;
    }
    Ok(())
}

/// Writes the file of one package; the types of the others are where their modules are.
fn write(package: &Package, set: &FileDescriptorSet, scratch: &Path) -> Result<(), Box<dyn Error>> {
    let mut config = Config::new();
    config
        .out_dir(scratch)
        .btree_map(["."])
        .disable_comments(["."])
        .extern_path(".google.protobuf.Any", "crate::Any")
        .extern_path(".google.protobuf.Timestamp", "crate::Timestamp")
        .service_generator(Box::new(Methods));
    if package.named {
        config.enable_type_names();
    }
    for other in PACKAGES.iter().filter(|other| other.name != package.name) {
        config.extern_path(format!(".{}", other.name), format!("crate::{}", other.module));
    }
    config.compile_fds(set.clone())?;
    let made = std::fs::read_to_string(scratch.join(format!("{}.rs", package.name)))?;
    let (_, code) = made.split_once('\n').ok_or("an empty file")?;
    let path = format!("{ROOT}/src/generated/{}.rs", package.module);
    let text = format!(
        "//! Package `{}`, made by `cargo xtask codegen` from the files in ../../proto: change those.\n\n{code}",
        package.name
    );
    std::fs::write(&path, text)?;
    if !Command::new("rustfmt").args(["--edition=2024", &path]).status()?.success() {
        return Err(format!("rustfmt {path}").into());
    }
    Ok(())
}

fn drop_unspoken(set: &mut FileDescriptorSet) {
    let spoken = |name: &str| !UNSPOKEN.contains(&name);
    for file in &mut set.file {
        file.message_type.retain(|message| spoken(message.name()));
        for service in &mut file.service {
            service.method.retain(|method| spoken(method.name()));
        }
    }
}

/// A service becomes the set of its methods: who serves them is none of the messages' business.
struct Methods;

impl ServiceGenerator for Methods {
    fn generate(&mut self, service: Service, code: &mut String) {
        let name = &service.name;
        let proto: Vec<&str> = service.methods.iter().map(|m| m.proto_name.as_str()).collect();
        let arms = |arm: &dyn Fn(&str) -> String| proto.iter().map(|m| arm(m)).collect::<String>();
        let variants = arms(&|m| format!("{m},"));
        let from = arms(&|m| format!("\"{m}\" => Self::{m},"));
        let to = arms(&|m| format!("Self::{m} => \"{m}\","));
        // Writing to a string cannot fail.
        let _ = write!(
            code,
            "/// The methods of the service `{name}`.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum {name}Method {{ {variants} }}
            impl {name}Method {{
                /// The method of this name; none where the service has no such method.
                pub fn from_name(name: &str) -> Option<Self> {{
                    Some(match name {{ {from} _ => return None }})
                }}
                /// The name on the wire.
                pub const fn name(self) -> &'static str {{
                    match self {{ {to} }}
                }}
            }}"
        );
    }
}
