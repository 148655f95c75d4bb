//! Where clocks jump: whole days by name, and a comparison with a walk over every
//! minute.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;

fn instant(text: &str) -> UnixTime {
    UnixTime(text.parse::<Timestamp>().unwrap().as_second())
}

fn timetable(expression: &str, zone: &str, dst: DstMode) -> Timetable {
    let cron = CronExpr::parse(expression).unwrap();
    Timetable::new(cron, Zone::parse(zone).unwrap(), dst)
}

/// The occurrences of a day (UTC), as `HH:MM` in UTC.
fn day(timetable: &Timetable, date: &str) -> Vec<String> {
    let begin = instant(&format!("{date}T00:00:00Z")).0;
    timetable
        .occurrences_between(UnixTime(begin - 1), UnixTime(begin + 86_399))
        .map(|due| due.to_string()[11..16].to_owned())
        .collect()
}

#[test]
fn a_fixed_hour_is_due_once_where_clocks_go_back() {
    // Berlin, 2026-10-25: 03:00 CEST becomes 02:00 CET at 01:00 UTC.
    let default = timetable("30 2 * * *", "Europe/Berlin", DstMode::Default);
    assert_eq!(day(&default, "2026-10-25"), ["00:30"]);
    let cronjob = timetable("30 2 * * *", "Europe/Berlin", DstMode::CronJob);
    assert_eq!(day(&cronjob, "2026-10-25"), ["00:30", "01:30"]);
}

#[test]
fn a_fixed_hour_is_due_right_after_a_gap() {
    // Berlin, 2026-03-29: 02:00 CET becomes 03:00 CEST at 01:00 UTC.
    let default = timetable("30 2 * * *", "Europe/Berlin", DstMode::Default);
    assert_eq!(day(&default, "2026-03-29"), ["01:00"]);
    let cronjob = timetable("30 2 * * *", "Europe/Berlin", DstMode::CronJob);
    assert_eq!(day(&cronjob, "2026-03-29"), Vec::<String>::new());
    // Several times in the gap and one right after it are one occurrence.
    let many = timetable("*/30 2,3 * * *", "Europe/Berlin", DstMode::Default);
    assert_eq!(day(&many, "2026-03-29"), ["01:00", "01:30"]);
}

#[test]
fn a_wildcard_hour_is_due_at_every_real_instant() {
    for dst in [DstMode::Default, DstMode::CronJob] {
        let hourly = timetable("0 * * * *", "Europe/Berlin", dst);
        assert_eq!(day(&hourly, "2026-10-25").len(), 24);
        assert_eq!(day(&hourly, "2026-03-29").len(), 24);
    }
    // All hours by number are fixed hours: the repeated one is due once, and the
    // skipped one falls together with the next.
    let listed = timetable("0 0-23 * * *", "Europe/Berlin", DstMode::Default);
    assert_eq!(day(&listed, "2026-10-25").len(), 23);
    assert_eq!(day(&listed, "2026-03-29").len(), 24);
}

#[test]
fn a_day_that_a_zone_left_out_is_made_up_for() {
    // Samoa crossed the date line: 2011-12-30 did not exist there.
    let friday = timetable("0 12 30 12 *", "Pacific/Apia", DstMode::Default);
    let due = friday.next_after(instant("2011-12-01T00:00:00Z")).unwrap();
    assert_eq!(due, instant("2011-12-30T10:00:00Z"));
    let next = friday.next_after(due).unwrap();
    assert_eq!(next.to_string(), "2012-12-29T22:00:00Z");
}

#[test]
fn the_last_occurrence_is_in_2100() {
    let yearly = timetable("@yearly", "Etc/UTC", DstMode::Default);
    let last = yearly.next_after(instant("2099-06-01T00:00:00Z")).unwrap();
    assert_eq!(last.to_string(), "2100-01-01T00:00:00Z");
    assert_eq!(yearly.next_after(last), None);
    assert_eq!(yearly.next_after(UnixTime(i64::MAX)), None);
}

#[test]
fn a_leap_day_is_found_across_many_transitions() {
    let leap = timetable("0 3 29 2 *", "Africa/Casablanca", DstMode::Default);
    let due = leap.next_after(instant("2024-03-01T00:00:00Z")).unwrap();
    assert!(due.to_string().starts_with("2028-02-29"), "{due}");
}

#[test]
fn an_unknown_zone_is_told_with_the_nearest() {
    for (name, sentence) in [
        (
            "Europe/Berln",
            "Europe/Berln is no time zone of the IANA database; did you mean Europe/Berlin?",
        ),
        (
            "europe/berlin",
            "europe/berlin is no time zone of the IANA database; did you mean Europe/Berlin?",
        ),
        (
            "Kolkata",
            "Kolkata is no time zone of the IANA database; did you mean Asia/Kolkata?",
        ),
    ] {
        assert_eq!(Zone::parse(name).unwrap_err().to_string(), sentence);
    }
    for name in [
        "Local",
        "localtime",
        "",
        "UTC+1",
        "right/Europe/Berlin",
        "Etc/Unknown",
    ] {
        assert!(Zone::parse(name).is_err(), "{name}");
    }
    assert_eq!(Zone::parse("Asia/Kolkata").unwrap().name(), "Asia/Kolkata");
}

#[test]
fn zones_are_built_in() {
    let bundled = jiff::tz::TimeZoneDatabase::bundled();
    for zone in ZONES {
        assert!(bundled.get(zone).is_ok(), "{zone}");
    }
}

/// Zones with every kind of jump: whole and half hours, two hours, a whole day, at
/// midnight, backwards in summer, four times a year.
const ZONES: [&str; 12] = [
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
];

const MINUTE: i64 = 60;
const DAY: i64 = 24 * 3600;

#[test]
fn occurrences_are_those_of_a_walk_over_every_minute() {
    let mut random = Random(0x5eed);
    for zone in ZONES {
        let real = TimeZone::get(zone).unwrap();
        for begin in windows(&real, &mut random) {
            let minutes = Walk::over(&real, begin, begin + 2 * DAY);
            for _ in 0..4 {
                let fields = random.fields();
                for dst in [DstMode::Default, DstMode::CronJob] {
                    compare(&fields, zone, dst, &minutes);
                }
            }
        }
    }
}

/// Two days around each transition from 2009 to 2014 and 2024 to 2026, and thirty
/// days anywhere.
fn windows(zone: &TimeZone, random: &mut Random) -> Vec<i64> {
    let years = [("2009", "2015"), ("2024", "2027")];
    let around = years.into_iter().flat_map(|(from, to)| {
        let from: Timestamp = format!("{from}-01-01T00:00:00Z").parse().unwrap();
        let to: Timestamp = format!("{to}-01-01T00:00:00Z").parse().unwrap();
        zone.following(from)
            .map(|transition| transition.timestamp())
            .take_while(move |at| *at < to)
            .map(|at| at.as_second() - DAY)
            .collect::<Vec<_>>()
    });
    let mut windows: Vec<i64> = around.collect();
    for _ in 0..30 {
        let day = i64::try_from(random.below(100 * 365)).unwrap();
        windows.push((365 + day) * DAY);
    }
    windows
}

fn compare(fields: &[String; 5], zone: &str, dst: DstMode, walk: &Walk) {
    let expression = fields.join(" ");
    let timetable = timetable(&expression, zone, dst);
    let expected = walk.occurrences(fields, dst);
    let after = UnixTime(walk.minutes[0].0 - 1);
    let through = UnixTime(walk.minutes.last().unwrap().0);
    let found: Vec<i64> = timetable
        .occurrences_between(after, through)
        .map(|due| due.0)
        .collect();
    let begin = UnixTime(walk.minutes[0].0);
    assert_eq!(
        found, expected,
        "{expression} in {zone} with {dst:?} from {begin}"
    );
}

/// Every minute of a stretch of time with what the wall shows.
struct Walk {
    minutes: Vec<(i64, Wall)>,
    /// What the wall showed just before.
    before: i64,
}

/// A wall time, and the same as a count of seconds.
#[derive(Clone, Copy)]
struct Wall {
    count: i64,
    minute: u32,
    hour: u32,
    day: u32,
    month: u32,
    weekday: u32,
}

impl Wall {
    fn of(count: i64) -> Self {
        let civil = TimeZone::UTC.to_datetime(Timestamp::from_second(count).unwrap());
        let unsigned = |value: i8| u32::try_from(value).unwrap();
        Self {
            count,
            minute: unsigned(civil.minute()),
            hour: unsigned(civil.hour()),
            day: unsigned(civil.day()),
            month: unsigned(civil.month()),
            weekday: unsigned(civil.weekday().to_sunday_zero_offset()),
        }
    }

    fn matches(self, sets: &Sets) -> bool {
        let [minute, hour, day, month, weekday] = sets.values;
        let by_day = day >> self.day & 1 == 1;
        let by_weekday = weekday >> self.weekday & 1 == 1;
        let right_day = if sets.either_day {
            by_day || by_weekday
        } else {
            by_day && by_weekday
        };
        minute >> self.minute & 1 == 1
            && hour >> self.hour & 1 == 1
            && month >> self.month & 1 == 1
            && right_day
    }
}

/// The values that the fields hold, as bits.
struct Sets {
    values: [u64; 5],
    either_day: bool,
}

impl Sets {
    fn of(fields: &[String; 5]) -> Self {
        let least = [0, 0, 1, 1, 0];
        let mut values = [0, 1, 2, 3, 4].map(|index: usize| {
            (least[index]..60)
                .filter(|value| holds(&fields[index], *value, least[index]))
                .fold(0_u64, |bits, value| bits | 1 << value)
        });
        values[4] |= values[4] >> 7 & 1;
        Self {
            values,
            either_day: fields[2] != "*" && fields[4] != "*",
        }
    }
}

/// Whether a field of the forms that [`Random::field`] makes holds a value.
fn holds(field: &str, value: u32, least: u32) -> bool {
    let number = |text: &str| text.parse::<u32>().unwrap();
    field.split(',').any(|part| {
        let (span, step) = part
            .split_once('/')
            .map_or((part, 1), |(s, n)| (s, number(n)));
        let (first, last) = match span.split_once('-') {
            Some((first, last)) => (number(first), number(last)),
            None if span == "*" => (least, u32::MAX),
            None => (number(span), number(span)),
        };
        (first..=last).contains(&value) && (value - first).is_multiple_of(step)
    })
}

impl Walk {
    fn over(zone: &TimeZone, begin: i64, end: i64) -> Self {
        let wall = |at: i64| {
            let offset = zone.to_offset(Timestamp::from_second(at).unwrap());
            at + i64::from(offset.seconds())
        };
        let begin = begin - begin.rem_euclid(MINUTE);
        Self {
            minutes: (begin..end)
                .step_by(60)
                .map(|at| (at, Wall::of(wall(at))))
                .collect(),
            before: wall(begin - MINUTE),
        }
    }

    /// The rule by its meaning. Every instant: the wall shows a matching time. Once:
    /// the wall shows or jumps over a matching time that it never showed before.
    fn occurrences(&self, fields: &[String; 5], dst: DstMode) -> Vec<i64> {
        let every = fields[1] == "*" || dst == DstMode::CronJob;
        let sets = Sets::of(fields);
        let mut shown = self.before;
        let mut due = Vec::new();
        for (at, wall) in &self.minutes {
            let matches = if every {
                wall.matches(&sets)
            } else {
                (shown + MINUTE..=wall.count)
                    .step_by(60)
                    .any(|fresh| Wall::of(fresh).matches(&sets))
            };
            if matches {
                due.push(*at);
            }
            shown = shown.max(wall.count);
        }
        due
    }
}

/// A generator with a seed (xorshift64, Marsaglia 2003), so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn between(&mut self, least: u64, greatest: u64) -> u64 {
        least + self.below(greatest - least + 1)
    }

    /// Five fields that are often due, mostly in the small hours, where clocks jump.
    fn fields(&mut self) -> [String; 5] {
        let day = if self.below(3) == 0 {
            self.field(1, 28)
        } else {
            "*".to_owned()
        };
        let weekday = if self.below(3) == 0 {
            self.field(0, 7)
        } else {
            "*".to_owned()
        };
        let hour = match self.below(4) {
            0 => "*".to_owned(),
            1 => self.field(0, 23),
            _ => self.field(0, 3),
        };
        [self.field(0, 59), hour, day, "*".to_owned(), weekday]
    }

    fn field(&mut self, least: u64, greatest: u64) -> String {
        let first = self.between(least, greatest);
        let last = self.between(first, greatest);
        match self.below(6) {
            0 => "*".to_owned(),
            1 => format!("*/{}", self.between(2, (greatest - least).max(2))),
            2 => format!("{first}-{last}"),
            3 => format!("{first}-{last}/{}", self.between(1, 3)),
            4 => format!("{first},{last}"),
            _ => first.to_string(),
        }
    }
}
