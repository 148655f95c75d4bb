//! When a credential is renewed, and what requests get meanwhile. Time is the runtime's own,
//! and stands still but for what a test lets pass.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use drydock_capability_http::{HostClient, HttpConfig};
use drydock_core::{Clock, Secret, UnixTime};
use tokio::sync::Semaphore;

use super::*;

struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> UnixTime {
        UnixTime(0)
    }
}

/// Hands out tokens that are numbered, or fails, once it is let.
struct Numbered {
    asked: AtomicUsize,
    fails: AtomicUsize,
    lives: Option<Duration>,
    gate: Semaphore,
}

#[async_trait]
impl CredentialSource for Arc<Numbered> {
    async fn fetch(&self, _: &Exchanger) -> Result<Fetched, Fault> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let permit = self.gate.acquire().await;
        permit.expect("the gate is never closed").forget();
        let less = |count: usize| count.checked_sub(1);
        if self
            .fails
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
        {
            let why = format!("token-{number} is refused");
            return Err(Fault::denied(ErrorCode::Unauthenticated, why));
        }
        let token = Secret::new(format!("token-{number}").into_bytes());
        Ok(Fetched {
            credential: Credential::Bearer(token),
            lives: self.lives,
        })
    }
}

fn cache(lives: Option<Duration>) -> (Arc<Cache>, Arc<Numbered>) {
    let source = Arc::new(Numbered {
        asked: AtomicUsize::new(0),
        fails: AtomicUsize::new(0),
        lives,
        gate: Semaphore::new(1000),
    });
    let client = Arc::new(HostClient::new(Arc::new(HttpConfig::default())));
    let exchanger = Exchanger::new(client, Arc::new(NoClock));
    (
        Arc::new(Cache::new(Box::new(Arc::clone(&source)), exchanger)),
        source,
    )
}

async fn token(cache: &Cache) -> Result<String, Fault> {
    let credential = cache.get().await?;
    let (_, secret) = credential.secrets()[0];
    Ok(secret.expose_text().unwrap().to_owned())
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Until what runs in the background has nothing left to do.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

const HOUR: Option<Duration> = Some(Duration::from_secs(3600));

#[tokio::test(start_paused = true)]
async fn many_requests_make_one_exchange() {
    let (cache, source) = cache(HOUR);
    let all: Vec<_> = (0..64)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { token(&cache).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap().unwrap(), "token-1");
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_ahead_of_its_end_while_requests_go_on() {
    let (cache, source) = cache(HOUR);
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    pass(2600).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    // A quarter of an hour before its end: in the background, and once.
    source.gate.forget_permits(1000);
    pass(120).await;
    for _ in 0..10 {
        assert_eq!(token(&cache).await.unwrap(), "token-1");
        settle().await;
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    source.gate.add_permits(1);
    settle().await;
    assert_eq!(token(&cache).await.unwrap(), "token-2");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_while_the_old_one_lives() {
    let (cache, source) = cache(HOUR);
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    source.fails.store(usize::MAX, Ordering::SeqCst);
    pass(2701).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    settle().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    // Not at once, but after a pause.
    pass(29).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    settle().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    pass(2).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    settle().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 3);
    // Near the end, requests wait for the renewal and still take the old one.
    pass(820).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    assert_eq!(source.asked.load(Ordering::SeqCst), 4);
    pass(60).await;
    let fault = token(&cache).await.unwrap_err();
    // What was refused before holds the token's number, which a secret was.
    assert!(fault.message.ends_with("is refused"), "{fault}");
    source.fails.store(0, Ordering::SeqCst);
    pass(3).await;
    assert_eq!(token(&cache).await.unwrap(), "token-6");
}

#[tokio::test(start_paused = true)]
async fn without_a_credential_many_requests_fail_by_one_exchange() {
    let (cache, source) = cache(HOUR);
    source.fails.store(usize::MAX, Ordering::SeqCst);
    for _ in 0..10 {
        token(&cache).await.unwrap_err();
    }
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    pass(2).await;
    token(&cache).await.unwrap_err();
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_life_is_used_to_its_half() {
    let (cache, source) = cache(Some(Duration::from_secs(600)));
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    pass(299).await;
    token(&cache).await.unwrap();
    settle().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    pass(1).await;
    token(&cache).await.unwrap();
    settle().await;
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_end_is_read_again_and_outlives_a_file_for_a_while() {
    let (cache, source) = cache(None);
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    pass(60).await;
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    settle().await;
    assert_eq!(token(&cache).await.unwrap(), "token-2");
    source.fails.store(usize::MAX, Ordering::SeqCst);
    pass(3599).await;
    assert_eq!(token(&cache).await.unwrap(), "token-2");
    settle().await;
    pass(1).await;
    token(&cache).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_a_server_refused_is_replaced_unless_it_is_new() {
    let (cache, source) = cache(HOUR);
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    cache.suspect();
    assert_eq!(token(&cache).await.unwrap(), "token-1");
    pass(60).await;
    cache.suspect();
    assert_eq!(token(&cache).await.unwrap(), "token-2");
    cache.suspect();
    assert_eq!(token(&cache).await.unwrap(), "token-2");
    assert_eq!(source.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_ends_with_its_identity() {
    let (cache, source) = cache(HOUR);
    source.gate.forget_permits(1000);
    let waiting = {
        let cache = Arc::clone(&cache);
        tokio::spawn(async move { token(&cache).await })
    };
    settle().await;
    waiting.abort();
    drop(cache);
    settle().await;
    // The task held the source; it is gone.
    assert_eq!(Arc::strong_count(&source), 1);
}
