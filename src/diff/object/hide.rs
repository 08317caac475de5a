//! Which values of a Kubernetes object are not shown: those of Secrets, those whose name looks secret, and texts that
//! look so themselves. A reference to a secret (`secretName`, `secretKeyRef`) is none.

use crate::diff::mask::MASKED;
use crate::diff::{is_secret_name, is_secret_text};
use serde_json::Value;

/// Shorter texts are found in every message by chance.
const REPLACED_FROM: usize = 4;
/// Fields of the API that name labels, topologies and entries.
const HARMLESS_NAMES: [&str; 7] =
    ["key", "keys", "secrets", "topologyKey", "topologyKeys", "matchLabelKeys", "mismatchLabelKeys"];
/// What names of references, settings and files end with.
const HARMLESS_ENDS: [&str; 12] = [
    "Name",
    "Names",
    "Namespace",
    "Ref",
    "Path",
    "Policy",
    "Class",
    "Mode",
    "Type",
    "Seconds",
    "Selector",
    "File",
];

/// Where in an object a walk is, as far as secrets go.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Everything from here on is hidden.
    all: bool,
    /// At the top of a Secret.
    secret: bool,
    /// In `command` or `args`, after a word like `--password`.
    after_flag: bool,
}

impl Place {
    /// The top of an object.
    pub(super) fn top(object: &Value) -> Place {
        Place { secret: object["kind"] == "Secret" && object["apiVersion"] == "v1", ..Place::default() }
    }

    /// Under the field `name` of `fields`.
    pub(super) fn field(self, fields: &Value, name: &str) -> Place {
        let of_secret = self.secret && matches!(name, "data" | "stringData");
        let pair = matches!(name, "value" | "defaultValue")
            && ["name", "key"].iter().any(|n| fields[*n].as_str().is_some_and(is_secret_name));
        let harmless = HARMLESS_NAMES.contains(&name) || HARMLESS_ENDS.iter().any(|end| name.ends_with(end));
        let scalars = match &fields[name] {
            Value::Array(items) => items.iter().all(|item| !item.is_object()),
            value => !value.is_object(),
        };
        let named = scalars && !harmless && is_secret_name(name);
        Place { all: self.all || of_secret || pair || named, secret: false, after_flag: false }
    }

    /// At the element `index` of a list.
    pub(super) fn item(self, items: &[Value], index: usize) -> Place {
        let before = index.checked_sub(1).and_then(|index| items.get(index)).and_then(Value::as_str);
        let is_flag =
            |word: &str| word.starts_with('-') && !word.contains(['=', ' ']) && is_secret_name(word);
        Place { after_flag: before.is_some_and(is_flag), ..self }
    }

    /// True if the scalar here is not to be shown. Numbers and flags say nothing, except in what is hidden as a whole.
    pub(super) fn hides(self, scalar: &Value) -> bool {
        match scalar {
            Value::Null => false,
            Value::String(text) => self.all || self.after_flag || is_secret_text(text),
            Value::Number(_) => self.all,
            _ => false,
        }
    }
}

/// `text` with every value of `object` hidden that is not to be shown: the API server and its webhooks quote what they
/// refuse.
pub fn without_secrets(text: &str, object: &Value) -> String {
    let mut secrets = vec![];
    collect(object, Place::top(object), &mut secrets);
    // The longest first: one may be part of another.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(&secret, MASKED))
}

fn collect(value: &Value, place: Place, secrets: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, inner)| collect(inner, place.field(value, name), secrets));
        }
        Value::Array(items) => {
            let items_of = items.iter().enumerate();
            items_of.for_each(|(index, item)| collect(item, place.item(items, index), secrets));
        }
        scalar if place.hides(scalar) => {
            let text = scalar.as_str().map_or_else(|| scalar.to_string(), ToOwned::to_owned);
            // Messages quote with escapes.
            let quoted = Value::from(text.as_str()).to_string();
            let quoted = quoted[1..quoted.len() - 1].to_owned();
            secrets.extend([text, quoted].into_iter().filter(|text| text.len() >= REPLACED_FROM));
        }
        _ => {}
    }
}
