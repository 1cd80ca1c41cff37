//! The parameters of one request, wherever they stand: in the query, in headers, in a body of
//! whatever form.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, Method};

use crate::domain::refusal::Refusal;
use crate::domain::wish::Parameter;
use crate::downstream::Limits;
use crate::downstream::action::Action;
use crate::downstream::form::Form;

/// The media type of the forms that everyone sends.
pub const FORM: &str = "application/x-www-form-urlencoded";
/// The media type of forms in parts.
pub const PARTS: &str = "multipart/form-data";
/// The media type of what newer clients send.
pub const JSON: &str = "application/json";

/// The key in a header of its own.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How much of a media type that is not taken is repeated to whoever sent it, in characters.
const MEDIA_TYPE_CHARS_MAX: usize = 100;

/// Takes what stands before the body. A HEAD has no parameters: whoever asks for no answer cannot
/// have meant to buy.
pub fn read_head(form: &mut Form, head: &Parts) -> Result<(), Refusal> {
    match head.method {
        Method::HEAD => return Ok(()),
        Method::GET | Method::POST => {}
        _ => return Err(Refusal::UnreadableRequest),
    }

    form.read_encoded(head.uri.query().unwrap_or_default().as_bytes())?;

    let own = head
        .headers
        .get_all(API_KEY)
        .iter()
        .filter_map(|value| value.to_str().ok());

    for key in own.chain(bearer(head)) {
        form.read_key(key)?;
    }

    Ok(())
}

/// Takes what stands in the body, which is all here.
pub async fn read_body(
    form: &mut Form,
    head: &Parts,
    body: Bytes,
    limits: &Limits,
) -> Result<(), Refusal> {
    if head.method == Method::HEAD {
        return Ok(());
    }

    let length = body.len();
    if length > 0 {
        read_media(form, media_type(head), body).await?;
    }

    if length > limits.body_bytes_max && !may_be_long(form) {
        return Err(Refusal::TooLarge);
    }

    Ok(())
}

/// Reads a body as what it says that it is; one that says nothing is a form.
async fn read_media(form: &mut Form, content_type: &str, body: Bytes) -> Result<(), Refusal> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if kind.is_empty() || kind.eq_ignore_ascii_case(FORM) {
        form.read_encoded(&body)
    } else if kind.eq_ignore_ascii_case(JSON) {
        form.read_json(&body)
    } else if kind.eq_ignore_ascii_case(PARTS) {
        form.read_parts(body, content_type).await
    } else {
        Err(Refusal::MediaType {
            got: kind.chars().take(MEDIA_TYPE_CHARS_MAX).collect(),
        })
    }
}

fn media_type(head: &Parts) -> &str {
    head.headers
        .get(CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or("?"))
}

/// The key that some clients send as a token.
fn bearer(head: &Parts) -> Option<&str> {
    let (scheme, token) = head
        .headers
        .get(AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;

    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

/// Only an order may bring a list, and only a list is long.
fn may_be_long(form: &Form) -> bool {
    let mut lists = Parameter::ALL
        .into_iter()
        .filter(|parameter| parameter.is_list());
    matches!(Action::read(form), Ok(Action::Add)) && lists.any(|list| form.has(list.name()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The form of a POST of this body, or why there is none.
    async fn read(body: String, limits: &Limits) -> Result<Form, Refusal> {
        let (head, ()) = Request::post("/api/v2").body(()).unwrap().into_parts();
        let mut form = Form::default();
        read_head(&mut form, &head)?;
        read_body(&mut form, &head, Bytes::from(body), limits).await?;
        Ok(form)
    }

    #[tokio::test]
    async fn only_an_add_with_comments_may_be_long() {
        let limits = Limits {
            body_bytes_max: 64,
            ..Limits::default()
        };

        let long = "x".repeat(64);
        for (body, is_read) in [
            (format!("action=add&comments={long}"), true),
            (format!("action=ADD&comments={long}"), true),
            (format!("action=add&link={long}"), false),
            (format!("action=add&comments=&link={long}"), false),
            (format!("action=add&keywords[0]={long}"), true),
            (format!("action=add&username={long}"), false),
            (format!("action=status&comments={long}"), false),
            (format!("comments={long}"), false),
        ] {
            let outcome = read(body.clone(), &limits).await;
            assert_eq!(
                outcome.err(),
                (!is_read).then_some(Refusal::TooLarge),
                "{body}"
            );
        }
    }
}
