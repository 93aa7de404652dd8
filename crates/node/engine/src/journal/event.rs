//! One record: docker's fields, and who asked.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};
use tare_error::{Error, Report};

/// The longest record; one that would be longer goes without what images and people have put into it.
pub(super) const LONGEST: usize = 16 * 1024;

/// What something was done to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// `container`, `image`, `volume`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// Its name; empty where it has none.
    pub name: String,
    /// The image, of a container.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Something that was done, or could not be.
#[derive(Clone, Debug)]
pub struct Event {
    subject: Subject,
    action: String,
    attributes: BTreeMap<&'static str, String>,
    stages: Vec<(&'static str, u64)>,
    error: Option<String>,
}

impl Event {
    /// An action that has succeeded.
    pub fn new(subject: Subject, action: impl Into<String>) -> Event {
        Event {
            subject,
            action: action.into(),
            attributes: BTreeMap::new(),
            stages: Vec::new(),
            error: None,
        }
    }

    /// With something more to tell.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Event {
        self.attributes.insert(name, value.to_string());
        self
    }

    /// With how long its parts took, in microseconds.
    #[must_use]
    pub fn in_stages(mut self, stages: &[(&'static str, u64)]) -> Event {
        self.stages = stages.to_vec();
        self
    }

    /// As it came out: an error makes it one that has failed.
    #[must_use]
    pub fn came_to<T>(mut self, outcome: &Result<T, Error>) -> Event {
        self.error = outcome.as_ref().err().map(|e| Report::new(e).to_string());
        self
    }

    /// As a line, its end with it.
    pub(super) fn line(&self, by: &Value) -> Vec<u8> {
        let whole = self.json(by, true);
        match whole.len() > LONGEST {
            true => self.json(by, false),
            false => whole,
        }
    }

    fn json(&self, by: &Value, labels: bool) -> Vec<u8> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let subject = &self.subject;
        let mut attributes = Map::new();
        if labels {
            attributes.extend(subject.labels.iter().map(|(k, v)| (k.clone(), json!(v))));
        } else {
            attributes.insert("truncated".to_owned(), json!("its labels are too long"));
        }
        // After the labels: what they say is nothing that was done.
        let short = |text: &str| text.chars().take(2048).collect::<String>();
        let own = [("name", &subject.name), ("image", &subject.image)];
        attributes.extend(
            own.into_iter()
                .filter(|(_, v)| !v.is_empty())
                .map(|(k, v)| (k.to_owned(), json!(short(v)))),
        );
        attributes.extend(
            self.attributes
                .iter()
                .map(|(k, v)| ((*k).to_owned(), json!(short(v)))),
        );
        let mut record = json!({
            "Type": subject.kind,
            "Action": self.action,
            "Actor": { "ID": short(&subject.id), "Attributes": attributes },
            "scope": "local",
            "time": since.as_secs(),
            "timeNano": u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            "by": by,
            "outcome": match &self.error { Some(_) => "failed", None => "done" },
        });
        if let Some(members) = record.as_object_mut() {
            if let Some(error) = &self.error {
                members.insert("error".to_owned(), json!(short(error)));
            }
            if !self.stages.is_empty() {
                let stages: Vec<Value> = self
                    .stages
                    .iter()
                    .map(|(name, took)| json!([name, took]))
                    .collect();
                members.insert("stages".to_owned(), stages.into());
            }
            if subject.kind == "container" {
                members.insert("status".to_owned(), json!(self.action));
                members.insert("id".to_owned(), json!(short(&subject.id)));
                members.insert("from".to_owned(), json!(short(&subject.image)));
            }
        }
        let mut line = record.to_string().into_bytes();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tare_error::Kind;

    #[test]
    fn labels_are_data_and_never_too_much() {
        let labels = |key: &str, value: String| BTreeMap::from([(key.to_owned(), value)]);
        let subject = |labels| Subject {
            kind: "container",
            id: "4f5e".into(),
            name: "web".into(),
            image: "busybox".into(),
            labels,
        };
        let read = |event: Event| -> Value {
            let line = event.line(&json!({"uid": 0}));
            assert!(line.len() <= LONGEST && line.ends_with(b"}\n"));
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            serde_json::from_slice(&line).unwrap()
        };
        // One that claims to be something else.
        let record = read(Event::new(
            subject(labels("name", "root\n{\"Type\"".into())),
            "start",
        ));
        assert_eq!(record["Actor"]["Attributes"]["name"], "web");
        let record = read(Event::new(subject(labels("x", "y".repeat(1 << 20))), "start").with("exitCode", 3));
        assert_eq!(
            record["Actor"]["Attributes"]["truncated"],
            "its labels are too long"
        );
        assert_eq!(record["Actor"]["Attributes"]["exitCode"], "3");
        let failed: Result<(), Error> = Err(Error::new(Kind::Conflict, "stop", "web").because("no"));
        let record = read(Event::new(subject(BTreeMap::new()), "stop").came_to(&failed));
        assert_eq!(
            (&record["outcome"], &record["error"]),
            (&json!("failed"), &json!("stop web: no"))
        );
        assert_eq!(
            (&record["status"], &record["from"]),
            (&json!("stop"), &json!("busybox"))
        );
    }
}
