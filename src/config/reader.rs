//! A table of the file, read key by key: wrong kinds and bounds are told with their place, keys
//! nobody asked for last.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::config::complaint::{ComplaintCollector, did_you_mean, shown};
use crate::domain::money::{MoneyError, Percent};

/// The longest name of an environment variable.
const VARIABLE_BYTES_MAX: usize = 1_024;

type Value<'t> = Spanned<DeValue<'t>>;

/// A table, and which of its keys were asked for.
pub(super) struct Section<'t> {
    told: &'t ComplaintCollector<'t>,
    table: &'t DeTable<'t>,
    name: Name,
    /// Its header, by byte.
    at: usize,
    known: Vec<&'static str>,
}

/// What complaints call a table. Most are never complained about, so names are put into words only
/// where one is.
enum Name {
    /// Empty for the file itself.
    Said(String),
    /// One of a list, by its number.
    Nth { list: Rc<str>, n: usize },
}

/// A value and the byte where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located<T> {
    pub value: T,
    pub at: usize,
}

impl<'t> Section<'t> {
    /// The whole file.
    pub fn top(told: &'t ComplaintCollector<'t>, table: &'t DeTable<'t>) -> Self {
        Self {
            told,
            table,
            name: Name::Said(String::new()),
            at: 0,
            known: Vec::new(),
        }
    }

    /// Whether a key is there, whatever it holds.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A text before it is read, for what a table is called; wrong kinds are told when it is read.
    pub fn peek_text(&self, key: &str) -> Option<&'t str> {
        self.peek(key)?.as_str()
    }

    /// The same of a whole number.
    pub fn peek_whole(&self, key: &str) -> Option<i64> {
        self.peek(key)?.as_integer().and_then(whole)
    }

    /// How many elements a list has.
    pub fn peek_length(&self, key: &str) -> Option<usize> {
        self.peek(key)?.as_array().map(|list| list.len())
    }

    fn peek(&self, key: &str) -> Option<&'t DeValue<'t>> {
        self.table.get(key).map(Spanned::get_ref)
    }

    /// Where a key's value stands; where the table does when it is not there.
    pub fn value_at(&self, key: &str) -> usize {
        self.table
            .get(key)
            .map_or(self.at, |value| value.span().start)
    }

    /// Where a key stands; where the table does when it is not there.
    pub fn key_at(&self, key: &str) -> usize {
        self.table
            .get_key_value(key)
            .map_or(self.at, |(key, _)| key.span().start)
    }

    /// Every key with where it stands, for tables whose keys the operator chooses.
    pub fn own_keys(&self) -> Vec<(&'t str, usize)> {
        let mut keys: Vec<_> = self
            .table
            .keys()
            .map(|key| (&**key.get_ref(), key.span().start))
            .collect();

        keys.sort_by_key(|(_, at)| *at);
        keys
    }

    /// Calls it by another name in complaints: what it calls itself, where that can be read.
    #[must_use]
    pub fn named(self, name: String) -> Self {
        Self {
            name: Name::Said(name),
            ..self
        }
    }

    /// What complaints call it.
    pub fn name(&self) -> Cow<'_, str> {
        match &self.name {
            Name::Said(name) => Cow::Borrowed(name),
            Name::Nth { list, n } => Cow::Owned(format!("{list}{n}")),
        }
    }

    /// Complains about a key's value.
    pub fn complain(&self, key: &str, at: usize, what: &str) {
        self.told.say(at, format!("{}{key}: {what}", self.prefix()));
    }

    /// Complains about the table as a whole.
    pub fn complain_whole(&self, what: &str) {
        self.told.say(self.at, format!("{}: {what}", self.name()));
    }

    /// Complains when a key that has no default is not there.
    pub fn require(&self, key: &str, example: &str) {
        if !self.has(key) {
            self.complain(
                key,
                self.at,
                &format!("is missing; write for example {key} = {example}"),
            );
        }
    }

    /// The keys of `known` and no others: complains about the rest. The last call on every table.
    pub fn finish(self) {
        for key in self.table.keys() {
            let (at, key) = (key.span().start, &**key.get_ref());
            if !self.known.contains(&key) {
                let hint = did_you_mean(key, self.known.iter().copied());
                let what = format!("{}unknown key {}{hint}", self.prefix(), shown(key));

                self.told.say(
                    at,
                    if hint.is_empty() {
                        format!("{what}; remove it")
                    } else {
                        what
                    },
                );
            }
        }
    }

    /// Makes keys known without reading them.
    pub fn know(&mut self, keys: &[&'static str]) {
        self.known.extend(keys);
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<Located<&'t str>> {
        self.value(key, "must be text in quotes", DeValue::as_str)
    }

    /// A text for people: not empty, of one line, printable.
    pub fn line(&mut self, key: &'static str, bytes_max: usize) -> Option<Located<&'t str>> {
        let found = self.text(key)?;
        let value = found.value;
        if value.trim().is_empty() || value.len() > bytes_max || value.chars().any(char::is_control)
        {
            let what = format!("must be 1 to {bytes_max} bytes of printable text on one line");
            self.complain(key, found.at, &what);
            return None;
        }

        Some(found)
    }

    /// The name of an environment variable that holds `what`. Upper case only, as variables are
    /// written: a secret that was pasted here by mistake is refused, and not repeated.
    pub fn variable(&mut self, key: &'static str, what: &str) -> Option<String> {
        let found = self.text(key)?;
        let name = found.value;
        let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        let starts = name.starts_with(|first: char| !first.is_ascii_digit());

        if !starts || name.len() > VARIABLE_BYTES_MAX || !name.bytes().all(allowed) {
            let must = format!(
                "must be the name of an environment variable (A-Z, 0-9 and _), not {what} itself"
            );
            self.complain(key, found.at, &must);
            return None;
        }

        Some(name.to_owned())
    }

    /// Yes or no.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.value(key, "must be true or false", DeValue::as_bool)
            .map(|found| found.value)
    }

    /// A whole number within bounds.
    pub fn whole<N: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<i64>,
    ) -> Option<N> {
        let must = || {
            format!(
                "must be a whole number from {} to {}",
                bounds.start(),
                bounds.end()
            )
        };

        let found = self.value_or(key, DeValue::as_integer, |_, item| {
            format!("is {}, {}", kind(item), must())
        })?;

        let number = whole(found.value).filter(|number| bounds.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            self.complain(key, found.at, &format!("is {}, {}", found.value, must()));
        }

        number
    }

    /// An amount, a rate or a percentage; in quotes, because a TOML float would be rounded before
    /// we see it.
    pub fn amount<T>(
        &mut self,
        key: &'static str,
        parse: fn(&str) -> Result<T, MoneyError>,
    ) -> Option<Located<T>> {
        let found = self.value_or(key, DeValue::as_str, |told, item| {
            let is_number = item.get_ref().is_float() || item.get_ref().is_integer();
            let written = told.excerpt(item.span()).filter(|_| is_number);
            match written {
                Some(number) => format!(
                    "is a bare number, must be in quotes to stay exact: {key} = \"{number}\""
                ),
                None => format!(
                    "is {}, must be a number in quotes, such as \"0.90\"",
                    kind(item)
                ),
            }
        })?;

        match parse(found.value) {
            Ok(value) => Some(Located {
                value,
                at: found.at,
            }),
            // Of a kind that cannot be negative: the number itself is readable.
            Err(_) if found.value.starts_with('-') && Percent::parse(found.value).is_ok() => {
                self.complain(
                    key,
                    found.at,
                    &format!("{} is below zero", shown(found.value)),
                );

                None
            }
            Err(error) => {
                let what = format!(
                    "{} {error}; write a number such as \"0.90\"",
                    shown(found.value)
                );

                self.complain(key, found.at, &what);
                None
            }
        }
    }

    /// One of a few words; those without a meaning are not available yet. The first is the default.
    pub fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, Option<T>)],
    ) -> Option<T> {
        let found = self.text(key)?;
        match words.iter().find(|(word, _)| *word == found.value) {
            Some((_, Some(meaning))) => return Some(*meaning),
            Some((word, None)) => {
                let what = format!(
                    "\"{word}\" is not available yet; remove it or leave it at \"{}\"",
                    words[0].0
                );
                self.complain(key, found.at, &what);
            }
            None => {
                let hint = did_you_mean(found.value, words.iter().map(|(word, _)| *word));
                let available: Vec<&str> = words
                    .iter()
                    .filter(|(_, meaning)| meaning.is_some())
                    .map(|(word, _)| *word)
                    .collect();

                let what = format!(
                    "is {}, must be one of: {}{hint}",
                    shown(found.value),
                    available.join(", ")
                );

                self.complain(key, found.at, &what);
            }
        }

        None
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<Located<&'t str>>> {
        let must = "must be a list of texts in quotes";
        let list = self.value(key, must, DeValue::as_array)?;

        let text = |element: &'t Value<'t>| {
            let (at, value) = (element.span().start, element.get_ref().as_str());
            if value.is_none() {
                self.complain(key, at, &format!("holds {}, {must}", kind(element)));
            }
            value.map(|value| Located { value, at })
        };

        let texts: Vec<_> = list.value.iter().map(text).collect();
        texts.into_iter().collect()
    }

    /// A table of the file, such as `[gateway]`.
    pub fn table(&mut self, key: &'static str) -> Option<Section<'t>> {
        let found = self.value(key, "must be a table of keys and values", DeValue::as_table)?;
        Some(self.inner(found, key))
    }

    /// A table under a key that the operator chose.
    pub fn own_table(&mut self, key: &'t str) -> Option<Section<'t>> {
        let Some(table) = self.peek(key).and_then(DeValue::as_table) else {
            self.complain(
                &shown(key),
                self.key_at(key),
                "must be a table of keys and values",
            );

            return None;
        };

        Some(self.inner(
            Located {
                value: table,
                at: self.value_at(key),
            },
            key,
        ))
    }

    /// Repeated tables such as `[[provider]]`; named by their number, as in `provider #2`.
    pub fn tables(&mut self, key: &'static str) -> Vec<Section<'t>> {
        self.tables_called(key, &[key, " #"].concat())
    }

    /// The same, where complaints call one of them something else than its key.
    pub fn tables_called(&mut self, key: &'static str, word: &str) -> Vec<Section<'t>> {
        let Some(item) = self.item(key) else {
            return Vec::new();
        };

        let called: Rc<str> = format!("{}{word}", self.prefix()).into();
        let (own, list) = match item.get_ref().as_array() {
            Some(list) => (None, &**list),
            None => (Some(item), &[][..]),
        };

        let mut sections = Vec::with_capacity(list.len());
        for (element, n) in own.into_iter().chain(list).zip(1..) {
            let table = element.get_ref().as_table().filter(|_| own.is_none());
            let Some(table) = table else {
                let what = "must be a list of tables, each as [[name]] or { … }";
                self.complain(key, item.span().start, what);
                continue;
            };

            let name = Name::Nth {
                list: called.clone(),
                n,
            };

            sections.push(Section {
                told: self.told,
                table,
                name,
                at: element.span().start,
                known: Vec::new(),
            });
        }

        sections
    }

    fn inner(&self, found: Located<&'t DeTable<'t>>, name: &str) -> Section<'t> {
        let name = Name::Said(format!("{}{name}", self.prefix()));
        Section {
            told: self.told,
            table: found.value,
            name,
            at: found.at,
            known: Vec::new(),
        }
    }

    fn item(&mut self, key: &'static str) -> Option<&'t Value<'t>> {
        self.known.push(key);
        self.table.get(key)
    }

    fn value<T>(
        &mut self,
        key: &'static str,
        must: &str,
        take: impl Fn(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<Located<T>> {
        self.value_or(key, take, |_, item| format!("is {}, {must}", kind(item)))
    }

    fn value_or<T>(
        &mut self,
        key: &'static str,
        take: impl Fn(&'t DeValue<'t>) -> Option<T>,
        otherwise: impl Fn(&ComplaintCollector<'t>, &Value<'t>) -> String,
    ) -> Option<Located<T>> {
        let item = self.item(key)?;
        let (at, value) = (item.span().start, take(item.get_ref()));
        if value.is_none() {
            self.complain(key, at, &otherwise(self.told, item));
        }
        value.map(|value| Located { value, at })
    }

    fn prefix(&self) -> String {
        let name = self.name();
        if name.is_empty() {
            String::new()
        } else {
            format!("{name}: ")
        }
    }
}

/// `None`: it is larger than any number that the file may hold.
fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn kind(item: &Value<'_>) -> String {
    let kind = item.get_ref().type_str();
    let article = if kind.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };

    format!("{article} {kind}")
}
