//! A table of the file, read key by key: wrong kinds and bounds are told with their place, keys nobody asked for last.

use std::ops::RangeInclusive;

use toml_edit::{Item, TableLike};

use crate::config::complaint::{Told, did_you_mean, shown};
use crate::domain::money::{MoneyError, Percent};

/// The longest name of an environment variable.
const VARIABLE_BYTES_MAX: usize = 1_024;

/// A table, and which of its keys were asked for.
pub(super) struct Section<'t> {
    told: &'t Told<'t>,
    table: &'t dyn TableLike,
    /// What complaints call it; empty for the file itself.
    name: String,
    /// Its header, by byte.
    at: usize,
    known: Vec<&'static str>,
}

/// A value and the byte where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found<T> {
    pub value: T,
    pub at: usize,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub fn top(told: &'t Told<'t>, table: &'t dyn TableLike) -> Self {
        Self { told, table, name: String::new(), at: 0, known: Vec::new() }
    }

    /// A key's value before it is read, for what a table is called; wrong kinds are told when it is read.
    pub fn peek(&self, key: &str) -> Option<&'t Item> {
        self.table.get(key)
    }

    /// Where a key's value stands; where the table does when it is not there.
    pub fn value_at(&self, key: &str) -> usize {
        self.start(self.table.get(key).and_then(Item::span))
    }

    /// Every key with where it stands, for tables whose keys the operator chooses.
    pub fn own_keys(&self) -> Vec<(&'t str, usize)> {
        self.table.iter().map(|(key, _)| (key, self.key_at(key))).collect()
    }

    /// Calls it by another name in complaints: what it calls itself, where that can be read.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// What complaints call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Complains about a key's value.
    pub fn complain(&self, key: &str, at: usize, what: &str) {
        self.told.say(at, format!("{}{key}: {what}", self.prefix()));
    }

    /// Complains about the table as a whole.
    pub fn complain_whole(&self, what: &str) {
        self.told.say(self.at, format!("{}: {what}", self.name));
    }

    /// Complains when a key that has no default is not there.
    pub fn require(&self, key: &str, example: &str) {
        if !self.table.contains_key(key) {
            self.complain(key, self.at, &format!("is missing; write for example {key} = {example}"));
        }
    }

    /// The keys of `known` and no others: complains about the rest. The last call on every table.
    pub fn finish(self) {
        for (key, at) in self.own_keys() {
            if !self.known.contains(&key) {
                let hint = did_you_mean(key, self.known.iter().copied());
                let what = format!("{}unknown key {}{hint}", self.prefix(), shown(key));
                self.told.say(at, if hint.is_empty() { format!("{what}; remove it") } else { what });
            }
        }
    }

    /// Makes keys known without reading them.
    pub fn know(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<Found<&'t str>> {
        self.value(key, "must be text in quotes", Item::as_str)
    }

    /// A text for people: not empty, of one line, printable.
    pub fn line(&mut self, key: &'static str, bytes_max: usize) -> Option<Found<&'t str>> {
        let found = self.text(key)?;
        let value = found.value;
        if value.trim().is_empty() || value.len() > bytes_max || value.chars().any(char::is_control) {
            let what = format!("must be 1 to {bytes_max} bytes of printable text on one line");
            self.complain(key, found.at, &what);
            return None;
        }
        Some(found)
    }

    /// The name of an environment variable that holds `what`. Upper case only, as variables are written: a secret that
    /// was pasted here by mistake is refused, and not repeated.
    pub fn variable(&mut self, key: &'static str, what: &str) -> Option<String> {
        let found = self.text(key)?;
        let name = found.value;
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let starts = name.starts_with(|first: char| !first.is_ascii_digit());
        if !starts || name.len() > VARIABLE_BYTES_MAX || !name.bytes().all(allowed) {
            let must = format!("must be the name of an environment variable (A-Z, 0-9 and _), not {what} itself");
            self.complain(key, found.at, &must);
            return None;
        }
        Some(name.to_owned())
    }

    /// Yes or no.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.value(key, "must be true or false", Item::as_bool).map(|found| found.value)
    }

    /// A whole number within bounds.
    pub fn whole<N: TryFrom<i64>>(&mut self, key: &'static str, bounds: RangeInclusive<i64>) -> Option<N> {
        let must = format!("must be a whole number from {} to {}", bounds.start(), bounds.end());
        let found = self.value(key, &must, Item::as_integer)?;
        let number = Some(found.value).filter(|number| bounds.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            self.complain(key, found.at, &format!("is {}, {must}", found.value));
        }
        number
    }

    /// An amount, a rate or a percentage; in quotes, because a TOML float would be rounded before we see it.
    pub fn amount<T>(&mut self, key: &'static str, parse: fn(&str) -> Result<T, MoneyError>) -> Option<Found<T>> {
        let found = self.value_or(key, Item::as_str, |told, item| {
            let written = told.excerpt(item.span()).filter(|_| item.is_float() || item.is_integer());
            match written {
                Some(number) => format!("is a bare number, must be in quotes to stay exact: {key} = \"{number}\""),
                None => format!("is {}, must be a number in quotes, such as \"0.90\"", kind(item)),
            }
        })?;
        match parse(found.value) {
            Ok(value) => Some(Found { value, at: found.at }),
            // Of a kind that cannot be negative: the number itself is readable.
            Err(_) if found.value.starts_with('-') && Percent::parse(found.value).is_ok() => {
                self.complain(key, found.at, &format!("{} is below zero", shown(found.value)));
                None
            }
            Err(error) => {
                let what = format!("{} {error}; write a number such as \"0.90\"", shown(found.value));
                self.complain(key, found.at, &what);
                None
            }
        }
    }

    /// One of a few words; those without a meaning are not available yet. The first is the default.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&'static str, Option<T>)]) -> Option<T> {
        let found = self.text(key)?;
        match words.iter().find(|(word, _)| *word == found.value) {
            Some((_, Some(meaning))) => return Some(*meaning),
            Some((word, None)) => {
                let what = format!("\"{word}\" is not available yet; remove it or leave it at \"{}\"", words[0].0);
                self.complain(key, found.at, &what);
            }
            None => {
                let hint = did_you_mean(found.value, words.iter().map(|(word, _)| *word));
                let available: Vec<&str> =
                    words.iter().filter(|(_, meaning)| meaning.is_some()).map(|(word, _)| *word).collect();
                let what = format!("is {}, must be one of: {}{hint}", shown(found.value), available.join(", "));
                self.complain(key, found.at, &what);
            }
        }
        None
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<Found<&'t str>>> {
        let must = "must be a list of texts in quotes";
        let list = self.value(key, must, Item::as_array)?;
        let text = |element: &'t toml_edit::Value| {
            let at = element.span().map_or(list.at, |span| span.start);
            let value = element.as_str();
            if value.is_none() {
                self.complain(key, at, &format!("holds {}, {must}", with_article(element.type_name())));
            }
            value.map(|value| Found { value, at })
        };
        let texts: Vec<_> = list.value.iter().map(text).collect();
        texts.into_iter().collect()
    }

    /// A table of the file, such as `[gateway]`.
    pub fn table(&mut self, key: &'static str) -> Option<Section<'t>> {
        let found = self.value(key, "must be a table of keys and values", Item::as_table_like)?;
        Some(self.inner(found, key.to_owned()))
    }

    /// A table under a key that the operator chose.
    pub fn own_table(&mut self, key: &'t str) -> Option<Section<'t>> {
        let at = self.key_at(key);
        let Some(table) = self.table.get(key).and_then(Item::as_table_like) else {
            self.complain(&shown(key), at, "must be a table of keys and values");
            return None;
        };
        Some(self.inner(Found { value: table, at }, key.to_owned()))
    }

    /// Repeated tables such as `[[provider]]`; named by their number.
    pub fn tables(&mut self, key: &'static str) -> Vec<Section<'t>> {
        let Some(item) = self.item(key) else { return Vec::new() };
        let tables: Vec<Option<Found<&'t dyn TableLike>>> = if let Some(tables) = item.as_array_of_tables() {
            let found =
                |table: &'t toml_edit::Table| Found { value: table as &dyn TableLike, at: self.start(table.span()) };
            tables.iter().map(|table| Some(found(table))).collect()
        } else if let Some(list) = item.as_array() {
            let found = |table: &'t toml_edit::InlineTable| Found {
                value: table as &dyn TableLike,
                at: self.start(table.span()),
            };
            list.iter().map(|element| element.as_inline_table().map(found)).collect()
        } else {
            vec![None]
        };
        let mut sections = Vec::with_capacity(tables.len());
        for (n, found) in tables.into_iter().enumerate() {
            let Some(found) = found else {
                let what = "must be a list of tables, each as [[name]] or { … }";
                self.complain(key, self.start(item.span()), what);
                continue;
            };
            sections.push(self.inner(found, format!("{key} #{}", n + 1)));
        }
        sections
    }

    fn inner(&self, found: Found<&'t dyn TableLike>, name: String) -> Section<'t> {
        let name = format!("{}{name}", self.prefix());
        Section { told: self.told, table: found.value, name, at: found.at, known: Vec::new() }
    }

    fn item(&mut self, key: &'static str) -> Option<&'t Item> {
        self.known.push(key);
        self.table.get(key)
    }

    fn value<T>(&mut self, key: &'static str, must: &str, take: impl Fn(&'t Item) -> Option<T>) -> Option<Found<T>> {
        self.value_or(key, take, |_, item| format!("is {}, {must}", kind(item)))
    }

    fn value_or<T>(
        &mut self,
        key: &'static str,
        take: impl Fn(&'t Item) -> Option<T>,
        otherwise: impl Fn(&Told<'t>, &Item) -> String,
    ) -> Option<Found<T>> {
        let item = self.item(key)?;
        let at = self.start(item.span());
        let value = take(item);
        if value.is_none() {
            self.complain(key, at, &otherwise(self.told, item));
        }
        value.map(|value| Found { value, at })
    }

    fn prefix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) }
    }

    fn key_at(&self, key: &str) -> usize {
        self.start(self.table.key(key).and_then(toml_edit::Key::span))
    }

    /// Tables that only a longer header implies have no place of their own: theirs is that of what holds them.
    fn start(&self, span: Option<std::ops::Range<usize>>) -> usize {
        span.map_or(self.at, |span| span.start)
    }
}

fn kind(item: &Item) -> String {
    with_article(item.type_name())
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {kind}")
}
