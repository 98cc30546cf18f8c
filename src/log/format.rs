//! The format of lines, which can change while they are written.

use std::{fmt::Result, sync::atomic::Ordering::Relaxed};

use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Full, Json, Writer},
    },
    registry::LookupSpan,
};

use super::IS_JSON;

/// Text or JSON, as configured now.
pub(super) struct EitherFormat {
    text: Format<Full>,
    json: Format<Json>,
}

impl EitherFormat {
    pub(super) fn new() -> Self {
        let json = format::json().flatten_event(true);
        Self {
            text: format::format().with_target(false),
            // There are no spans, whose fields would be text here.
            json: json.with_current_span(false).with_span_list(false),
        }
    }
}

impl<S, N> FormatEvent<S, N> for EitherFormat
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> Result {
        if IS_JSON.load(Relaxed) {
            self.json.format_event(context, writer, event)
        } else {
            self.text.format_event(context, writer, event)
        }
    }
}
