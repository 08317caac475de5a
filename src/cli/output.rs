//! Where a verb's output goes, and how it looks: text for people or JSON for machines, with colours or without.

use super::error::{CliError, ErrorKind};
use super::screen;
use crate::diff::is_printable;
use crate::plan::Palette;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;
use std::io::{self, ErrorKind as IoErrorKind, IsTerminal, Write};

/// How results are printed; the same for every verb.
#[derive(Args, Clone, Debug)]
pub struct OutputFlags {
    /// Text for people, or JSON for machines (then stdout holds nothing but JSON, and errors are JSON, too)
    #[arg(
        long,
        short,
        value_enum,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    pub output: Format,
    /// When to use colours; NO_COLOR in the environment counts as never
    #[arg(
        long,
        value_enum,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub color: When,
}

/// Text or JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// If the output is a terminal
    Auto,
    Always,
    Never,
}

/// The output of one run.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub format: Format,
    palette: Palette,
    errors: Palette,
    /// True if stderr is a terminal that can be drawn on.
    pub live: bool,
}

impl Output {
    /// As the flags and the environment say.
    pub fn new(flags: &OutputFlags) -> Output {
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = set("NO_COLOR") || dumb;
        let palette = |terminal: bool| match flags.color {
            When::Always => Palette::coloured(),
            When::Auto if terminal && !plain => Palette::coloured(),
            When::Auto | When::Never => Palette::plain(),
        };
        let live = flags.output == Format::Text && err && !dumb && !set("CI");
        Output { format: flags.output, palette: palette(out), errors: palette(err), live }
    }

    /// True if machines read it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The styles for stdout; none for JSON.
    pub fn palette(&self) -> &Palette {
        &self.palette
    }

    /// The styles for stderr.
    pub fn palette_of_errors(&self) -> &Palette {
        &self.errors
    }

    /// Prints text to stdout as it is.
    ///
    /// # Errors
    /// If it can't be written, except that nobody reads any more.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        written(io::stdout().lock().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()))
    }

    /// Prints one JSON document to stdout, indented.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CliError::new(ErrorKind::Local, format!("the result is no JSON: {error}")))?;
        self.text(&format!("{text}\n"))
    }

    /// Prints one line of JSON to stdout. Nothing depends on it, so a reader that has gone is no error.
    pub fn json_line(&self, value: &impl Serialize) {
        if let Ok(line) = serde_json::to_string(value) {
            let _ = writeln!(io::stdout().lock(), "{line}");
        }
    }

    /// Tells people something on stderr that is no result: a dirty work tree, what comes next.
    pub fn note(&self, text: &str) {
        let style = self.errors.alarm;
        let line = match self.format {
            Format::Text => format!("{style}note:{style:#} {}", clean(text)),
            Format::Json => json!({"note": text}).to_string(),
        };
        screen::above(|| writeln!(io::stderr().lock(), "{line}"));
    }

    /// Prints the one error of the run to stderr.
    pub fn error(&self, error: &CliError) {
        let mut stderr = io::stderr().lock();
        let _ = match self.format {
            Format::Text => write!(stderr, "{}", error.to_text(&self.errors)),
            Format::Json => writeln!(stderr, "{}", error.to_json()),
        };
    }
}

/// A reader that has gone (`| head`) wanted no more; anything else is an error.
fn written(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(error) if error.kind() != IoErrorKind::BrokenPipe => {
            Err(CliError::new(ErrorKind::Local, format!("the output can't be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Text from outside, fit for a terminal: whatever a terminal would act on becomes a space.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_gone_is_no_error_but_a_full_disk_is() {
        assert_eq!(written(Err(IoErrorKind::BrokenPipe.into())), Ok(()));
        assert!(written(Err(IoErrorKind::StorageFull.into())).is_err());
    }
}
