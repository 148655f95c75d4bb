//! The dialect: what is read, what is refused and in which words.

use super::*;

const GOLDEN: &str = include_str!("../../tests/golden/cron.txt");

/// The wall times of an expression after a date, as `MM-DD HH:MM`.
fn walls(expression: &str, from: &str, count: usize) -> Vec<String> {
    let cron = CronExpr::parse(expression).unwrap();
    let mut wall = DateTime::parse_from_rfc3339(&format!("{from}T00:00:00Z"))
        .unwrap()
        .timestamp()
        - 1;
    (0..count)
        .map(|_| {
            wall = cron.next_wall_after(wall).unwrap();
            let time = DateTime::from_timestamp(wall, 0).unwrap();
            time.format("%m-%d %H:%M").to_string()
        })
        .collect()
}

fn told(expression: &str) -> String {
    CronExpr::parse(expression).unwrap_err().to_string()
}

#[test]
fn fields_are_numbers_ranges_steps_and_lists() {
    let thursday = "2026-01-01";
    for (expression, expected) in [
        ("30 2 * * *", ["01-01 02:30", "01-02 02:30", "01-03 02:30"]),
        (
            "*/25 * * * *",
            ["01-01 00:00", "01-01 00:25", "01-01 00:50"],
        ),
        (
            "10/25 3 * * *",
            ["01-01 03:10", "01-01 03:35", "01-02 03:10"],
        ),
        (
            "5-40/20 3 * * *",
            ["01-01 03:05", "01-01 03:25", "01-02 03:05"],
        ),
        (
            "0 22-23,1 * * *",
            ["01-01 01:00", "01-01 22:00", "01-01 23:00"],
        ),
        ("0 0 05 * *", ["01-05 00:00", "02-05 00:00", "03-05 00:00"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        (
            "0 0 1 feb,MAR *",
            ["02-01 00:00", "03-01 00:00", "02-01 00:00"],
        ),
        (
            "  0  0 ? * ?  ",
            ["01-01 00:00", "01-02 00:00", "01-03 00:00"],
        ),
        ("@weekly", ["01-04 00:00", "01-11 00:00", "01-18 00:00"]),
        ("@hourly", ["01-01 00:00", "01-01 01:00", "01-01 02:00"]),
        ("@yearly", ["01-01 00:00", "01-01 00:00", "01-01 00:00"]),
    ] {
        assert_eq!(walls(expression, thursday, 3), expected, "{expression}");
    }
}

#[test]
fn sunday_is_0_and_7_and_sun() {
    let thursday = "2026-01-01";
    let sundays = ["01-04 00:00", "01-11 00:00"];
    for day in ["0", "7", "sun", "SUN", "7-7", "7/2"] {
        assert_eq!(
            walls(&format!("0 0 * * {day}"), thursday, 2),
            sundays,
            "{day}"
        );
    }
    let weekend = ["01-02 00:00", "01-03 00:00", "01-04 00:00", "01-09 00:00"];
    for days in ["5-7", "0,5,6", "fri-sat,sun", "FRI,SAT,7"] {
        assert_eq!(
            walls(&format!("0 0 * * {days}"), thursday, 4),
            weekend,
            "{days}"
        );
    }
    let workdays = ["01-01 00:00", "01-02 00:00", "01-05 00:00", "01-06 00:00"];
    assert_eq!(walls("0 0 * * 1-5", thursday, 4), workdays);
    // A step from a day on ends on Saturday: Monday, Wednesday, Friday.
    let odd = ["01-02 00:00", "01-05 00:00", "01-07 00:00", "01-09 00:00"];
    assert_eq!(walls("0 0 * * 1/2", thursday, 4), odd);
}

#[test]
fn two_restricted_day_fields_are_united_and_a_stepped_star_is_a_restriction() {
    let thursday = "2026-01-01";
    let either = ["01-05 00:00", "01-12 00:00", "01-13 00:00", "01-19 00:00"];
    assert_eq!(walls("0 0 13 * 1", thursday, 4), either);
    // Every other day of the month, and every Friday.
    let stepped = ["01-01 00:00", "01-02 00:00", "01-03 00:00", "01-05 00:00"];
    assert_eq!(walls("0 0 */2 * 5", thursday, 4), stepped);
    // A star that is not thinned out leaves the other field alone.
    let fridays = ["01-02 00:00", "01-09 00:00", "01-16 00:00", "01-23 00:00"];
    for day in ["*", "?", "*/1", "1,*"] {
        assert_eq!(
            walls(&format!("0 0 {day} * 5"), thursday, 4),
            fridays,
            "{day}"
        );
    }
}

#[test]
fn only_a_bare_star_is_a_wildcard_hour() {
    for (expression, wildcard) in [
        ("0 * * * *", true),
        ("@hourly", true),
        ("0 */1 * * *", false),
        ("0 0-23 * * *", false),
        ("0 5 * * *", false),
    ] {
        let cron = CronExpr::parse(expression).unwrap();
        assert_eq!(cron.has_wildcard_hour(), wildcard, "{expression}");
    }
}

#[test]
fn a_wrong_field_is_told_with_its_value_and_what_is_valid() {
    for line in GOLDEN.lines().skip(1) {
        let (expression, sentence) = line.split_once(" => ").unwrap();
        assert_eq!(told(expression), sentence, "{expression}");
    }
    assert_eq!(told(&"1".repeat(513)), "it is longer than 512 characters");
}

#[test]
fn a_day_that_comes_only_in_leap_years_is_accepted() {
    assert_eq!(walls("0 0 29 2 *", "2026-01-01", 1), ["02-29 00:00"]);
    assert!(
        CronExpr::parse("0 0 31 2 1").is_ok(),
        "every Monday in February"
    );
}
