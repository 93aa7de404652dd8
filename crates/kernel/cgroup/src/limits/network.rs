//! Marks on network packets (version 1) and RDMA handles.

use super::{Draft, Setting, given};
use crate::host::Controller;
use std::collections::BTreeMap;
use tare_error::Kind;
use tare_spec_oci::{Network, Rdma};

const CLASS: &str = "network class";
const PRIORITY: &str = "network priority";
const RDMA: &str = "RDMA limit";
const NO_DEVICE: &str = "name an interface that exists on the host";

pub(super) fn plan(network: Option<&Network>, rdma: &BTreeMap<String, Rdma>, draft: &mut Draft<'_>) {
    if let Some(network) = network {
        if let Some(class) = given(network.class_id)
            && draft.home(Controller::NetCls, CLASS).is_some()
        {
            draft.step([Setting::new(Controller::NetCls, CLASS, "net_cls.classid", &class)]);
        }
        for entry in &network.priorities {
            if !is_word(&entry.name) {
                let why = format!("{:?} is no interface", entry.name);
                draft.refuse(Kind::Invalid, PRIORITY, why, NO_DEVICE);
            } else if draft.home(Controller::NetPrio, PRIORITY).is_some() {
                let line = format!("{} {}", entry.name, entry.priority);
                draft.step([Setting::new(
                    Controller::NetPrio,
                    PRIORITY,
                    "net_prio.ifpriomap",
                    &line,
                )]);
            }
        }
    }
    for (device, limit) in rdma {
        let handles = limit
            .hca_handles
            .map(|n| format!(" hca_handle={n}"))
            .unwrap_or_default();
        let objects = limit
            .hca_objects
            .map(|n| format!(" hca_object={n}"))
            .unwrap_or_default();
        if !is_word(device) || (handles.is_empty() && objects.is_empty()) {
            let why = format!("{device:?} names no device, or gives it no limit");
            draft.refuse(
                Kind::Invalid,
                RDMA,
                why,
                "give hcaHandles or hcaObjects of a device by name",
            );
        } else if draft.home(Controller::Rdma, RDMA).is_some() {
            let line = format!("{device}{handles}{objects}");
            draft.step([Setting::new(Controller::Rdma, RDMA, "rdma.max", &line)]);
        }
    }
}

/// One name on a line of a control file.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && !text.contains(|c: char| c.is_whitespace() || c == '/' || c == '\0')
}
