//! `add`: a wish, placed.

use http::HeaderMap;

use crate::domain::customer::Caller;
use crate::domain::refusal::Refusal;
use crate::domain::wish::{OrderRequest, Parameter, REQUEST_ID_CHARS_MAX};
use crate::downstream::DoorDeps;
use crate::downstream::dialect;
use crate::downstream::form::{self, Form};
use crate::downstream::reply::Reply;

/// The header that says the same as `request_id`.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Answers `add`.
pub async fn add_order(
    house: &DoorDeps,
    caller: &Caller,
    form: &Form,
    headers: &HeaderMap,
) -> Result<Reply, Refusal> {
    if !(house.health)().sells {
        tracing::warn!("an order was refused: this process has not been ready for long");
        return Err(Refusal::Away);
    }

    let wish = wish(form, headers)?;
    house
        .orders
        .place(caller, wish, dialect::custom(caller.dialect))
        .await
        .map(Reply::Added)
}

fn wish(form: &Form, headers: &HeaderMap) -> Result<OrderRequest, Refusal> {
    let sent = |parameter| Some((parameter, form.sent(parameter)?));
    Ok(OrderRequest {
        sent: Parameter::ALL.into_iter().filter_map(sent).collect(),
        request_id: request_id(form, headers)?,
    })
}

fn request_id(form: &Form, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let unreadable = || Refusal::Unreadable("request_id");
    let mut said = form.scalar("request_id")?;

    for value in headers.get_all(IDEMPOTENCY_KEY) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| unreadable())?;
        match &said {
            _ if form::is_nothing(value) => {}
            Some(said) if said != value => return Err(unreadable()),
            Some(_) => {}
            None => said = Some(value.to_owned()),
        }
    }

    match said {
        Some(id) if id.chars().count() > REQUEST_ID_CHARS_MAX => Err(unreadable()),
        said => Ok(said),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::HeaderValue;

    use super::*;
    use crate::domain::wish::SentValue;

    fn read(body: &str, keys: &[&'static str]) -> Result<OrderRequest, Refusal> {
        let mut headers = HeaderMap::new();
        for key in keys {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static(key));
        }

        let mut form = Form::default();
        form.read_encoded(body.as_bytes()).unwrap();
        wish(&form, &headers)
    }

    #[test]
    fn a_wish_holds_what_was_sent_and_nothing_else() {
        let wish = read(
            "action=add&service=1&link=a+b&quantity=&coupon=X&comments=one%0D%0A%20two%20%0A%0A",
            &[],
        );

        let text = |text: &str| SentValue::Text(text.to_owned());
        let sent = [
            (Parameter::Service, text("1")),
            (Parameter::Link, text("a b")),
            (
                Parameter::Comments,
                SentValue::Lines(vec!["one".into(), "two".into()]),
            ),
        ];

        let expected = OrderRequest {
            sent: BTreeMap::from(sent),
            request_id: None,
        };

        assert_eq!(wish, Ok(expected));
    }

    #[test]
    fn a_request_id_comes_by_parameter_or_header_but_only_one_of_it() {
        let id = |body: &str, keys: &[&'static str]| read(body, keys).map(|wish| wish.request_id);
        let unreadable = Err(Refusal::Unreadable("request_id"));
        assert_eq!(id("", &[]), Ok(None));
        assert_eq!(id("request_id=a", &[]), Ok(Some("a".into())));
        assert_eq!(id("", &["a"]), Ok(Some("a".into())));
        assert_eq!(id("request_id=a", &["a", ""]), Ok(Some("a".into())));
        assert_eq!(id("request_id=null", &["undefined"]), Ok(None));
        assert_eq!(id("request_id=a", &["b"]), unreadable);
        assert_eq!(id("", &["a", "b"]), unreadable);

        assert_eq!(
            id(&format!("request_id={}", "é".repeat(128)), &[]),
            Ok(Some("é".repeat(128)))
        );

        assert_eq!(
            id(&format!("request_id={}", "é".repeat(129)), &[]),
            unreadable
        );
    }
}
