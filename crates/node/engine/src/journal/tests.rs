//! A journal in a folder of its own: written, rotated, followed, and what is missing told.

use super::*;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn journal(name: &str) -> (PathBuf, Journal) {
    let folder = std::env::temp_dir().join(format!("tare-journal-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let journal = Journal::new(
        folder.join("journal"),
        folder.join("gap"),
        Forward::Nobody,
        "test",
    );
    (folder, journal)
}

fn event(id: &str) -> Event {
    let subject = Subject {
        kind: "container",
        id: id.to_owned(),
        name: "web".to_owned(),
        ..Subject::default()
    };
    Event::new(subject, "start")
}

fn ids(events: &mut Events) -> Vec<String> {
    let read = std::iter::from_fn(|| events.next_event().unwrap());
    read.map(|record: Value| {
        let id = record["Actor"]["ID"].as_str().unwrap_or_default();
        format!("{}{id}", if record["Type"] == "journal" { "gap" } else { "" })
    })
    .collect()
}

#[test]
fn what_is_written_is_read_and_followed_over_rotation() {
    let (folder, journal) = journal("rotation");
    let mut events = Events::open(&journal.folder).unwrap();
    assert_eq!(ids(&mut events), [""; 0]);
    journal.append(&event("1"));
    assert_eq!(ids(&mut events), ["1"]);
    // Somebody has died in the middle of a line, which no write(2) of ours does.
    let path = journal.folder.join("events.jsonl");
    std::fs::write(
        &path,
        [&std::fs::read(&path).unwrap()[..], b"{\"Type\": torn"].concat(),
    )
    .unwrap();
    journal.append(&event("2"));
    assert_eq!(ids(&mut events), ["2"]);
    let long = event("long").with("x", "y".repeat(2000));
    let mut followed = 0;
    for _ in 0..12_000 {
        journal.append(&long);
        if events.next_event().unwrap().is_some() {
            followed += 1;
        }
    }
    followed += ids(&mut events).len();
    assert_eq!(followed, 12_000, "none is missed over {} files", append::OLDER);
    let size: u64 = std::fs::read_dir(&journal.folder)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(size <= 5 * (4 << 20), "{size}");
    assert!(ids(&mut Events::open(&journal.folder).unwrap()).len() > 5000);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_could_not_be_written_is_told_with_what_can() {
    let (folder, journal) = journal("gap");
    journal.append(&event("1"));
    // A folder where the file is to be is as good as a disk that takes nothing, for root too.
    let file = journal.folder.join("events.jsonl");
    let aside = journal.folder.join("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::fs::create_dir(&file).unwrap();
    journal.append(&event("2"));
    journal.append(&event("3"));
    std::fs::remove_dir(&file).unwrap();
    std::fs::rename(&aside, &file).unwrap();
    journal.append(&event("4"));
    journal.append(&event("5"));
    let mut events = Events::open(&journal.folder).unwrap();
    assert_eq!(ids(&mut events), ["1", "gap", "4", "5"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("\"missing\":\"2\"") && text.contains("is a directory"),
        "{text}"
    );
    assert!(!journal.gap.exists());
    let mode = std::fs::metadata(&journal.folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn filters_choose_records() {
    let record: Value = serde_json::from_slice(
        &event("4f5e")
            .with("signal", 15)
            .line(&serde_json::json!({"uid": 7})),
    )
    .unwrap();
    for (filters, wanted) in [
        (&["container=web"][..], true),
        (&["container=4f"], true),
        (&["container=other", "container=web"], true),
        (&["container=other"], false),
        (&["event=start", "type=container"], true),
        (&["event=die"], false),
        (&["label=signal=15"], true),
        (&["label=signal", "label=none"], false),
        (&["uid=7", "outcome=done"], true),
        (&["image=x"], false),
    ] {
        let filters: Vec<EventFilter> = filters
            .iter()
            .map(|text| EventFilter::parse(text).unwrap())
            .collect();
        assert_eq!(EventFilter::all_want(&filters, &record), wanted, "{filters:?}");
    }
    let error = EventFilter::parse("conatiner=x").unwrap_err();
    assert_eq!(error.first_hint(), Some("did you mean container?"));
}
