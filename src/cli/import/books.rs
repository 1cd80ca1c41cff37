//! Customers, keys and opening balances, brought into the books in the caller's transaction.
//!
//! What came before by the same sheets is recognised and left as it is, so an import that was cut
//! off is run again.

use std::collections::{HashMap, HashSet};

use secrecy::ExposeSecret;

use crate::cli::import::papers::{OldCustomer, OldKey, Papers};
use crate::cli::import::sheet::Wrongs;
use crate::customers::keys::{ACTIVE_MAX, key_digest};
use crate::domain::clock::Timestamp;
use crate::domain::id::CustomerId;
use crate::domain::money::Money;
use crate::ledger::{self, Adjustment};
use crate::store::customers::{self, CustomerRow};
use crate::store::{StoreError, Tx, keys};

/// Letters of a key that lists show: enough to tell keys apart, and of a short one a third at most.
const SHOWN_LETTERS_MAX: usize = 6;

/// What came into the books.
#[derive(Debug, Default)]
pub struct Brought {
    /// Customers that were opened.
    pub customers: usize,
    /// Customers that were here already.
    pub customers_before: usize,
    /// Keys that work now.
    pub keys: usize,
    /// Keys that worked already.
    pub keys_before: usize,
    /// What the wallets received in all; what is owed is taken off.
    pub opened_with: Money,
}

/// Complains about keys of nobody.
pub fn check_owners(papers: &Papers, here: &[CustomerRow], wrongs: &mut Wrongs) {
    let here = here
        .iter()
        .flat_map(|row| [row.name.clone(), row.id.to_string()]);

    let known: HashSet<String> = papers
        .customers
        .iter()
        .map(|customer| customer.name.clone())
        .chain(here)
        .collect();

    for key in papers
        .keys
        .iter()
        .filter(|key| !known.contains(&key.customer))
    {
        let what = format!(
            "customer: there is no {:?}, neither here nor in customers.csv",
            key.customer
        );
        wrongs.say(&key.place, &what);
    }
}

/// Brings everybody in. What cannot be is complained about, and then nothing may be committed.
pub async fn bring(
    tx: &mut Tx,
    papers: &Papers,
    here: Vec<CustomerRow>,
    wrongs: &mut Wrongs,
    now: Timestamp,
) -> Result<Brought, StoreError> {
    let mut brought = Brought::default();
    let mut here: HashMap<String, CustomerRow> = here
        .into_iter()
        .map(|row| (row.name.clone(), row))
        .collect();

    // By name and, as everywhere, by id.
    let named = here
        .values()
        .flat_map(|row| [(row.name.clone(), row.id), (row.id.to_string(), row.id)]);

    let mut ids: HashMap<String, CustomerId> = named.collect();
    for customer in &papers.customers {
        let id = if let Some(row) = here.remove(&customer.name) {
            brought.customers_before += 1;
            compare(&row, customer, wrongs);
            row.id
        } else if let Some(id) = open(tx, customer, now).await? {
            brought.customers += 1;
            id
        } else {
            wrongs.say(
                &customer.place,
                "somebody opened a customer of this name just now; run it again",
            );
            continue;
        };

        ids.insert(customer.name.clone(), id);
        brought.opened_with = wallet(tx, customer, id, brought.opened_with, wrongs, now).await?;
    }

    for key in &papers.keys {
        let Some(id) = ids.get(&key.customer).copied() else {
            continue;
        };
        take_key(tx, key, id, &mut brought, wrongs, now).await?;
    }

    Ok(brought)
}

async fn open(
    tx: &mut Tx,
    customer: &OldCustomer,
    now: Timestamp,
) -> Result<Option<CustomerId>, StoreError> {
    let Some(id) = customers::open_customer(tx, &customer.name, &customer.tier, now).await? else {
        return Ok(None);
    };

    if customer.credit.is_positive() {
        customers::give_credit(tx, id, customer.credit).await?;
    }

    if customer.suspended {
        customers::suspend_customer(tx, id, now).await?;
    }

    Ok(Some(id))
}

/// Whoever has the name already must be whom the sheet means: nobody gets another's money.
fn compare(here: &CustomerRow, customer: &OldCustomer, wrongs: &mut Wrongs) {
    if here.tier != customer.tier || here.credit != customer.credit {
        let (id, tier, credit) = (here.id, &here.tier, here.credit);
        let what = format!(
            "customer {id} has this name already, with tier {tier} and credit {credit}; rename one"
        );
        wrongs.say(&customer.place, &what);
    }
}

/// The opening balance, once; the sum with it.
async fn wallet(
    tx: &mut Tx,
    customer: &OldCustomer,
    id: CustomerId,
    sum: Money,
    wrongs: &mut Wrongs,
    now: Timestamp,
) -> Result<Money, StoreError> {
    if customer.balance == Money::ZERO {
        return Ok(sum);
    }

    match ledger::open_with(tx, id, customer.balance, now).await? {
        Adjustment::Done => match sum.plus(customer.balance) {
            Ok(sum) => return Ok(sum),
            Err(why) => wrongs.say(&customer.place, &format!("the balances together {why}")),
        },
        Adjustment::DoneBefore => {}
        Adjustment::OtherAmount(before) => {
            let what = format!(
                "customer {id} moved in with {before} before; use `balance adjust` for what \
                 changed since"
            );
            wrongs.say(&customer.place, &what);
        }
        Adjustment::BelowFloor => {
            wrongs.say(
                &customer.place,
                &format!(
                    "balance {} is below what the wallet may hold",
                    customer.balance
                ),
            );
        }
    }

    Ok(sum)
}

async fn take_key(
    tx: &mut Tx,
    key: &OldKey,
    id: CustomerId,
    brought: &mut Brought,
    wrongs: &mut Wrongs,
    now: Timestamp,
) -> Result<(), StoreError> {
    let digest = key_digest(key.key.expose_secret());
    match keys::find_owner(tx, &digest).await? {
        Some((owner, true)) if owner == id => brought.keys_before += 1,
        Some((owner, in_force)) => {
            let state = if in_force {
                "belongs to"
            } else {
                "was revoked from"
            };

            wrongs.say(
                &key.place,
                &format!(
                    "this key {state} customer {owner}; keys are nobody else's, and not given \
                     twice"
                ),
            );
        }
        None if customers::active_keys(tx, id).await? >= ACTIVE_MAX => {
            wrongs.say(
                &key.place,
                &format!(
                    "{} would have more than {ACTIVE_MAX} keys in force",
                    key.customer
                ),
            );
        }
        None => {
            let text = key.key.expose_secret();
            let shown = &text[..(text.len() / 3).min(SHOWN_LETTERS_MAX)];
            let made = customers::add_key(tx, id, &digest, shown, "", key.dialect, now).await?;
            keys::change_key(tx, made, &key.terms).await?;
            brought.keys += 1;
        }
    }

    Ok(())
}
