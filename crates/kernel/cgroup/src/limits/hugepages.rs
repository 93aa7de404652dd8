//! Huge pages, by page size: those in use and those reserved.

use super::{Draft, Setting};
use crate::host::{Controller, Version};
use tare_error::Kind;
use tare_spec_oci::HugepageLimit;

const WHAT: &str = "huge page limit";
const SIZES: &str = "ls /sys/kernel/mm/hugepages shows the page sizes of this machine";

pub(super) fn plan(limits: &[HugepageLimit], draft: &mut Draft<'_>) {
    for limit in limits {
        let size = limit.page_size.as_str();
        if !is_size(size) {
            let why = format!("{size:?} is no page size");
            draft.refuse(Kind::Invalid, WHAT, why, "page sizes look like 64KB, 2MB, 1GB");
            continue;
        }
        let Some(version) = draft.home(Controller::Hugetlb, WHAT) else {
            continue;
        };
        let last = match version {
            Version::V1 => "limit_in_bytes",
            Version::V2 => "max",
        };
        let set = |file: String| Setting::new(Controller::Hugetlb, WHAT, file, &limit.limit);
        draft.step([set(format!("hugetlb.{size}.{last}")).or_refuse(SIZES)]);
        // Reservations are accounted apart since Linux 5.7.
        draft.step([set(format!("hugetlb.{size}.rsvd.{last}")).or_skip()]);
    }
}

fn is_size(text: &str) -> bool {
    let digits = text.trim_end_matches(['K', 'M', 'G', 'B']);
    let unit = text.get(digits.len()..).unwrap_or_default();
    (1..=8).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && matches!(unit, "KB" | "MB" | "GB")
}

#[cfg(test)]
mod tests {
    use super::is_size;

    #[test]
    fn sizes() {
        assert!(["64KB", "2MB", "1GB"].iter().all(|s| is_size(s)));
        assert!(
            !["", "MB", "2M", "2MB/../x", "2 MB", "-2MB", "2TB", "2BMB"]
                .iter()
                .any(|s| is_size(s))
        );
    }
}
