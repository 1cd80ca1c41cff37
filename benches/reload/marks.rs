//! The steps of an edit as the gateway tells them to its log, with the moment of each.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, span};

/// A step of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The file begins to be read, while it must stand still.
    Opened,
    /// It is right, and laid over what panels list.
    Read,
    /// It stood still; the clock starts.
    Judged,
    /// It is compared with what is in force.
    Planned,
    /// It is in force in the database.
    Published,
    /// It will not be.
    PutAside,
}

/// When which step was told last.
#[derive(Clone, Debug, Default)]
pub struct Marks(Arc<Mutex<Vec<(Step, Instant)>>>);

impl Marks {
    /// Watches this process's log from now on; nothing of it is printed but what the gateway
    /// complains of.
    pub fn watch() -> Self {
        let marks = Self::default();
        let watched = tracing::subscriber::set_global_default(Ear(marks.clone()));
        watched.expect("nobody else listens to this process");
        marks
    }

    /// Nothing was told yet.
    pub fn forget(&self) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// When a step was told first since.
    pub fn at(&self, step: Step) -> Option<Instant> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter()
            .find(|(other, _)| *other == step)
            .map(|(_, at)| *at)
    }
}

struct Ear(Marks);

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("panelgate::reload")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(Level::DEBUG.into())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let now = Instant::now();
        let mut message = Message::default();
        event.record(&mut message);

        let step = match message.0.as_str() {
            "an edit is opened" => Step::Opened,
            "an edit is read" => Step::Read,
            "an edit is judged" => Step::Judged,
            "an edit is planned" => Step::Planned,
            told if told.starts_with("the edit is in force") => Step::Published,
            told if told.starts_with("an edit is not in force") => Step::PutAside,
            _ => return,
        };

        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((step, now));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
