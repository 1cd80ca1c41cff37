//! The database as a test reads and spoils it: plain SQL, on a connection of its own.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::server::Database;

/// The one text that a question is answered with; nothing is the empty text.
pub async fn read(database: &Database, question: &str) -> String {
    let mut connection = PgConnection::connect_with(&database.options())
        .await
        .unwrap();

    let answer: Option<String> = sqlx::query_scalar(AssertSqlSafe(question))
        .fetch_one(&mut connection)
        .await
        .unwrap();

    connection.close().await.unwrap();
    answer.unwrap_or_default()
}

/// Runs statements; what the database says against them is the error.
pub async fn run(database: &Database, statements: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect_with(&database.options())
        .await
        .unwrap();

    let outcome = connection.execute(AssertSqlSafe(statements)).await;
    connection.close().await.unwrap();
    outcome.map(|_| ())
}

/// What all accounts of a kind hold: credited less debited.
pub async fn holds(database: &Database, kind: &str) -> String {
    let question = format!(
        "select trim_scale(coalesce(sum(case when t.credit = a.id then t.amount else -t.amount \
         end), 0))::text
        from account a join transfer t on a.id in (t.debit, t.credit) where a.kind = '{kind}'"
    );

    read(database, &question).await
}

/// Every leg of every order: `panel state`, in order.
pub async fn legs(database: &Database) -> String {
    read(
        database,
        "select string_agg(provider || ' ' || state, ', ' order by order_id, n) from leg",
    )
    .await
}

/// Why orders are before a person.
pub async fn reviews(database: &Database) -> String {
    read(
        database,
        "select string_agg(review, ', ' order by id) from orders",
    )
    .await
}
