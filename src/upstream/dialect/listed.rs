//! Error texts that were seen to prove that nothing was placed.
//!
//! Each is said by public panel scripts before they write an order down. What may be said after it
//! too stands in no line here (`Something went wrong`, `Order failed`, `Please wait`, `Permission
//! denied`, `Service unavailable`): a text too few costs a person one look, a text too many buys
//! twice.

use crate::domain::provider::RefusalClass::{
    self, Action, Active, Key, Link, Money, Parameters, Quantity, RateLimit, Service,
};
use crate::upstream::dialect::listed::Is::{Begins, Code, Contains};

/// How an error text is recognised.
#[derive(Clone, Copy)]
pub(super) enum Is {
    /// A code is the whole text.
    Code,
    /// A sentence begins with this.
    Begins,
    /// A sentence has this in it.
    Contains,
}

/// An error text that is listed.
#[derive(Clone, Copy)]
pub(super) struct ListedText {
    /// How it is recognised.
    pub(super) is: Is,
    /// It, folded.
    pub(super) text: &'static str,
    /// Which refusal it is.
    pub(super) class: RefusalClass,
}

/// The line of an error text, folded: the longest of those that fit.
pub(super) fn find_listed(folded: &str) -> Option<ListedText> {
    let fitting = REFUSALS.iter().filter(|(is, text, _)| match is {
        Code => folded == *text,
        Begins => folded.starts_with(text),
        Contains => folded.contains(text),
    });

    let (is, text, class) = fitting.max_by_key(|(_, text, _)| text.len())?;
    Some(ListedText {
        is: *is,
        text,
        class: *class,
    })
}

/// Whether a word, in small letters, stands in a listed text.
pub(super) fn is_word_of_one(word: &str) -> bool {
    REFUSALS
        .iter()
        .any(|(_, text, _)| text.split([' ', '_']).any(|known| known == word))
}

/// The texts, folded.
const REFUSALS: &[(Is, &str, RefusalClass)] = &[
    // The family's documents and notpanel's.
    (Begins, "invalid api key", Key),
    (Begins, "incorrect api key", Key),
    (Begins, "account suspended", Key),
    (Begins, "incorrect request", Action),
    (Begins, "unknown action", Action),
    (Begins, "incorrect service id", Service),
    (Begins, "service not found", Service),
    (Code, "incorrect_service_id", Service),
    (Begins, "bad link", Link),
    (Begins, "invalid link", Link),
    (Code, "link", Link),
    (Begins, "you have active order", Active),
    (Begins, "you have an active order", Active),
    (Contains, "active order with this link", Active),
    (Code, "link_duplicate", Active),
    (Begins, "quantity less than mini", Quantity),
    (Begins, "quantity more than maxi", Quantity),
    (Begins, "quantity must", Quantity),
    (Begins, "min amount", Quantity),
    (Code, "min_quantity", Quantity),
    (Code, "max_quantity", Quantity),
    (Begins, "missing required parameter", Parameters),
    (Begins, "incorrect parameter", Parameters),
    (Begins, "invalid parameter", Parameters),
    (Begins, "answer number is required", Parameters),
    (Begins, "not enough funds", Money),
    (Begins, "not enough balance", Money),
    (Begins, "insufficient balance", Money),
    (Begins, "insufficient funds", Money),
    (Code, "not_enough_funds", Money),
    (Begins, "rate limit exceeded", RateLimit),
    (Begins, "too many requests", RateLimit),
    // Scripts that many panels run on, and their clones: who asks.
    (Begins, "wrong api key", Key),
    (Begins, "api key is invalid", Key),
    (Begins, "api key is incorrect", Key),
    (Begins, "api key is wrong", Key),
    (Begins, "api key is required", Key),
    (Begins, "api key not found", Key),
    (Begins, "the api key field is required", Key),
    (Begins, "invalid api token", Key),
    (Begins, "incorrect api token", Key),
    (Begins, "api is disable", Key),
    (Begins, "api is disabled", Key),
    (Begins, "your account is suspended", Key),
    (Begins, "your account has been suspended", Key),
    // What is asked.
    (Begins, "this action is invalid", Action),
    (Begins, "invalid action", Action),
    (Begins, "incorrect action", Action),
    (Begins, "the action field is required", Action),
    (Begins, "there are missing required parameters", Parameters),
    (Begins, "comments field is required", Parameters),
    (Begins, "the comments field is required", Parameters),
    (Begins, "username field is required", Parameters),
    (Begins, "the username field is required", Parameters),
    (Begins, "hashtag field is required", Parameters),
    (Begins, "runs is required", Parameters),
    (Begins, "interval time is required", Parameters),
    // Which service.
    (Begins, "invalid service", Service),
    (Begins, "incorrect service", Service),
    (Begins, "wrong service", Service),
    (Begins, "service id does not exist", Service),
    (Begins, "service does not exist", Service),
    (Begins, "service id not found", Service),
    (Begins, "service is disabled", Service),
    (Begins, "service is inactive", Service),
    (Begins, "service is not active", Service),
    (Begins, "service not active", Service),
    (Begins, "the selected service is invalid", Service),
    (Begins, "the selected service id is invalid", Service),
    // Where to.
    (Begins, "incorrect link", Link),
    (Begins, "wrong link", Link),
    (Begins, "link is invalid", Link),
    (Begins, "link is incorrect", Link),
    (Begins, "link is not valid", Link),
    (Begins, "link is required", Link),
    (Begins, "the link field is required", Link),
    (Begins, "the link format is invalid", Link),
    (Begins, "the link must be a valid url", Link),
    (Begins, "the link field must be a valid url", Link),
    (Begins, "invalid url", Link),
    // How many.
    (Begins, "minimum order is", Quantity),
    (Begins, "maximum order is", Quantity),
    (Begins, "min order is", Quantity),
    (Begins, "max order is", Quantity),
    (Begins, "minimum quantity", Quantity),
    (Begins, "maximum quantity", Quantity),
    (Begins, "min quantity", Quantity),
    (Begins, "max quantity", Quantity),
    (Begins, "minimum amount", Quantity),
    (Begins, "maximum amount", Quantity),
    (Begins, "max amount", Quantity),
    (Begins, "invalid quantity", Quantity),
    (Begins, "incorrect quantity", Quantity),
    (Begins, "wrong quantity", Quantity),
    (Begins, "quantity is invalid", Quantity),
    (Begins, "quantity is required", Quantity),
    (Begins, "quantity is too", Quantity),
    (Begins, "quantity too", Quantity),
    (Begins, "quantity should be", Quantity),
    (Begins, "quantity less than maxi", Quantity),
    (Begins, "the quantity must", Quantity),
    (Begins, "the quantity field must", Quantity),
    (Begins, "the quantity field is required", Quantity),
    (
        Begins,
        "order amount exceeds available minimum or maximum",
        Quantity,
    ),
    (Begins, "please follow the limit", Quantity),
    // For how much.
    (Begins, "low balance", Money),
    (Begins, "not enough money", Money),
    (Begins, "not enough credit", Money),
    (Begins, "not enough credits", Money),
    (Begins, "insufficient credit", Money),
    (Begins, "insufficient credits", Money),
    (Begins, "your balance is insufficient", Money),
    (Begins, "your balance is not enough", Money),
    (Begins, "your balance is too low", Money),
    (Begins, "balance is insufficient", Money),
    (Begins, "you have insufficient balance", Money),
    (Begins, "you have insufficient funds", Money),
    (Begins, "you do not have enough funds", Money),
    (Begins, "you do not have enough balance", Money),
    (Begins, "you don't have enough funds", Money),
    (Begins, "you don't have enough balance", Money),
    (Begins, "order amount exceeds available funds", Money),
    // How fast.
    (Begins, "too many attempts", RateLimit),
    (Begins, "api rate limit exceeded", RateLimit),
    (Begins, "request limit exceeded", RateLimit),
];
