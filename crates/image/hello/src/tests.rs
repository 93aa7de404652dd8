//! The archive as others read it, and the page for facts that are known.

use crate::facts::{Facts, cpu_text, groups, memory_text};
use crate::page::render;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name → content, read by the rules of ustar alone.
fn read_tar(bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    while bytes[at] != 0 {
        let header = &bytes[at..at + 512];
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
            String::from_utf8(field[..end].to_vec()).unwrap()
        };
        let size = usize::from_str_radix(&text(124..136), 8).unwrap();
        let sum: u32 = header
            .iter()
            .enumerate()
            .map(|(i, b)| {
                if (148..156).contains(&i) {
                    32
                } else {
                    u32::from(*b)
                }
            })
            .sum();
        assert_eq!(u32::from_str_radix(text(148..156).trim(), 8).unwrap(), sum);
        found.insert(text(0..100), bytes[at + 512..at + 512 + size].to_vec());
        at += 512 + size.next_multiple_of(512);
    }
    found
}

#[test]
fn the_archive_is_a_layout_whose_digests_hold() {
    let archive = crate::archive();
    let files = read_tar(&archive.bytes);
    let blob = |digest: &serde_json::Value| {
        let name = digest.as_str().unwrap().replace(':', "/");
        files[&format!("blobs/{name}")].clone()
    };
    let index: serde_json::Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&blob(&index["manifests"][0]["digest"])).unwrap();
    assert_eq!(manifest["config"]["digest"], archive.config_digest);
    let config: serde_json::Value = serde_json::from_slice(&blob(&manifest["config"]["digest"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
    let layer = read_tar(&blob(&manifest["layers"][0]["digest"]));
    assert_eq!(layer["hello"], crate::PROGRAM);
    assert_eq!(archive.bytes, crate::archive().bytes, "the same bytes every time");
}

#[test]
fn the_program_is_static() {
    assert_eq!(&crate::PROGRAM[..4], b"\x7fELF");
    let interpreter = crate::PROGRAM
        .windows(8)
        .any(|w| w == b"/ld-linu" || w == b"/ld-musl");
    assert!(!interpreter, "a program interpreter is named");
}

#[test]
fn the_page_shows_what_the_kernel_said() {
    let facts = Facts {
        pid: 1,
        hostname: "3f2a91c07be4".into(),
        kernel: "6.18.0".into(),
        namespaces: vec![Some(4_026_532_277), Some(2), None, Some(4), Some(5), Some(6), Some(0xEFFF_FFFD), Some(8)],
        status: "Uid:\t0\t1000\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n".into(),
        cgroup: "0::/\n".into(),
        mounts: "30 20 0:5 / / rw,relatime - overlay overlay ro,lowerdir=/v/snapshots/sha256-0123456789abcdef0123456789abcdef/fs:/b,upperdir=/u\n".into(),
        limits: vec![("memory", memory_text("67108864"))],
        took: Some(Duration::from_micros(5230)),
    };
    let page = render(&facts);
    for line in [
        "  process       1, as user 1000 and group 0",
        "  hostname      3f2a91c07be4",
        "  namespaces    mnt     4026532277                  uts     5",
        "                net     not there                   user    4026531837  the machine's",
        "  cgroup        /\n                memory      64 MiB",
        "  capabilities  14 of 41\n                chown dac_override fowner fsetid kill setgid setuid setpcap",
        "  seccomp       1 filter (mode 2); setuid programs work",
        "  root          overlay, read-only\n                layer  /v/snapshots/sha256-0123456789ab/fs\n                layer  /b\n                top    /u",
        "  start         5.2 ms from `tare run` to here",
    ] {
        assert!(page.contains(line), "{line:?} is not in\n{page}");
    }
}

#[test]
fn limits_in_words() {
    for (raw, text) in [
        ("67108864", "64 MiB"),
        ("6291457", "6291457 bytes"),
        ("max", "no limit"),
        ("9223372036854771712", "no limit"),
    ] {
        assert_eq!(memory_text(raw), text);
    }
    for (raw, text) in [
        ("150000 100000", "1.5 processors"),
        ("max 100000", "no limit"),
        ("-1 100000", "no limit"),
    ] {
        assert_eq!(cpu_text(raw), text);
    }
}

#[test]
fn the_group_of_a_controller_is_found_on_each_layout() {
    let v1 = "1 0 0:1 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    assert_eq!(groups(v1, "7:memory:/\n", "memory"), ["/sys/fs/cgroup/memory"]);
    let v2 = "1 0 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    assert_eq!(
        groups(v2, "0::/a\n", "memory"),
        ["/sys/fs/cgroup/a", "/sys/fs/cgroup"]
    );
    assert!(groups(v1, "7:memory:/\n", "pids").is_empty());
}

#[test]
fn this_process_can_be_described() {
    let facts = Facts::gather(std::time::SystemTime::now());
    assert_eq!(facts.pid, std::process::id());
    assert_eq!(facts.namespaces.len(), 8);
    assert!(
        facts.namespaces[1].is_some(),
        "pid namespaces are older than the kernel floor"
    );
    assert!(facts.took.is_none(), "nobody said when tare started");
}
