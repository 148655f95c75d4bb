//! As much of a shell's language as scripts that back something up are written in: words,
//! quotes, variables, and what ends a command. Nothing is carried out. What stands for text
//! that only a shell can make is kept as such and never guessed.

use std::collections::BTreeSet;

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    Variable(String),
    /// What only a shell can tell: the output of a command, arithmetic, a default.
    Made(String),
}

/// A word: its parts stand without anything between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Piece>);

/// A command with the variables that are set for it, or by it where it has no words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Command {
    /// Of the script, counted from 1.
    pub line: usize,
    pub sets: Vec<(String, Word)>,
    pub words: Vec<Word>,
}

/// How people write what only a shell can tell.
const MADE: &str = "$(...)";

/// Words that steer a script.
const STEERING: [&str; 15] = [
    "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "!",
    "{", "}",
];

impl Word {
    pub fn of(text: &str) -> Self {
        Self(vec![Piece::Text(text.to_owned())])
    }

    /// Its text, where that does not depend on anything.
    pub fn text(&self) -> Option<String> {
        let texts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            Piece::Variable(_) | Piece::Made(_) => None,
        });
        texts.collect()
    }

    /// The only variable that it is made of.
    pub fn variable(&self) -> Option<&str> {
        match &self.0[..] {
            [Piece::Variable(name)] => Some(name),
            _ => None,
        }
    }

    /// What stands behind a beginning that is plain text.
    pub fn strip_prefix(&self, prefix: &str) -> Option<Self> {
        let (first, rest) = self.0.split_first()?;
        let Piece::Text(text) = first else {
            return None;
        };
        let stripped = text.strip_prefix(prefix)?;
        let mut pieces = vec![Piece::Text(stripped.to_owned())];
        pieces.extend_from_slice(rest);
        if stripped.is_empty() && pieces.len() > 1 {
            pieces.remove(0);
        }
        Some(Self(pieces))
    }

    /// What stands before the first `mark` and what behind it.
    pub fn split_once(&self, mark: char) -> (Self, Option<Self>) {
        for (index, piece) in self.0.iter().enumerate() {
            let Piece::Text(text) = piece else { continue };
            let Some((before, after)) = text.split_once(mark) else {
                continue;
            };
            let mut head = self.0[..index].to_vec();
            let mut tail = self.0[index + 1..].to_vec();
            if !before.is_empty() {
                head.push(Piece::Text(before.to_owned()));
            }
            if !after.is_empty() {
                tail.insert(0, Piece::Text(after.to_owned()));
            }
            return (Self(head), Some(Self(tail)));
        }
        (self.clone(), None)
    }

    /// As somebody would write it, for a sentence.
    pub fn shown(&self) -> String {
        let shown = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Variable(name) => format!("${name}"),
            // What a shell runs there may hold a secret.
            Piece::Made(_) => MADE.to_owned(),
        });
        shown.collect()
    }

    /// What it is made of beside plain text, which may be a secret.
    pub fn parts(&self) -> String {
        let parts = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable(name) => Some(format!("${name}")),
            Piece::Made(_) => Some(MADE.to_owned()),
        });
        let parts: BTreeSet<String> = parts.collect();
        if parts.is_empty() {
            return "more text than any such value has".to_owned();
        }
        parts.into_iter().collect::<Vec<_>>().join(" and ")
    }

    /// The name of a program or file, where it looks like one; anything else may be a secret,
    /// e.g. the rest of an address that the shell took apart.
    pub fn named(&self) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let text = self
            .text()
            .filter(|text| !text.is_empty() && !text.starts_with('-') && text.chars().all(plain));
        text.unwrap_or_else(|| "a command".to_owned())
    }
}

impl Command {
    /// The command's name without its folder.
    pub fn name(&self) -> Option<String> {
        let text = self.words.first()?.text()?;
        Some(text.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// Whether these words follow each other anywhere in it, flags left out.
    pub fn says(&self, wanted: &[&str]) -> bool {
        let plain: Vec<String> = self.words.iter().filter_map(Word::text).collect();
        let words: Vec<&String> = plain.iter().filter(|word| !word.starts_with('-')).collect();
        words.windows(wanted.len()).any(|window| {
            window
                .iter()
                .zip(wanted)
                .all(|(own, wanted)| own.as_str() == *wanted)
        })
    }

    /// The value of a flag: `--flag VALUE`, `--flag=VALUE` or `-fVALUE`.
    pub fn flag(&self, names: &[&str]) -> Option<Word> {
        for (index, word) in self.words.iter().enumerate() {
            for name in names {
                if word.text().as_deref() == Some(name) {
                    return self.words.get(index + 1).cloned();
                }
                if let Some(value) = word.strip_prefix(&format!("{name}=")) {
                    return Some(value);
                }
                let is_short = name.len() == 2 && !name.starts_with("--");
                if is_short && let Some(value) = word.strip_prefix(name) {
                    return Some(value);
                }
            }
        }
        None
    }

    /// Whether a flag that takes no value stands in it.
    pub fn has(&self, name: &str) -> bool {
        self.words
            .iter()
            .any(|word| word.text().as_deref() == Some(name))
    }
}

/// The commands of a script, in their order. `known` are variables that Kubernetes itself fills
/// in where they are written `$(NAME)`.
pub fn commands(script: &str, known: &BTreeSet<String>) -> Vec<Command> {
    let mut lexer = Lexer {
        characters: script.chars().collect(),
        at: 0,
        line: 1,
        known,
        documents: Vec::new(),
    };
    lexer.commands()
}

/// One word of a manifest's `command` or `args`, which no shell reads.
pub fn word(text: &str, known: &BTreeSet<String>) -> Word {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("$(") {
        let behind = &rest[start + 2..];
        let Some(end) = behind.find(')') else { break };
        let name = &behind[..end];
        if !known.contains(name) {
            break;
        }
        if start > 0 {
            pieces.push(Piece::Text(rest[..start].to_owned()));
        }
        pieces.push(Piece::Variable(name.to_owned()));
        rest = &behind[end + 1..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Word(pieces)
}

struct Lexer<'a> {
    characters: Vec<char>,
    at: usize,
    line: usize,
    known: &'a BTreeSet<String>,
    /// Words that end the here-documents of this line, and whether tabs stand before them.
    documents: Vec<(String, bool)>,
}

impl Lexer<'_> {
    fn commands(&mut self) -> Vec<Command> {
        let mut all = Vec::new();
        let mut command = Command::default();
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' => self.skip(),
                '\\' if self.ahead(1) == Some('\n') => {
                    self.skip();
                    self.skip();
                }
                '#' => self.skip_line(),
                '\n' | ';' | '&' | '|' | '(' | ')' => {
                    self.skip();
                    finish(&mut command, &mut all);
                    if next == '\n' {
                        self.skip_documents();
                    }
                }
                '>' | '<' => self.skip_redirect(),
                _ => {
                    if command.words.is_empty() && command.sets.is_empty() {
                        command.line = self.line;
                    }
                    let word = self.word();
                    if !(self.is_redirect() && is_number(&word)) {
                        add(&mut command, word, &mut all);
                    }
                }
            }
        }
        finish(&mut command, &mut all);
        all
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(next) = self.peek() {
            match next {
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '(' | ')' | '>' | '<' => break,
                '\'' => {
                    self.skip();
                    let text = self.until('\'');
                    let pieces = self::word(&text, self.known).0;
                    for piece in pieces {
                        match piece {
                            Piece::Text(text) => push_text(&mut word, &text),
                            other => word.0.push(other),
                        }
                    }
                }
                '"' => {
                    self.skip();
                    self.quoted(&mut word);
                }
                '$' | '`' => {
                    let piece = self.made();
                    word.0.push(piece);
                }
                '\\' => {
                    self.skip();
                    if let Some(escaped) = self.take().filter(|c| *c != '\n') {
                        push_text(&mut word, &escaped.to_string());
                    }
                }
                other => {
                    self.skip();
                    push_text(&mut word, &other.to_string());
                }
            }
        }
        word
    }

    fn quoted(&mut self, word: &mut Word) {
        let before = word.0.len();
        self.quoted_parts(word);
        // Quotes around nothing are a word too.
        if word.0.len() == before {
            push_text(word, "");
        }
    }

    fn quoted_parts(&mut self, word: &mut Word) {
        while let Some(next) = self.peek() {
            match next {
                '"' => return self.skip(),
                '$' | '`' => {
                    let piece = self.made();
                    word.0.push(piece);
                }
                '\\' if matches!(self.ahead(1), Some('"' | '\\' | '$' | '`' | '\n')) => {
                    self.skip();
                    if let Some(escaped) = self.take().filter(|c| *c != '\n') {
                        push_text(word, &escaped.to_string());
                    }
                }
                other => {
                    self.skip();
                    push_text(word, &other.to_string());
                }
            }
        }
    }

    /// What begins with `$` or a backtick.
    fn made(&mut self) -> Piece {
        if self.peek() == Some('`') {
            self.skip();
            let inside = self.until('`');
            return Piece::Made(format!("`{inside}`"));
        }
        self.skip();
        match self.peek() {
            Some('{') => {
                self.skip();
                let inside = self.until('}');
                if is_name(&inside) {
                    return Piece::Variable(inside);
                }
                Piece::Made(format!("${{{inside}}}"))
            }
            Some('(') => {
                let inside = self.parenthesis();
                if self.known.contains(&inside) {
                    return Piece::Variable(inside);
                }
                Piece::Made(format!("$({inside})"))
            }
            Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                let mut name = String::new();
                while let Some(next) = self
                    .peek()
                    .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
                {
                    name.push(next);
                    self.skip();
                }
                Piece::Variable(name)
            }
            _ => Piece::Made("$".to_owned()),
        }
    }

    /// What stands between parentheses, which may hold others.
    fn parenthesis(&mut self) -> String {
        let mut depth = 0;
        let mut inside = String::new();
        while let Some(next) = self.take() {
            match next {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
            if !(depth == 1 && next == '(' && inside.is_empty()) {
                inside.push(next);
            }
        }
        inside
    }

    fn until(&mut self, end: char) -> String {
        let mut text = String::new();
        while let Some(next) = self.take() {
            if next == end {
                break;
            }
            text.push(next);
        }
        text
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|next| next != '\n') {
            self.skip();
        }
    }

    /// The bodies of the here-documents that began on the line before: they are input of a
    /// command and no commands.
    fn skip_documents(&mut self) {
        for (end, is_indented) in std::mem::take(&mut self.documents) {
            while self.peek().is_some() {
                let start = self.at;
                self.skip_line();
                let line: String = self.characters[start..self.at].iter().collect();
                self.skip();
                let line = line.trim_end_matches('\r');
                let line = if is_indented {
                    line.trim_start_matches('\t')
                } else {
                    line
                };
                if line == end {
                    break;
                }
            }
        }
    }

    /// Whether a here-document begins here; `<<<` is one word of input.
    fn is_document(&self) -> bool {
        self.peek() == Some('<') && self.ahead(1) == Some('<') && self.ahead(2) != Some('<')
    }

    /// A redirection with its target: where output goes says nothing of a backup.
    fn skip_redirect(&mut self) {
        let is_document = self.is_document();
        while self
            .peek()
            .is_some_and(|next| matches!(next, '>' | '<' | '&'))
        {
            self.skip();
        }
        let is_indented = is_document && self.peek() == Some('-');
        if is_indented {
            self.skip();
        }
        while self.peek().is_some_and(|next| matches!(next, ' ' | '\t')) {
            self.skip();
        }
        let end = self.word();
        if is_document {
            self.documents.push((end.shown(), is_indented));
        }
    }

    fn is_redirect(&self) -> bool {
        matches!(self.peek(), Some('>' | '<'))
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn ahead(&self, by: usize) -> Option<char> {
        self.characters.get(self.at + by).copied()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.skip();
        Some(next)
    }

    fn skip(&mut self) {
        if self.peek() == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }
}

fn push_text(word: &mut Word, text: &str) {
    let is_first = word.0.is_empty();
    match word.0.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ if text.is_empty() && !is_first => {}
        _ => word.0.push(Piece::Text(text.to_owned())),
    }
}

/// A word of a command: one that sets a variable, one that steers the script, or any other.
fn add(command: &mut Command, word: Word, all: &mut Vec<Command>) {
    let plain = word.text();
    if command.words.is_empty() {
        if let Some(name) = plain.as_deref().filter(|name| STEERING.contains(name)) {
            let line = command.line;
            if matches!(name, "if" | "elif" | "for" | "while" | "until" | "case") {
                let words = vec![Word::of(name)];
                all.push(Command {
                    line,
                    words,
                    sets: Vec::new(),
                });
            }
            return;
        }
        if plain.as_deref() == Some("export") {
            return;
        }
        let (name, value) = word.split_once('=');
        if let (Some(name), Some(value)) = (name.text().filter(|name| is_name(name)), value) {
            return command.sets.push((name, value));
        }
    }
    command.words.push(word);
}

fn finish(command: &mut Command, all: &mut Vec<Command>) {
    let done = std::mem::take(command);
    if !done.words.is_empty() || !done.sets.is_empty() {
        all.push(done);
    }
}

/// Whether it says which of a command's streams is redirected.
fn is_number(word: &Word) -> bool {
    let text = word.text().unwrap_or_default();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(script: &str) -> Vec<(usize, Vec<String>)> {
        let known = BTreeSet::from(["HOST_IP".to_owned()]);
        let commands = commands(script, &known);
        let shown = |command: &Command| {
            let sets = command.sets.iter();
            let sets = sets.map(|(name, value)| format!("{name}={}", value.shown()));
            let words = command.words.iter().map(Word::shown);
            (command.line, sets.chain(words).collect())
        };
        commands.iter().map(shown).collect()
    }

    #[test]
    fn a_script_comes_apart_into_commands() {
        let script = "set -e # stop\nexport A=1 B=\"$C/x\"\nETCDCTL_API=3 etcdctl \\\n  --endpoints='https://$(HOST_IP):1' save \"/b/$(date +%F).db\" > /dev/null 2>&1 && az x | tee y\nif [ -f x ]; then rm x; fi\n";
        let told = read(script);
        let words = |index: usize| told[index].1.join(" ");
        assert_eq!(words(0), "set -e");
        assert_eq!(words(1), "A=1 B=$C/x");
        assert_eq!(told[2].0, 3);
        assert_eq!(
            words(2),
            "ETCDCTL_API=3 etcdctl --endpoints=https://$HOST_IP:1 save /b/$(...).db"
        );
        assert_eq!(words(3), "az x");
        assert_eq!(words(4), "tee y");
        assert_eq!((told[5].0, words(5)), (5, "if".to_owned()));
        assert_eq!(words(6), "[ -f x ]");
        assert_eq!(words(7), "rm x");
        assert_eq!(told.len(), 8);
    }

    #[test]
    fn the_bodies_of_here_documents_are_no_commands() {
        for script in [
            "cat > f <<EOF\nhunter2\nEOF\naz x",
            "cat > f <<'EOF'\nhunter2\nEOF\naz x",
            "cat <<-EOF > f\n\thunter2 <<X\n\tEOF\naz x",
            "cat <<A <<B\nhunter1\nA\nhunter2\nB\naz x",
        ] {
            let told = read(script);
            let words: Vec<String> = told.iter().map(|(_, words)| words.join(" ")).collect();
            assert_eq!(words, ["cat", "az x"], "{script}");
        }
        assert_eq!(read("cat <<EOF\nhunter2").len(), 1);
        assert_eq!(read("cat <<< x\naz x").len(), 2);
    }

    #[test]
    fn a_name_is_shown_where_it_is_one() {
        for (script, shown) in [
            ("/usr/bin/run-it.sh", "/usr/bin/run-it.sh"),
            ("--account-key=hunter2", "a command"),
            ("sig%3Dhunter2", "a command"),
            ("$TOOL", "a command"),
        ] {
            assert_eq!(
                commands(script, &BTreeSet::new())[0].words[0].named(),
                shown
            );
        }
    }

    #[test]
    fn whatever_is_written_is_read_to_its_end() {
        for odd in [
            "'", "\"", "$", "${", "$(", "`", "\\", "a=$((1+2", "((", "<<<",
        ] {
            let _ = read(odd);
        }
        let known = BTreeSet::from(["HOST".to_owned()]);
        assert_eq!(
            word("https://$(HOST):2379", &known).0,
            [
                Piece::Text("https://".to_owned()),
                Piece::Variable("HOST".to_owned()),
                Piece::Text(":2379".to_owned())
            ]
        );
        assert_eq!(word("$(NOBODY)", &known).text().unwrap(), "$(NOBODY)");
    }
}
