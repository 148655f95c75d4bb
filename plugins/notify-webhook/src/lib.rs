//! Tells a server how the run goes: as JSON, as a Slack message, as alerts of Alertmanager,
//! or by a ping.
//!
//! What the host knows of the run is gathered once into a [`notice::Notice`], in which every
//! text is cut to size. A [`format`] makes a message of that, without looking anywhere else,
//! and [`send`] sends it: one request, no redirects followed. Trying again is the engine's
//! business, which goes by the class of the error.
//!
//! A notification may go out twice, after an attempt of which nobody knows how it ended: twice
//! is better than never. What is sent carries the step's key, by which a receiver can tell.
//!
//! **Invariant:** the path and query of a URL appear in no text that the plugin makes: for a
//! Slack webhook or a ping they are the password.
//! **Invariant:** nothing is sent while a configuration is judged or a plan is made.

mod config;
mod format;
mod notice;
mod send;
mod text;
mod url;

use drydock_plugin_sdk::{Action, Error, Finding, clock, plugin, secret};

use config::{Config, Place};
use notice::Notice;
use url::Url;

struct NotifyWebhook;

impl Action for NotifyWebhook {
    type Config = Config;

    fn check_config(config: &Config) -> Result<Vec<Finding>, Error> {
        config.check()?;
        Ok(config.advice().into_iter().collect())
    }

    fn plan(config: Config) -> Result<Vec<String>, Error> {
        config.check()?;
        let url = url_of(&config)?;
        Ok(format::plan(&config, &url, &Notice::gather(&config)))
    }

    fn run(config: Config) -> Result<(), Error> {
        config.check()?;
        let url = url_of(&config)?;
        let now = clock::now() / 1_000_000_000;
        let message = format::render(&config, &Notice::gather(&config), now);
        send::send(&config, &url, &message, now)
    }
}

plugin! {
    world: action, step: NotifyWebhook, requests: ["http"],
    optional: ["secret.use", "secret.reveal"],
    action: {repeat: "idempotent", access: "reads"}
}

/// Where the message goes. A secret is revealed for it: the host fills none into a URL.
fn url_of(config: &Config) -> Result<Url, Error> {
    match config.place()? {
        Place::Url(text) => Url::parse(text)
            .map_err(|why| Error::bad_configuration(format!("the step's `url` {why}"))),
        Place::Secret(name) => {
            let value = secret::reveal(name)?;
            let text = String::from_utf8_lossy(&value);
            Url::parse(text.trim()).map_err(|why| {
                Error::permanent("bad-secret", format!("the URL in the secret {name} {why}"))
                    .not_done()
            })
        }
    }
}
