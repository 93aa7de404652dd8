//! Interfaces of the host that are moved into the container (`linux.netDevices`).

use crate::plan::Draft;
use tare_error::{Error, Kind, Result};
use tare_spec_oci::NamespaceKind;

/// The longest name of an interface (`IFNAMSIZ`, less its end).
const LONGEST: usize = 15;

/// An interface to be moved.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name on the host.
    pub(crate) name: String,
    /// Its name inside; may hold one `%d` for a number.
    pub(crate) inside: String,
}

/// Checks the interfaces; the parent moves them, whose rights reach both namespaces.
pub(crate) fn contribute(draft: &mut Draft<'_>) -> Result<()> {
    for (name, device) in &draft.linux.net_devices {
        let invalid = |field: &str, value: &str, why: &str| {
            Err(Error::new(Kind::Invalid, "use", format!("{field} {value:?}")).because(why))
        };
        if !draft.has_namespace(NamespaceKind::Network) {
            let why = "it needs a network namespace of the container's own";
            return invalid("linux.netDevices", name, why);
        }
        if let Some(why) = not_a_name(name, false) {
            return invalid("linux.netDevices", name, why);
        }
        let inside = device.name.as_ref().filter(|n| !n.is_empty()).unwrap_or(name);
        if let Some(why) = not_a_name(inside, true) {
            return invalid(&format!("linux.netDevices.{name}.name"), inside, why);
        }
        draft.plan.interfaces.push(Interface {
            name: name.clone(),
            inside: inside.clone(),
        });
    }
    Ok(())
}

/// Why an interface cannot have a name (`dev_valid_name` of the kernel).
fn not_a_name(name: &str, template: bool) -> Option<&'static str> {
    let strange = |c: char| c == '/' || c == ':' || c.is_whitespace() || c == '\0';
    let numbered = name.replacen("%d", "", usize::from(template));
    match name {
        "" => Some("it is empty"),
        "." | ".." => Some("no interface has this name"),
        _ if name.len() > LONGEST => Some("it is longer than 15 bytes"),
        _ if name.contains(strange) => Some("it holds a slash, a colon or a space"),
        _ if numbered.contains('%') => Some("it holds a % that is not one %d of a new name"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::not_a_name;

    #[test]
    fn names_of_interfaces() {
        for (name, host, inside) in [
            ("eth0", true, true),
            ("eth%d", false, true),
            ("a%d%d", false, false),
            ("a%s", false, false),
            ("", false, false),
            ("..", false, false),
            ("a/b", false, false),
            ("a b", false, false),
            ("fifteen-letters", true, true),
            ("sixteen-letters-", false, false),
        ] {
            assert_eq!(not_a_name(name, false).is_none(), host, "{name}");
            assert_eq!(not_a_name(name, true).is_none(), inside, "{name}");
        }
    }
}
