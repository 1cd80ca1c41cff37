//! Forms in every spelling, and what is none.

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
    assert_eq!(
        read(body).scalar("link"),
        expected.map(|text| text.map(str::to_owned))
    );
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

    assert!(
        ["link", "quantity", "comments"]
            .iter()
            .all(|name| form.has(name)),
        "{form:?}"
    );
}

#[test]
fn what_json_calls_false_is_nothing_or_unreadable() {
    let form = read_json(r#"{"runs":false,"orders":[false,1],"link":false,"interval":true}"#);
    assert_eq!(
        (form.scalar("runs"), form.scalar("orders")),
        (Ok(None), Ok(Some("1".into())))
    );

    assert_eq!(form.scalar("link"), Err(Refusal::Unreadable("link")));
    assert_eq!(
        form.scalar("interval"),
        Err(Refusal::Unreadable("interval"))
    );
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

    assert_eq!(
        form.scalar("link"),
        Ok(Some(sent.to_owned())),
        "a link may be any text"
    );

    assert_eq!(
        form.scalar("order"),
        Ok(Some(sent.to_owned())),
        "ids are told as they were asked"
    );
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
    assert_eq!(
        read(body(LINES_MAX).as_bytes())
            .lines("comments")
            .unwrap()
            .len(),
        LINES_MAX
    );

    assert_eq!(
        read(body(LINES_MAX + 1).as_bytes()).lines("comments"),
        Err(Refusal::Unreadable("comments"))
    );

    let repeated = |times: usize| "comments=x&".repeat(times);
    assert_eq!(
        read(repeated(LINES_MAX).as_bytes())
            .lines("comments")
            .unwrap()
            .len(),
        LINES_MAX
    );
}

#[test]
fn more_pairs_than_any_request_has_are_refused() {
    let mut form = read("a=1&".repeat(PAIRS_MAX - 1).as_bytes());
    assert_eq!(form.read_key("k"), Ok(()));
    assert_eq!(form.read_encoded(b"a=1"), Err(Refusal::TooLarge));
    let list = format!("{{\"comments\":[{}1]}}", "1,".repeat(PAIRS_MAX));
    assert_eq!(
        Form::default().read_json(list.as_bytes()),
        Err(Refusal::TooLarge)
    );
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
    assert_eq!(
        read(body).ids("orders").unwrap().collect::<Vec<_>>(),
        ["1", "2", "x"]
    );
}

#[test]
fn only_lists_have_places() {
    let form = read(b"order[]=1&orders[a]=1&orders[0][id]=1&orders[=1&orders]=1&ordersx=1");
    assert!(!form.has("order") && !form.has("orders"));
    assert!(read(b"comments[]=a&comments[1]=b").has("comments"));
}

#[test]
fn json_is_read_like_a_form() {
    let form = read_json(
        r#"{"key":"k","action":"add","quantity":10,"link":null,"comments":["a\nb","c"],"coupon":{}}"#,
    );

    assert_eq!(form.scalar("quantity"), Ok(Some("10".into())));
    assert!(!form.has("link"));
    assert_eq!(form.lines("comments").unwrap(), ["a", "b", "c"]);

    let ids = |body| {
        read_json(body)
            .ids("orders")
            .map(|ids| ids.map(str::to_owned).collect::<Vec<_>>())
    };

    let expected = Ok(vec!["1".to_owned(), "ord_x".to_owned()]);
    assert_eq!(ids(r#"{"orders":[1,"ord_x",""]}"#), expected);
    assert_eq!(ids(r#"{"orders":"1,ord_x"}"#), expected);
    assert_eq!(
        ids(r#"{"orders":[[1]]}"#),
        Err(Refusal::Unreadable("orders"))
    );

    let twice = |body| read_json(body).scalar("order");
    assert_eq!(twice(r#"{"order":1,"order":"1"}"#), Ok(Some("1".into())));
    assert_eq!(
        twice(r#"{"order":1,"order":2}"#),
        Err(Refusal::Unreadable("order"))
    );

    assert_eq!(
        twice(r#"{"order":"\u0000"}"#),
        Err(Refusal::Unreadable("order"))
    );

    assert_eq!(
        twice(r#"{"order":true}"#),
        Err(Refusal::Unreadable("order"))
    );

    for body in ["[]", "", "key=k", "{\"key\":"] {
        assert_eq!(
            Form::default().read_json(body.as_bytes()),
            Err(Refusal::UnreadableRequest),
            "{body}"
        );
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
    assert_eq!(
        form.sent(Parameter::Service),
        Some(SentValue::Text("1".into()))
    );

    assert_eq!(form.sent(Parameter::Link), None);
    assert_eq!(form.sent(Parameter::Quantity), Some(SentValue::Unreadable));
    assert_eq!(
        form.sent(Parameter::Usernames),
        Some(SentValue::Lines(vec!["a".into(), "b".into()]))
    );

    assert_eq!(
        (form.sent(Parameter::Hashtags), form.sent(Parameter::Media)),
        (None, None)
    );

    assert_eq!(
        read(b"link=%0Aa%0D%0A").sent(Parameter::Link),
        Some(SentValue::Text("a".into()))
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_form_or_a_refusal(body in proptest::collection::vec(any::<u8>(),
        0..400)) {
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
        let body: String = form_urlencoded::Serializer::new(String::new()).append_pair("link",
            &value).finish();
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
            assert!(
                !line.is_empty()
                    && line.trim() == line
                    && !line.contains(LINE_ENDS)
                    && !line.contains('\0')
            );
        }
    }
}
