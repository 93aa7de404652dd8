//! Every property by table: names, types and values as runc sends them.

use super::*;
use tare_spec_oci::{BlockIo, DeviceKind, DeviceRule, Pids};

const V2: Terms = Terms {
    layout: Layout::V2,
    version: 252,
};
const V1: Terms = Terms {
    layout: Layout::Hybrid,
    version: 252,
};
const MAX: u64 = u64::MAX;

fn numbers(resources: &Resources, terms: Terms) -> Vec<(String, u64)> {
    let found = of_resources(resources, terms).unwrap();
    found
        .into_iter()
        .map(|property| match property.value {
            Value::Uint64(n) => (property.name.into_owned(), n),
            other => panic!("{}: {other:?}", property.name),
        })
        .collect()
}

fn check(resources: &Resources, terms: Terms, expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, n)| ((*name).to_owned(), *n))
        .collect();
    assert_eq!(numbers(resources, terms), expected, "{resources:?}");
}

fn memory(limit: i64, reservation: i64, swap: i64) -> Resources {
    let memory = Memory {
        limit: Some(limit),
        reservation: Some(reservation),
        swap: Some(swap),
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

fn files<const N: usize>(files: [(&str, &str); N]) -> Resources {
    Resources {
        unified: files.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..Resources::default()
    }
}

#[test]
fn nothing_asked_is_nothing_said() {
    for terms in [V1, V2] {
        check(&Resources::default(), terms, &[]);
        check(&memory(0, 0, 0), terms, &[]);
        check(&cpu(Cpu::default()), terms, &[]);
    }
}

#[test]
fn memory_is_in_bytes_and_swap_by_itself() {
    for (limit, low, swap, expected) in [
        (64, 0, 0, &[("MemoryMax", 64)][..]),
        (64, 32, 0, &[("MemoryMax", 64), ("MemoryLow", 32)]),
        (64, 0, 100, &[("MemoryMax", 64), ("MemorySwapMax", 36)]),
        (64, 0, 64, &[("MemoryMax", 64), ("MemorySwapMax", 0)]),
        (64, 0, -1, &[("MemoryMax", 64), ("MemorySwapMax", MAX)]),
        (-1, 0, 0, &[("MemoryMax", MAX), ("MemorySwapMax", MAX)]),
        (0, 0, -1, &[("MemorySwapMax", MAX)]),
    ] {
        check(&memory(limit, low, swap), V2, expected);
    }
    check(&memory(64, 32, 100), V1, &[("MemoryLimit", 64)]);
    check(&memory(-1, 0, 0), V1, &[("MemoryLimit", MAX)]);
    for (limit, swap) in [(64, 32), (0, 64), (-1, 64)] {
        let e = of_resources(&memory(limit, 0, swap), V2).unwrap_err();
        assert_eq!(e.kind(), Kind::Invalid, "{limit} {swap}");
    }
}

#[test]
fn shares_are_a_weight_on_version_2() {
    for (shares, weight) in [(2, 1), (1024, 100), (2048, 174), (262_144, 10_000)] {
        let resources = cpu(Cpu {
            shares: Some(shares),
            ..Cpu::default()
        });
        check(&resources, V2, &[("CPUWeight", weight)]);
        check(&resources, V1, &[("CPUShares", shares)]);
    }
    let idle = cpu(Cpu {
        shares: Some(1024),
        idle: Some(1),
        ..Cpu::default()
    });
    check(&idle, V2, &[("CPUWeight", 0)]);
    check(&idle, Terms { version: 251, ..V2 }, &[("CPUWeight", 100)]);
}

/// The table of runc's own behaviour: whole percents, rounded up, and the group is given the same.
#[test]
fn quotas_are_rounded_up_to_percents() {
    for (quota, period, rate, settles) in [
        (50_000, 100_000, 500_000, 50_000),
        (50_000, 0, 500_000, 50_000),
        (5_000, 100_000, 50_000, 5_000),
        (3_333, 100_000, 40_000, 4_000),
        (33_333, 100_000, 340_000, 34_000),
        (100_001, 100_000, 1_010_000, 101_000),
        (1_000, 1_000_000, 10_000, 10_000),
        (10_000, 30_000, 340_000, 10_200),
        (200_000, 100_000, 2_000_000, 200_000),
        (-1, 100_000, MAX, -1),
        (0, 100_000, MAX, 0),
        (-1, 0, MAX, -1),
        (i64::MAX, 1, RATE_MAX.next_multiple_of(10_000), i64::MAX),
    ] {
        let resources = cpu(Cpu {
            quota: Some(quota),
            period: Some(period),
            ..Cpu::default()
        });
        let mut expected = vec![("CPUQuotaPerSecUSec", rate)];
        for terms in [V1, V2] {
            check(
                &resources,
                Terms {
                    version: 241,
                    ..terms
                },
                &expected,
            );
        }
        if period != 0 {
            expected.insert(0, ("CPUQuotaPeriodUSec", period));
        }
        for terms in [V1, V2] {
            check(&resources, terms, &expected);
        }
        assert_eq!(
            settled(&resources).cpu.unwrap().quota,
            Some(settles),
            "{quota} {period}"
        );
    }
}

#[test]
fn tasks_and_weights_of_disks() {
    for (limit, tasks) in [(5, 5), (-1, MAX), (-7, MAX), (0, 1)] {
        let resources = Resources {
            pids: Some(Pids { limit: Some(limit) }),
            ..Resources::default()
        };
        check(&resources, V2, &[("TasksMax", tasks)]);
        check(&resources, V1, &[("TasksMax", tasks)]);
    }
    for (weight, v2) in [(10, 10), (100, 100), (101, 111), (500, 4500), (1000, 10_000)] {
        let resources = Resources {
            block_io: Some(BlockIo {
                weight: Some(weight),
                ..BlockIo::default()
            }),
            ..Resources::default()
        };
        check(&resources, V2, &[("IOWeight", v2)]);
        check(&resources, V1, &[("BlockIOWeight", weight.into())]);
    }
}

#[test]
fn sets_are_bits() {
    let resources = cpu(Cpu {
        cpus: Some("0-3,8".to_owned()),
        mems: Some("0".to_owned()),
        ..Cpu::default()
    });
    let expected = [
        Property::new("AllowedCPUs", Value::bytes(&[0x0f, 1])),
        Property::new("AllowedMemoryNodes", Value::bytes(&[1])),
    ];
    for terms in [V1, V2] {
        assert_eq!(of_resources(&resources, terms).unwrap(), expected);
        assert_eq!(
            of_resources(
                &resources,
                Terms {
                    version: 243,
                    ..terms
                }
            )
            .unwrap(),
            []
        );
    }
    let bad = cpu(Cpu {
        cpus: Some("3-1".to_owned()),
        ..Cpu::default()
    });
    assert_eq!(of_resources(&bad, V2).unwrap_err().kind(), Kind::Invalid);
}

#[test]
fn files_of_version_2_are_properties_where_systemd_knows_them() {
    for (file, value, expected) in [
        ("cpu.weight", "5", &[("CPUWeight", 5)][..]),
        ("cpu.idle", " 1\n", &[("CPUWeight", 0)]),
        ("cpu.idle", "0", &[]),
        (
            "cpu.max",
            "max",
            &[("CPUQuotaPeriodUSec", 100_000), ("CPUQuotaPerSecUSec", MAX)],
        ),
        (
            "cpu.max",
            "1000",
            &[("CPUQuotaPeriodUSec", 100_000), ("CPUQuotaPerSecUSec", 10_000)],
        ),
        (
            "cpu.max",
            "20000 50000",
            &[("CPUQuotaPeriodUSec", 50_000), ("CPUQuotaPerSecUSec", 400_000)],
        ),
        ("memory.high", "1", &[("MemoryHigh", 1)]),
        ("memory.low", "2", &[("MemoryLow", 2)]),
        ("memory.min", "3", &[("MemoryMin", 3)]),
        ("memory.max", "max", &[("MemoryMax", MAX)]),
        ("memory.swap.max", "0", &[("MemorySwapMax", 0)]),
        ("pids.max", "7", &[("TasksMax", 7)]),
        ("pids.max", "max", &[("TasksMax", MAX)]),
        ("memory.oom.group", "1", &[]),
        ("hugetlb.2MB.max", "0", &[]),
        ("io.max", "8:0 rbps=1", &[]),
    ] {
        check(&files([(file, value)]), V2, expected);
        check(&files([(file, value)]), V1, &[]);
    }
    check(
        &files([("cpu.idle", "1"), ("cpu.weight", "9")]),
        V2,
        &[("CPUWeight", 0)],
    );
    let cpus = of_resources(&files([("cpuset.cpus", "0,2"), ("cpuset.mems", "1")]), V2).unwrap();
    let expected = [
        Property::new("AllowedCPUs", Value::bytes(&[5])),
        Property::new("AllowedMemoryNodes", Value::bytes(&[2])),
    ];
    assert_eq!(cpus, expected);
    for (file, value) in [
        ("memory.max", "x"),
        ("memory.max", "-1"),
        ("cpu.max", ""),
        ("cpu.max", "1 2 3"),
        ("cpu.weight", "x"),
        ("a/b.c", "1"),
        ("memory", "1"),
        (".max", "1"),
        ("cpuset.cpus", "x"),
    ] {
        assert!(
            of_resources(&files([(file, value)]), V2).is_err(),
            "{file} {value}"
        );
    }
}

/// What is written by its own name comes last, and the last of two is what systemd takes.
#[test]
fn a_file_by_its_own_name_comes_after_the_limit() {
    let mut resources = memory(64, 0, 0);
    resources.unified = files([("memory.max", "128")]).unified;
    check(&resources, V2, &[("MemoryMax", 64), ("MemoryMax", 128)]);
}

#[test]
fn an_oom_group_is_a_policy_of_the_start() {
    for (value, terms, expected) in [
        ("1", Terms { version: 253, ..V2 }, Some("kill")),
        ("0", Terms { version: 253, ..V2 }, Some("continue")),
        ("2", Terms { version: 253, ..V2 }, None),
        ("1", V2, None),
        ("1", Terms { version: 253, ..V1 }, None),
    ] {
        let found = oom_policy(&files([("memory.oom.group", value)]), terms);
        assert_eq!(
            found,
            expected.map(|policy| Property::new("OOMPolicy", Value::text(policy)))
        );
    }
}

fn rule(allow: bool, kind: DeviceKind, major: i64, minor: i64, access: &str) -> DeviceRule {
    DeviceRule {
        allow,
        kind,
        major: Some(major),
        minor: Some(minor),
        access: Some(access.to_owned()),
    }
}

fn device_properties(rules: &[DeviceRule], terms: Terms) -> Option<(String, Vec<(String, String)>)> {
    let resources = Resources {
        devices: rules.to_vec(),
        ..Resources::default()
    };
    let found = of_resources(&resources, terms).unwrap();
    let [policy, empty, lists @ ..] = found.as_slice() else {
        assert_eq!(found, []);
        return None;
    };
    assert_eq!((&*policy.name, &*empty.name), ("DevicePolicy", "DeviceAllow"));
    // What came before is forgotten first.
    assert_eq!(empty.value, Value::Array("(ss)".to_owned(), vec![]));
    let mut allowed = Vec::new();
    for list in lists {
        let Value::Array(_, pairs) = &list.value else {
            panic!()
        };
        for pair in pairs {
            let Value::Struct(texts) = pair else { panic!() };
            let [Value::Text(name), Value::Text(access)] = texts.as_slice() else {
                panic!()
            };
            allowed.push((name.clone(), access.clone()));
        }
    }
    let Value::Text(policy) = &policy.value else {
        panic!()
    };
    Some((policy.clone(), allowed))
}

#[test]
fn device_rules_are_a_list_of_what_is_allowed() {
    use DeviceKind::{All, Block, Char};
    let deny = rule(false, All, -1, -1, "rwm");
    let check = |rules: &[DeviceRule], terms: Terms, policy: &str, list: &[(&str, &str)]| {
        let list: Vec<_> = list
            .iter()
            .map(|(n, a)| ((*n).to_owned(), (*a).to_owned()))
            .collect();
        assert_eq!(device_properties(rules, terms), Some((policy.to_owned(), list)));
    };
    // As docker's and runc's defaults begin.
    let usual = [
        deny.clone(),
        rule(true, Char, -1, -1, "m"),
        rule(true, Block, -1, -1, "m"),
        rule(true, Char, 1, 3, "rwm"),
        rule(true, Char, 136, -1, "rwm"),
        rule(true, Block, 8, 0, "r"),
    ];
    let expected = [
        ("/dev/block/8:0", "r"),
        ("/dev/char/1:3", "rwm"),
        ("block-*", "m"),
        ("char-*", "m"),
        ("char-136", "rwm"),
    ];
    check(&usual, V2, "strict", &expected);
    check(&usual, V1, "strict", &expected);
    check(std::slice::from_ref(&deny), V2, "strict", &[]);
    // Allowed by default, with or without exceptions: systemd has no words, and keeps out.
    check(&[rule(true, All, -1, -1, "rwm")], V2, "auto", &[]);
    check(&[rule(false, Char, 1, 3, "rwm")], V2, "auto", &[]);
    // A minor number of any driver: wider on version 2, where the group's own program is exact; left out on version 1.
    let any = [
        deny.clone(),
        rule(true, Char, -1, -1, "m"),
        rule(true, Char, -1, 5, "r"),
    ];
    check(&any, V2, "strict", &[("char-*", "rm")]);
    check(&any, V1, "strict", &[("char-*", "m")]);
    assert_eq!(device_properties(&usual, Terms { version: 239, ..V2 }), None);
    assert_eq!(device_properties(&[], V2), None);
}

/// The bytes of one property, as they stand in `StartTransientUnit`: laid out by hand from the specification.
#[test]
fn a_property_on_the_wire() {
    let list = Value::Array("(sv)".to_owned(), vec![number("TasksMax", 5).pair()]);
    let arguments = [list];
    let call = crate::dbus::Call {
        destination: None,
        path: "/",
        interface: "a.b",
        method: "C",
        arguments: &arguments,
        handles: 0,
    };
    let bytes = call.encode(1).unwrap();
    let expected = [
        24, 0, 0, 0, 0, 0, 0, 0, // length of the array, padding to its first struct
        8, 0, 0, 0, b'T', b'a', b's', b'k', b's', b'M', b'a', b'x', 0, // its name
        1, b't', 0, // the type of its value, which happens to be aligned
        5, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(bytes[bytes.len() - expected.len()..], expected);
}
