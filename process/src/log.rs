//! Log lines in Dapr's shape, so that what reads Dapr's logs reads ours.
//!
//! Text: `time="…" level=info msg="…" instance=… scope=dapr.sentry type=log ver=…`, then the
//! event's own fields. JSON: the same as an object. The scope is the module path of the event.

use std::{
    fmt::{self, Write as _},
    fs::OpenOptions,
    io,
    sync::Mutex,
};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::Flags;

/// The name of the field that makes an error event a fatal one; tracing has no such level.
const FATAL: &str = "fatal";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LogError {
    #[error("--log-level \"{0}\" is not one of debug, info, warn, error, fatal")]
    Level(String),
    #[error("the file of --log-file \"{path}\" could not be opened")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
}

/// Sends events to stdout or to the file of the flags.
pub(crate) fn init(flags: &Flags) -> Result<(), LogError> {
    let filter = filter(&flags.log_level)?;
    match &flags.log_file {
        None => install(filter, flags.log_as_json, io::stdout),
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let opened = file.map_err(|source| LogError::File {
                path: path.display().to_string(),
                source,
            })?;
            install(filter, flags.log_as_json, Mutex::new(opened));
        }
    }
    Ok(())
}

fn install<W>(filter: Targets, json: bool, writer: W)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer)
        .event_format(DaprFormat {
            json,
            instance: instance(),
        });
    // A second call in one process (a test) keeps the first subscriber.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
}

/// Our own events at the asked level; those of libraries from warnings on, unless debugging.
/// openraft warns of every message that a peer which is away does not get, several times a
/// second; placement itself tells of it once.
fn filter(level: &str) -> Result<Targets, LogError> {
    let (ours, libraries) = match level.to_ascii_lowercase().as_str() {
        "debug" => (LevelFilter::DEBUG, LevelFilter::INFO),
        "info" => (LevelFilter::INFO, LevelFilter::WARN),
        "warn" | "warning" => (LevelFilter::WARN, LevelFilter::WARN),
        "error" | "fatal" => (LevelFilter::ERROR, LevelFilter::ERROR),
        _ => return Err(LogError::Level(level.to_owned())),
    };
    let crates = [
        "process",
        "identity",
        "operator",
        "injector",
        "sentry",
        "placement",
        "proxy",
    ];
    let election = if ours == LevelFilter::DEBUG {
        libraries
    } else {
        LevelFilter::ERROR
    };
    Ok(Targets::new()
        .with_default(libraries)
        .with_target("openraft", election)
        .with_targets(crates.map(|name| (name, ours))))
}

fn instance() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

struct DaprFormat {
    json: bool,
    instance: String,
}

impl<S, N> FormatEvent<S, N> for DaprFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = self.line(event.metadata(), fields, Timestamp::now());
        if self.json {
            write_json(line, writer)
        } else {
            write_text(&line, writer)
        }
    }
}

impl DaprFormat {
    fn line(&self, metadata: &tracing::Metadata<'_>, fields: Fields, now: Timestamp) -> Line {
        let fixed = [
            ("time", format!("{now:.9}")),
            ("level", level(*metadata.level(), fields.fatal).to_owned()),
            ("msg", fields.message),
            ("instance", self.instance.clone()),
            (
                "scope",
                format!("dapr.{}", metadata.target().replace("::", ".")),
            ),
            ("type", "log".to_owned()),
            ("ver", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        let fixed = fixed.map(|(name, text)| (name, Value::String(text)));
        fixed.into_iter().chain(fields.others).collect()
    }
}

type Line = Vec<(&'static str, Value)>;

fn level(level: Level, fatal: bool) -> &'static str {
    match level {
        _ if fatal => "fatal",
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "info",
        _ => "debug",
    }
}

fn write_json(line: Line, mut writer: Writer<'_>) -> fmt::Result {
    let object: Map<String, Value> = line
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    writeln!(writer, "{}", Value::Object(object))
}

fn write_text(line: &[(&str, Value)], mut writer: Writer<'_>) -> fmt::Result {
    for (index, (name, value)) in line.iter().enumerate() {
        let separator = if index == 0 { "" } else { " " };
        write!(writer, "{separator}{name}=")?;
        match value {
            Value::String(text) if is_plain(text) => writer.write_str(text)?,
            other => write!(writer, "{other}")?,
        }
    }
    writer.write_char('\n')
}

/// Whether a text needs no quotes, by the rule of the logger that Dapr uses.
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._/@^+".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

#[derive(Default)]
struct Fields {
    message: String,
    fatal: bool,
    others: Line,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::String(value.to_owned()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bool(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    /// Writes an error with its whole chain of causes, once, at this edge.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, Value::String(chain(value)));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::String(format!("{value:?}")));
    }
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (FATAL, value) => self.fatal = value == Value::Bool(true),
            (name, value) => self.others.push((name, value)),
        }
    }
}

/// An error and its causes, from the outside in, parted by colons.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        [
            ("level", "info"),
            ("msg", "new namespace=a id=b"),
            ("scope", "dapr.sentry"),
        ]
        .map(|(name, text)| (name, Value::String(text.into())))
        .into_iter()
        .chain([("port", Value::from(80))])
        .collect()
    }

    #[test]
    fn text_quotes_what_needs_it() {
        let mut text = String::new();
        write_text(&line(), Writer::new(&mut text)).unwrap();
        assert_eq!(
            text,
            "level=info msg=\"new namespace=a id=b\" scope=dapr.sentry port=80\n"
        );
    }

    #[test]
    fn json_is_one_object_per_line() {
        let mut text = String::new();
        write_json(line(), Writer::new(&mut text)).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["msg"], "new namespace=a id=b");
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn levels_are_checked() {
        assert!(filter("INFO").is_ok());
        assert!(
            filter("chatty")
                .unwrap_err()
                .to_string()
                .contains("--log-level")
        );
    }

    #[test]
    fn causes_follow_their_error() {
        let error = LogError::File {
            path: "x".into(),
            source: io::Error::other("denied"),
        };
        assert_eq!(
            chain(&error),
            "the file of --log-file \"x\" could not be opened: denied"
        );
    }
}
