//! How much a route takes.

use std::time::Duration;

use super::Reader;
use crate::{document::grouped, quota::Quota};

const AMOUNTS: [&str; 3] = [
    "requests_per_second",
    "records_per_second",
    "bytes_per_second",
];
const BURST: &str = "burst_ms";

impl Reader<'_> {
    pub(super) fn quota(&mut self) -> Option<Quota> {
        let section = self.tree.get("quota")?;
        if !section.is_table() {
            self.fail(section, "not allowed: this is a section, [quota]");
            return None;
        }
        let [requests, records, bytes] = AMOUNTS;
        let unknown = section.unknown_keys(&[requests, records, bytes, BURST]);
        self.errors.extend(unknown);
        let amounts = AMOUNTS.map(|name| {
            let amount = self.quota_number(name, [0, Quota::PER_SECOND_MAX]);
            amount.unwrap_or(0)
        });
        let burst_ms = self.quota_number(BURST, [1, Quota::BURST_MS_MAX]);
        let burst = Duration::from_millis(burst_ms.unwrap_or(1_000));
        Some(Quota::new(amounts, burst)).filter(|it| !it.is_unlimited())
    }

    fn quota_number(&mut self, name: &str, [min, max]: [u64; 2]) -> Option<u64> {
        let setting = self.tree.get("quota")?.get(name)?;
        let number = setting.value.integer();
        let number = number.and_then(|it| u64::try_from(it).ok());
        let number = number.filter(|it| (min..=max).contains(it));
        if number.is_none() {
            let allowed = format!("a whole number from {} to {}", grouped(min), grouped(max));
            self.refuse(setting, &allowed);
        }
        number
    }
}
