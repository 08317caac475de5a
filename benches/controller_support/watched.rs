//! Objects as a watch tells them, each reduced to a word.

use futures_util::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::AbortHandle;

/// By name: the resource version and the word.
type Words = Arc<Mutex<BTreeMap<String, (u64, String)>>>;

pub struct Watched {
    words: Words,
    task: AbortHandle,
}

impl Watched {
    pub fn start(api: Api<DynamicObject>, labels: &str, word: fn(&DynamicObject) -> String) -> Watched {
        let words = Words::default();
        let told = Arc::clone(&words);
        let mut events = watcher::watcher(api, watcher::Config::default().labels(labels)).boxed();
        let follow = async move {
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(object) | Event::InitApply(object)) = event else { continue };
                let version = object.resource_version().and_then(|text| text.parse().ok()).unwrap_or(0);
                told.lock().expect("the words").insert(object.name_any(), (version, word(&object)));
            }
        };
        Watched { words, task: tokio::spawn(follow).abort_handle() }
    }

    /// How many say this.
    pub fn count(&self, word: &str) -> usize {
        self.words.lock().expect("the words").values().filter(|(_, told)| told == word).count()
    }

    /// The resource version and the word of one.
    pub fn of(&self, name: &str) -> (u64, String) {
        self.words.lock().expect("the words").get(name).cloned().unwrap_or_default()
    }

    /// Waits until the test passes.
    pub async fn until(&self, what: &str, test: impl Fn(&Watched) -> bool) {
        let begun = Instant::now();
        while !test(self) {
            assert!(begun.elapsed() < super::process::PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}
