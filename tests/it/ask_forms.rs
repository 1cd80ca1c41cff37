//! Cancels, refills and questions about them in every form in which real clients send them, in both
//! dialects.

use panelgate::domain::customer::Dialect;
use reqwest::Method;

use crate::forms::{FORM, JSON, all_answer, all_lists_answer, forms, lists, names, told};
use crate::world::World;

/// A key of letters for as many requests as there are forms.
async fn letters_key(world: &World) -> String {
    let key = world.key_speaking(Dialect::Notpanel).await;
    sqlx::query("update api_key set per_minute = 1000")
        .execute(&world.pool().await)
        .await
        .unwrap();

    key
}

#[tokio::test]
async fn a_cancel_in_every_form() {
    let world = World::open().await;
    let soon_done = names(&world, world.buy("1", "10").await).await;
    let sent = names(&world, world.buy("10", "100").await).await;
    world.work().await;
    let unsent = names(&world, world.buy("1", "10").await).await;
    let notpanel = letters_key(&world).await;

    for (number, letters) in [&sent, &unsent] {
        for name in [number, letters, &letters.to_lowercase()] {
            all_answer(
                &world,
                &world.key,
                "cancel",
                &[("order", name)],
                r#"{"cancel":1}"#,
            )
            .await;

            all_answer(
                &world,
                &notpanel,
                "cancel",
                &[("order", name)],
                &format!(r#"{{"cancel":"{letters}"}}"#),
            )
            .await;
        }
    }

    let refunds = "select count(*)::text from transfer where reason = 'refund'";
    assert_eq!(
        crate::books::read(&world.database, refunds).await,
        "1",
        "every form is the same wish"
    );

    let (ids, letters) = ([sent.0.as_str(), "99", &unsent.1], &unsent.1);
    let expected = format!(
        r#"[{{"order":{},"cancel":1}},{{"order":99,"cancel":{{"error":"Incorrect order ID"}}}},{{"order":"{letters}","cancel":1}}]"#,
        sent.0
    );

    let flat = format!(
        r#"[{{"order":{},"cancel":"{}"}},{{"order":99,"error":"Order not found"}},{{"order":"{letters}","cancel":"{letters}"}}]"#,
        sent.0, sent.1
    );

    for (key, expected) in [(&world.key, expected), (&notpanel, flat)] {
        let list = ids.join(",");
        all_answer(&world, key, "cancel", &[("orders", &list)], &expected).await;
        all_answer(&world, key, "cancel", &[("order", &list)], &expected).await;

        all_lists_answer(
            &world,
            &format!("key={key}&action=Cancel"),
            "orders",
            ids,
            &expected,
        )
        .await;
    }

    let over = r#"{"error":"Order cannot be cancelled (already completed)"}"#;
    all_answer(
        &world,
        &world.key,
        "cancel",
        &[("order", &soon_done.0)],
        r#"{"cancel":1}"#,
    )
    .await;

    world.pass(1, 10).await;
    assert_eq!(
        world
            .ask(&[("action", "cancel"), ("order", &soon_done.0)])
            .await,
        over
    );

    world.audit().await;
}

/// Orders that were delivered.
async fn delivered(world: &World, count: usize) -> Vec<(String, String)> {
    let mut delivered = Vec::new();
    for _ in 0..count {
        delivered.push(names(world, world.buy("1", "10").await).await);
    }

    world.work().await;
    world.pass(1, 10).await;
    delivered
}

#[tokio::test]
async fn a_refill_is_begun_by_every_form() {
    let world = World::open().await;
    let notpanel = letters_key(&world).await;
    let count = forms(&world, "", "refill", &[]).len();
    let fresh = delivered(&world, 2 * count).await;

    for (n, (number, letters)) in fresh.iter().enumerate() {
        let (key, name) = if n < count {
            (&world.key, number)
        } else {
            (&notpanel, letters)
        };

        let (shows, request) =
            forms(&world, key, "refill", &[("order", name)]).swap_remove(n % count);
        let (status, body) = told(request.send().await.unwrap()).await;

        let expected = if n < count {
            format!(r#"{{"refill":"{}"}}"#, n + 1)
        } else {
            refill_letters(&world, n + 1).await
        };

        assert_eq!((status, body), (200, expected), "{shows}");
    }

    let under_way = r#"{"error":"The refill task is not completed for this order"}"#;
    all_answer(
        &world,
        &world.key,
        "refill",
        &[("order", &fresh[0].0)],
        under_way,
    )
    .await;
}

/// A refill as the dialect of letters tells it.
async fn refill_letters(world: &World, refill: usize) -> String {
    let question = format!("select public_id::text from refill where id = {refill}");
    let public = crate::books::read(&world.database, &question)
        .await
        .parse()
        .unwrap();

    format!(
        r#"{{"refill":"ref_{}"}}"#,
        panelgate::domain::id::PublicId(public).letters()
    )
}

#[tokio::test]
async fn many_refills_are_begun_by_every_shape_of_a_list() {
    let world = World::open().await;
    let notpanel = letters_key(&world).await;
    let shapes = lists(&world, "", "orders", [""; 3]).len();
    let fresh = delivered(&world, 4 * shapes).await;

    for (n, pair) in fresh.chunks(2).enumerate() {
        let (key, first, second) = if n < shapes {
            (&world.key, &pair[0].0, &pair[1].1)
        } else {
            (&notpanel, &pair[0].1, &pair[1].0)
        };

        let request = lists(
            &world,
            &format!("key={key}&action=refill"),
            "orders",
            [first, "999999", second],
        )
        .swap_remove(n % shapes);

        let answer = told(request.send().await.unwrap()).await;
        let (one, two) = (2 * n + 1, 2 * n + 2);

        let expected = if n < shapes {
            format!(
                r#"[{{"order":{first},"refill":{one}}},{{"order":999999,"refill":{{"error":"Incorrect order ID"}}}},{{"order":"{second}","refill":{two}}}]"#
            )
        } else {
            let refill = async |n| refill_letters(&world, n).await.replace(['{', '}'], "");
            format!(
                r#"[{{"order":"{first}",{}}},{{"order":999999,"error":"Order not found"}},{{"order":{second},{}}}]"#,
                refill(one).await,
                refill(two).await
            )
        };

        assert_eq!(answer, (200, expected), "{n}");
    }
}

#[tokio::test]
async fn a_refills_status_by_every_name_in_every_form() {
    let world = World::open().await;
    let notpanel = letters_key(&world).await;
    let (number, letters) = delivered(&world, 1).await.remove(0);
    assert_eq!(
        world.ask(&[("action", "refill"), ("order", &number)]).await,
        r#"{"refill":"1"}"#
    );

    let public = refill_letters(&world, 1)
        .await
        .replace(r#"{"refill":""#, "")
        .replace(r#""}"#, "");

    for (key, shown) in [
        (&world.key, r#"{"status":"Pending"}"#),
        (&notpanel, r#"{"status":"pending"}"#),
    ] {
        for field in [
            ("refill", "1"),
            ("refill", &public),
            ("order", &number),
            ("order", &letters),
        ] {
            all_answer(&world, key, "refill_status", &[field], shown).await;
        }
        let bare = [
            world.bare(Method::GET, &format!("key={key}&refill=1")),
            world
                .bare(Method::POST, "")
                .header("content-type", FORM)
                .body(format!("key={key}&refill={public}")),
            world
                .bare(Method::POST, "")
                .header("content-type", JSON)
                .body(format!(r#"{{"key":"{key}","refill":1}}"#)),
            world.bare(Method::GET, "refill=1").bearer_auth(key),
            world.bare(Method::GET, &format!("key={key}&action=&refill=1")),
        ];
        for (n, request) in bare.into_iter().enumerate() {
            assert_eq!(
                told(request.send().await.unwrap()).await,
                (200, shown.to_owned()),
                "without an action: {n}"
            );
        }
    }

    let nested = format!(
        r#"[{{"refill":1,"status":"Pending"}},{{"refill":99,"status":{{"error":"Refill not found"}}}},{{"refill":"{public}","status":"Pending"}}]"#
    );

    let flat = format!(
        r#"[{{"refill":1,"status":"pending"}},{{"refill":99,"error":"Refill not found"}},{{"refill":"{public}","status":"pending"}}]"#
    );

    for (key, expected) in [(&world.key, nested), (&notpanel, flat)] {
        let list = format!("1, 99,,{public},1");
        all_answer(
            &world,
            key,
            "refill_status",
            &[("refills", &list)],
            &expected,
        )
        .await;

        all_answer(
            &world,
            key,
            "refill_status",
            &[("refill", &list)],
            &expected,
        )
        .await;

        for own in [
            format!("key={key}&action=REFILL_STATUS"),
            format!("key={key}"),
        ] {
            all_lists_answer(&world, &own, "refills", ["1", "99", &public], &expected).await;
        }

        // Named by their orders, rows name what was asked for.
        let by_order = expected
            .replace(&public, &letters)
            .replace("\"refill\":1,", &format!("\"refill\":{number},"));

        all_lists_answer(
            &world,
            &format!("key={key}&action=refill_status"),
            "orders",
            [&number, "99", &letters],
            &by_order,
        )
        .await;
    }
}
