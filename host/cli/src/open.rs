//! `drydock open`: looks into a recovery point with kubectl, or whatever reads a
//! kubeconfig. Nothing of it is left afterwards.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use drydock_api_types::drill::Phase;
use drydock_drill::{
    Asked,
    open::{Opened, open},
    perform,
    report::title,
    seconds,
};
use drydock_node::{Need, http_config};
use drydock_repository::Repository;
use drydock_scratch::children::Guarded;
use drydock_terminal::{
    interrupt::{Interrupted, Interrupts},
    print,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::{Global, OpenArgs};
use super::catalog::{self, Catalog, LATEST, Purpose};
use super::drill::{name_programs, opened};
use crate::runtime::{block_on_uninterrupted, interruptible};
use crate::{Exit, Outcome};

/// Between two looks at a command that runs.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// What shells add to the number of the signal that ended a command.
const BY_SIGNAL: i32 = 128;

pub fn dispatch(global: &Global, args: OpenArgs) -> Outcome {
    block_on_uninterrupted(Box::pin(run(global, args)))
}

async fn run(global: &Global, args: OpenArgs) -> Outcome {
    // From the first folder that is made to the last: a signal has somebody who takes back.
    let _ours = Interrupts::heed(Exit::Failed.code())?;
    let need = Need::drill(args.at.target.as_deref());
    let mut node = catalog::node(global, &args.at, &need)?;
    let identities = opened(&node, args.identity.as_deref())?;
    name_programs(&mut node, args.etcd, args.kube_apiserver);
    let http = Arc::new(http_config(&node.config, &*node.deps.env)?);
    let catalog = Catalog::over(node, &args.at, false)?;
    let name = args.recovery_point.as_deref().unwrap_or(LATEST);
    let found = interruptible(catalog.find(name, Purpose::Look)).await?;
    let deps = &catalog.registry.node.deps;
    let config = &catalog.registry.node.config;
    let asked = Asked {
        repository: Repository::new(&found.target, &catalog.signers),
        point: &found.point,
        target: &found.target_name,
        identities,
        config: &config.value.spec.drill,
        places: perform::places(config),
        http: &http,
        api_server: true,
        encryption: args.encryption_config,
        etcd_prefix: args.etcd_prefix,
        node: config.value.name.to_string(),
        now: deps.clock.now(),
        crash: &*deps.crash,
    };
    let begun = Instant::now();
    let name = &found.point.manifest.recovery_point;
    print::note(&format!("opening {name} of {}", found.target_name));
    let opening = Box::pin(async { Ok(open(&asked, told).await?) });
    let opened = interruptible(opening).await?;
    let whole = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    print::note(&format!("ready after {}", seconds(whole)));
    attend(&opened, &args.command).await
}

fn told(phase: Phase, milliseconds: u64) {
    print::note(&format!("{:>9}  {}", seconds(milliseconds), title(phase)));
}

/// Runs the command, or waits until the operator has seen enough.
async fn attend(opened: &Opened, words: &[OsString]) -> Outcome {
    let _own = Interrupts::leave_alone()?;
    let mut interrupts = signal(SignalKind::interrupt())?;
    let mut terminations = signal(SignalKind::terminate())?;
    if drydock_node::interrupt::asked() {
        return Err(Interrupted.into());
    }
    if words.is_empty() {
        print::line(&format!(
            "export KUBECONFIG={}",
            opened.kubeconfig.display()
        ));
        print::note("It is there until Ctrl-C.");
        tokio::select! {
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
        }
        return Ok(Exit::Done);
    }
    let command = opened.command(words)?;
    let ended = follow(command, interrupts, terminations).await;
    Ok(Exit::Of(code(ended)))
}

/// Waits for the command. An interrupt from the terminal reaches it as well as us, and it
/// is its own affair what it makes of it; a request to stop is passed on.
async fn follow(
    mut command: Guarded,
    mut interrupts: Signal,
    mut terminations: Signal,
) -> ExitStatus {
    loop {
        if let Some(ended) = command.ended() {
            return ended;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            _ = interrupts.recv() => {}
            _ = terminations.recv() => command.terminate(),
        }
    }
}

/// The command's code, as a shell gives it.
fn code(ended: ExitStatus) -> u8 {
    let code = ended.code();
    let code = code.or_else(|| ended.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
