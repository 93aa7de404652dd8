//! Documents in, control files out, on both versions, as tables.

use super::*;
use tare_spec_oci::WeightDevice;
use tare_spec_oci::{
    BlockIo, Cpu, HugepageLimit, InterfacePriority, Memory, Network, Pids, Rdma, ThrottleDevice,
};

/// A group with every controller on one version, or with none at all.
#[derive(Debug)]
struct All(Option<Version>);

impl Home for All {
    fn version(&self, _controller: Controller) -> Option<Version> {
        self.0
    }
    fn has_unified(&self) -> bool {
        self.0 == Some(Version::V2)
    }
    fn why_not(&self, controller: Controller, what: &str) -> Error {
        Error::new(Kind::Unsupported, "set", what)
            .because(format!("the {controller} controller is not available"))
    }
    fn subject(&self) -> String {
        "/tare/web".to_owned()
    }
}

/// Every setting as `file=value`, settings of one step joined by ` + `.
fn plan(version: Version, resources: &Resources) -> Vec<String> {
    let home = All(Some(version));
    let draft = Draft::of(resources, &home);
    assert!(draft.refused.is_empty(), "{:?}", draft.refused);
    let show = |setting: &Setting| format!("{}={}", setting.file, setting.value);
    let steps = draft.steps.iter();
    steps
        .map(|step| step.iter().map(show).collect::<Vec<_>>().join(" + "))
        .collect()
}

fn refused(version: Version, resources: &Resources) -> Kind {
    let home = All(Some(version));
    let draft = Draft::of(resources, &home);
    assert_eq!(draft.refused.len(), 1, "{draft:?}");
    assert!(draft.refused[0].first_hint().is_some());
    draft.refused[0].kind()
}

fn memory(limit: Option<i64>, swap: Option<i64>) -> Resources {
    let memory = Memory {
        limit,
        swap,
        ..Memory::default()
    };
    Resources {
        memory: Some(memory),
        ..Resources::default()
    }
}

fn cpu(cpu: Cpu) -> Resources {
    Resources {
        cpu: Some(cpu),
        ..Resources::default()
    }
}

#[test]
fn memory_and_swap() {
    use Version::{V1, V2};
    let limit = "memory.limit_in_bytes";
    let both = "memory.memsw.limit_in_bytes";
    for (given, v1, v2) in [
        (
            (Some(64), None),
            vec![format!("{limit}=64")],
            vec!["memory.max=64"],
        ),
        (
            (Some(64), Some(96)),
            vec![format!("{limit}=64 + {both}=96")],
            vec!["memory.swap.max=32", "memory.max=64"],
        ),
        (
            (Some(64), Some(64)),
            vec![format!("{limit}=64 + {both}=64")],
            vec!["memory.swap.max=0", "memory.max=64"],
        ),
        (
            (Some(64), Some(-1)),
            vec![format!("{limit}=64 + {both}=-1")],
            vec!["memory.swap.max=max", "memory.max=64"],
        ),
        (
            (Some(-1), None),
            vec![format!("{limit}=-1 + {both}=-1")],
            vec!["memory.swap.max=max", "memory.max=max"],
        ),
        (
            (None, Some(-1)),
            vec![format!("{both}=-1")],
            vec!["memory.swap.max=max"],
        ),
        ((Some(0), Some(0)), vec![], vec![]),
        ((None, None), vec![], vec![]),
    ] {
        let resources = memory(given.0, given.1);
        assert_eq!(plan(V1, &resources), v1, "{given:?}");
        assert_eq!(plan(V2, &resources), v2, "{given:?}");
    }
    assert_eq!(refused(V1, &memory(Some(-7), None)), Kind::Invalid);
    assert_eq!(refused(V2, &memory(None, Some(-2))), Kind::Invalid);
    assert_eq!(refused(V1, &memory(Some(64), Some(32))), Kind::Invalid);
    assert_eq!(refused(V2, &memory(Some(64), Some(32))), Kind::Invalid);
    assert_eq!(refused(V2, &memory(None, Some(32))), Kind::Invalid);
    assert_eq!(plan(V1, &memory(None, Some(32))), [format!("{both}=32")]);
}

#[test]
fn other_memory_settings() {
    let resources = Resources {
        memory: Some(Memory {
            reservation: Some(32),
            swappiness: Some(10),
            disable_oom_killer: Some(true),
            kernel: Some(1),
            use_hierarchy: Some(true),
            ..Memory::default()
        }),
        ..Resources::default()
    };
    let v1 = plan(Version::V1, &resources);
    assert_eq!(
        v1,
        [
            "memory.soft_limit_in_bytes=32",
            "memory.oom_control=1",
            "memory.swappiness=10"
        ]
    );
    let home = All(Some(Version::V2));
    let draft = Draft::of(&resources, &home);
    assert_eq!(draft.steps.len(), 1);
    assert_eq!(draft.refused.len(), 2);
    assert!(draft.refused.iter().all(|e| e.kind() == Kind::Unsupported));

    let wild = Memory {
        swappiness: Some(101),
        ..Memory::default()
    };
    assert_eq!(
        refused(
            Version::V1,
            &Resources {
                memory: Some(wild),
                ..Resources::default()
            }
        ),
        Kind::Invalid
    );
    // What docker writes for "not given" asks for nothing, with or without a controller.
    let empty = Memory {
        disable_oom_killer: Some(false),
        limit: Some(0),
        ..Memory::default()
    };
    let home = All(None);
    let resources = Resources {
        memory: Some(empty),
        ..Resources::default()
    };
    assert!(Draft::of(&resources, &home).refused.is_empty());
}

#[test]
fn processor_time() {
    let all = cpu(Cpu {
        shares: Some(1024),
        quota: Some(50_000),
        period: Some(200_000),
        burst: Some(1000),
        idle: Some(1),
        ..Cpu::default()
    });
    assert_eq!(
        plan(Version::V1, &all),
        [
            "cpu.shares=1024 + cpu.idle=1",
            "cpu.cfs_period_us=200000 + cpu.cfs_quota_us=50000 + cpu.cfs_burst_us=1000"
        ]
    );
    assert_eq!(
        plan(Version::V2, &all),
        [
            "cpu.weight=100 + cpu.idle=1",
            "cpu.max=50000 200000 + cpu.max.burst=1000"
        ]
    );
    for (quota, period, want) in [
        (Some(50_000), None, "cpu.max=50000 100000"),
        (None, Some(5000), "cpu.max=max 5000"),
        (Some(-1), None, "cpu.max=max 100000"),
    ] {
        assert_eq!(
            plan(
                Version::V2,
                &cpu(Cpu {
                    quota,
                    period,
                    ..Cpu::default()
                })
            ),
            [want]
        );
    }
    let realtime = cpu(Cpu {
        realtime_runtime: Some(5),
        realtime_period: Some(10),
        ..Cpu::default()
    });
    assert_eq!(
        plan(Version::V1, &realtime),
        ["cpu.rt_period_us=10 + cpu.rt_runtime_us=5"]
    );
    assert_eq!(refused(Version::V2, &realtime), Kind::Unsupported);
    let zeros = cpu(Cpu {
        shares: Some(0),
        quota: Some(0),
        realtime_runtime: Some(0),
        ..Cpu::default()
    });
    assert!(plan(Version::V2, &zeros).is_empty());
}

#[test]
fn processors_and_tasks() {
    let sets = cpu(Cpu {
        cpus: Some("0-1".to_owned()),
        mems: Some("0".to_owned()),
        ..Cpu::default()
    });
    for version in [Version::V1, Version::V2] {
        assert_eq!(plan(version, &sets), ["cpuset.cpus=0-1", "cpuset.mems=0"]);
        for (limit, want) in [(100, "pids.max=100"), (0, "pids.max=1"), (-1, "pids.max=max")] {
            let pids = Some(Pids { limit: Some(limit) });
            assert_eq!(
                plan(
                    version,
                    &Resources {
                        pids,
                        ..Resources::default()
                    }
                ),
                [want]
            );
        }
        let wrong = cpu(Cpu {
            cpus: Some("0;1".to_owned()),
            ..Cpu::default()
        });
        assert_eq!(refused(version, &wrong), Kind::Invalid);
    }
}

#[test]
fn block_devices() {
    let throttle = |rate| {
        vec![ThrottleDevice {
            major: 8,
            minor: 0,
            rate,
        }]
    };
    let resources = Resources {
        block_io: Some(BlockIo {
            weight: Some(500),
            weight_device: vec![WeightDevice {
                major: 8,
                minor: 16,
                weight: Some(100),
                leaf_weight: None,
            }],
            throttle_read_bps_device: throttle(1000),
            throttle_write_iops_device: throttle(0),
            ..BlockIo::default()
        }),
        ..Resources::default()
    };
    assert_eq!(
        plan(Version::V1, &resources),
        [
            "blkio.weight=500",
            "blkio.weight_device=8:16 100",
            "blkio.throttle.read_bps_device=8:0 1000",
            "blkio.throttle.write_iops_device=8:0 0"
        ]
    );
    assert_eq!(
        plan(Version::V2, &resources),
        [
            "io.bfq.weight=500",
            "io.bfq.weight=8:16 100",
            "io.max=8:0 rbps=1000",
            "io.max=8:0 wiops=max"
        ]
    );
    let home = All(Some(Version::V2));
    let fallback = &Draft::of(&resources, &home).steps[0][0].absent;
    assert!(matches!(fallback, Absent::Instead(other) if other.file == "io.weight" && other.value == "4950"));

    for block in [
        BlockIo {
            weight: Some(9),
            ..BlockIo::default()
        },
        BlockIo {
            leaf_weight: Some(1001),
            ..BlockIo::default()
        },
        BlockIo {
            throttle_read_bps_device: vec![ThrottleDevice {
                major: -1,
                minor: 0,
                rate: 1,
            }],
            ..BlockIo::default()
        },
    ] {
        let resources = Resources {
            block_io: Some(block),
            ..Resources::default()
        };
        assert_eq!(refused(Version::V2, &resources), Kind::Invalid);
    }
}

#[test]
fn pages_packets_and_handles() {
    let resources = Resources {
        hugepage_limits: vec![HugepageLimit {
            page_size: "2MB".to_owned(),
            limit: 4 << 20,
        }],
        network: Some(Network {
            class_id: Some(1_048_577),
            priorities: vec![InterfacePriority {
                name: "eth0".to_owned(),
                priority: 5,
            }],
        }),
        rdma: [(
            "mlx5_1".to_owned(),
            Rdma {
                hca_handles: Some(3),
                hca_objects: Some(10),
            },
        )]
        .into(),
        ..Resources::default()
    };
    assert_eq!(
        plan(Version::V1, &resources),
        [
            "hugetlb.2MB.limit_in_bytes=4194304",
            "hugetlb.2MB.rsvd.limit_in_bytes=4194304",
            "net_cls.classid=1048577",
            "net_prio.ifpriomap=eth0 5",
            "rdma.max=mlx5_1 hca_handle=3 hca_object=10"
        ]
    );
    let odd = |name: &str| Resources {
        network: Some(Network {
            class_id: None,
            priorities: vec![InterfacePriority {
                name: name.to_owned(),
                priority: 5,
            }],
        }),
        ..Resources::default()
    };
    for name in ["", "a b", "a\n1:1", "../x"] {
        assert_eq!(refused(Version::V1, &odd(name)), Kind::Invalid, "{name:?}");
    }
    let page = HugepageLimit {
        page_size: "2MB.max/../x".to_owned(),
        limit: 1,
    };
    let resources = Resources {
        hugepage_limits: vec![page],
        ..Resources::default()
    };
    assert_eq!(refused(Version::V1, &resources), Kind::Invalid);
}

#[test]
fn files_by_name() {
    let unified = |file: &str| Resources {
        unified: [(file.to_owned(), "5".to_owned())].into(),
        ..Resources::default()
    };
    for file in ["memory.high", "cgroup.max.depth", "pids.max"] {
        assert_eq!(plan(Version::V2, &unified(file)), [format!("{file}=5")]);
        assert_eq!(refused(Version::V1, &unified(file)), Kind::Unsupported, "{file}");
    }
    for file in [
        "",
        "memory",
        "../memory.max",
        "memory.max/..",
        "cgroup.procs",
        "cgroup.kill",
        "devices.allow",
    ] {
        assert_eq!(refused(Version::V2, &unified(file)), Kind::Invalid, "{file}");
    }
}

#[test]
fn a_missing_controller_is_named_once_per_subject() {
    let resources = Resources {
        memory: Some(Memory {
            limit: Some(64),
            ..Memory::default()
        }),
        pids: Some(Pids { limit: Some(5) }),
        ..Resources::default()
    };
    let home = All(None);
    let draft = Draft::of(&resources, &home);
    assert!(draft.steps.is_empty());
    let said: Vec<String> = draft.refused.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "set memory limit: the memory controller is not available",
            "set pids limit: the pids controller is not available"
        ]
    );
}
