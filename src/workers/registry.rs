//! The registry: which panels this process deals with, and how that changes while it runs.
//!
//! ```text
//!  new on the roll ─▶ its workers start
//!  another block   ─▶ its workers start under it; the earlier ones end with their calls
//!  off the roll    ─▶ its workers end with their calls, then the lease is given up
//! ```
//! Nobody waits for those that end: each has a guardian, which shutdown waits for. The keeper stays
//! to the last, so that no other process takes the panel, and finds our calls in doubt, while they
//! are out.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::domain::id::ProviderId;
use crate::upstream::ProviderEntry;
use crate::workers::WorkerDeps;
use crate::workers::driver::Driver;
use crate::workers::panel;

/// The panels that are dealt with; clones are the same registry.
#[derive(Clone, Debug)]
pub struct WorkerRegistry {
    driver: Driver,
    deps: WorkerDeps,
    posts: Arc<Mutex<BTreeMap<ProviderId, Post>>>,
}

/// The workers of one panel: the keeper of its lease, and all others.
#[derive(Clone, Debug)]
struct Post {
    listed: ProviderEntry,
    hands: Driver,
    keeper: Driver,
}

impl Post {
    fn is_of(&self, listed: &ProviderEntry) -> bool {
        Arc::ptr_eq(&self.listed.panel, &listed.panel) && self.listed.retired == listed.retired
    }
}

impl WorkerRegistry {
    /// Nobody is dealt with yet.
    pub fn new(driver: Driver, deps: WorkerDeps) -> Self {
        Self {
            driver,
            deps,
            posts: Arc::default(),
        }
    }

    /// Deals with the panels that are on the roll now. Those whose entry is the same go on
    /// untouched.
    pub async fn follow(&self) {
        let roll = self.deps.roll.now();
        let mut posts = self.posts.lock().await;
        let off: Vec<_> = posts
            .keys()
            .filter(|id| !roll.iter().any(|it| it.panel.settings().id == **id))
            .collect();

        for id in off.into_iter().cloned().collect::<Vec<_>>() {
            if let Some(post) = posts.remove(&id) {
                tracing::info!(provider = %id, "this process deals with the panel no more");
                post.hands.dismiss();
            }
        }

        for listed in roll.iter() {
            let id = &listed.panel.settings().id;
            if posts.get(id).is_some_and(|post| post.is_of(listed)) {
                continue;
            }

            let before = posts.remove(id);
            if let Some(before) = &before {
                before.hands.dismiss();
            }

            posts.insert(
                id.clone(),
                self.begin(listed, before.map(|before| before.hands)),
            );
        }
    }

    fn begin(&self, listed: &ProviderEntry, before: Option<Driver>) -> Post {
        // The keeper ends after the hands: a lease that ran out while a call is out would put it in
        // doubt.
        let keeper = self.driver.crew().lasting();

        let post = Post {
            listed: listed.clone(),
            hands: self.driver.crew(),
            keeper,
        };

        if let Some(before) = before.clone() {
            // Counted among the new ones, so that whoever comes next waits for all.
            post.hands.run(async move { before.ended().await });
        }

        panel::start_panel_workers(&post.keeper, &post.hands, &self.deps, listed, before);
        self.driver.run(self.clone().guard(post.clone()));
        post
    }

    /// Sees a panel's workers to their end.
    async fn guard(self, post: Post) {
        post.hands.dismissed().await;
        post.hands.dismiss();
        post.hands.ended().await;
        post.keeper.dismiss();
        post.keeper.ended().await;
        let id = &post.listed.panel.settings().id;

        // Under the lock: who begins to deal with the panel anew must not find the lease given up
        // behind its back.
        let posts = self.posts.lock().await;

        if posts.contains_key(id) {
            return;
        }

        if let Err(error) = self.deps.delivery.let_one_go(id).await {
            tracing::warn!(provider = %id, %error,
                "the panel's lease could not be given up and will run out by itself");
        }
    }
}
