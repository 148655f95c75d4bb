//! Text of somebody else's, made plain: nothing in it is obeyed by a terminal, hides among
//! other characters, or passes for the end of a line.

use std::iter::Peekable;
use std::str::Chars;

const ESC: char = '\u{1b}';
const BEL: char = '\u{7}';

/// C1 string terminator (ECMA-48 8.3.143).
const ST: char = '\u{9c}';

/// `text` without escape sequences, control characters and characters that cannot be
/// seen, cut to `bytes_max`.
#[must_use]
pub fn plain(text: &str, bytes_max: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(bytes_max));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            ESC => skip_escape(&mut characters),
            // The same functions as single characters: CSI, and the string openers DCS,
            // SOS, OSC, PM and APC.
            '\u{9b}' => skip_parameters(&mut characters),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => skip_string(&mut characters),
            other => {
                let Some(kept) = keep(other) else { continue };
                if plain.len() + kept.len_utf8() > bytes_max {
                    break;
                }
                plain.push(kept);
            }
        }
    }
    plain
}

/// What ends a line or leaves a gap becomes a space; other control characters, those that
/// reorder the text around them, and those that take no room vanish.
fn keep(character: char) -> Option<char> {
    match character {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        // Soft hyphen, grapheme joiner, Arabic letter mark, Mongolian vowel separator.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180f}' => None,
        // Zero-width space and joiners, marks and overrides of direction.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => None,
        // Word joiner, invisible operators, isolates, deprecated format characters.
        '\u{2060}'..='\u{206f}' => None,
        // Byte order mark, interlinear annotation, tags and variation selectors.
        '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fe00}'..='\u{fe0f}' => None,
        '\u{e0000}'..='\u{e0fff}' => None,
        other if other.is_control() => None,
        other => Some(other),
    }
}

/// Skips what follows an ESC (ECMA-48 5.4, ISO 2022): a control sequence, a string, or
/// intermediate characters and one final one.
fn skip_escape(characters: &mut Peekable<Chars<'_>>) {
    match characters.peek() {
        Some('[') => {
            characters.next();
            skip_parameters(characters);
        }
        // DCS, SOS, OSC, PM and APC.
        Some('P' | 'X' | ']' | '^' | '_') => {
            characters.next();
            skip_string(characters);
        }
        Some(_) => {
            while characters.next_if(|c| (' '..='/').contains(c)).is_some() {}
            // Another ESC begins anew, and what no escape sequence has in it ends it.
            characters.next_if(|c| ('0'..='~').contains(c));
        }
        None => {}
    }
}

/// Skips parameters and intermediate characters up to the final one. A character that
/// does not belong there ends the sequence and is looked at by itself.
fn skip_parameters(characters: &mut Peekable<Chars<'_>>) {
    while characters.next_if(|c| (' '..='?').contains(c)).is_some() {}
    characters.next_if(|c| ('@'..='~').contains(c));
}

/// Skips up to BEL, ST, or ESC and a backslash. A string without an end takes the rest.
fn skip_string(characters: &mut Peekable<Chars<'_>>) {
    while let Some(character) = characters.next() {
        match character {
            BEL | ST => return,
            ESC => {
                characters.next_if_eq(&'\\');
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_nothing_to_obey() {
        let table = [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]0;title\u{1b}\\after", "after"),
            (
                "\u{1b}]8;;http://x\\y\u{1b}\\link\u{1b}]8;;\u{1b}\\",
                "link",
            ),
            ("\u{1b}Pq#0;2\u{1b}\\sixel", "sixel"),
            ("\u{1b}^private\u{1b}\\a\u{1b}_application\u{9c}b", "ab"),
            ("\u{1b}Xstring\u{1b}\\c", "c"),
            (
                "\u{90}dcs\u{9c}\u{9d}osc\u{7}\u{9e}pm\u{9c}\u{9f}apc\u{9c}\u{98}sos\u{9c}x",
                "x",
            ),
            ("\u{9b}31mx", "x"),
            ("\u{1b}cx", "x"),
            ("\u{1b}(Bx\u{1b}#8y", "xy"),
            ("\u{1b}\u{1b}[31mx", "x"),
            ("\u{1b}[3\u{1b}[31mx", "x"),
            ("\u{1b}[31äx", "äx"),
            ("\u{1b}]0;never ends", ""),
            ("\u{1b}[", ""),
            ("\u{1b}", ""),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn nothing_hides_and_nothing_ends_a_line() {
        let table = [
            ("a\tb\rc\u{8}\u{0}", "a bc"),
            ("a\u{2028}b\u{2029}c\u{85}d\u{b}e", "a b c d e"),
            ("evil\u{202e}txt\u{2066}\u{2069}\u{200f}\u{61c}", "eviltxt"),
            ("z\u{200b}e\u{200d}r\u{2060}o\u{feff}\u{ad}", "zero"),
            ("tag\u{e0041}\u{e007f}\u{fe0f}\u{fff9}", "tag"),
            ("\u{80}\u{84}\u{8d}\u{99}del\u{7f}", "del"),
            ("äöü 漢字 🙂", "äöü 漢字 🙂"),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text, 100), expected, "{text:?}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(plain("äää", 3), "ä");
        assert_eq!(plain("äää", 0), "");
    }
}
