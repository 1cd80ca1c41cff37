//! Moving in from an earlier panel: the command as it is typed, beside a gateway that serves.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use sqlx::ConnectOptions;
use tempfile::TempDir;
use tokio::process::Command;

use crate::books::run;
use crate::commands::PATIENCE;
use crate::world::World;

/// How often something that another process does is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What is said of services that came into the file.
const WHAT_COMES: &str = "the services, which are sold once it is in force: a gateway that \
                          watches it takes it within seconds, unless it may be a slip: then \
                          `panelgate --database-url URL --config FOLDER/providers.toml plan` says \
                          why, and it waits for `panelgate --database-url URL --config \
                          FOLDER/providers.toml apply`\n";
/// A key of an earlier panel, as PerfectPanel makes them.
const OLD_KEY: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

/// A folder of sheets and a configuration file, beside a world's database.
struct Removal {
    world: World,
    folder: TempDir,
}

impl Removal {
    async fn of(sheets: &[(&str, &str)]) -> Self {
        let world = World::open().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("providers.toml"), &world.file.text).unwrap();
        let removal = Self { world, folder };

        for (name, text) in sheets {
            removal.write(name, text);
        }

        removal
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("providers.toml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    async fn import(&self, more: &[&str]) -> Output {
        self.import_from(self.folder.path(), more).await
    }

    async fn import_from(&self, folder: &Path, more: &[&str]) -> Output {
        self.command(&["import", "csv"])
            .arg(folder)
            .args(more)
            .output()
            .await
            .unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let url = self.world.database.options().to_url_lossy();
        let mut command = Command::new(env!("CARGO_BIN_EXE_panelgate"));
        command
            .args(["--database-url", url.as_str(), "--config"])
            .arg(self.file());

        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);

        command
    }

    async fn done(&self, more: &[&str]) -> String {
        let output = self.import(more).await;
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );

        String::from_utf8(output.stdout)
            .unwrap()
            .replace(&self.folder.path().display().to_string(), "FOLDER")
    }

    async fn refused(&self) -> String {
        Self::refusal(&self.import(&[]).await)
    }

    fn refusal(output: &Output) -> String {
        assert_eq!(
            output.status.code(),
            Some(1),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );

        String::from_utf8(output.stderr.clone()).unwrap()
    }

    /// Customers, keys, transfers and deeds.
    async fn rows(&self) -> (i64, i64, i64, i64) {
        let query = "select (select count(*) from customer), (select count(*) from api_key), \
                     (select count(*) from transfer), (select count(*) from audit_log)";
        sqlx::query_as(query)
            .fetch_one(&self.world.pool().await)
            .await
            .unwrap()
    }
}

fn everything() -> [(&'static str, &'static str); 3] {
    [
        (
            "customers.csv",
            "name,balance,credit,suspended\nalice,12.345,,\nbob,-3,5,no\n\"Carol, Inc.\",0,,yes\n",
        ),
        (
            "keys.csv",
            "customer,key,label,dialect\nalice,0a1b2c3d4e5f60718293a4b5c6d7e8f9,shop,classic\nbob,\
             bobs-key-of-long-ago,,notpanel\n",
        ),
        (
            "services.csv",
            "id,provider,service,name,rate,min,max,cancel\n4711,a,1,\"Likes, \
             \"\"real\"\"\",0.9,10,500,true\n4712,a,2,,,,,\n",
        ),
    ]
}

#[tokio::test]
async fn everything_moves_in_and_clients_go_on_with_their_keys() {
    let removal = Removal::of(&everything()).await;
    let before = removal.text();
    let told = removal.done(&[]).await;
    let (told, services) = told.split_once("FOLDER/").unwrap();
    assert_eq!(services, format!("providers.toml holds {WHAT_COMES}"));

    insta::assert_snapshot!(told, @r"
    moved in
      customers: 3
      keys: 2
      services: 2
      opening balances: 9.345
    ");

    let balance = removal
        .world
        .ask_as(OLD_KEY, &[("action", "balance")])
        .await;

    assert_eq!(balance, r#"{"balance":"12.345","currency":"USD"}"#);

    // The services are sold once the gateway has the file, under the ids that customers know.
    let file =
        panelgate::config::load(&removal.file(), &std::collections::BTreeMap::new()).unwrap();

    let rule = file
        .mapping
        .services
        .iter()
        .find(|rule| rule.id.0 == 4711)
        .unwrap();

    assert_eq!(
        (rule.name.as_deref(), rule.min, rule.max),
        (Some("Likes, \"real\""), Some(10), Some(500))
    );

    assert!(
        removal.text().starts_with(before.trim_end()),
        "nothing of the operator's own is touched"
    );

    assert_eq!(
        std::fs::read_to_string(removal.folder.path().join("providers.toml.before-import"))
            .unwrap(),
        before
    );

    removal.world.audit().await;
}

#[tokio::test]
async fn who_owed_may_spend_what_the_credit_leaves_and_who_was_suspended_nothing() {
    let removal = Removal::of(&everything()).await;
    removal.done(&[]).await;
    let world = &removal.world;
    let balance = world
        .ask_as("bobs-key-of-long-ago", &[("action", "balance")])
        .await;

    assert!(balance.contains("-3"), "{balance}");
    let carol: Option<i64> = sqlx::query_scalar(
        "select id from customer where name = 'Carol, Inc.' and suspended_at is not null",
    )
    .fetch_optional(&world.pool().await)
    .await
    .unwrap();

    assert!(carol.is_some());
    world.audit().await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let removal = Removal::of(&everything()).await;
    let (rows, text) = (removal.rows().await, removal.text());
    let told = removal.done(&["--dry-run"]).await;
    let (told, services) = told.split_once("FOLDER/").unwrap();
    assert_eq!(services, format!("providers.toml would hold {WHAT_COMES}"));

    insta::assert_snapshot!(told, @r"
    a dry run: nothing is changed; it would bring in
      customers: 3
      keys: 2
      services: 2
      opening balances: 9.345
    ");

    assert_eq!((removal.rows().await, removal.text()), (rows, text));
    assert!(
        removal
            .world
            .ask_as(OLD_KEY, &[("action", "balance")])
            .await
            .contains("error")
    );
}

#[tokio::test]
async fn the_same_again_changes_nothing() {
    let removal = Removal::of(&everything()).await;
    removal.done(&[]).await;
    let (before, text) = (removal.rows().await, removal.text());
    let told = removal.done(&[]).await;
    insta::assert_snapshot!(told, @r"
    moved in
      customers: 0 (3 were here before)
      keys: 0 (2 were here before)
      services: 0 (2 were here before)
      opening balances: 0.00
    ");

    let after = removal.rows().await;
    assert_eq!(
        (after.0, after.1, after.2),
        (before.0, before.1, before.2),
        "only the deed is new"
    );

    assert_eq!(removal.text(), text);
    removal.world.audit().await;
}

#[tokio::test]
async fn one_wrong_row_keeps_everything_out_and_all_are_told_at_once() {
    let removal = Removal::of(&[
        (
            "customers.csv",
            "name,balance,credit,tier\nalice,1.000000001,,\n17,1,,\nbob,-3,1,\nbob,2,,\n,5,,\\
             ncarol,1,,gold\n",
        ),
        (
            "keys.csv",
            "customer,key,dialect,per_minute,allow\nalice,short,,,\nnobody,0123456789abcdef0123,,,\
             \nalice,0123456789abcdef0124,latin,-1,10.0.0.1/8\n",
        ),
        (
            "services.csv",
            "id,provider,service,type,max\n1,b,9,,\n90,a,1,Magic,ten\n0,a,1,,\n",
        ),
    ])
    .await;

    let (rows, text) = (removal.rows().await, removal.text());
    let told = removal
        .refused()
        .await
        .replace(&removal.folder.path().display().to_string(), "FOLDER");

    insta::assert_snapshot!(told);
    assert_eq!((removal.rows().await, removal.text()), (rows, text));
}

#[tokio::test]
async fn sheets_that_are_none_are_refused_by_name() {
    for (name, text, expected) in [
        (
            "customers.csv",
            "",
            "customers.csv: its first line must name the columns name",
        ),
        (
            "customers.csv",
            "name,balence\na,1\n",
            "unknown column \"balence\"; did you mean balance?; there are",
        ),
        (
            "customers.csv",
            "name,NAME\na,b\n",
            "customers.csv: has the column \"NAME\" twice",
        ),
        (
            "keys.csv",
            "customer\nalice\n",
            "keys.csv: its first line must name the columns key",
        ),
        (
            "keys.csv",
            "customer,key\nalice\n",
            "keys.csv: cannot be read any further",
        ),
        (
            "services.csv",
            "id,provider,service\n77,nowhere,1\n",
            "unknown provider \"nowhere\"",
        ),
        (
            "other.csv",
            "name\n",
            "there is nothing to import; it may hold customers.csv, keys.csv, services.csv",
        ),
    ] {
        let removal = Removal::of(&[(name, text)]).await;
        let told = removal.refused().await;
        assert!(told.contains(expected), "{name}: {told}");
    }
}

#[tokio::test]
async fn a_spreadsheet_s_own_ways_are_read() {
    let removal = Removal::of(&[(
        "customers.csv",
        "\u{feff}Name ; Balance\r\nalice ; 1.50\r\n",
    )])
    .await;

    let told = removal.done(&[]).await;
    assert!(
        told.contains("customers: 1\n") && told.contains("opening balances: 1.50"),
        "{told}"
    );
}

#[tokio::test]
async fn nobody_gets_the_money_or_the_key_of_another() {
    let removal = Removal::of(&everything()).await;
    removal.done(&[]).await;
    removal.write(
        "customers.csv",
        "name,balance,credit\nalice,99,\nbob,-3,50\ndave,1,\n",
    );

    removal.write("keys.csv", &format!("customer,key\ndave,{OLD_KEY}\n"));
    let told = removal.refused().await;
    assert!(
        told.contains("customers.csv:2: customer 2 moved in with 12.345 before"),
        "{told}"
    );

    assert!(
        told.contains("customers.csv:3: customer 3 has this name already"),
        "{told}"
    );

    assert!(
        told.contains("keys.csv:2: this key belongs to customer 2"),
        "{told}"
    );

    assert!(!told.contains(OLD_KEY), "a key is never shown");
    removal.world.audit().await;
}

#[tokio::test]
async fn a_customer_with_ten_keys_takes_no_eleventh() {
    let keys: Vec<String> = (0..11)
        .map(|n| format!("alice,earlier-panels-key-{n:02}"))
        .collect();

    let keys = format!("customer,key\n{}\n", keys.join("\n"));
    let removal = Removal::of(&[("customers.csv", "name\nalice\n"), ("keys.csv", &keys)]).await;
    let told = removal.refused().await;
    assert!(
        told.contains("keys.csv:12: alice would have more than 10 keys in force"),
        "{told}"
    );
}

#[tokio::test]
async fn an_edit_that_is_saved_meanwhile_is_not_undone() {
    let removal = Removal::of(&everything()).await;
    let rows = removal.rows().await;

    // Nobody's customers can be read for a while; the file is read before.
    let pool = removal.world.pool().await;
    let mut held = pool.begin().await.unwrap();
    sqlx::query("lock table customer in access exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();

    let import = removal
        .command(&["import", "csv"])
        .arg(removal.folder.path())
        .spawn()
        .unwrap();

    let waits = "select exists (select from pg_locks where relation = 'customer'::regclass and \
                 not granted and database = (select oid from pg_database where datname = \
                 current_database()))";

    let mut looks = tokio::time::interval(LOOK_EVERY);
    let waiting = async {
        while !sqlx::query_scalar::<_, bool>(waits)
            .fetch_one(&pool)
            .await
            .unwrap()
        {
            looks.tick().await;
        }
    };

    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the import waits for the customers");

    let edited = format!("{}# edited\n", removal.text());
    removal.write("providers.toml", &edited);
    held.rollback().await.unwrap();
    let told = Removal::refusal(&import.wait_with_output().await.unwrap());
    assert!(
        told.contains("nothing was imported")
            && told.contains("was changed meanwhile; run it again"),
        "{told}"
    );

    assert_eq!((removal.rows().await, removal.text()), (rows, edited));
}

#[tokio::test]
async fn what_comes_into_force_meanwhile_keeps_the_services_out_of_the_file() {
    let removal = Removal::of(&everything()).await;
    let text = removal.text();

    let overtaken = "create function overtake() returns trigger language plpgsql as $$ begin \
                     insert into config_version (hash, body, published_at, published_by, reason) \
                     values ('e3b0c44298fc', '', now(), 'ann', ''); return null; end $$; create \
                     trigger overtake after insert on audit_log for each row execute function \
                     overtake()";

    run(&removal.world.database, overtaken).await.unwrap();
    let told = removal.refused().await;
    assert!(
        told.contains(
            "customers, keys and balances are in, but e3b0c44298fc came into force meanwhile"
        ),
        "{told}"
    );

    assert_eq!((removal.text(), removal.rows().await.0), (text, 4));
    removal.world.audit().await;
}

#[tokio::test]
async fn a_file_that_is_not_in_force_brings_nothing_else_with_it() {
    let removal = Removal::of(&everything()).await;
    let (rows, edited) = (
        removal.rows().await,
        format!("{}# not in force\n", removal.text()),
    );

    removal.write("providers.toml", &edited);
    let told = removal.refused().await;
    let in_force = format!(
        "it is not the version in force, {}",
        removal.world.file.mapping.hash
    );

    assert!(
        told.contains(&in_force) && told.contains("providers.toml apply`)"),
        "{told}"
    );

    assert_eq!(removal.import(&["--dry-run"]).await.status.code(), Some(1));
    assert_eq!((removal.rows().await, removal.text()), (rows, edited));
}

#[tokio::test]
async fn a_service_under_an_id_that_an_import_gave_to_another_is_told_before_anybody_moves_in() {
    let removal = Removal::of(&everything()).await;
    let (rows, text) = (removal.rows().await, removal.text());
    let given = "insert into imported (id, provider, service, given_at) values (4711, 'a', '9', \
                 now()), (4712, 'a', '2', now())";
    run(&removal.world.database, given).await.unwrap();
    let told = removal.refused().await;
    assert!(
        told.contains(
            "services.csv:2: service 4711: the id was given to service \"9\" of panel \"a\""
        ),
        "{told}"
    );

    assert!(
        !told.contains("4712"),
        "it goes on meaning the same: {told}"
    );

    assert_eq!((removal.rows().await, removal.text()), (rows, text));
}

#[tokio::test]
async fn every_replaced_file_is_kept_and_its_owner_and_mode_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let removal = Removal::of(&everything()).await;

    let owner = if nix::unistd::geteuid().is_root() {
        12_345
    } else {
        nix::unistd::geteuid().as_raw()
    };

    chown(removal.file(), Some(owner), None).unwrap();
    std::fs::set_permissions(removal.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
    let first = removal.text();
    removal.done(&[]).await;
    let second = removal.text();
    let replaced = std::fs::metadata(removal.file()).unwrap();
    assert_eq!((replaced.uid(), replaced.mode() & 0o777), (owner, 0o640));

    let applied = removal.command(&["apply"]).output().await.unwrap();
    assert_eq!(
        applied.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );

    removal.write("services.csv", "id,provider,service\n4713,a,3\n");
    removal.done(&[]).await;
    assert!(removal.text().contains("4713"));
    let kept = |name: &str| std::fs::read_to_string(removal.folder.path().join(name)).unwrap();
    assert_eq!(kept("providers.toml.before-import"), first);
    assert_eq!(kept("providers.toml.before-import.2"), second);
}
