//! The metrics of principals.

use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::encode::counter_family;
use crate::metrics::Principals;

pub(super) fn principals(
    encoder: &mut DescriptorEncoder<'_>,
    principals: &Principals,
) -> fmt::Result {
    const FAMILIES: [(&str, &str); 4] = [
        (
            "principal_requests",
            "Requests answered, by authenticated client: up to 128 of those that send most by name, the \
             rest as \"other\".",
        ),
        (
            "principal_records",
            "Records acknowledged by the brokers, by client, as principal_requests.",
        ),
        (
            "principal_bytes",
            "Bytes of bodies received, compressed ones decoded, by client, as principal_requests.",
        ),
        (
            "principal_over_quota",
            "Requests answered 429, by client, as principal_requests.",
        ),
    ];
    let series = principals.series();
    for (column, (name, help)) in FAMILIES.into_iter().enumerate() {
        let series = series
            .iter()
            .map(|(name, amounts)| ([("principal", &**name)], amounts[column]));
        counter_family(encoder, name, help, series)?;
    }
    Ok(())
}
