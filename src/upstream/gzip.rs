//! Answers that come packed although nobody asked for it: some panels pack everything.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// An answer's body as it was meant, of at most so many bytes; what cannot be unpacked says why.
pub(super) fn unpack_gzip(
    headers: &HeaderMap,
    body: Vec<u8>,
    bytes_max: usize,
) -> Result<Vec<u8>, String> {
    let packed = headers
        .get(CONTENT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .map(str::trim);

    if !packed
        .is_some_and(|way| way.eq_ignore_ascii_case("gzip") || way.eq_ignore_ascii_case("x-gzip"))
    {
        return Ok(body);
    }

    // A byte more than may be: a few packed ones can be any number.
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);

    let mut whole = Vec::new();
    MultiGzDecoder::new(&*body)
        .take(limit)
        .read_to_end(&mut whole)
        .map_err(|error| error.to_string())?;

    if whole.len() > bytes_max {
        return Err(format!("the answer is longer than {bytes_max} bytes"));
    }

    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn headers(way: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(way))])
    }

    #[test]
    fn what_is_packed_is_unpacked_up_to_its_limit() {
        let text = b"{\"order\":7}";
        assert_eq!(
            unpack_gzip(&headers("gzip"), packed(text), 64).unwrap(),
            text
        );

        assert_eq!(
            unpack_gzip(&headers(" X-GZIP "), packed(text), text.len()).unwrap(),
            text
        );

        assert_eq!(
            unpack_gzip(&headers("identity"), text.to_vec(), 64).unwrap(),
            text
        );

        assert_eq!(
            unpack_gzip(&HeaderMap::new(), text.to_vec(), 64).unwrap(),
            text
        );

        assert!(
            unpack_gzip(&headers("gzip"), packed(&vec![b' '; 10 << 20]), 1 << 20).is_err(),
            "ten of one"
        );

        assert!(unpack_gzip(&headers("gzip"), text.to_vec(), 64).is_err());
        assert!(
            unpack_gzip(&headers("gzip"), packed(text)[..9].to_vec(), 64).is_err(),
            "a broken one"
        );
    }
}
