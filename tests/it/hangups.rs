//! Customers who hang up in the middle of buying: nothing is lost, nothing is doubled, and the
//! database stays sound.
//!
//! What went wrong elsewhere: a `begin()` whose future was dropped half way handed the pool a
//! connection inside an open transaction; the next borrower's writes were answered with success and
//! never committed.

use std::pin::pin;
use std::task::{Context, Waker};

use panelgate::domain::id::ProviderId;
use panelgate::store::{Store, catalog};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server;
use crate::world::World;
use panelgate::domain::provider::PanelAccount;

/// One `add` as it goes over the wire; each with a request id of its own.
fn request(world: &World, ordinal: usize) -> String {
    let fields = [
        ("key", world.key.as_str()),
        ("action", "add"),
        ("service", "1"),
        ("link", "https://example.org/1"),
        ("quantity", "10"),
        ("request_id", &format!("r{ordinal}")),
    ];

    let body = serde_urlencoded::to_string(fields).unwrap();
    let length = body.len();
    format!("POST /api/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
}

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.door.addr()).await.unwrap()
}

/// Orders, their charges and first legs: as many of each, and the rest of the money is still there.
async fn each_is_charged_once(world: &World) -> i64 {
    let pool = world.pool().await;
    let counts = "select (select count(*) from orders), (select count(*) from transfer where \
                  reason = 'charge'), (select count(*) from leg), (select count(*) from request)";
    let (orders, charges, legs, requests): (i64, i64, i64, i64) =
        sqlx::query_as(counts).fetch_one(&pool).await.unwrap();
    assert_eq!((charges, legs, requests), (orders, orders, orders));

    let left: bool =
        sqlx::query_scalar("select balance = 1000 - 0.009 * $1 from wallet where customer_id = $2")
            .bind(orders)
            .bind(world.customer.0)
            .fetch_one(&pool)
            .await
            .unwrap();

    assert!(left, "{orders} orders cost something else");
    world.audit().await;
    orders
}

/// Every intention is asked for again, and each turns out to be one order.
async fn asked_again_each_is_one_order(world: &World, intentions: usize) {
    for ordinal in 0..intentions {
        let mut client = connect(world).await;
        client
            .write_all(request(world, ordinal).as_bytes())
            .await
            .unwrap();

        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(r#"{"order":"#), "{answer}");
    }

    assert_eq!(
        each_is_charged_once(world).await,
        i64::try_from(intentions).unwrap()
    );
}

#[tokio::test]
async fn a_request_cut_after_any_byte_buys_nothing() {
    let world = World::open().await;
    let whole = request(&world, 0);
    for sent in 0..whole.len() {
        let mut client = connect(&world).await;
        client.write_all(&whole.as_bytes()[..sent]).await.unwrap();
        client.shutdown().await.unwrap();

        // Until the door has seen the end: an answer or none, but never an order.
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(!answer.contains(r#"{"order":"#), "{sent}: {answer}");
    }

    assert_eq!(each_is_charged_once(&world).await, 0);
    asked_again_each_is_one_order(&world, 1).await;
}

#[tokio::test]
async fn whoever_hangs_up_at_any_moment_after_asking_bought_once_or_not_at_all() {
    let world = World::open().await;
    let intentions = 150;
    for ordinal in 0..intentions {
        let mut client = connect(&world).await;
        client
            .write_all(request(&world, ordinal).as_bytes())
            .await
            .unwrap();

        // The door gets a little further each time before the line is cut.
        for _ in 0..ordinal {
            tokio::task::yield_now().await;
        }

        client.set_zero_linger().unwrap();
        drop(client);
    }

    asked_again_each_is_one_order(&world, intentions).await;
}

#[tokio::test]
async fn a_begin_that_was_cancelled_anywhere_leaves_no_transaction_behind() {
    let database = server::database().await;
    let store = Store::open(&database.options(), 1, 1);
    let pool = database.pool().await;

    for polls in 0..60 {
        {
            let mut beginning = pin!(store.begin());
            for _ in 0..polls {
                if beginning
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
                {
                    break;
                }

                // Lets the driver's sockets be heard before the next look.
                tokio::task::yield_now().await;
            }
        }

        // An autocommit write over the same single connection: another one must see it.
        let provider = ProviderId(format!("p{polls}"));
        sqlx::query("insert into provider (id) values ($1)")
            .bind(&provider.0)
            .execute(&pool)
            .await
            .unwrap();

        catalog::note_unreadable(
            &store,
            PanelAccount {
                provider: &provider,
                account: "account",
            },
            "written",
            panelgate::domain::clock::Timestamp::UNIX_EPOCH,
        )
        .await
        .unwrap();

        let written: Option<String> =
            sqlx::query_scalar("select catalog_error from provider where id = $1")
                .bind(&provider.0)
                .fetch_one(&pool)
                .await
                .unwrap();

        assert_eq!(
            written.as_deref(),
            Some("written"),
            "cancelled after {polls} looks"
        );
    }
}

/// What went wrong: the guard of the pool took every connection for one inside a transaction, and
/// each was made anew.
#[tokio::test]
async fn a_connection_that_is_given_back_clean_is_kept() {
    let database = server::database().await;
    let store = Store::open(&database.options(), 1, 1);
    let pool = database.pool().await;

    // Whatever it did last: it is given back a moment after it was used.
    let guarded = "select pid from pg_stat_activity where datname = current_database() and \
                   backend_type = 'client backend' and pid <> pg_backend_pid() and query not like \
                   '%activity%'";

    assert!(store.beat().await);
    let first: Vec<i32> = sqlx::query_scalar(guarded).fetch_all(&pool).await.unwrap();

    for _ in 0..20 {
        assert!(store.beat().await);
    }

    let last: Vec<i32> = sqlx::query_scalar(guarded).fetch_all(&pool).await.unwrap();
    assert_eq!((first.len(), &first), (1, &last));
}
