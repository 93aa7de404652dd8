//! `tare pod ps`: the pods there are.

use crate::low::Low;
use crate::output::{self, Format};
use crate::session::Session;
use crate::verbs::{Operands, Verb};
use serde_json::{Value, json};
use std::process::ExitCode;
use tare_engine::container::Listed;
use tare_engine::pod::{ListedPod, PodFilter};
use tare_error::{Error, Kind, Result};

pub(in crate::verbs) const VERB: Verb = Verb {
    name: "pod ps",
    about: "list the pods there are",
    operands: Operands::None,
    heading: "",
    needs_engine: true,
    run,
};

/// The usual columns: podman's, but for that of the infra container, which there is not.
const USUAL: &str = "{{.ID}}\t{{.Name}}\t{{.Status}}\t{{.Created}}\t{{.NumberOfContainers}}";

/// Every field, with what stands over its column.
const HEADINGS: &[(&str, &str)] = &[
    ("ID", "POD ID"),
    ("Id", "POD ID"),
    ("Name", "NAME"),
    ("Status", "STATUS"),
    ("Created", "CREATED"),
    ("NumberOfContainers", "# OF CONTAINERS"),
    ("ContainerIds", "IDS"),
    ("ContainerNames", "NAMES"),
    ("ContainerStatuses", "STATUS"),
    ("Labels", "LABELS"),
    ("Cgroup", "CGROUP"),
    ("Networks", "NETWORKS"),
    ("Namespace", "NAMESPACES"),
    ("InfraID", "INFRA ID"),
];

fn run(low: &Low<'_>, session: &Session) -> Result<ExitCode> {
    let (quiet, whole) = (low.switch("quiet"), low.switch("no-trunc"));
    let columns = [
        ("ctr-ids", "{{.ContainerIds}}"),
        ("ctr-names", "{{.ContainerNames}}"),
        ("ctr-status", "{{.ContainerStatuses}}"),
        ("namespace", "{{.Namespace}}"),
    ];
    let mut usual = USUAL.to_owned();
    for (switch, column) in columns {
        if low.switch(switch) {
            usual.push('\t');
            usual.push_str(column);
        }
    }
    let format = match (quiet, low.text("format")?) {
        (true, None) => Format::parse(Some("{{.ID}}"), &usual)?,
        (_, typed) => Format::parse(typed, &usual)?,
    };
    let filters = low.all_parsed("filter", PodFilter::parse)?;
    let (latest, sort) = (
        low.switch("latest"),
        low.parsed("sort", Sort::parse)?.unwrap_or(Sort::Created),
    );
    let mut pods = session.engine()?.pods(&filters)?;
    pods.truncate(if latest { 1 } else { usize::MAX });
    sort.apply(&mut pods);
    let rows: Vec<Value> = pods.iter().map(|pod| row(pod, whole, session.now())).collect();
    Ok(output::say(&format.show(&rows, HEADINGS)?))
}

/// By what pods are ordered.
#[derive(Clone, Copy)]
enum Sort {
    Created,
    Id,
    Name,
    Number,
    Status,
}

impl Sort {
    fn parse(text: &str) -> Result<Sort> {
        Ok(match text {
            "created" => Sort::Created,
            "id" => Sort::Id,
            "name" => Sort::Name,
            "number" => Sort::Number,
            "status" => Sort::Status,
            _ => {
                return Err(Error::new(Kind::Invalid, "read order", format!("{text:?}"))
                    .because("there is no such one")
                    .hint("it is one of created, id, name, number, status"));
            }
        })
    }

    fn apply(self, pods: &mut [ListedPod]) {
        match self {
            // The newest first, as they come.
            Sort::Created => {}
            Sort::Id => pods.sort_by(|a, b| a.record.id.cmp(&b.record.id)),
            Sort::Name => pods.sort_by(|a, b| a.record.name.cmp(&b.record.name)),
            Sort::Number => pods.sort_by_key(|pod| pod.containers.len()),
            Sort::Status => pods.sort_by_key(|pod| pod.status.to_string()),
        }
    }
}

fn row(pod: &ListedPod, whole: bool, now: i64) -> Value {
    let (record, config) = (&pod.record, &pod.record.config);
    let cut = |id: &str| match whole {
        true => id.to_owned(),
        false => id.chars().take(12).collect::<String>(),
    };
    let list = |of: &dyn Fn(&Listed) -> String| {
        let all: Vec<String> = pod.containers.iter().map(of).collect();
        all.join(",")
    };
    let labels = config.labels.iter();
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
    let shared = config.shares.words();
    json!({
        "ID": cut(&record.id),
        "Id": cut(&record.id),
        "Name": record.name,
        "Status": pod.status.to_string(),
        "Created": output::ago(now, record.created),
        "NumberOfContainers": pod.containers.len(),
        "ContainerIds": list(&|one| cut(&one.record.id)),
        "ContainerNames": list(&|one| one.record.name.clone()),
        "ContainerStatuses": list(&|one| one.status.word().to_owned()),
        "Labels": labels.join(","),
        "Cgroup": config.cgroup_parent,
        "Networks": if config.host_network { "host" } else { "none" },
        "Namespace": shared.join(","),
        "InfraID": "",
    })
}
