//! `multipart/form-data` as pairs: what a browser's FormData, a PHP array body and `curl -F`
//! become.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use multer::{Constraints, Multipart, SizeLimit};

use crate::domain::refusal::Refusal;

/// The longest line between two parts; the standard knows none longer.
const BOUNDARY_BYTES_MAX: usize = 70;

/// One part that is a text, or should be.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The parameter's name.
    pub name: String,
    /// Its bytes, of whatever kind.
    pub value: Bytes,
}

/// The parts of one body, one after another.
pub struct BodyParts(Multipart<'static>);

impl BodyParts {
    /// Opens a body that says that it is of parts.
    pub fn open(body: Bytes, content_type: &str) -> Result<Self, Refusal> {
        let boundary = multer::parse_boundary(content_type).map_err(|_| Refusal::BrokenParts)?;
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Refusal::BrokenParts);
        }

        // The body was read within its own cap; no part of it can be longer.
        let bytes_max = body.len() as u64;
        let sizes = SizeLimit::new()
            .whole_stream(bytes_max)
            .per_field(bytes_max);

        let constraints = Constraints::new().size_limit(sizes);
        let whole = stream::iter([Ok::<_, Infallible>(body)]);
        Ok(Self(Multipart::with_constraints(
            whole,
            boundary,
            constraints,
        )))
    }

    /// The next part. A file is refused, whatever it is called: no parameter is one.
    pub async fn next(&mut self) -> Result<Option<Part>, Refusal> {
        let Some(field) = self
            .0
            .next_field()
            .await
            .map_err(|_| Refusal::BrokenParts)?
        else {
            return Ok(None);
        };

        if field.file_name().is_some() {
            let got = "multipart/form-data with a file".to_owned();
            return Err(Refusal::MediaType { got });
        }

        let name = field.name().ok_or(Refusal::BrokenParts)?.to_owned();
        let value = field.bytes().await.map_err(|_| Refusal::BrokenParts)?;
        Ok(Some(Part { name, value }))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const KIND: &str = "multipart/form-data; boundary=B";

    async fn read(body: &str, content_type: &str) -> Result<Vec<(String, String)>, Refusal> {
        let mut parts = BodyParts::open(Bytes::from(body.replace('\n', "\r\n")), content_type)?;
        let mut pairs = Vec::new();
        while let Some(part) = parts.next().await? {
            pairs.push((part.name, String::from_utf8_lossy(&part.value).into_owned()));
        }
        Ok(pairs)
    }

    fn part(head: &str, value: &str) -> String {
        format!("--B\nContent-Disposition: form-data; {head}\n\n{value}\n")
    }

    #[rstest]
    #[case::a_browser(r#"name="link""#, "link")]
    #[case::no_quotes("name=link", "link")]
    #[case::a_list(r#"name="orders[]""#, "orders[]")]
    #[tokio::test]
    async fn names_are_read_as_clients_write_them(#[case] head: &str, #[case] name: &str) {
        let body = part(head, "a\n--b") + "--B--\n";
        assert_eq!(
            read(&body, KIND).await,
            Ok(vec![(name.to_owned(), "a\r\n--b".to_owned())])
        );
    }

    #[tokio::test]
    async fn a_part_has_headers_of_its_own_and_may_be_empty() {
        let typed = "--B\nContent-Type: text/plain; charset=utf-8\nContent-Disposition: \
                     form-data; name=a\n\nx\n";
        let body = format!("{typed}{}--B--", part("name=b", ""));
        let expected =
            [("a", "x"), ("b", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            read(&body, "Multipart/Form-Data; charset=utf-8; boundary=\"B\"").await,
            Ok(expected.to_vec())
        );

        assert_eq!(read("--B--\n", KIND).await, Ok(vec![]));
    }

    #[rstest]
    #[case::no_boundary("multipart/form-data", "--B--\n")]
    #[case::an_empty_boundary("multipart/form-data; boundary=", "--B--\n")]
    #[case::another_boundary("multipart/form-data; boundary=C", "--B--\n")]
    #[case::no_parts(KIND, "key=k&action=add")]
    #[case::no_end(KIND, "--B\nContent-Disposition: form-data; name=a\n\nx\n")]
    #[case::no_value(KIND, "--B\nContent-Disposition: form-data; name=a\n")]
    #[case::no_name(KIND, "--B\nContent-Disposition: form-data\n\nx\n--B--\n")]
    #[case::a_header_that_is_none(KIND, "--B\n\x01: x\n\nx\n--B--\n")]
    #[tokio::test]
    async fn what_is_broken_is_refused(#[case] content_type: &str, #[case] body: &str) {
        assert_eq!(read(body, content_type).await, Err(Refusal::BrokenParts));
    }

    #[tokio::test]
    async fn a_file_is_no_parameter_and_a_boundary_has_its_length() {
        let body = part(r#"name="link"; filename="""#, "x") + "--B--\n";
        let got = "multipart/form-data with a file".to_owned();
        assert_eq!(read(&body, KIND).await, Err(Refusal::MediaType { got }));

        let long = "b".repeat(BOUNDARY_BYTES_MAX);
        let kind = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
        assert_eq!(
            read(&format!("--{long}--\n"), &kind(&long)).await,
            Ok(vec![])
        );

        let longer = format!("{long}b");
        let refused = read(&format!("--{longer}--\n"), &kind(&longer)).await;
        assert_eq!(refused, Err(Refusal::BrokenParts));
    }
}
