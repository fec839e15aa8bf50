//! Compiled modules: loaded from the blob store once, kept up to a number of bytes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use loom_machine::{Failure, HostFault, Module, Sandbox};
use loom_storage::{BlobError, Blobs};
use loom_types::Cid;
use lru::LruCache;
use tokio::sync::OnceCell;

use crate::{BlockingWork, Metrics};

/// A module, or why it can never run.
pub(crate) type Loaded = Result<Arc<dyn Module>, Failure>;

/// The node's module cache.
pub(crate) struct Modules {
    sandbox: Arc<dyn Sandbox>,
    blobs: Arc<dyn Blobs>,
    blocking: BlockingWork,
    bytes_max: u64,
    cache: Mutex<Cache>,
    /// Loads under way, so that a hundred turns waiting for one module compile it once.
    loading: Mutex<HashMap<Cid, Arc<OnceCell<Loaded>>>>,
    metrics: Metrics,
}

struct Cache {
    modules: LruCache<Cid, Loaded>,
    bytes: u64,
}

impl Modules {
    pub(crate) fn new(
        sandbox: Arc<dyn Sandbox>,
        blobs: Arc<dyn Blobs>,
        blocking: BlockingWork,
        bytes_max: u64,
        metrics: Metrics,
    ) -> Self {
        let cache = Mutex::new(Cache { modules: LruCache::unbounded(), bytes: 0 });
        Self { sandbox, blobs, blocking, bytes_max, cache, loading: Mutex::default(), metrics }
    }

    pub(crate) fn sandbox(&self) -> &Arc<dyn Sandbox> {
        &self.sandbox
    }

    /// The module, if it is in memory.
    pub(crate) fn get(&self, cid: &Cid) -> Option<Loaded> {
        let found = self.find(cid);
        let counter = if found.is_some() { &self.metrics.module_cache_hits } else { &self.metrics.module_cache_misses };
        counter.inc();
        found
    }

    fn find(&self, cid: &Cid) -> Option<Loaded> {
        self.cache.lock().expect("nothing panics under this lock").modules.get(cid).cloned()
    }

    /// The module, loaded and compiled if need be.
    pub(crate) async fn load(&self, cid: Cid) -> Result<Loaded, HostFault> {
        if let Some(loaded) = self.find(&cid) {
            return Ok(loaded);
        }
        let once = {
            let mut loading = self.loading.lock().expect("nothing panics under this lock");
            loading.entry(cid).or_default().clone()
        };
        let loaded = once.get_or_try_init(|| self.compile(cid)).await.cloned();
        self.loading.lock().expect("nothing panics under this lock").remove(&cid);
        loaded
    }

    async fn compile(&self, cid: Cid) -> Result<Loaded, HostFault> {
        let bytes = self.blobs.get(cid).await.map_err(|error| unavailable(cid, &error))?;
        let sandbox = self.sandbox.clone();
        let compiled = self.blocking.run(move || sandbox.compile(cid, &bytes)).await;
        let loaded = compiled.map_err(|error| HostFault::Host(format!("compiling {cid}: {error}")))??;
        self.metrics.module_loads.inc();
        self.keep(cid, loaded.clone());
        Ok(loaded)
    }

    fn keep(&self, cid: Cid, loaded: Loaded) {
        let mut cache = self.cache.lock().expect("nothing panics under this lock");
        cache.bytes += size(&loaded);
        if let Some(before) = cache.modules.put(cid, loaded) {
            cache.bytes -= size(&before);
        }
        // The newest stays even if it alone is over the limit: someone is about to run it.
        while cache.bytes > self.bytes_max && cache.modules.len() > 1 {
            if let Some((_, dropped)) = cache.modules.pop_lru() {
                cache.bytes -= size(&dropped);
                self.metrics.module_evictions.inc();
            }
        }
        self.metrics.module_cache_bytes.set(i64::try_from(cache.bytes).unwrap_or(i64::MAX));
    }
}

/// Bytes a cached module counts for; failures and small modules have an overhead too.
fn size(loaded: &Loaded) -> u64 {
    const OVERHEAD: u64 = 4096;
    OVERHEAD + loaded.as_ref().map_or(0, |module| module.resident_bytes())
}

fn unavailable(cid: Cid, error: &BlobError) -> HostFault {
    HostFault::Unavailable { what: format!("module {cid}"), detail: error.to_string() }
}
