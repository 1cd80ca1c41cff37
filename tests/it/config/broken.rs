//! Broken files, one slip each, and what is said of them; then many slips at once.

use std::fmt::Write;

use super::{LEAST, read, read_here};

/// The least file's places where a slip is made: a line is replaced, or something is put before or
/// behind.
#[derive(Clone, Copy)]
enum Slip {
    /// The whole text.
    Text(&'static str),
    /// The first text by the second.
    Swap(&'static str, &'static str),
    /// More keys for `[gateway]`.
    Gateway(&'static str),
    /// More keys for the `[[provider]]`.
    Provider(&'static str),
    /// More keys for the `[[service]]`.
    Service(&'static str),
    /// More tables.
    More(&'static str),
}

impl Slip {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::Swap(old, new) => {
                assert!(LEAST.contains(old), "{old}");
                LEAST.replacen(old, new, 1)
            }
            Self::Gateway(keys) => {
                LEAST.replacen("[[provider]]", &format!("{keys}\n[[provider]]"), 1)
            }
            Self::Provider(keys) => {
                LEAST.replacen("[[service]]", &format!("{keys}\n[[service]]"), 1)
            }
            Self::Service(keys) => format!("{LEAST}{keys}\n"),
            Self::More(tables) => format!("{LEAST}{tables}\n"),
        }
    }

    fn shown(self) -> &'static str {
        match self {
            Self::Text(text)
            | Self::Gateway(text)
            | Self::Provider(text)
            | Self::Service(text)
            | Self::More(text) => text,
            Self::Swap(_, new) => new,
        }
    }
}

use Slip::{Gateway, More, Provider, Service, Swap, Text};

const SLIPS: &[Slip] = &[
    // no TOML
    Text("[gateway\n"),
    Text("[gateway]\ncurrency = USD\n"),
    Text("[gateway]\ncurrency = \"USD\"\ncurrency = \"EUR\"\n"),
    Text("[gateway]\ncurrency = \"USD\n"),
    // the file
    Text(""),
    Text("gateway = 1\nprovider = 2\n"),
    More("[[servise]]\nid = 2"),
    More("[zebra]"),
    // [gateway]
    Swap("currency = \"USD\"", "curency = \"USD\""),
    Swap("currency = \"USD\"", "currency = \"dollars\""),
    Gateway("default_dialect = \"clasic\""),
    Gateway("reload = \"aply\""),
    Gateway("price_jump_percent = 30"),
    Gateway("price_jump_percent = \"-1\""),
    Gateway("price_jump_percent = \"1000.1\""),
    Gateway("price_jump_percent = \"1000.01\""),
    Gateway("\"\" = 1"),
    // [exchange], [[import]], [alerts], [limits], [[tier]]
    More("[exchange]\nUZS = { rate = 0.0000787, dated = \"2026-11-01\" }"),
    More("[exchange]\nUZS = { rate = \"0\", dated = \"yesterday\" }"),
    More("[exchange]\nUZS = { rat = \"0.0000787\" }"),
    More("[exchange]\nUSD = { rate = \"1\", dated = \"2026-11-01\" }"),
    More(
        "[exchange]\nUZS = { rate = \"0.0000787\", dated = \"2026-11-01\", stale_after_days = 0 }",
    ),
    More("[exchange]\n\"two\\nlines\" = 1"),
    More("[[import]]\nprovider = \"smosale\"\nids_form = 20000"),
    More("[[import]]\nprovider = \"smosele\"\nids_from = 0"),
    More("[[import]]\nprovider = 1\nids_from = \"20000\"\ncategories = \"Telegram*\""),
    More("[[import]]\nids_from = 2000000001\nprovider = \"else\"\nexclude = [1]"),
    More(
        "[[import]]\nprovider = \"smosale\"\nids_from = 20000\ncategories = []\nexclude = [\"\", \
         \"a\\nb\"]",
    ),
    More("[import]\nprovider = \"smosale\"\nids_from = 20000"),
    More("[alerts]\nurl_env = \"https://alerts.example/hidden\""),
    More("[alerts]\nsecret_env = \"ALERT_SECRET\""),
    More("[alerts]\nurl_env = \"ALERT_WEBHOOK\"\nsecret_env = \"whsec_hidden\""),
    More("[alerts]\nurl = \"ALERT_WEBHOOK\""),
    More("[alerts]\nurl_env = 1"),
    More("[limits]\nper_key_per_minute = -1\nper_adress_per_minute = 1"),
    More("[[tier]]\nper_minute = \"5\""),
    More("[[tier]]\nid = \"a\"\n[[tier]]\nid = \"a\""),
    // [[provider]]
    Swap("id = \"smosale\"\n", ""),
    Swap("id = \"smosale\"", "id = \"Smo Sale\""),
    Swap("id = \"smosale\"", "id = \"smosele\""),
    More(
        "[[provider]]\nid = \"smosale\"\nurl = \"https://a.example\"\nkey_env = \"A\"\ncurrency = \
         \"USD\"",
    ),
    Provider("dialect = \"paynow\"\nrefill = true"),
    Provider("dialect = 1"),
    Swap("url = \"https://smosale.com/api/v2\"\n", ""),
    Swap("https://smosale.com/api/v2", "http://smosale.com/api/v2"),
    Swap("https://smosale.com/api/v2", "smosale.com/api/v2"),
    Swap("https://smosale.com/api/v2", "ftp://smosale.com"),
    Swap(
        "https://smosale.com/api/v2",
        "https://me:hidden@smosale.com",
    ),
    Swap("https://smosale.com/api/v2", "https://smosale.com:99999/"),
    Swap("https://smosale.com/api/v2", "https://smo sale.com/"),
    Swap("key_env = \"SMOSALE_KEY\"\n", ""),
    Swap("key_env = \"SMOSALE_KEY\"", "key = \"3b7a\""),
    Swap("key_env = \"SMOSALE_KEY\"", "key_env = \"3b7adeadbeef\""),
    Provider("key_file = \"smosale.key\""),
    Swap(
        "key_env = \"SMOSALE_KEY\"\ncurrency = \"USD\"",
        "key_env = \"SMOSALE_KEY\"\ncurrency = \"UZS\"",
    ),
    Swap(
        "key_env = \"SMOSALE_KEY\"\ncurrency = \"USD\"",
        "key_env = \"SMOSALE_KEY\"",
    ),
    Provider("requests_per_second = 0"),
    Provider("requests_per_second = 2.5"),
    Provider("request_per_second = 10"),
    Provider("concurrent_max = \"8\""),
    Provider("timeout_ms = 30"),
    Provider("status_batch_max = 101"),
    Provider("status_every_s = 9223372036854775807"),
    Provider("allow_http = \"yes\""),
    Provider("balance_low = 50"),
    Provider("balance_low = \"-1\""),
    Provider("balance_low = \"fifty\""),
    Provider("ca_file = \"ca.pem\""),
    Provider("ids_grow = 1"),
    Provider("account_is_ours_alone = true"),
    Provider("visible_after_s = 0"),
    Provider("visible_after_s = 39"),
    Provider("timeout_ms = 60000\nvisible_after_s = 69"),
    Provider("in_doubt_policy = \"refnd\""),
    Provider("in_doubt_refund_after_h = 24"),
    Provider("in_doubt_policy = \"refund\"\nin_doubt_refund_after_h = 0"),
    Provider("doubts_in_a_row_max = 0"),
    Provider("doubts_per_minute_max = -1"),
    Provider("canceled_with_remains = \"ful\""),
    Provider("reversal = \"take\""),
    Provider("failed_settles_after_h = 8761"),
    Provider("stuck_after_h = 0"),
    Service("stuck_after_h = 8761"),
    Provider("timeout_ms = 300000"),
    Provider("method = \"get\""),
    Provider("words = 1"),
    Provider("[provider.words]\n\"Waiting\" = \"wating\"\n\"a\" = 1\n\"\" = \"pending\""),
    Provider("[provider.words]\n\"Waiting\" = \"pending\"\n\"WAITING\" = \"failed\""),
    Provider(
        "[provider.words]\n\"[of the order] timed out\" = \"link\"\n\"[OF THE\" = \"link\"\n\"… \
         is bad\" = \"link\"",
    ),
    Provider(
        "[provider.words]\n\"#4711\" = \"money\"\n\"error.№ 7\" = \"money\"\n\"[key] is wrong\" = \
         \"key\"",
    ),
    // [[service]]
    Swap("id = 1\n", ""),
    Swap("id = 1\n", "id = 0\n"),
    Swap("id = 1\n", "id = 2147483648\n"),
    Swap("id = 1\n", "id = \"1\"\n"),
    More("[[service]]\nid = 1\nroutes = [{ provider = \"smosale\", service = \"2\" }]"),
    Service("name = \"two\\nlines\""),
    Service("type = \"Defualt\""),
    Service("type = \"Subscriptions\""),
    Service("type = \"xyz\""),
    Service("refill = 1"),
    Service("min = 0"),
    Service("min = 100\nmax = 50"),
    Service("rate = 0.90"),
    Service("rate = 1"),
    Service("rate = true"),
    Service("rate = \"0,90\""),
    Service("rate = \"-1\""),
    Service("rate = \"0.000000001\""),
    Service("strategy = \"priorty\""),
    Service("remainder = \"reroute\""),
    Service("type = \"Poll\"\npackage_billing = \"min\""),
    Service("package_billing = \"max\""),
    Service("catgory = \"x\""),
    Swap("routes = [{ provider = \"smosale\", service = \"1\" }]", ""),
    Swap("[{ provider = \"smosale\", service = \"1\" }]", "[]"),
    Swap(
        "[{ provider = \"smosale\", service = \"1\" }]",
        "[\"smosale\"]",
    ),
    Swap(
        "[{ provider = \"smosale\", service = \"1\" }]",
        "\"smosale\"",
    ),
    Swap(
        "{ provider = \"smosale\", service = \"1\" }",
        "{ provider = \"smosael\", service = \"1\" }",
    ),
    Swap(
        "{ provider = \"smosale\", service = \"1\" }",
        "{ provider = \"else\", service = 1 }",
    ),
    Swap("service = \"1\" }", "service = 1 }"),
    Swap("service = \"1\" }", "service = \"1\", weight = 1_001 }"),
    Swap(
        "service = \"1\" }",
        "service = \"1\" }, { provider = \"smosale\", service = \"1\" }",
    ),
    Swap("service = \"1\" }", "servise = \"1\" }"),
    // [[markup]], [margin]
    More("[[markup]]\ntier = \"reseller\"\npercent = 18"),
    More("[[tier]]\nid = \"reseller\"\nper_minute = 5000\n[[markup]]\ntier = \"reseler\""),
    More("[[tier]]\nid = \"reseller\"\n[[markup]]\ntier = \"reseller\""),
    More("[[markup]]\ntier = 1"),
    More("[[markup]]\nprovider = \"smosael\""),
    More("[[markup]]\nprovider = \"else\""),
    More(
        "[[service]]\nid = 1234\nroutes = [{ provider = \"smosale\", service = \"2\" \
         }]\n[[markup]]\nservice = 1243",
    ),
    More("[[markup]]\nservice = 77"),
    More("[[markup]]\nservice = \"1\""),
    More("[[markup]]\nservice = 0"),
    More("[[markup]]\ncustomer = 0"),
    More("[[markup]]\ncustomer = \"0\""),
    More("[[markup]]\ncustomer = \"99999999999999999999\""),
    More("[[markup]]\ncustomer = \" \""),
    More("[[markup]]\ncustomer = [1]"),
    More("[[markup]]\ncategory = \"\""),
    More("[[markup]]\ncustommer = \"ann\""),
    More("[[markup]]\npercent = \"-101\""),
    More("[[markup]]\nfixed = \"-0.02\""),
    More("[[markup]]\nrounding = \"0.01\""),
    More("[[markup]]\nrounding = \"up:0\""),
    More("[markup]\npercent = \"18\""),
    More("[margin]\nfloor_percent = \"100\""),
    More("[margin]\nfloor = \"3\""),
    // process settings
    More("[server]\nlisten = \"localhost:8080\""),
    More("[server]\nlisten = 8080"),
    More("[server]\nroles = []"),
    More("[server]\nroles = [\"api\", \"worker\"]"),
    More("[server]\nroles = [1]"),
    More("[server]\nroles = \"api\""),
    More("[server]\ntrusted_proxies = [\"10.0.0.0/33\"]"),
    More("[server]\ntrusted_proxies = [\"10.1.2.3/8\"]"),
    More("[server]\ndata = \"\""),
    More("[server]\ndrain_s = 601\nlissten = \"127.0.0.1:1\""),
    More("[database]\nurl = \"mysql://user:hidden@db/x\""),
    More("[database]\ncustomers_max = 0"),
    More("[telemetry]\nformat = \"xml\"\nlevel = \"loud\"\notlp_endpoint = \"collector:4317\""),
];

#[test]
fn each_slip_is_told_with_its_place_and_the_way_out() {
    let mut told = String::new();
    for slip in SLIPS {
        let complaints = read_here(&slip.text()).expect_err(slip.shown()).to_string();
        assert!(
            !complaints.contains("hidden") && !complaints.contains("3b7a"),
            "a secret is repeated: {complaints}"
        );

        let shown = slip.shown().replace('\n', " ⏎ ");
        writeln!(told, "{shown}\n    {}", complaints.replace('\n', "\n    ")).unwrap();
    }

    insta::assert_snapshot!(told);
}

#[test]
fn many_slips_are_told_at_once_in_the_order_of_the_file() {
    let text = "[gateway]\ncurrency = \"USD\"\nreloat = \"watch\"\n\n[[provider]]\nid = \"one\"\nurl = \"http://one.example\"\n\
                requests_per_second = 0\n\n[[service]]\nid = 1\nmin = 5\nmax = 4\nrate = 0.9\nroutes = [{ provider = \"two\", service = \"1\" }]\n";

    insta::assert_snapshot!(read(text).unwrap_err(), @r##"
    providers.toml:3:1: gateway: unknown key "reloat"; did you mean reload?
    providers.toml:5:1: provider "one": currency: is missing; write for example currency = "USD"
    providers.toml:5:1: provider "one": has no key; write for example key_env = "SMOSALE_KEY", or key_file
    providers.toml:7:7: provider "one": url: would send the key in clear; use https, or set allow_http = true to accept that
    providers.toml:8:23: provider "one": requests_per_second: is 0, must be a whole number from 1 to 1000
    providers.toml:10:1: service 1: min 5 is above max 4; nothing could be ordered
    providers.toml:14:8: service 1: rate: is a bare number, must be in quotes to stay exact: rate = "0.9"
    providers.toml:15:24: service 1: route 1: provider: unknown provider "two"; add a [[provider]] block of that id
    "##);
}
