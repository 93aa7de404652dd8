//! Which containers of the list are wanted: docker's `--filter`.

use super::list::{Listed, Status};
use crate::Engine;
use tare_error::{Error, Kind, Result, nearest};
use tare_registry::Reference;
use tare_shim::HealthStatus;

/// One `--filter KEY=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    key: Key,
    value: String,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Id,
    Name,
    Label,
    Status,
    Exited,
    Health,
    Ancestor,
    Before,
    Since,
    Pod,
}

/// Every key by its word.
const KEYS: [(&str, Key); 10] = [
    ("id", Key::Id),
    ("name", Key::Name),
    ("label", Key::Label),
    ("status", Key::Status),
    ("exited", Key::Exited),
    ("health", Key::Health),
    ("ancestor", Key::Ancestor),
    ("before", Key::Before),
    ("since", Key::Since),
    ("pod", Key::Pod),
];

/// Docker's words for how a container is.
const STATUSES: [&str; 7] = [
    "created",
    "running",
    "paused",
    "restarting",
    "removing",
    "exited",
    "dead",
];

/// Docker's words for its health.
const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// Its health in one of them.
fn health(listed: &Listed) -> &'static str {
    match listed.health.as_ref().map(|health| health.status) {
        Some(HealthStatus::Starting) => "starting",
        Some(HealthStatus::Healthy) => "healthy",
        Some(HealthStatus::Unhealthy) => "unhealthy",
        None => "none",
    }
}

impl Filter {
    /// Every word that may stand before the `=`.
    pub fn words() -> impl Iterator<Item = &'static str> {
        KEYS.iter().map(|(word, _)| *word)
    }

    /// Reads `KEY=VALUE`.
    ///
    /// # Errors
    /// `Invalid` for an unknown key, naming the nearest, and for a value that no container can have.
    pub fn parse(text: &str) -> Result<Filter> {
        let wrong = |why: String| Error::new(Kind::Invalid, "read filter", format!("{text:?}")).because(why);
        let Some((word, value)) = text.split_once('=') else {
            return Err(wrong("it has no =".to_owned()).hint("write name=web, for example"));
        };
        let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == word.trim()) else {
            let error = wrong(format!("there is no filter {word}"));
            return Err(match nearest(word, Filter::words()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!(
                    "there are {}",
                    Filter::words().collect::<Vec<_>>().join(", ")
                )),
            });
        };
        if *key == Key::Status && !STATUSES.contains(&value) {
            return Err(wrong(format!("no container is {value}"))
                .hint(format!("it is one of {}", STATUSES.join(", "))));
        }
        if *key == Key::Health && !HEALTHS.contains(&value) {
            return Err(wrong(format!("no container is {value}"))
                .hint(format!("it is one of {}", HEALTHS.join(", "))));
        }
        if *key == Key::Exited && value.parse::<u8>().is_err() {
            return Err(wrong("an exit code is a number from 0 to 255".to_owned()));
        }
        Ok(Filter {
            key: *key,
            value: value.to_owned(),
        })
    }

    /// Whether it asks for containers that do not run too, as docker's `status` and `exited` do.
    pub fn is_about_ends(&self) -> bool {
        matches!(self.key, Key::Status | Key::Exited)
    }
}

impl Engine {
    /// The containers that all filters want: of several with one key any is enough, but of labels all are needed.
    ///
    /// # Errors
    /// `NotFound` where `before` or `since` names no container.
    pub fn filtered(&self, mut containers: Vec<Listed>, filters: &[Filter]) -> Result<Vec<Listed>> {
        let filters = filters.iter().cloned().map(|filter| self.by_id_of_pod(filter));
        let filters: &Vec<Filter> = &filters.collect::<Result<_>>()?;
        for filter in filters {
            if let Key::Before | Key::Since = filter.key {
                // The list is the newest first.
                let id = self.find_container(&filter.value)?.id;
                let at = containers.iter().position(|listed| listed.record.id == id);
                let created = self.find_container(&id)?.created;
                let mut place = 0..;
                containers.retain(|listed| {
                    let here = place.next();
                    let created = listed.record.created.cmp(&created);
                    match (filter.key, at) {
                        (Key::Since, Some(at)) => here < Some(at),
                        (_, Some(at)) => here > Some(at),
                        (Key::Since, None) => created.is_gt(),
                        (_, None) => created.is_lt(),
                    }
                });
            }
        }
        containers.retain(|listed| {
            KEYS.iter().all(|(_, key)| {
                let mut of_key = filters.iter().filter(|filter| filter.key == *key).peekable();
                match key {
                    Key::Before | Key::Since => true,
                    Key::Label => of_key.all(|filter| filter.wants(listed)),
                    _ => of_key.peek().is_none() || of_key.any(|filter| filter.wants(listed)),
                }
            })
        });
        Ok(containers)
    }
}

impl Engine {
    /// A filter by a pod's name, as one by its id; one of a pod that is not there takes nothing.
    fn by_id_of_pod(&self, filter: Filter) -> Result<Filter> {
        if filter.key != Key::Pod {
            return Ok(filter);
        }
        match self.find_pod(&filter.value) {
            Err(e) if e.kind() == Kind::NotFound => Ok(filter),
            pod => Ok(Filter {
                value: pod?.id,
                ..filter
            }),
        }
    }
}

impl Filter {
    fn wants(&self, listed: &Listed) -> bool {
        let (record, value) = (&listed.record, self.value.as_str());
        match self.key {
            Key::Id => record.id.starts_with(value),
            Key::Name => is_named(&record.name, value),
            Key::Label => match value.split_once('=') {
                Some((key, value)) => listed.labels.get(key).is_some_and(|found| found == value),
                None => listed.labels.contains_key(value),
            },
            Key::Status => listed.status.word() == value,
            Key::Exited => match &listed.status {
                Status::Exited(code) => value.parse() == Ok(*code),
                _ => false,
            },
            Key::Health => value == health(listed),
            Key::Ancestor => is_of_image(&record.image, &record.reference, value),
            Key::Pod => record.pod.as_deref() == Some(value),
            Key::Before | Key::Since => true,
        }
    }
}

/// As docker's, where the value is a regular expression: a part of the name, its beginning with `^`, its end with `$`.
fn is_named(name: &str, value: &str) -> bool {
    let (value, from_start) = match value.strip_prefix('^') {
        Some(rest) => (rest.strip_prefix('/').unwrap_or(rest), true),
        None => (value.strip_prefix('/').unwrap_or(value), false),
    };
    match (from_start, value.strip_suffix('$')) {
        (true, Some(value)) => name == value,
        (false, Some(value)) => name.ends_with(value),
        (true, None) => name.starts_with(value),
        (false, None) => name.contains(value),
    }
}

/// Whether a container's image is meant: by its id, the beginning of that, or a name of the same meaning.
fn is_of_image(id: &str, reference: &str, value: &str) -> bool {
    let digest = id.split_once(':').map_or(id, |(_, hex)| hex);
    let by_id = value.len() >= 4 && (id == value || digest.starts_with(value));
    let full = |text: &str| Reference::parse(text).map(|r| r.to_string()).ok();
    by_id || reference == value || full(reference).is_some_and(|name| full(value) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_what_is_wrong_is_said() {
        assert!(Filter::parse("status=running").unwrap().is_about_ends());
        assert!(!Filter::parse("label=a=b").unwrap().is_about_ends());
        for (text, reason) in [
            ("name", "it has no ="),
            ("nmae=x", "there is no filter nmae"),
            ("status=up", "no container is up"),
            ("exited=300", "an exit code is"),
            ("health=well", "no container is well"),
        ] {
            let error = Filter::parse(text).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
        assert_eq!(
            Filter::parse("nmae=x").unwrap_err().first_hint(),
            Some("did you mean name?")
        );
    }

    #[test]
    fn names_and_images_are_meant_in_dockers_ways() {
        for (value, meant) in [
            ("eb", true),
            ("/web", true),
            ("^w", true),
            ("^/web$", true),
            ("b$", true),
            ("^eb", false),
            ("web2", false),
            ("", true),
        ] {
            assert_eq!(is_named("web", value), meant, "{value}");
        }
        for (value, meant) in [
            ("busybox", true),
            ("busybox:latest", true),
            ("docker.io/library/busybox", true),
            ("sha256:abcdef", true),
            ("abcd", true),
            ("abc", false),
            ("alpine", false),
        ] {
            assert_eq!(is_of_image("sha256:abcdef", "busybox", value), meant, "{value}");
        }
    }
}
