//! What an earlier panel leaves behind: its customers, their keys, and what it sold.

use std::collections::HashSet;
use std::path::Path;

use secrecy::SecretString;

use crate::cli::import::sheet::{self, SheetColumns, SheetRow, Wrongs};
use crate::cli::key::{ALLOWED_MAX, DEDUPE_WINDOW_S_MAX, LABEL_BYTES_MAX, PER_MINUTE_MAX};
use crate::config::NewService;
use crate::domain::customer::{Dialect, NAME_BYTES_MAX, is_customer_name};
use crate::domain::limit::STANDARD_TIER;
use crate::domain::money::{Money, Rate};
use crate::domain::network::Network;
use crate::domain::service::ServiceType;
use crate::store::keys::KeyChange;

/// The sheet of customers.
pub const CUSTOMERS: &str = "customers.csv";
/// The sheet of keys.
pub const KEYS: &str = "keys.csv";
/// The sheet of services.
pub const SERVICES: &str = "services.csv";

/// The shortest key that is taken over: shorter ones can be guessed.
const KEY_BYTES_MIN: usize = 16;
/// The longest, as the door looks up none that is longer.
const KEY_BYTES_MAX: usize = 256;

/// Everything that moves in.
#[derive(Debug, Default)]
pub struct Papers {
    /// Customers with what they held.
    pub customers: Vec<OldCustomer>,
    /// Their keys.
    pub keys: Vec<OldKey>,
    /// What they could buy.
    pub services: Vec<OldService>,
}

/// A customer of the earlier panel.
#[derive(Debug)]
pub struct OldCustomer {
    /// Where it stands.
    pub place: String,
    /// The name.
    pub name: String,
    /// The tier.
    pub tier: String,
    /// What the wallet held there; negative: owed.
    pub balance: Money,
    /// How far it may go below zero.
    pub credit: Money,
    /// Whether it is not served.
    pub suspended: bool,
}

/// A key of the earlier panel, which goes on working.
#[derive(Debug)]
pub struct OldKey {
    /// Where it stands.
    pub place: String,
    /// The name of its customer.
    pub customer: String,
    /// The key.
    pub key: SecretString,
    /// The dialect that its clients expect.
    pub dialect: Dialect,
    /// What it may.
    pub terms: KeyChange,
}

/// A service of the earlier panel, under the id that its customers know.
#[derive(Debug)]
pub struct OldService {
    /// Where it stands.
    pub place: String,
    /// What becomes of it.
    pub block: NewService,
}

/// Reads the sheets of a folder.
pub fn read(folder: &Path, wrongs: &mut Wrongs) -> Papers {
    let customers = SheetColumns {
        must: &["name"],
        may: &["tier", "balance", "credit", "suspended"],
    };

    let keys = SheetColumns {
        must: &["customer", "key"],
        may: &["label", "dialect", "allow", "per_minute", "dedupe_window_s"],
    };

    let may = &[
        "name", "type", "category", "rate", "min", "max", "refill", "cancel",
    ];

    let services = SheetColumns {
        must: &["id", "provider", "service"],
        may,
    };

    let sheets = [(CUSTOMERS, customers), (KEYS, keys), (SERVICES, services)];
    let [customers, keys, services] =
        sheets.map(|(name, columns)| sheet::read(folder, name, columns, wrongs));

    if customers.is_none() && keys.is_none() && services.is_none() {
        let folder = folder.display();
        wrongs.say(
            &folder.to_string(),
            &format!("there is nothing to import; it may hold {CUSTOMERS}, {KEYS}, {SERVICES}"),
        );
    }

    Papers {
        customers: once(customers, "name", wrongs, customer),
        keys: once(keys, "key", wrongs, key),
        services: once(services, "id", wrongs, service),
    }
}

/// Reads rows, each of which must say something else in one of its columns.
fn once<T>(
    rows: Option<Vec<SheetRow>>,
    column: &str,
    wrongs: &mut Wrongs,
    reader: fn(&SheetRow, &mut Wrongs) -> Option<T>,
) -> Vec<T> {
    let mut seen = HashSet::new();
    let mut read = Vec::new();

    for row in rows.into_iter().flatten() {
        if row
            .text(column)
            .is_some_and(|said| !seen.insert(said.to_owned()))
        {
            wrongs.say(
                &row.place,
                &format!("this {column} stood in an earlier row"),
            );
        }

        read.extend(reader(&row, wrongs));
    }

    read
}

fn customer(row: &SheetRow, wrongs: &mut Wrongs) -> Option<OldCustomer> {
    let name = row.read("name", wrongs, |name| {
        let why = || {
            format!("is no name: 1 to {NAME_BYTES_MAX} bytes, not all digits, nothing unprintable")
        };

        is_customer_name(name)
            .then(|| name.to_owned())
            .ok_or_else(why)
    });

    let balance = row
        .read("balance", wrongs, Money::parse)
        .unwrap_or_default();

    let credit = row.read("credit", wrongs, Money::parse).unwrap_or_default();
    if credit.is_negative() {
        wrongs.say(
            &row.place,
            "credit is below zero; say how far the wallet may go",
        );
    } else if balance.plus(credit).is_ok_and(Money::is_negative) {
        wrongs.say(
            &row.place,
            &format!("balance {balance} is further below zero than credit {credit} allows"),
        );
    }

    Some(OldCustomer {
        place: row.place.clone(),
        name: name?,
        tier: row.text("tier").unwrap_or(STANDARD_TIER).to_owned(),
        balance,
        credit,
        suspended: row.flag("suspended", wrongs).unwrap_or(false),
    })
}

fn key(row: &SheetRow, wrongs: &mut Wrongs) -> Option<OldKey> {
    let key = row.text("key")?;

    // Never shown, not even where it is wrong: it may be a good key with a blank in it.
    if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len())
        || !key.bytes().all(|byte| byte.is_ascii_graphic())
    {
        wrongs.say(
            &row.place,
            &format!("key must be {KEY_BYTES_MIN} to {KEY_BYTES_MAX} letters, digits and signs"),
        );
        return None;
    }

    let dialect = row.read("dialect", wrongs, |word| {
        Dialect::from_word(word).ok_or_else(|| {
            format!(
                "is none of {}",
                Dialect::ALL.map(Dialect::as_str).join(", ")
            )
        })
    });

    let terms = KeyChange {
        label: row.read("label", wrongs, label),
        allowed: row.read("allow", wrongs, networks),
        per_minute: row.read("per_minute", wrongs, |text| whole(text, PER_MINUTE_MAX)),
        dedupe_window_s: row.read("dedupe_window_s", wrongs, |text| {
            whole(text, DEDUPE_WINDOW_S_MAX)
        }),
    };

    Some(OldKey {
        place: row.place.clone(),
        customer: row.text("customer")?.to_owned(),
        key: SecretString::from(key),
        dialect: dialect.unwrap_or(Dialect::Classic),
        terms,
    })
}

fn label(text: &str) -> Result<String, String> {
    if text.len() > LABEL_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "is no label: {LABEL_BYTES_MAX} bytes at most, nothing unprintable"
        ));
    }

    Ok(text.to_owned())
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    let networks: Vec<&str> = text.split_whitespace().collect();
    if networks.len() > ALLOWED_MAX {
        return Err(format!("names more than {ALLOWED_MAX} networks"));
    }

    networks
        .into_iter()
        .map(|network| {
            network
                .parse()
                .map_err(|why| format!("names {network}, which {why}"))
        })
        .collect()
}

fn whole(text: &str, most: i64) -> Result<i32, String> {
    let number = text
        .parse::<i32>()
        .ok()
        .filter(|number| (0..=most).contains(&i64::from(*number)));
    number.ok_or_else(|| format!("is no whole number from 0 to {most}"))
}

fn service(row: &SheetRow, wrongs: &mut Wrongs) -> Option<OldService> {
    let id = row.read("id", wrongs, |text| match text.parse::<i32>() {
        Ok(id) if id > 0 => Ok(i64::from(id)),
        Ok(_) | Err(_) => Err("is no service id: a whole number from 1 to 2147483647"),
    });

    let kind = row.read("type", wrongs, |text| {
        ServiceType::read(text).ok_or("is no type that is sold")
    });

    let bound = |column, wrongs: &mut Wrongs| {
        row.read(column, wrongs, |text| {
            text.parse::<u32>().map_err(|_| "is no whole number")
        })
    };

    let block = NewService {
        id: id?,
        provider: row.text("provider")?.to_owned(),
        service: row.text("service")?.to_owned(),
        name: row.text("name").map(str::to_owned),
        kind,
        category: row.text("category").map(str::to_owned),
        rate: row.read("rate", wrongs, Rate::parse),
        min: bound("min", wrongs),
        max: bound("max", wrongs),
        refill: row.flag("refill", wrongs),
        cancel: row.flag("cancel", wrongs),
    };

    Some(OldService {
        place: row.place.clone(),
        block,
    })
}
