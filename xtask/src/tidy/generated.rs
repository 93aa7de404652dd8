//! What was generated is what the generator makes of its input: told by checksums, so that nobody has to run it to know.

use super::Finding;
use super::tree::Source;

/// Where the checksums are kept: one line for what goes in, one for what came out.
pub(super) const CHECKSUMS: &str = "crates/spec/containerd/src/generated/checksums";

const INPUT: &[&str] = &["crates/spec/containerd/proto/", "xtask/codegen/"];
const OUTPUT: &[&str] = &["crates/spec/containerd/src/generated/"];

/// A generated file that was changed by hand, or an input that was changed without generating again.
pub(super) fn current(sources: &[Source]) -> Vec<Finding> {
    let kept = sources.iter().find(|source| source.path == CHECKSUMS);
    if kept.is_some_and(|source| source.text == checksums(sources)) {
        return Vec::new();
    }
    let message = "not what its input makes, or changed by hand: cargo xtask codegen";
    vec![Finding::new(CHECKSUMS, 0, message)]
}

/// The text of [`CHECKSUMS`] for this tree.
pub(super) fn checksums(sources: &[Source]) -> String {
    format!(
        "input {:016x}\noutput {:016x}\n",
        sum(sources, INPUT),
        sum(sources, OUTPUT)
    )
}

/// FNV-1a over paths and texts: it meets mistakes, not attackers.
fn sum(sources: &[Source], folders: &[&str]) -> u64 {
    let mut wanted: Vec<&Source> = sources
        .iter()
        .filter(|s| s.path != CHECKSUMS && folders.iter().any(|folder| s.path.starts_with(folder)))
        .collect();
    wanted.sort_by(|a, b| a.path.cmp(&b.path));
    wanted
        .iter()
        .flat_map(|s| [s.path.as_bytes(), b"\0", s.text.as_bytes(), b"\0"])
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |sum: u64, byte| {
            (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_on_either_side_are_found() {
        let tree = |proto: &str, made: &str, sums: &str| {
            vec![
                Source::new("crates/spec/containerd/proto/a.proto", proto),
                Source::new("crates/spec/containerd/src/generated/a.rs", made),
                Source::new("crates/spec/containerd/src/lib.rs", "anything"),
                Source::new(CHECKSUMS, sums),
            ]
        };
        let sums = checksums(&tree("message A {}", "struct A;", ""));
        assert_eq!(current(&tree("message A {}", "struct A;", &sums)), []);
        assert_eq!(current(&tree("message B {}", "struct A;", &sums)).len(), 1);
        assert_eq!(current(&tree("message A {}", "struct B;", &sums)).len(), 1);
        assert_eq!(current(&tree("message A {}", "struct A;", "")).len(), 1);
    }
}
