//! What a verb can end with when it does not succeed: one error, printed once.

use super::output::clean;
use crate::engine::{Trouble, TroubleKind};
use crate::model::Problem;
use crate::source::SourceError;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::ExitCode;

/// How a run that was no error ended. The numbers are part of the interface; `cutover --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, or in sync.
    Done = 0,
    /// An error that has been printed already, as part of the verb's own output.
    Error = 1,
    /// `plan --detailed-exitcode`: there is something to do.
    ChangesPending = 2,
    /// The rollout failed; traffic is on the old version.
    Failed = 3,
    /// The time given was over while things still progressed.
    TimedOut = 4,
    /// Somebody has to say `promote`.
    AwaitingApproval = 5,
    /// Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Where an error comes from; picks the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorKind {
    /// The command line can't be used as it is.
    Usage,
    /// The repository can't be read or written.
    Git,
    /// Documents are not valid.
    Documents,
    /// AWS or the Kubernetes cluster can't be reached, or refuses.
    Destination,
    /// What was asked for makes no sense as things stand.
    Refused,
    /// A file or the terminal on this machine.
    Local,
}

/// The one error of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CliError {
    pub kind: ErrorKind,
    /// What happened, where and why, as one sentence without a full stop. Empty if `problems` say it all.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// What is wrong with documents; each is printed on its own line.
    pub problems: Vec<Problem>,
}

impl CliError {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> CliError {
        CliError { kind, message: message.into(), hint: None, problems: vec![] }
    }

    /// The command line can't be used as it is.
    pub fn usage(message: impl Into<String>) -> CliError {
        CliError::new(ErrorKind::Usage, message)
    }

    /// What was asked for makes no sense as things stand.
    pub fn refused(message: impl Into<String>) -> CliError {
        CliError::new(ErrorKind::Refused, message)
    }

    /// Documents that are not valid. `nothing` says what was not done because of it.
    pub fn documents(problems: Vec<Problem>, nothing: &str) -> CliError {
        let count = match problems.len() {
            1 => "one problem".to_owned(),
            many => format!("{many} problems"),
        };
        CliError {
            kind: ErrorKind::Documents,
            message: String::new(),
            hint: Some(format!("{count}; {nothing}")),
            problems,
        }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hint = Some(hint.into());
        self
    }

    /// The exit code: 64 for a wrong command line, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            ErrorKind::Usage => 64,
            _ => 1,
        }
    }

    /// `error: …` and `hint: …`, each on its own line.
    pub fn to_text(&self, palette: &crate::plan::Palette) -> String {
        let error = palette.delete;
        let hint = palette.heading;
        let mut text = String::new();
        let messages = self.problems.iter().map(ToString::to_string);
        let messages = messages.chain((!self.message.is_empty()).then(|| self.message.clone()));
        for message in messages {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{error}error:{error:#} {}", clean(&message));
        }
        if let Some(next) = &self.hint {
            let _ = writeln!(text, "{hint}hint:{hint:#} {}", clean(next));
        }
        text
    }

    /// The same for machines.
    pub fn to_json(&self) -> Value {
        let mut error = json!({"kind": self.kind, "message": self.message});
        if !self.problems.is_empty() {
            error["problems"] = json!(self.problems);
        }
        if let Some(hint) = &self.hint {
            error["hint"] = json!(hint);
        }
        json!({"error": error})
    }
}

impl From<SourceError> for CliError {
    /// Its message says what to do.
    fn from(error: SourceError) -> CliError {
        CliError::new(ErrorKind::Git, error.to_string())
    }
}

impl From<Trouble> for CliError {
    fn from(trouble: Trouble) -> CliError {
        let hint = match trouble.kind {
            TroubleKind::Transient | TroubleKind::LookAgain => {
                Some("the other side could not be reached or did not answer as it should; try again")
            }
            TroubleKind::Unavailable => Some(
                "see `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations,apiservices` and what \
                 they name",
            ),
            TroubleKind::Denied => Some(
                "check which credentials are used (AWS: AWS_PROFILE, AWS_ACCESS_KEY_ID, --profile; Kubernetes: \
                 --context, `kubectl auth whoami`) and what they may do",
            ),
            TroubleKind::ChangedByOthers => {
                Some("look at the rule; run again to take it as it is, or set it back first")
            }
            TroubleKind::Crowded
            | TroubleKind::LockAwaited
            | TroubleKind::Missing
            | TroubleKind::Rejected => None,
        };
        CliError {
            kind: ErrorKind::Destination,
            message: trouble.to_string(),
            hint: hint.map(str::to_owned),
            problems: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Origin;
    use crate::plan::Palette;

    fn problem(line: usize) -> Problem {
        Problem {
            origin: Origin { file: "web.yaml".into(), line },
            document: "Service/web".into(),
            field: String::new(),
            message: "is wrong".into(),
        }
    }

    #[test]
    fn every_problem_of_the_documents_is_printed_and_the_hint_once() {
        let error = CliError::documents(vec![problem(1), problem(7)], "nothing was changed");
        assert_eq!(
            error.to_text(&Palette::plain()),
            "error: web.yaml:1: Service/web: is wrong\nerror: web.yaml:7: Service/web: is wrong\n\
             hint: 2 problems; nothing was changed\n"
        );
        assert_eq!(error.to_json()["error"]["problems"].as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn only_a_wrong_command_line_is_a_usage_error() {
        assert_eq!(CliError::usage("x").exit_code(), 64);
        for kind in [
            ErrorKind::Git,
            ErrorKind::Documents,
            ErrorKind::Destination,
            ErrorKind::Refused,
            ErrorKind::Local,
        ] {
            assert_eq!(CliError::new(kind, "x").exit_code(), 1, "{kind:?}");
        }
    }
}
