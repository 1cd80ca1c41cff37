//! Corruptions of deliveries: legs, what was asked of panels, what is due, and rows without owners.

use super::{Corruption, by};

pub const CORRUPTIONS: &[Corruption] = &[
    // Orders and their legs
    by("an order without legs", "delete from leg where order_id = the('ready')", &["order_has_leg"]),
    by(
        "a leg missing between others",
        "delete from leg where order_id = the('rerouted') and n = 1",
        &["legs_are_numbered"],
    ),
    by(
        "an earlier leg ready again",
        "update leg set state = 'ready' where order_id = the('rerouted') and n = 1",
        &["only_last_leg_is_open"],
    ),
    by(
        "an open order that nobody delivers",
        "update leg set state = 'refused' where order_id = the('in doubt')",
        &["open_order_has_open_leg"],
    ),
    by(
        "an order that is over, to be sent again",
        "update leg set state = 'ready', ended_at = null where order_id = the('refused')",
        &["ended_order_sends_nothing"],
    ),
    by(
        "an order ended here that goes on there",
        "update orders set state = 'completed', remains = 0, ended_at = now() where id = the('running')",
        &["ended_order_is_over_there", "state_is_last_settlements"],
    ),
    by(
        "what the house wants back, not wanted any more",
        "delete from cancel_request where order_id = the('had after all')",
        &["ended_order_is_over_there"],
    ),
    by(
        "pending, and at a panel",
        "update orders set state = 'pending' where id = the('running')",
        &["state_fits_legs"],
    ),
    by(
        "in progress, and never sent",
        "update orders set state = 'in_progress' where id = the('ready')",
        &["state_fits_legs"],
    ),
    by(
        "completed by nobody",
        "update orders set state = 'completed' where id = the('refused')",
        &["state_fits_legs", "state_is_last_settlements"],
    ),
    // Legs
    by(
        "a leg that never ended",
        "update leg set ended_at = null where order_id = the('completed')",
        &["leg_is_as_its_state_says"],
    ),
    by(
        "a leg accepted at no time",
        "update leg set accepted_at = null where order_id = the('running')",
        &["leg_is_as_its_state_says"],
    ),
    by(
        "a leg parked for nothing that passes",
        "update leg set parked_for = 'rain' where order_id = the('parked')",
        &["leg_is_as_its_state_says"],
    ),
    by(
        "a ready leg with a panel's id",
        "update leg set panel_order = '12' where order_id = the('ready')",
        &["leg_is_as_its_state_says", "panel_order_is_kept"],
    ),
    by(
        "taken late, under no id",
        "update leg set late_at = now() where order_id = the('refused')",
        &["leg_is_as_its_state_says"],
    ),
    by(
        "asked again at no time",
        "update leg set repeats = 1 where order_id = the('in doubt')",
        &["leg_is_as_its_state_says"],
    ),
    by(
        "a dearer leg",
        "update leg set cost = cost * 2 where order_id = the('running')",
        &["leg_books_what_its_state_says"],
    ),
    by(
        "a leg that books more",
        "update leg set booked = booked + 0.00000001 where order_id = the('completed')",
        &["cost_is_booked", "moves_are_booked"],
    ),
    by(
        "a leg that books before it is sent",
        "update leg set booked = cost where order_id = the('ready')",
        &["leg_books_what_its_state_says", "cost_is_booked"],
    ),
    by(
        "a doubt that exposes more",
        "update leg set exposed = exposed + 0.00000001 where order_id = the('in doubt')",
        &["exposure_is_in_doubt", "leg_books_what_its_state_says"],
    ),
    by(
        "a cost removed from the books",
        "delete from transfer where reason = 'cost' and order_id = the('completed')",
        &["cost_is_booked"],
    ),
    by(
        "a cost made larger in the books",
        "update transfer set amount = amount + 1 where reason = 'cost' and order_id = the('completed')",
        &["cost_is_booked"],
    ),
    by(
        "a cost at another panel's account",
        "update transfer set debit = account_of('cost', 'c') where reason = 'cost' and order_id = the('completed')",
        &["accounts_fit_reason", "cost_is_booked"],
    ),
    by(
        "a cost at another panel, both sides",
        "update transfer set debit = account_of('cost', 'c'), credit = account_of('float', 'c')
        where reason = 'cost' and order_id = the('completed')",
        &["cost_is_booked"],
    ),
    by(
        "a doubt removed from the books",
        "delete from transfer where reason = 'doubt' and order_id = the('in doubt')",
        &["exposure_is_in_doubt"],
    ),
    by(
        "a doubt that was over for nobody",
        "delete from transfer where reason = 'doubt_over' and order_id = the('given up')",
        &["exposure_is_in_doubt"],
    ),
    by(
        "a leg at a panel that nobody knows",
        "update leg set provider = 'z' where order_id = the('ready')",
        &["panel_is_known", "house_has_its_accounts"],
    ),
    by("a panel removed", "delete from provider where id = 's'", &["panel_is_known"]),
    by(
        "a leg in the hands of somebody who is still to come",
        "update leg set state = 'leased', leased_until = ready_at, epoch = 1000 where order_id = the('ready')",
        &["panel_is_known"],
    ),
    // What was asked, and what is followed
    by(
        "an attempt removed",
        "delete from attempt where leg_id in (select id from leg where order_id = the('running'))",
        &["sending_is_on_record"],
    ),
    by(
        "an attempt at another time",
        "update attempt set sent_at = sent_at - interval '1 hour'
        where leg_id in (select id from leg where order_id = the('running'))",
        &["sending_is_on_record"],
    ),
    by(
        "a leg sent at another time",
        "update leg set sending_at = sending_at - interval '1 hour' where order_id = the('completed')",
        &["sending_is_on_record"],
    ),
    by(
        "a leg sent at no time",
        "update leg set sending_at = null where order_id = the('completed')",
        &["sending_is_on_record"],
    ),
    by(
        "accepted, though it was refused",
        "update attempt set verdict = 'refused' where leg_id in (select id from leg where order_id = the('running'))",
        &["verdict_fits_leg"],
    ),
    by(
        "an answer at no time",
        "update attempt set answered_at = null where leg_id in (select id from leg where order_id = the('running'))",
        &["verdict_fits_leg"],
    ),
    by(
        "another panel was asked",
        "update attempt set provider = 'c' where leg_id in (select id from leg where order_id = the('running'))",
        &["verdict_fits_leg"],
    ),
    by(
        "a second send",
        "insert into attempt (leg_id, n, provider, service, sent_at, answered_at, verdict)
        select id, attempt + 1, provider, service, now(), now(), 'accepted' from leg where order_id = the('in doubt')",
        &["one_send_per_leg", "rows_have_their_owner"],
    ),
    by(
        "an attempt of no leg",
        "insert into attempt (leg_id, n, provider, service, sent_at) values (999999, 1, 's', '1', now())",
        &["rows_have_their_owner"],
    ),
    by(
        "a panel's order that nobody owns",
        "delete from panel_order where leg_id in (select id from leg where order_id = the('completed'))",
        &["panel_order_is_kept"],
    ),
    by(
        "a panel's order at another address",
        "update panel_order set address = 'elsewhere' where leg_id in (
            select id from leg where order_id = the('completed')
        )",
        &["panel_order_is_where_it_was_asked_for"],
    ),
    by(
        "a panel's order of no leg",
        "insert into panel_order (provider, id, leg_id, address) values ('s', '9', 999999, 'x')",
        &["rows_have_their_owner"],
    ),
    by(
        "a panel's order in two legs, at two addresses of one account",
        "update leg set panel_order = (select panel_order from leg where order_id = the('partial'))
        where order_id = the('completed');
        update panel_order set address = 'elsewhere', id = (select panel_order from leg where order_id = the('partial'))
        where leg_id in (select id from leg where order_id = the('completed'))",
        &["panel_order_in_one_leg"],
    ),
    by(
        "an id at the panel, changed in the leg only",
        "update leg set panel_order = 'x' where order_id = the('running')",
        &["panel_order_is_kept", "watch_is_its_legs"],
    ),
    by(
        "nobody follows it",
        "delete from tracked_leg where leg_id in (select id from leg where order_id = the('running'))",
        &["accepted_leg_is_watched"],
    ),
    by(
        "followed as if it were over",
        "update tracked_leg set ended_at = accepted_at where leg_id in (select id from leg where order_id = the('running'))",
        &["accepted_leg_is_watched"],
    ),
    by(
        "followed under another id",
        "update tracked_leg set panel_order = '1' where leg_id in (select id from leg where order_id = the('running'))",
        &["watch_is_its_legs"],
    ),
    by(
        "followed at another panel",
        "update tracked_leg set provider = 'c' where leg_id in (select id from leg where order_id = the('running'))",
        &["watch_is_its_legs"],
    ),
    by(
        "followed since another time",
        "update tracked_leg set accepted_at = accepted_at - interval '1 day'
        where leg_id in (select id from leg where order_id = the('running'))",
        &["watch_is_its_legs"],
    ),
    by(
        "a tracked leg that is none",
        "insert into tracked_leg (leg_id, provider, panel_order, accepted_at, next_at)
        select 999999, provider, '9', accepted_at, next_at from tracked_leg limit 1",
        &["rows_have_their_owner"],
    ),
    by(
        "a doubt's look at no leg",
        "insert into doubt_check (leg_id, at, kind, verdict) values (999999, now(), 'ids', 'unknown')",
        &["rows_have_their_owner"],
    ),
    // Our money at panels
    by(
        "more moved at a panel",
        "update balance_move set booked = booked + 0.00000001 where order_id = the('completed')",
        &["moves_are_booked"],
    ),
    by("a move removed", "delete from balance_move where order_id = the('completed')", &["moves_are_booked"]),
    by(
        "another amount in the panel's money",
        "update balance_move set amount = amount + 1 where order_id = the('completed')",
        &["move_is_its_legs"],
    ),
    by(
        "a move that may be anything",
        "update balance_move set slack = 100 where order_id = the('completed')",
        &["move_is_its_legs"],
    ),
    by(
        "what a panel's money was worth",
        "update leg set fx_rate = 2 where order_id = the('completed')",
        &["move_is_its_legs"],
    ),
    by(
        "a move for another order",
        "update balance_move set order_id = the('partial') where order_id = the('completed')",
        &["move_is_its_legs"],
    ),
    by(
        "a move of no leg",
        "update balance_move set leg_id = 999999 where order_id = the('completed')",
        &["rows_have_their_owner", "moves_are_booked"],
    ),
    by("a drift in another currency", "update drift set currency = 'EUR'", &["drift_is_of_its_readings"]),
    by(
        "a reading of another panel",
        "update reading set provider = 'c' where id = (select max(by_reading) from drift)",
        &["drift_is_of_its_readings"],
    ),
    // Refills and cancels
    by(
        "two refills at once",
        "drop index refill_one_under_way;
        insert into refill (id, public_id, order_id, leg_id, provider, asked_for_at, next_at)
        select 50, gen_random_uuid(), order_id, leg_id, provider, asked_for_at, next_at from refill",
        &["one_refill_under_way", "ids_are_new"],
    ),
    by(
        "a fourth refill",
        "insert into refill (
            id, public_id, order_id, leg_id, provider, asked_for_at, next_at, state, attempt, taken_at, panel_refill,
            ended_at
        )
        select 50 + nth, gen_random_uuid(), order_id, leg_id, provider, asked_for_at, next_at, 'completed', 1, next_at,
            '8', next_at
        from refill, generate_series(1, 3) as nth",
        &["refills_are_not_too_many"],
    ),
    by(
        "a refill of what was not delivered",
        "update refill set order_id = the('ready'), leg_id = (select id from leg where order_id = the('ready'))",
        &["refill_is_of_a_delivery"],
    ),
    by("a refill taken at no time", "update refill set taken_at = null", &["refill_is_as_its_state_says"]),
    by("a refill sent at no time", "update refill set sending_at = null", &["refill_is_as_its_state_says"]),
    by("a refill that is ready and has an id", "update refill set state = 'ready'", &["refill_is_as_its_state_says"]),
    by(
        "a cancel given up, and asked again",
        "update cancel_request set given_up_at = now() where order_id = the('wanted back')",
        &["cancel_is_as_its_state_says"],
    ),
    by(
        "a cancel that goes on after its order",
        "update cancel_request set state = 'ready' where order_id = the('taken back')",
        &["cancel_ends_with_its_order"],
    ),
    // What is due
    by(
        "sent for an hour",
        "update leg set state = 'sending', epoch = 1, sending_at = timestamptz '2023-11-14 00:00Z'
        where order_id = the('ready')",
        &["sending_is_young"],
    ),
    by(
        "a refill sent for an hour",
        "update refill set state = 'sending', sending_at = timestamptz '2023-11-14 00:00Z'",
        &["refill_is_soon_answered"],
    ),
    by(
        "a doubt that nobody looks into",
        "update leg set check_at = null where order_id = the('in doubt')",
        &["doubt_is_looked_into"],
    ),
    by(
        "a leg ready in a hundred years",
        "update leg set ready_at = ready_at + interval '100 years' where order_id = the('ready')",
        &["leg_is_due_soon"],
    ),
    by(
        "a leg parked for a week",
        "update leg set ready_at = ready_at + interval '7 days' where order_id = the('parked')",
        &["leg_is_due_soon"],
    ),
    by(
        "a leg held for ever",
        "update leg set state = 'leased', epoch = 1, leased_until = 'infinity' where order_id = the('ready')",
        &["leg_is_due_soon"],
    ),
    by(
        "a leg sent in the future",
        "update leg set state = 'sending', epoch = 1, sending_at = timestamptz '2100-01-01 00:00Z'
        where order_id = the('ready')",
        &["leg_is_due_soon", "sending_is_on_record"],
    ),
    by(
        "a doubt looked into next year",
        "update leg set check_at = check_at + interval '1 year' where order_id = the('in doubt')",
        &["leg_is_due_soon"],
    ),
    by(
        "an order asked about next year",
        "update tracked_leg set next_at = next_at + interval '1 year'
        where leg_id in (select id from leg where order_id = the('running'))",
        &["watch_is_due_soon"],
    ),
    by(
        "a cancel asked next week",
        "update cancel_request set state = 'ready', next_at = next_at + interval '7 days'
        where order_id = the('wanted back')",
        &["cancel_is_due_soon"],
    ),
    by(
        "a refill asked about in two years",
        "update refill set next_at = next_at + interval '2 years'",
        &["refill_is_due_soon"],
    ),
    by(
        "an alert told next week",
        "update alert set next_at = next_at + interval '7 days' where told_at is null",
        &["alert_is_due_soon"],
    ),
    by("an audit begun next year", "update round set begun_at = begun_at + interval '1 year'", &["round_is_due_soon"]),
    by(
        "everything looked at next year",
        "update audit_mark set whole_at = whole_at + interval '1 year'",
        &["round_is_due_soon"],
    ),
    by(
        "looked at further than there is anything",
        "update audit_mark set transfer_id = 1000000",
        &["round_is_due_soon"],
    ),
    by(
        "a panel in dead hands for ever",
        "update provider set held_until = 'infinity' where id = 's'",
        &["panel_rests_shortly"],
    ),
    by(
        "a panel left alone for a week",
        "update provider set rests_until = timestamptz '2023-11-25 00:00Z' where id = 's'",
        &["panel_rests_shortly"],
    ),
    by(
        "a breaker open for a year",
        "update provider set breaker = 'open', breaker_until = timestamptz '2024-11-25 00:00Z' where id = 's'",
        &["panel_rests_shortly"],
    ),
    by(
        "statuses asked next year",
        "update provider set statuses_again_at = timestamptz '2024-11-25 00:00Z' where id = 's'",
        &["panel_rests_shortly"],
    ),
    by(
        "patience that begins next year",
        "update dispatch set patience_from = timestamptz '2024-11-25 00:00Z'",
        &["panel_rests_shortly"],
    ),
    // Remembered answers, and what there must be
    by("a remembered answer removed", "delete from request", &["answer_is_remembered"]),
    by(
        "a remembered answer of another customer",
        "update request set customer_id = 99",
        &["request_has_order", "answer_is_remembered"],
    ),
    by(
        "a remembered answer about another order",
        "update request set order_id = the('partial')",
        &["request_answers_its_order"],
    ),
    by(
        "a remembered answer with another id",
        "update request set answer = replace(answer, 'order\":', 'order\":1') where answer like '{\"order\":_%'",
        &["request_answers_its_order"],
    ),
    by(
        "a fingerprint cut",
        "update request set fingerprint = substring(fingerprint for 8)",
        &["request_answers_its_order"],
    ),
    by("ids given out twice", "select setval('order_id', 3)", &["ids_are_new"]),
    by(
        "an order that was said not to be bought",
        "insert into burned_order (id) values (the('partial'))",
        &["burned_order_was_not_bought"],
    ),
    by("no gate", "delete from dispatch", &["house_has_its_accounts"]),
    by("no news of keys", "delete from key_news", &["house_has_its_accounts"]),
];
