//! The format of lines, which can change while they are written.

use std::{
    fmt::{Debug, Result},
    sync::atomic::Ordering::Relaxed,
};

use tracing::{Event, Subscriber, field::Field};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{self, Format, Full, Json, Writer},
    },
    registry::LookupSpan,
};

use super::IS_JSON;
use crate::excerpt::{LineFeeds, acts, printable};

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
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> Result {
        if IS_JSON.load(Relaxed) {
            let mut line = String::new();
            self.json
                .format_event(context, Writer::new(&mut line), event)?;
            json_escaped(&line, &mut writer)
        } else {
            self.text.format_event(context, writer, event)
        }
    }
}

/// Writes a field of a line of text, the message without its name. What a terminal would act on is escaped; a message
/// of several lines has them indented.
pub(super) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> Result {
    let value = format!("{value:?}");
    let value = printable(&value, LineFeeds::Indented);
    match field.name() {
        "message" => write!(writer, "{value}"),
        name if writer.has_ansi_escapes() => {
            write!(writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}")
        }
        name => write!(writer, "{name}={value}"),
    }
}

/// Writes a line of JSON with what JSON may have in a string and a terminal would act on as `\uXXXX`.
fn json_escaped(line: &str, writer: &mut Writer<'_>) -> Result {
    for char in line.chars() {
        if char != '\n' && acts(char) {
            // None of these is beyond the first plane.
            write!(writer, "\\u{:04x}", u32::from(char))?;
        } else {
            writer.write_char(char)?;
        }
    }
    Ok(())
}
