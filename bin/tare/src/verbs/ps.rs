//! `tare ps`: the containers that are here.

use super::{Operands, Verb};
use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::ExitCode;
use tare_engine::Engine;
use tare_engine::container::{Filter, Listed, Status};
use tare_error::{Error, Kind, Result};
use tare_logs::Moment;
use tare_shim::{Health, HealthStatus};

pub(super) const VERB: Verb = Verb {
    name: "ps",
    about: "list containers",
    operands: Operands::None,
    heading: "Containers",
    needs_engine: true,
    run,
};

/// Characters of a command that are shown.
const COMMAND: usize = 20;

const USUAL: &str = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("ID", "CONTAINER ID"),
    ("Image", "IMAGE"),
    ("Command", "COMMAND"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("State", "STATE"),
    ("Status", "STATUS"),
    ("Ports", "PORTS"),
    ("Names", "NAMES"),
    ("Labels", "LABELS"),
    ("LocalVolumes", "LOCAL VOLUMES"),
    ("Mounts", "MOUNTS"),
    ("Networks", "NETWORKS"),
    ("Size", "SIZE"),
    ("Pod", "POD ID"),
    ("PodName", "PODNAME"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (all, quiet, size) = (low.switch("all"), low.switch("quiet"), low.switch("size"));
    let mut asked = Asked {
        whole: low.switch("no-trunc"),
        whole_story: false,
        size,
        now: session.now(),
        pods: HashMap::new(),
    };
    let filters = low.all_parsed("filter", Filter::parse)?;
    let last = match low.switch("latest") {
        true => Some(1),
        false => low.parsed("last", parse_number)?.flatten(),
    };
    let with_pods = low.switch("pod");
    let mut usual = USUAL.to_owned();
    if size {
        usual.push_str("\t{{.Size}}");
    }
    if with_pods {
        usual.push_str("\t{{.Pod}}\t{{.PodName}}");
    }
    let typed = low.text("format")?;
    let format = match quiet {
        true => Format::parse(Some(typed.unwrap_or("{{.ID}}")), &usual)?,
        false => Format::parse(typed, &usual)?,
    };
    // Sizes are counted file by file: only for who wants them.
    asked.size |= typed.is_some_and(|text| text.contains(".Size"));
    asked.whole_story = typed.is_some_and(|text| {
        text == "json"
            || [".Mounts", ".Networks", ".LocalVolumes", "json"]
                .iter()
                .any(|field| text.contains(field))
    });
    let engine = session.engine()?;
    if with_pods || typed.is_some_and(|text| text == "json" || text.contains(".Pod")) {
        asked.pods = engine.pod_names()?;
    }
    let mut containers = engine.filtered(engine.containers()?, &filters)?;
    let every = all || last.is_some() || filters.iter().any(Filter::is_about_ends);
    containers.retain(|c| every || c.status.is_up());
    containers.truncate(last.unwrap_or(usize::MAX));
    let rows: Vec<Value> = containers
        .iter()
        .map(|listed| asked.row(&engine, listed))
        .collect::<Result<_>>()?;
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}

/// How rows are made.
struct Asked {
    /// Nothing is cut.
    whole: bool,
    /// What each has to be asked for by itself.
    whole_story: bool,
    size: bool,
    /// Seconds since 1970.
    now: i64,
    /// The names of pods, by their ids, where they are wanted.
    pods: HashMap<String, String>,
}

impl Asked {
    fn row(&self, engine: &Engine, listed: &Listed) -> Result<Value> {
        let record = &listed.record;
        let labels: Vec<String> = listed
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let size = match self.size {
            true => engine.container_size(record)?,
            false => (0, 0),
        };
        let (own, whole) = (
            output::decimal_size(size.0),
            output::decimal_size(size.0 + size.1),
        );
        let created = Moment {
            seconds: record.created,
            nanoseconds: 0,
        };
        let created = created.to_string().replace('T', " ");
        let (mounts, volumes, networks) = match self.whole_story {
            true => wired(&engine.inspect_container(&record.id)?),
            false => (String::new(), 0, String::new()),
        };
        Ok(json!({
            "ID": self.cut(&record.id, 12),
            "Image": record.reference,
            "Command": format!("{:?}", self.shorten(&record.command)),
            "CreatedAt": format!("{} +0000 UTC", created.get(..19).unwrap_or_default()),
            "RunningFor": output::ago(self.now, record.created),
            "State": listed.status.word(),
            "Status": status(listed, self.now),
            "Ports": "",
            "Names": record.name,
            "Labels": labels.join(","),
            "Label": listed.labels,
            "LocalVolumes": volumes.to_string(),
            "Mounts": mounts,
            "Networks": networks,
            "Pod": record.pod.as_ref().map(|pod| self.cut(pod, 12)).unwrap_or_default(),
            "PodName": record.pod.as_ref().and_then(|pod| self.pods.get(pod)).cloned().unwrap_or_default(),
            "Size": if self.size { format!("{own} (virtual {whole})") } else { "0B".to_owned() },
        }))
    }

    fn cut(&self, text: &str, most: usize) -> String {
        match self.whole {
            true => text.to_owned(),
            false => text.chars().take(most).collect(),
        }
    }

    fn shorten(&self, command: &str) -> String {
        match command.chars().count() > COMMAND && !self.whole {
            true => command.chars().take(COMMAND - 1).chain(['…']).collect(),
            false => command.to_owned(),
        }
    }
}

/// What it mounts, how much of that are volumes, and its networks.
fn wired(full: &Value) -> (String, usize, String) {
    let mounts = full["Mounts"].as_array().cloned().unwrap_or_default();
    let name = |mount: &Value| {
        let named = [&mount["Name"], &mount["Source"], &mount["Destination"]];
        let found = named
            .into_iter()
            .filter_map(Value::as_str)
            .find(|text| !text.is_empty());
        found.unwrap_or_default().to_owned()
    };
    let volumes = mounts.iter().filter(|mount| mount["Type"] == "volume").count();
    let networks = full["NetworkSettings"]["Networks"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    let networks: Vec<String> = networks.into_iter().map(|(name, _)| name).collect();
    (
        mounts.iter().map(name).collect::<Vec<_>>().join(","),
        volumes,
        networks.join(","),
    )
}

/// docker's words for how it is.
fn status(listed: &Listed, now: i64) -> String {
    let since = |text: &str| Moment::parse(text).map_or(now, |moment| moment.seconds);
    let up = || format!("Up {}", output::lasted(now, since(&listed.started)));
    let ended = listed.record.end.as_ref().map_or(now, |end| end.at);
    match &listed.status {
        Status::Created => "Created".to_owned(),
        Status::Running => match &listed.health {
            None => up(),
            Some(Health {
                status: HealthStatus::Starting,
                ..
            }) => format!("{} (health: starting)", up()),
            Some(health) => format!("{} ({})", up(), health.status.word()),
        },
        Status::Paused => format!("{} (Paused)", up()),
        Status::Restarting(code) => format!("Restarting ({code}) {}", output::ago(now, ended)),
        Status::Exited(code) => format!("Exited ({code}) {}", output::ago(now, ended)),
        Status::Unknown(_) => format!("Exited ({}) {}", u8::MAX, output::ago(now, ended)),
    }
}

/// Reads a number of containers; one below zero is all, as docker's.
fn parse_number(text: &str) -> Result<Option<usize>> {
    let number: i64 = text.parse().map_err(|_| {
        Error::new(Kind::Invalid, "read number", format!("{text:?}")).because("it is a whole number")
    })?;
    Ok(usize::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use tare_engine::records::containers::{ContainerRecord, EndDetail, EndRecord};
    use tare_engine::records::life::LifeRecord;

    fn listed(status: Status) -> Listed {
        Listed {
            record: ContainerRecord {
                id: "4f5e".repeat(16),
                name: "web".into(),
                image: "sha256:1".into(),
                reference: "busybox".into(),
                command: "sh -c echo".into(),
                remove: false,
                created: 100,
                interactive: false,
                stop_signal: None,
                stop_timeout: None,
                handler: "tare".into(),
                pod: None,
                checked: true,
                end: Some(EndRecord {
                    at: 3700,
                    code: 7,
                    oom_limit: None,
                    unknown: None,
                    detail: EndDetail::default(),
                }),
            },
            labels: BTreeMap::new(),
            status,
            pid: None,
            life: LifeRecord::default(),
            health: None,
            started: "1970-01-01T00:02:00.5Z".into(),
        }
    }

    #[test]
    fn how_it_is_is_told_in_dockers_words() {
        for (is, told) in [
            (Status::Created, "Created"),
            (Status::Running, "Up 2 hours"),
            (Status::Paused, "Up 2 hours (Paused)"),
            (Status::Restarting(7), "Restarting (7) About an hour ago"),
            (Status::Exited(7), "Exited (7) About an hour ago"),
            (Status::Unknown("why".into()), "Exited (255) About an hour ago"),
        ] {
            assert_eq!(status(&listed(is), 7300), told);
        }
        assert_eq!(parse_number("-1").unwrap(), None);
        assert_eq!(parse_number("3").unwrap(), Some(3));
        assert!(parse_number("x").is_err());
    }
}
