//! A sheet of comma-separated values: its columns found by name, and everything that is wrong with
//! it told at once.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::config::{did_you_mean, shown};

/// The largest sheet, in bytes.
const SHEET_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The most rows of a sheet.
const ROWS_MAX: usize = 200_000;
/// Complaints that are told; a sheet of another shape would fill the screen.
const TOLD_MAX: usize = 50;
/// What spreadsheets put before UTF-8.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Everything that is wrong with the sheets.
#[derive(Debug, Default)]
pub struct Wrongs(Vec<(String, String)>);

impl Wrongs {
    /// One more, somewhere in a file.
    pub fn say(&mut self, place: &str, what: &str) {
        self.0.push((place.to_owned(), what.to_owned()));
    }

    /// An error that tells all of them, file by file and line by line, if there are any.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }

        let mut all: Vec<&(String, String)> = self.0.iter().collect();
        all.sort_by_key(|(place, _)| {
            let (file, line) = place.rsplit_once(':').unwrap_or((place, "0"));
            (file, line.parse::<u64>().unwrap_or(0))
        });

        let told: Vec<String> = all
            .iter()
            .take(TOLD_MAX)
            .map(|(place, what)| format!("{place}: {what}"))
            .collect();

        let told = told.join("\n  ");
        let more = self.0.len().saturating_sub(TOLD_MAX);
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };

        anyhow::bail!("nothing was imported; put this right first:\n  {told}{more}")
    }
}

/// A sheet's columns: those that it must have, and those that it may.
#[derive(Clone, Copy, Debug)]
pub struct SheetColumns {
    /// Without these a row says nothing.
    pub must: &'static [&'static str],
    /// Left out or empty, they are what their reader says.
    pub may: &'static [&'static str],
}

/// One row, with the place where it stands.
#[derive(Debug)]
pub struct SheetRow {
    /// `customers.csv:3`
    pub place: String,
    cells: BTreeMap<&'static str, String>,
}

impl SheetRow {
    /// What stands in a column; nothing where it is empty.
    pub fn text(&self, column: &str) -> Option<&str> {
        self.cells.get(column).map(String::as_str)
    }

    /// What stands in a column, read; what cannot be is complained about.
    pub fn read<T, E: std::fmt::Display>(
        &self,
        column: &str,
        wrongs: &mut Wrongs,
        reader: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(column)?;
        match reader(text) {
            Ok(value) => Some(value),
            Err(why) => {
                wrongs.say(&self.place, &format!("{column}: {} {why}", shown(text)));
                None
            }
        }
    }

    /// A yes or no, in the ways in which panels' exports say it.
    pub fn flag(&self, column: &str, wrongs: &mut Wrongs) -> Option<bool> {
        self.read(column, wrongs, |text| match text.to_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err("is neither true nor false"),
        })
    }
}

/// The rows of a sheet; none where the folder has no such file.
pub fn read(
    folder: &Path,
    name: &str,
    columns: SheetColumns,
    wrongs: &mut Wrongs,
) -> Option<Vec<SheetRow>> {
    let text = match text(&folder.join(name)) {
        Ok(text) => text?,
        Err(error) => {
            wrongs.say(name, &format!("cannot be read: {error}"));
            return None;
        }
    };

    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let heads = text.lines().next().unwrap_or_default();

    // Where the comma is the decimal sign, spreadsheets part cells by semicolons.
    let delimiter = if heads.contains(';') && !heads.contains(',') {
        b';'
    } else {
        b','
    };

    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());

    let found = heads_of(&mut reader, name, columns, wrongs)?;
    let mut rows = Vec::new();

    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                wrongs.say(name, &format!("cannot be read any further: {error}"));
                break;
            }
        };

        if rows.len() == ROWS_MAX {
            wrongs.say(
                name,
                &format!("has more than {ROWS_MAX} rows; import it in parts"),
            );
            break;
        }

        rows.push(row(name, &found, &record, columns, wrongs));
    }

    Some(rows)
}

fn text(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };

    let mut text = String::new();
    file.take(SHEET_BYTES_MAX + 1).read_to_string(&mut text)?;

    if text.len() as u64 > SHEET_BYTES_MAX {
        return Err(io::Error::other(format!(
            "it is larger than {SHEET_BYTES_MAX} bytes; import it in parts"
        )));
    }

    Ok(Some(text))
}

/// Which column stands where; unknown and missing ones are complained about.
fn heads_of(
    reader: &mut csv::Reader<&[u8]>,
    name: &str,
    columns: SheetColumns,
    wrongs: &mut Wrongs,
) -> Option<Vec<Option<&'static str>>> {
    let heads = match reader.headers() {
        Ok(heads) => heads.clone(),
        Err(error) => {
            wrongs.say(name, &format!("its first line cannot be read: {error}"));
            return None;
        }
    };

    let known = || columns.must.iter().chain(columns.may).copied();
    let mut found: Vec<Option<&'static str>> = Vec::new();

    for head in &heads {
        let column = known().find(|column| column.eq_ignore_ascii_case(head));
        if column.is_none() {
            let there_are = known().collect::<Vec<_>>().join(", ");
            let hint = did_you_mean(head, known());

            wrongs.say(
                name,
                &format!(
                    "unknown column {}{hint}; there are {there_are}",
                    shown(head)
                ),
            );
        } else if found.contains(&column) {
            wrongs.say(name, &format!("has the column {} twice", shown(head)));
        }

        found.push(column);
    }

    let missing: Vec<_> = columns
        .must
        .iter()
        .filter(|column| !found.contains(&Some(column)))
        .copied()
        .collect();

    if !missing.is_empty() {
        wrongs.say(
            name,
            &format!(
                "its first line must name the columns {}",
                missing.join(", ")
            ),
        );

        return None;
    }

    Some(found)
}

fn row(
    name: &str,
    found: &[Option<&'static str>],
    record: &csv::StringRecord,
    columns: SheetColumns,
    wrongs: &mut Wrongs,
) -> SheetRow {
    let line = record.position().map_or(0, csv::Position::line);
    let place = format!("{name}:{line}");
    let cells = found
        .iter()
        .zip(record)
        .filter(|(_, cell)| !cell.is_empty());

    let cells = cells
        .filter_map(|(column, cell)| Some(((*column)?, cell.to_owned())))
        .collect();

    let row = SheetRow { place, cells };
    for column in columns
        .must
        .iter()
        .filter(|column| row.text(column).is_none())
    {
        wrongs.say(&row.place, &format!("{column} is empty"));
    }

    row
}
