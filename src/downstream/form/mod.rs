//! Reads what customers send: generously in its form, strictly where a lenient reader would guess.
//!
//! Parameters come in the query, in a form, in parts or in JSON, or here and there. One that cannot be read spoils only itself:
//! who calls, and with what action, is answered first.

mod encoded;
mod json;
mod parts;

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::domain::refusal::Refusal;
use crate::domain::wish::{LINE_ENDS, LINES_MAX, Parameter, SentValue};

/// The most pairs of a request: one per line of the longest list, and every other parameter a few times.
const PAIRS_MAX: usize = LINES_MAX + 100;

/// The parameters that are none of a wish's.
const NAMES: [&str; 7] = ["key", "action", "request_id", "order", "orders", "refill", "refills"];
/// Those of them that are lists.
const LISTS: [&str; 2] = ["orders", "refills"];

/// What scripting languages write for nothing, in whatever case.
const NOTHING: [&str; 5] = ["undefined", "null", "none", "nan", "false"];
/// The parameters in which such a word is no value, for they may be left out. Everywhere else it may be meant: a link
/// or a comment may be any word.
const OPTIONAL: [&str; 9] = ["key", "action", "request_id", "order", "orders", "refill", "refills", "runs", "interval"];
/// The parameters that are whole numbers, whatever fraction of zeros a language writes behind them. Ids are not among
/// them, for they are told as they were asked.
const WHOLE_NUMBERS: [&str; 7] =
    ["service", "quantity", "answer_number", "runs", "interval", "device", "type_of_traffic"];

/// The known parameters of one request; one that was sent empty is not here.
#[derive(Debug, Default)]
pub struct Form {
    values: BTreeMap<&'static str, Values>,
    pairs: usize,
}

#[derive(Debug)]
enum Values {
    /// As often as it was sent, never empty.
    Texts(Vec<String>),
    /// One of them is no text.
    Unreadable,
}

/// One value of a parameter.
#[derive(Debug, PartialEq, Eq)]
enum ParameterValue {
    /// As good as not sent.
    Empty,
    /// JSON's `false`, which some write for nothing.
    False,
    /// A text, or a number as it was written, trimmed.
    Text(String),
    /// No text: not UTF-8, with a NUL, or a thing of JSON that no parameter is.
    Unreadable,
}

impl ParameterValue {
    fn of(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            sent if sent.contains('\0') => Self::Unreadable,
            sent => Self::Text(sent.to_owned()),
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or(Self::Unreadable, Self::of)
    }

    /// The same as this parameter takes it.
    fn taken_by(self, name: &str) -> Self {
        match self {
            Self::False if OPTIONAL.contains(&name) => Self::Empty,
            Self::Text(text) if OPTIONAL.contains(&name) && is_nothing(&text) => Self::Empty,
            Self::Text(text) if WHOLE_NUMBERS.contains(&name) => Self::Text(without_fraction(&text).to_owned()),
            Self::False | Self::Unreadable => Self::Unreadable,
            Self::Empty => Self::Empty,
            Self::Text(text) => Self::Text(text),
        }
    }
}

/// Whether a text is what scripting languages write for nothing.
pub fn is_nothing(text: &str) -> bool {
    text.is_empty() || NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A whole number without the zeros that some languages write behind it: `100.0` is 100. Any other text is itself.
pub fn without_fraction(text: &str) -> &str {
    match text.split_once('.') {
        Some((whole, zeros)) if is_all(whole, |byte| byte.is_ascii_digit()) && is_all(zeros, |byte| byte == b'0') => {
            whole
        }
        Some(_) | None => text,
    }
}

fn is_all(text: &str, kind: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(kind)
}

impl Form {
    /// Takes the pairs of a query or of a form's body; only more pairs than any request has are refused as a whole.
    pub fn read_encoded(&mut self, text: &[u8]) -> Result<(), Refusal> {
        for (name, value) in encoded::encoded_pairs(text) {
            self.take(&name, ParameterValue::of_bytes(&value))?;
        }
        Ok(())
    }

    /// Takes the members of a JSON object.
    pub fn read_json(&mut self, body: &[u8]) -> Result<(), Refusal> {
        for (name, value) in json::json_pairs(body).ok_or(Refusal::UnreadableRequest)? {
            self.take(name.as_bytes(), value)?;
        }
        Ok(())
    }

    /// Takes the parts of a body that says that it is of parts.
    pub async fn read_parts(&mut self, body: Bytes, content_type: &str) -> Result<(), Refusal> {
        let mut parts = parts::BodyParts::open(body, content_type)?;
        while let Some(part) = parts.next().await? {
            self.take(part.name.as_bytes(), ParameterValue::of_bytes(&part.value))?;
        }
        Ok(())
    }

    /// Takes a key that came beside the parameters.
    pub fn read_key(&mut self, key: &str) -> Result<(), Refusal> {
        self.take(b"key", ParameterValue::of(key))
    }

    /// Keeps a value under its name.
    fn take(&mut self, name: &[u8], value: ParameterValue) -> Result<(), Refusal> {
        self.pairs += 1;
        if self.pairs > PAIRS_MAX {
            return Err(Refusal::TooLarge);
        }
        let Some(name) = known(name) else { return Ok(()) };
        match (value.taken_by(name), self.values.get_mut(name)) {
            (ParameterValue::Empty, _) | (ParameterValue::Text(_), Some(Values::Unreadable)) => {}
            (ParameterValue::Text(text), Some(Values::Texts(texts))) => texts.push(text),
            (ParameterValue::Text(text), None) => {
                self.values.insert(name, Values::Texts(vec![text]));
            }
            (ParameterValue::False | ParameterValue::Unreadable, _) => {
                self.values.insert(name, Values::Unreadable);
            }
        }
        Ok(())
    }

    /// Whether a parameter was sent, readable or not.
    pub fn has(&self, name: &'static str) -> bool {
        self.values.contains_key(name)
    }

    /// A parameter's one value; two that differ are unreadable, for either could be meant.
    pub fn scalar(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        match self.texts(name)? {
            [] => Ok(None),
            [first, others @ ..] if others.iter().all(|other| other == first) => Ok(Some(first.clone())),
            _ => Err(Refusal::Unreadable(name)),
        }
    }

    /// The ids of a list over all its values, trimmed, without the blank ones.
    pub fn ids(&self, name: &'static str) -> Result<impl Iterator<Item = &str>, Refusal> {
        let texts = self.texts(name)?.iter();
        Ok(texts.flat_map(|text| text.split(',')).map(str::trim).filter(|id| !id.is_empty()))
    }

    /// A parameter of a wish, as far as it was sent.
    pub fn sent(&self, parameter: Parameter) -> Option<SentValue> {
        let sent = if parameter.is_list() {
            self.lines(parameter.name()).map(|lines| (!lines.is_empty()).then_some(SentValue::Lines(lines)))
        } else {
            self.scalar(parameter.name()).map(|text| text.map(SentValue::Text))
        };
        sent.unwrap_or(Some(SentValue::Unreadable))
    }

    /// A list's lines over all its values, trimmed, without the blank ones.
    fn lines(&self, name: &'static str) -> Result<Vec<String>, Refusal> {
        let texts = self.texts(name)?.iter();
        // The blank between `\r` and `\n` is one of the lines that are dropped.
        let lines = texts.flat_map(|text| text.split(LINE_ENDS)).map(str::trim).filter(|line| !line.is_empty());
        let lines: Vec<String> = lines.take(LINES_MAX + 1).map(str::to_owned).collect();
        if lines.len() > LINES_MAX { Err(Refusal::Unreadable(name)) } else { Ok(lines) }
    }

    fn texts(&self, name: &'static str) -> Result<&[String], Refusal> {
        debug_assert!(known(name.as_bytes()).is_some(), "{name} is never kept");
        match self.values.get(name) {
            None => Ok(&[]),
            Some(Values::Texts(texts)) => Ok(texts),
            Some(Values::Unreadable) => Err(Refusal::Unreadable(name)),
        }
    }
}

/// The parameter of that name; lists also as PHP writes them, `name[]` and `name[0]`. Others are ignored.
fn known(name: &[u8]) -> Option<&'static str> {
    let of_wishes = Parameter::ALL.into_iter().map(|parameter| (parameter.name(), parameter.is_list()));
    let mut all = NAMES.into_iter().map(|name| (name, LISTS.contains(&name))).chain(of_wishes);
    let is = |known: &str, list| match name.strip_prefix(known.as_bytes()) {
        Some([]) => true,
        Some([b'[', place @ .., b']']) => list && place.iter().all(u8::is_ascii_digit),
        Some(_) | None => false,
    };
    all.find(|(known, list)| is(known, *list)).map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn read(body: &[u8]) -> Form {
        let mut form = Form::default();
        form.read_encoded(body).unwrap();
        form
    }

    fn read_json(body: &str) -> Form {
        let mut form = Form::default();
        form.read_json(body.as_bytes()).unwrap();
        form
    }

    #[rstest]
    #[case::plain(b"link=a", Ok(Some("a")))]
    #[case::encoded(b"li%6Ek=%E2%9C%93+x%2bz", Ok(Some("\u{2713} x+z")))]
    #[case::a_percent_of_its_own(b"link=100%&x=1", Ok(Some("100%")))]
    #[case::half_an_escape(b"link=%4", Ok(Some("%4")))]
    #[case::no_escape(b"link=%zz%+1", Ok(Some("%zz% 1")))]
    #[case::an_equals_sign(b"link=a=b", Ok(Some("a=b")))]
    #[case::absent(b"other=1&&=&", Ok(None))]
    #[case::empty(b"link=", Ok(None))]
    #[case::bare(b"link", Ok(None))]
    #[case::empty_and_full(b"link=&link=a", Ok(Some("a")))]
    #[case::twice_the_same(b"link=a&link=%61", Ok(Some("a")))]
    #[case::two_values(b"link=a&link=b", Err(Refusal::Unreadable("link")))]
    #[case::nul(b"link=a%00b", Err(Refusal::Unreadable("link")))]
    #[case::raw_nul(b"link=a\0b", Err(Refusal::Unreadable("link")))]
    #[case::not_utf8(b"link=%ff", Err(Refusal::Unreadable("link")))]
    #[case::raw_not_utf8(b"link=\xc3\x28", Err(Refusal::Unreadable("link")))]
    #[case::unreadable_stays(b"link=%ff&link=a", Err(Refusal::Unreadable("link")))]
    fn scalars(#[case] body: &[u8], #[case] expected: Result<Option<&str>, Refusal>) {
        assert_eq!(read(body).scalar("link"), expected.map(|text| text.map(str::to_owned)));
    }

    #[rstest]
    #[case::its_word("runs=undefined")]
    #[case::in_any_case("runs=NaN&runs=NONE")]
    #[case::with_blanks("runs=+null%0D%0A")]
    #[case::in_a_list("orders[]=False&orders[]=")]
    #[case::a_key("key=null&action=None&request_id=false&order=undefined")]
    fn a_word_for_nothing_is_nothing_where_a_parameter_may_be_left_out(#[case] body: &str) {
        let form = read(body.as_bytes());
        assert!(OPTIONAL.iter().all(|name| !form.has(name)), "{form:?}");
        let form = read(b"link=null&quantity=undefined&comments=None");
        assert!(["link", "quantity", "comments"].iter().all(|name| form.has(name)), "{form:?}");
    }

    #[test]
    fn what_json_calls_false_is_nothing_or_unreadable() {
        let form = read_json(r#"{"runs":false,"orders":[false,1],"link":false,"interval":true}"#);
        assert_eq!((form.scalar("runs"), form.scalar("orders")), (Ok(None), Ok(Some("1".into()))));
        assert_eq!(form.scalar("link"), Err(Refusal::Unreadable("link")));
        assert_eq!(form.scalar("interval"), Err(Refusal::Unreadable("interval")));
    }

    #[rstest]
    #[case("100.0", "100")]
    #[case("7.000", "7")]
    #[case("100.5", "100.5")]
    #[case("100.", "100.")]
    #[case(".0", ".0")]
    #[case("1.0.0", "1.0.0")]
    #[case("-1.0", "-1.0")]
    #[case("1e2", "1e2")]
    fn a_fraction_of_zeros_is_none(#[case] sent: &str, #[case] taken: &str) {
        let form = read(format!("quantity={sent}&link={sent}&order={sent}").as_bytes());
        assert_eq!(form.scalar("quantity"), Ok(Some(taken.to_owned())));
        assert_eq!(form.scalar("link"), Ok(Some(sent.to_owned())), "a link may be any text");
        assert_eq!(form.scalar("order"), Ok(Some(sent.to_owned())), "ids are told as they were asked");
    }

    #[test]
    fn an_unreadable_parameter_spoils_only_itself() {
        let form = read(b"link=%ff&key=k&coupon=%ff&%ff=1");
        assert_eq!(form.scalar("key"), Ok(Some("k".into())));
    }

    #[rstest]
    #[case::unix(b"comments=a%0Ab", &["a", "b"])]
    #[case::windows(b"comments=a%0d%0ab%0d%0a", &["a", "b"])]
    #[case::old_mac(b"comments=a%0Db", &["a", "b"])]
    #[case::repeated(b"comments=a&comments=b%0Ac", &["a", "b", "c"])]
    #[case::trimmed(b"comments=+a+b+%0A%09%0A+", &["a b"])]
    #[case::commas_stay(b"comments=a,b", &["a,b"])]
    #[case::none(b"comments=%0A", &[])]
    #[case::every_line_end(
        "comments=1\u{2028}2%0B3%0C4\u{85}5\u{2029}6%1C7%1D8%1E9".as_bytes(),
        &["1", "2", "3", "4", "5", "6", "7", "8", "9"]
    )]
    fn lines(#[case] body: &[u8], #[case] expected: &[&str]) {
        assert_eq!(read(body).lines("comments").unwrap(), expected);
    }

    #[test]
    fn as_many_lines_as_are_allowed_and_not_one_more() {
        let body = |lines: usize| format!("comments={}", "x%0A".repeat(lines));
        assert_eq!(read(body(LINES_MAX).as_bytes()).lines("comments").unwrap().len(), LINES_MAX);
        assert_eq!(read(body(LINES_MAX + 1).as_bytes()).lines("comments"), Err(Refusal::Unreadable("comments")));
        let repeated = |times: usize| "comments=x&".repeat(times);
        assert_eq!(read(repeated(LINES_MAX).as_bytes()).lines("comments").unwrap().len(), LINES_MAX);
    }

    #[test]
    fn more_pairs_than_any_request_has_are_refused() {
        let mut form = read("a=1&".repeat(PAIRS_MAX - 1).as_bytes());
        assert_eq!(form.read_key("k"), Ok(()));
        assert_eq!(form.read_encoded(b"a=1"), Err(Refusal::TooLarge));
        let list = format!("{{\"comments\":[{}1]}}", "1,".repeat(PAIRS_MAX));
        assert_eq!(Form::default().read_json(list.as_bytes()), Err(Refusal::TooLarge));
    }

    #[rstest]
    #[case::commas(b"orders=1,+2,,x,")]
    #[case::escaped(b"orders=1%2C2%2Cx")]
    #[case::places(b"orders[0]=1&orders[1]=2&orders[2]=x")]
    #[case::escaped_places(b"orders%5B0%5D=1&orders%5B7%5D=2&orders%5B3%5D=x")]
    #[case::no_places(b"orders[]=1&orders[]=2&orders[]=x")]
    #[case::repeated(b"orders=1&orders=2,x")]
    #[case::repeated_with_blanks(b"orders=1&orders=2&orders=+x+")]
    fn ids(#[case] body: &[u8]) {
        assert_eq!(read(body).ids("orders").unwrap().collect::<Vec<_>>(), ["1", "2", "x"]);
    }

    #[test]
    fn only_lists_have_places() {
        let form = read(b"order[]=1&orders[a]=1&orders[0][id]=1&orders[=1&orders]=1&ordersx=1");
        assert!(!form.has("order") && !form.has("orders"));
        assert!(read(b"comments[]=a&comments[1]=b").has("comments"));
    }

    #[test]
    fn json_is_read_like_a_form() {
        let form =
            read_json(r#"{"key":"k","action":"add","quantity":10,"link":null,"comments":["a\nb","c"],"coupon":{}}"#);
        assert_eq!(form.scalar("quantity"), Ok(Some("10".into())));
        assert!(!form.has("link"));
        assert_eq!(form.lines("comments").unwrap(), ["a", "b", "c"]);
        let ids = |body| read_json(body).ids("orders").map(|ids| ids.map(str::to_owned).collect::<Vec<_>>());
        let expected = Ok(vec!["1".to_owned(), "ord_x".to_owned()]);
        assert_eq!(ids(r#"{"orders":[1,"ord_x",""]}"#), expected);
        assert_eq!(ids(r#"{"orders":"1,ord_x"}"#), expected);
        assert_eq!(ids(r#"{"orders":[[1]]}"#), Err(Refusal::Unreadable("orders")));
        let twice = |body| read_json(body).scalar("order");
        assert_eq!(twice(r#"{"order":1,"order":"1"}"#), Ok(Some("1".into())));
        assert_eq!(twice(r#"{"order":1,"order":2}"#), Err(Refusal::Unreadable("order")));
        assert_eq!(twice(r#"{"order":"\u0000"}"#), Err(Refusal::Unreadable("order")));
        assert_eq!(twice(r#"{"order":true}"#), Err(Refusal::Unreadable("order")));
        for body in ["[]", "", "key=k", "{\"key\":"] {
            assert_eq!(Form::default().read_json(body.as_bytes()), Err(Refusal::UnreadableRequest), "{body}");
        }
    }

    #[test]
    fn what_comes_here_and_there_is_one_request() {
        let mut form = read(b"key=k&action=add");
        form.read_json(br#"{"key":"k","quantity":1}"#).unwrap();
        form.read_key("").unwrap();
        assert_eq!(form.scalar("key"), Ok(Some("k".into())));
        form.read_key("other").unwrap();
        assert_eq!(form.scalar("key"), Err(Refusal::Unreadable("key")));
    }

    #[test]
    fn a_wish_is_sent_trimmed_or_not_at_all() {
        let form = read(b"service=+1+&link=++&quantity=1&quantity=2&usernames=+a+%0A%0Ab&hashtags=%0A");
        assert_eq!(form.sent(Parameter::Service), Some(SentValue::Text("1".into())));
        assert_eq!(form.sent(Parameter::Link), None);
        assert_eq!(form.sent(Parameter::Quantity), Some(SentValue::Unreadable));
        assert_eq!(form.sent(Parameter::Usernames), Some(SentValue::Lines(vec!["a".into(), "b".into()])));
        assert_eq!((form.sent(Parameter::Hashtags), form.sent(Parameter::Media)), (None, None));
        assert_eq!(read(b"link=%0Aa%0D%0A").sent(Parameter::Link), Some(SentValue::Text("a".into())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_a_refusal(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            read_everything(&body);
        }

        #[test]
        fn anything_near_a_form_is_a_form_or_a_refusal(
            body in "((link|orders|comments|key)=?(%[0-9a-fA-F]{0,2}|[+=&,\\PC\n\r\0]){0,6}&?){0,5}",
        ) {
            read_everything(body.as_bytes());
        }

        #[test]
        fn what_is_encoded_is_read_back(value in "[^\0]{1,60}") {
            let body: String = form_urlencoded::Serializer::new(String::new()).append_pair("link", &value).finish();
            let sent = Some(value.trim().to_owned()).filter(|text| !text.is_empty());
            prop_assert_eq!(read(body.as_bytes()).scalar("link"), Ok(sent));
        }
    }

    fn read_everything(body: &[u8]) {
        let mut form = Form::default();
        let _ = form.read_json(body);
        if form.read_encoded(body).is_err() {
            return;
        }
        for name in NAMES.into_iter().chain(Parameter::ALL.map(Parameter::name)) {
            let _ = form.scalar(name);
            for line in form.lines(name).unwrap_or_default() {
                assert!(!line.is_empty() && line.trim() == line && !line.contains(LINE_ENDS) && !line.contains('\0'));
            }
        }
    }
}
