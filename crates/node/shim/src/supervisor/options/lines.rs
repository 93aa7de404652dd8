//! runc's options in TOML, as far as they need it: one table of words, truths and numbers.

use tare_error::{Error, Kind, Result};
use tare_spec_containerd::runc::Options;

/// What an option is worth.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Truth(bool),
    Number(u32),
}

/// Reads them; what containerd's own shim knows is known, and what is not needed is passed over.
///
/// # Errors
/// `Invalid`, with the line, for another option or another type.
pub(crate) fn read(text: &str, subject: &str) -> Result<Options> {
    let mut options = Options::default();
    for (line, number) in text.lines().zip(1..) {
        let wrong = |why: String| {
            Error::new(Kind::Invalid, "read", subject)
                .because(format!("line {number}: {why}"))
                .hint("give runc's options: BinaryName, Root, SystemdCgroup, NoPivotRoot, NoNewKeyring")
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, rest) = line
            .split_once('=')
            .ok_or_else(|| wrong(format!("{line:?} is no option with a value")))?;
        let key = key.trim().trim_matches('"');
        let value = value(rest.trim()).ok_or_else(|| wrong(format!("the value of {key} cannot be read")))?;
        let known = set(&mut options, key, value);
        known.map_err(|()| wrong(format!("there is no option {key} of this type")))?;
    }
    Ok(options)
}

fn set(options: &mut Options, key: &str, value: Value) -> std::result::Result<(), ()> {
    match (key, value) {
        ("BinaryName", Value::Text(text)) => options.binary_name = text,
        ("Root", Value::Text(text)) => options.root = text,
        ("ShimCgroup", Value::Text(text)) => options.shim_cgroup = text,
        ("CriuImagePath", Value::Text(text)) => options.criu_image_path = text,
        ("CriuWorkPath", Value::Text(text)) => options.criu_work_path = text,
        ("SystemdCgroup", Value::Truth(truth)) => options.systemd_cgroup = truth,
        ("NoPivotRoot", Value::Truth(truth)) => options.no_pivot_root = truth,
        ("NoNewKeyring", Value::Truth(truth)) => options.no_new_keyring = truth,
        ("IoUid", Value::Number(number)) => options.io_uid = number,
        ("IoGid", Value::Number(number)) => options.io_gid = number,
        // Of CRIU's old name, and of the shim itself: nothing hangs on them. Nor on its cgroup and the owners of pipes.
        ("CriuPath" | "TypeUrl" | "ConfigPath" | "TaskApiAddress", Value::Text(_)) => {}
        ("TaskApiVersion", Value::Number(_)) => {}
        _ => return Err(()),
    }
    Ok(())
}

/// A value, with nothing but a comment behind it.
fn value(text: &str) -> Option<Value> {
    let (value, rest) = match text.chars().next()? {
        '"' => quoted(text.get(1..)?)?,
        '\'' => {
            let (inside, rest) = text.get(1..)?.split_once('\'')?;
            (Value::Text(inside.to_owned()), rest)
        }
        _ => {
            let end = text.find(['#', ' ', '\t']).unwrap_or(text.len());
            let (word, rest) = text.split_at_checked(end)?;
            let value = match word {
                "true" => Value::Truth(true),
                "false" => Value::Truth(false),
                digits => Value::Number(digits.parse().ok()?),
            };
            (value, rest)
        }
    };
    let rest = rest.trim_start();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

/// A text between quotes, of which the first was read, and what follows it.
fn quoted(text: &str) -> Option<(Value, &str)> {
    let mut inside = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((Value::Text(inside), text.get(at + 1..)?)),
            '\\' => inside.push(match letters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                same @ ('"' | '\\') => same,
                _ => return None,
            }),
            letter => inside.push(letter),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_engines_write_them() {
        // As containerd 2.1's CRI writes the table of a configuration.
        let text = "BinaryName = \"/usr/bin/crun\"\nCriuImagePath = \"\"\nIoGid = 0\nIoUid = 7 # of the pipes\nNoPivotRoot = false\nRoot = '/run/x'\n\n# more\n\"SystemdCgroup\" = true\n";
        let expected = Options {
            binary_name: "/usr/bin/crun".to_owned(),
            root: "/run/x".to_owned(),
            io_uid: 7,
            systemd_cgroup: true,
            ..Options::default()
        };
        assert_eq!(read(text, "x").unwrap(), expected);
        assert_eq!(
            read("Root = \"a \\\"b\\\\ #\" # c", "x").unwrap().root,
            "a \"b\\ #"
        );
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line() {
        for (text, part) in [
            ("\nBinaryNam = \"x\"", "line 2: there is no option BinaryNam"),
            ("BinaryName = true", "there is no option BinaryName of this type"),
            ("BinaryName", "\"BinaryName\" is no option with a value"),
            ("Root = \"x", "the value of Root cannot be read"),
            ("Root = \"x\" y", "the value of Root cannot be read"),
            ("Root = \"\\u0041\"", "the value of Root cannot be read"),
            ("IoUid = -1", "the value of IoUid cannot be read"),
            ("[table]", "\"[table]\" is no option with a value"),
            ("Root =", "the value of Root cannot be read"),
        ] {
            let told = tare_error::Report::new(&read(text, "o").unwrap_err()).to_string();
            assert!(told.contains(part), "{text}: {told}");
        }
    }
}
