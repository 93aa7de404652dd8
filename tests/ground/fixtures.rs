//! The fixtures are what they say, seen by the tools that made them: otherwise a test that reads them proves nothing.

use std::fs;
use tare_kit::{Need, Registry, Tare, test};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Fixture("registry"),
    Need::Program("skopeo"),
    Need::Program("docker-registry"),
];

/// The raw manifest of an image, as the registry serves it.
fn manifest(registry: &Registry, image: &str, options: &[&str]) -> Tare {
    Tare::program("skopeo")
        .args(["inspect", "--raw", "--tls-verify=false"])
        .args(options)
        .args([format!("docker://{}", registry.image(image))])
}

#[test]
fn the_registry_has_every_format() {
    test(NEEDS, |world| {
        let registry = world.registry();
        let table = [
            ("busybox:latest", "application/vnd.oci.image.layer.v1.tar+gzip"),
            ("busybox:zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
            (
                "busybox:v2s2",
                "application/vnd.docker.distribution.manifest.v2+json",
            ),
            ("busybox:index", "application/vnd.oci.image.index.v1+json"),
            ("busybox:other", "\"architecture\""),
            ("library/busybox:latest", "layer.v1.tar+gzip"),
            ("torture:latest", "layer.v1.tar+gzip"),
            ("torture:zstd", "layer.v1.tar+zstd"),
            ("debian:latest", "layer.v1.tar+gzip"),
            ("nginx:latest", "layer.v1.tar+gzip"),
        ];
        for (image, holds) in table {
            let text = manifest(&registry, image, &[]).ok();
            assert!(text.contains(holds), "{image} should have {holds}: {text}");
        }
    });
}

#[test]
fn the_registry_can_ask_for_a_password() {
    test(NEEDS, |world| {
        let registry = world.registry_with_password();
        let refused = manifest(&registry, "busybox:latest", &["--no-creds"]).fails(1);
        assert!(
            refused.contains("unauthorized") || refused.contains("authentication required"),
            "{refused}"
        );
        let _ = manifest(&registry, "busybox:latest", &["--creds", "tester:secret"]).ok();
    });
}

#[test]
fn the_torture_image_has_what_hurts() {
    test(&[Need::Root, Need::Fixture("torture")], |world| {
        let root = world.fixture("torture").join("expected/rootfs");
        let attributes = Tare::program("getfattr")
            .args(["-d", "-m", "-", "-R", "attributes"])
            .directory(&root)
            .ok();
        for name in [
            "user.origin",
            "trusted.secret",
            "security.capability",
            "system.posix_acl_access",
        ] {
            assert!(attributes.contains(name), "{name}: {attributes}");
        }
        let listing = Tare::program("find")
            .args(["devices", "modes", "links", "-printf", "%p %y %m %n %U:%G\n"])
            .directory(&root)
            .ok();
        for line in [
            "devices/null c 640 1 0:0",
            "devices/block b 644 1 0:6",
            "devices/fifo p 644 1 0:0",
            "modes/4755 f 4755 1 0:0",
            "modes/7777 f 7777 1 0:0",
            "modes/0644 f 644 1 1234:5678",
            "links/third f 644 2 0:0",
            "links/second f 644 1 0:0",
        ] {
            assert!(listing.lines().any(|l| l == line), "no \"{line}\" in:\n{listing}");
        }
        for gone in [
            "deleted/file",
            "deleted/below",
            "opaque/hidden",
            "opaque/below",
            "replaced/by-file/inside",
        ] {
            assert!(
                root.join(gone).symlink_metadata().is_err(),
                "{gone} is still there"
            );
        }
        assert_eq!(fs::read_to_string(root.join("twice")).unwrap(), "second\n");
        assert_eq!(fs::metadata(root.join("sparse/huge")).unwrap().len(), 150_000_000);
    });
}

#[test]
fn buildah_made_both_formats() {
    test(&[Need::Root, Need::Fixture("buildah")], |world| {
        let folder = world.fixture("buildah");
        let manifest = Tare::program("tar")
            .args(["-xOf", "docker.tar", "manifest.json"])
            .directory(&folder)
            .ok();
        assert!(manifest.contains("buildah:latest"), "{manifest}");
        let index = fs::read_to_string(folder.join("oci/index.json")).unwrap();
        assert!(index.contains("oci.image.manifest.v1+json"), "{index}");
    });
}
