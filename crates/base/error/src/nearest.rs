//! The nearest of some names to one that does not exist: for hints.

/// The one of `names` nearest to `typed`, where it is near enough to be meant.
pub fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // One slip in a short word, two from six letters on, three from twelve.
    let allowed = (typed.chars().count() / 6 + 1).min(3);
    let ranked = names.into_iter().map(|name| (distance(typed, name), name));
    ranked.filter(|(d, _)| *d <= allowed).min().map(|(_, name)| name)
}

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Longer ones are no slip of the finger, and cost quadratic time.
    if a.len().abs_diff(b.len()) > 3 || a.len() > 300 {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = [
            "busybox",
            "debian",
            "nginx",
            "plain-http",
            "docker.io/library/alpine",
        ];
        for (typed, found) in [
            ("busybx", Some("busybox")),
            ("buysbox", Some("busybox")),
            ("plain_http", Some("plain-http")),
            ("ngnix", Some("nginx")),
            ("debain", Some("debian")),
            ("fedora", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, names), found, "{typed}");
        }
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
