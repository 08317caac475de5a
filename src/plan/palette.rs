//! The styles of printed plans. The caller chooses; nothing in here asks whether there is a terminal.

use super::Change;
use crate::diff::Side;
use anstyle::{AnsiColor, Color, Style};

/// A style for each thing that is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Palette {
    pub create: Style,
    pub update: Style,
    pub delete: Style,
    pub alarm: Style,
    pub heading: Style,
    pub dim: Style,
}

impl Palette {
    /// No styles: for files and pipes.
    pub fn plain() -> Palette {
        Palette::default()
    }

    /// The colours of `diff` and of other planners.
    pub fn coloured() -> Palette {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(Color::Ansi(colour)));
        Palette {
            create: colour(AnsiColor::Green),
            update: colour(AnsiColor::Yellow),
            delete: colour(AnsiColor::Red),
            alarm: colour(AnsiColor::Magenta),
            heading: Style::new().bold(),
            dim: Style::new().dimmed(),
        }
    }

    pub(super) fn of_change(&self, change: Change) -> Style {
        match change {
            Change::Create => self.create,
            Change::Update | Change::Adopt => self.update,
            Change::Replace | Change::Prune => self.delete,
            Change::Unchanged => self.dim,
            Change::Blocked => self.alarm,
        }
    }

    pub(super) fn of_side(&self, side: Side) -> Style {
        match side {
            Side::Both => Style::new(),
            Side::Before => self.delete,
            Side::After => self.create,
        }
    }
}
