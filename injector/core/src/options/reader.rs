//! How annotation values are read.

use std::ops::RangeInclusive;

use config::{GoDuration, truthy};

use crate::{Quantity, Setting, Source, Warning, defaults::Layers, enabled::is_known_false};

/// Reads typed values from annotations and keeps a warning for each value it can't use.
pub(super) struct Reader<'a> {
    layers: Layers<'a>,
    warnings: Vec<Warning>,
    /// What was read, for those who ask; a review doesn't.
    record: Option<Vec<Setting>>,
}

/// Port numbers; 0 means "none" or "any".
const PORTS: RangeInclusive<i32> = 0..=65535;

// === impl Reader ===

impl<'a> Reader<'a> {
    pub(super) const fn new(layers: Layers<'a>) -> Self {
        Self {
            layers,
            warnings: Vec::new(),
            record: None,
        }
    }

    /// A reader that also keeps what it read.
    pub(super) fn recording(layers: Layers<'a>) -> Self {
        Self {
            record: Some(Vec::new()),
            ..Self::new(layers)
        }
    }

    pub(super) fn into_settings(self) -> Vec<Setting> {
        self.record.unwrap_or_default()
    }

    pub(super) fn into_warnings(self) -> Vec<Warning> {
        self.warnings
    }

    pub(super) fn warn(&mut self, key: &str, value: &str, problem: &str, remedy: &str) {
        let place = match self.layers.find(key) {
            Some((_, Source::Namespace)) => " of the namespace",
            Some((_, Source::Cluster)) => " of the injector's defaults",
            _ => "",
        };
        let key = format!("{key}{place}");
        self.warnings
            .push(Warning::annotation(&key, value, problem, remedy));
    }

    pub(super) fn raw(&mut self, key: &str) -> Option<&'a str> {
        let found = self.layers.find(key);
        let (value, source) = found.unzip();
        self.note(key, value, source.unwrap_or(Source::BuiltIn));
        value
    }

    /// Records that `value` takes effect for `key`, whatever was recorded before.
    pub(super) fn note(&mut self, key: &str, value: Option<impl ToString>, source: Source) {
        let Some(record) = &mut self.record else {
            return;
        };
        record.retain(|setting| setting.annotation != key);
        record.push(Setting {
            annotation: key.to_owned(),
            value: value.map(|value| value.to_string()),
            source,
        });
    }

    fn built_in<T: ToString>(&mut self, key: &str, default: T) -> T {
        self.note(key, Some(&default.to_string()), Source::BuiltIn);
        default
    }

    /// A boolean; every spelling that is not known counts as false.
    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        match self.optional_flag(key) {
            Some(value) => value,
            None => self.built_in(key, default),
        }
    }

    pub(super) fn optional_flag(&mut self, key: &str) -> Option<bool> {
        let value = self.raw(key)?;
        if !truthy(value) && !is_known_false(value) {
            self.warn(
                key,
                value,
                "is read as false",
                "write \"true\" or \"false\"",
            );
        }
        Some(truthy(value))
    }

    /// A whole number; what is none leaves the default.
    pub(super) fn integer<N: TryFrom<i64> + ToString>(&mut self, key: &str, default: N) -> N {
        match self.optional_integer(key) {
            Some(value) => value,
            None => self.built_in(key, default),
        }
    }

    pub(super) fn optional_integer<N: TryFrom<i64>>(&mut self, key: &str) -> Option<N> {
        let value = self.raw(key)?;
        let number = value
            .parse()
            .ok()
            .and_then(|number: i64| N::try_from(number).ok());
        if number.is_none() {
            let remedy = "write a whole number such as \"3000\", or remove the annotation";
            self.warn(
                key,
                value,
                "is not a whole number in range and was ignored",
                remedy,
            );
            self.note(key, None::<&str>, Source::BuiltIn);
        }
        number
    }

    /// A port. One that can't exist is kept, and then refused by whoever has to open it.
    pub(super) fn port(&mut self, key: &str, default: i32) -> i32 {
        let port = self.integer(key, default);
        if !PORTS.contains(&port) {
            self.warn(
                key,
                &port.to_string(),
                "is not a port",
                "write a number up to 65535",
            );
        }
        port
    }

    /// A text; an empty value replaces the default too.
    pub(super) fn text(&mut self, key: &str, default: &str) -> String {
        self.text_or(key, default, Source::BuiltIn)
    }

    /// A text whose default comes from `source`.
    pub(super) fn text_or(&mut self, key: &str, default: &str, source: Source) -> String {
        let value = self.raw(key);
        if value.is_none() {
            self.note(key, Some(default), source);
        }
        value.unwrap_or(default).to_owned()
    }

    pub(super) fn optional_text(&mut self, key: &str) -> Option<String> {
        self.raw(key).map(str::to_owned)
    }

    /// An address without the quotes and spaces that are often left around it.
    pub(super) fn optional_address(&mut self, key: &str) -> Option<String> {
        self.raw(key)
            .map(|value| value.trim_matches(['"', '\'']).trim().to_owned())
    }

    /// A text that daprd takes for a duration; handed on as it is.
    pub(super) fn optional_duration(&mut self, key: &str) -> Option<String> {
        let value = self.raw(key)?;
        if value.parse::<GoDuration>().is_err() {
            self.refused(key, value, "a duration", "write one such as \"30s\"");
        }
        Some(value.to_owned())
    }

    /// A text that daprd takes for a size; handed on as it is.
    pub(super) fn size(&mut self, key: &str) -> String {
        let value = self.raw(key).unwrap_or_default();
        if !value.is_empty() && value.parse::<Quantity>().is_err() {
            self.refused(key, value, "a size", "write one such as \"4Mi\"");
        }
        value.to_owned()
    }

    /// A text of which daprd knows only some, in any case; handed on as it is.
    pub(super) fn choice(&mut self, key: &str, default: &str, known: &[&str]) -> String {
        let value = self.text(key, default);
        if !known.contains(&value.to_ascii_lowercase().as_str()) {
            let named: Vec<_> = known
                .iter()
                .copied()
                .filter(|known| !known.is_empty())
                .collect();
            let remedy = format!("write one of {}", named.join(", "));
            self.refused(key, &value, "a value daprd knows", &remedy);
        }
        value
    }

    fn refused(&mut self, key: &str, value: &str, what: &str, remedy: &str) {
        let problem = format!("is not {what}, and the sidecar will not start with it");
        self.warn(key, value, &problem, remedy);
    }
}
