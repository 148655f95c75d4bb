//! Time zones of the IANA database: the machine's own where it has one, otherwise the
//! one that is built in, so that a container without zone files keeps the same time.

use drydock_core::{UnixTime, nearest};
use jiff::Timestamp;
use jiff::tz::{TimeZone, db};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
}

/// Why a name is no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is no time zone of the IANA database{}", suggest(near))]
pub struct ZoneError {
    name: String,
    near: Option<String>,
}

/// A stretch of time in which a zone's offset from UTC stays the same. Instants in
/// seconds since 1970, offsets in seconds east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period {
    /// The instant of the transition that began it and the offset before.
    pub began: Option<(i64, i64)>,
    pub offset: i64,
    /// The instant of the next transition.
    pub ends: Option<i64>,
}

impl Zone {
    /// Looks a zone up by its exact name.
    ///
    /// # Errors
    /// There is no such zone; the nearest name is suggested. `Local` is none: it would
    /// mean something else on every node.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        // Other spellings find the zone too, on some machines; `right/` counts leap
        // seconds, which no other clock here does.
        let foreign = ["right/", "posix/"].iter().any(|p| name.starts_with(p));
        match db().get(name) {
            Ok(zone)
                if zone.iana_name() == Some(name)
                    && !zone.is_unknown()
                    && !foreign
                    && name != "localtime" =>
            {
                Ok(Self { zone })
            }
            _ => Err(ZoneError {
                name: name.to_owned(),
                near: near_zone(name),
            }),
        }
    }

    /// The zone's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The period that holds an instant; none beyond the years that can be counted.
    pub(crate) fn period(&self, instant: UnixTime) -> Option<Period> {
        let at = Timestamp::from_second(instant.0).ok()?;
        let next = Timestamp::from_second(instant.0.checked_add(1)?).ok()?;
        let began = self.zone.preceding(next).next().map(|transition| {
            let start = transition.timestamp();
            let before = start
                .as_second()
                .checked_sub(1)
                .and_then(|second| Timestamp::from_second(second).ok())
                .map_or(transition.offset(), |earlier| self.zone.to_offset(earlier));
            (start.as_second(), i64::from(before.seconds()))
        });
        Some(Period {
            began,
            offset: i64::from(self.zone.to_offset(at).seconds()),
            ends: self
                .zone
                .following(at)
                .next()
                .map(|transition| transition.timestamp().as_second()),
        })
    }
}

/// The zone whose city was named, or else the one whose name is most alike.
fn near_zone(name: &str) -> Option<String> {
    let known: Vec<String> = db().available().map(|zone| zone.to_string()).collect();
    let city = known.iter().find(|zone| {
        zone.rsplit('/')
            .next()
            .is_some_and(|city| city.eq_ignore_ascii_case(name))
    });
    city.map(String::as_str)
        .or_else(|| nearest(name, known.iter().map(String::as_str)))
        .map(str::to_owned)
}

fn suggest(near: &Option<String>) -> String {
    near.as_ref()
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}
