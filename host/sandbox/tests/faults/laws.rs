//! What holds after every fault, looked at without the proxy.

use anyhow::{Result, bail, ensure};
use drydock_repository::object;
use drydock_sandbox::StoreTarget;

use super::calls::Play;
use super::play::{ARTIFACT, EARLIER, MANIFEST, bytes_of, objects, sweep};

/// What a play has made when it says that it is done.
fn made_by(play: Play) -> Option<&'static str> {
    match play {
        Play::Upload => Some(ARTIFACT),
        Play::Commit => Some(MANIFEST),
        _ => None,
    }
}

/// Nothing is torn, nothing is there that nobody named, nothing is gone that nobody removed; what
/// was called done is whole.
///
/// # Errors
/// The law that does not hold.
pub async fn objects_are_whole(
    target: &StoreTarget,
    play: Play,
    artifact: &[u8],
    is_done: bool,
) -> Result<()> {
    let found = objects(target, "").await.map_err(anyhow::Error::msg)?;
    for name in &found {
        let is_own = made_by(play) == Some(name.as_str());
        ensure!(
            is_own || EARLIER.contains(&name.as_str()),
            "{name} is there, and nobody named it"
        );
        let wanted = bytes_of(name, artifact);
        let stored = object::read(target, name, wanted.len() as u64).await;
        match stored {
            Ok(Some(bytes)) if bytes == wanted => {}
            other => bail!("{name} is not whole: {}", told(&other)),
        }
    }
    if play != Play::Sweep {
        let kept = EARLIER.iter().filter(|name| {
            // This one the play removes.
            play != Play::Remove || **name != EARLIER[1]
        });
        for name in kept {
            ensure!(found.iter().any(|found| found == name), "{name} is gone");
        }
    }
    if is_done && let Some(made) = made_by(play) {
        ensure!(
            found.iter().any(|found| found == made),
            "{made} was called stored and is not there"
        );
    }
    if is_done && play == Play::Remove {
        ensure!(
            !found.iter().any(|found| found == EARLIER[1]),
            "{} was called removed and is there",
            EARLIER[1]
        );
    }
    Ok(())
}

/// After a sweep no upload is left.
///
/// # Errors
/// When one is.
pub async fn nothing_is_open_after_a_sweep(target: &StoreTarget) -> Result<()> {
    sweep(target).await.map_err(anyhow::Error::msg)?;
    let left = sweep(target).await.map_err(anyhow::Error::msg)?;
    ensure!(left == 0, "{left} uploads are open after a sweep");
    Ok(())
}

fn told<E: std::fmt::Debug>(read: &Result<Option<Vec<u8>>, E>) -> String {
    match read {
        Ok(Some(bytes)) => format!("{} other bytes", bytes.len()),
        Ok(None) => "it is not there".to_owned(),
        Err(error) => format!("{error:?}"),
    }
}
