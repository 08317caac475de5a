//! The spans of one rollout: its phases, and in them the writes and the waits. A rollout may bake for days and lose a target
//! every minute, so their number is bounded.

use crate::engine::spans::work_span;
use crate::rollout::Phase;
use tracing::Span;

/// Spans of one rollout; its phases have theirs beyond that, too.
const SPANS: u32 = 200;

/// Where a rollout is on its way.
pub(super) struct Trail {
    rollout: Span,
    stage: Span,
    phase: &'static str,
    wait: Span,
    waits_for: Option<String>,
    spans: u32,
}

impl Default for Trail {
    fn default() -> Trail {
        Trail {
            rollout: Span::none(),
            stage: Span::none(),
            phase: "planning",
            wait: Span::none(),
            waits_for: None,
            spans: 0,
        }
    }
}

impl Trail {
    /// Within the span of the rollout, which is the current one.
    pub fn begin() -> Trail {
        Trail { rollout: Span::current(), stage: Span::current(), ..Trail::default() }
    }

    /// The span of the phase that the rollout is in.
    pub fn stage(&self) -> &Span {
        &self.stage
    }

    /// The rollout enters a phase.
    pub fn enter(&mut self, phase: Phase) {
        self.phase = phase.name();
        self.wait(None);
        // Always: what is logged bears the phase of the span it is in.
        self.spans += 1;
        self.stage = work_span!(in &self.rollout, "phase", self.phase, otel.name = self.phase);
    }

    /// It waits for that, in words that stay as long as the wait does; or no longer.
    pub fn wait(&mut self, what: Option<&str>) {
        if self.waits_for.as_deref() == what {
            return;
        }
        self.waits_for = what.map(str::to_owned);
        self.wait = match what {
            Some(what) if self.has_room() => work_span!(in &self.stage, "wait", self.phase, waits_for = what),
            _ => Span::none(),
        };
    }

    /// A write begins.
    pub fn write(&mut self, what: &str) -> Span {
        match self.has_room() {
            true => work_span!(in &self.stage, "write", self.phase, action = what),
            false => self.stage.clone(),
        }
    }

    fn has_room(&mut self) -> bool {
        self.spans += 1;
        self.spans <= SPANS
    }
}
