-- Buying, in one call and one commit: for each placement of the batch the remembered answer, the
-- charge, its transfer, the order and its first leg; or nothing of it.
--
-- Every caller takes locks in the same order, so batches cannot deadlock: order ids, then request
-- ids by (customer, digest), then wallets by customer. Whether a customer can pay is decided in the
-- order of arrival.
--
-- A placement that names `window_s` repeats the remembered order only within so many seconds of it.
-- `leg_cost` is what the first leg is expected to cost. It differs from `cost`, from which the price
-- was made, where several routes may deliver.
create or replace function place_orders(batch jsonb)
returns table (place integer, verdict text, remembered text)
language plpgsql as $$
declare
    revenue bigint := (select id from account where kind = 'revenue');
    p       record;
    known   record;
    paid    record;
begin
    -- `order_was_placed` takes the same lock: where an answer was lost, it waits for the end of this
    -- transaction.
    perform pg_advisory_xact_lock(b.id)
    from jsonb_to_recordset(batch) as b (id integer);

    if exists (select from jsonb_to_recordset(batch) as b (window_s integer) where b.window_s is not null) then
        -- Answers whose window is over are forgotten. Of two transactions that find the same one,
        -- the second waits here for the first, and finds the first one's order below.
        perform 1
        from request r
        join orders o on o.id = r.order_id
        join jsonb_to_recordset(batch) as b (customer_id bigint, digest bytea, window_s integer, at timestamptz)
            on b.customer_id = r.customer_id and b.digest = r.digest
        where o.placed_at + make_interval(secs => b.window_s) <= b.at
        order by r.customer_id, r.digest
        for update of r;

        delete from request r
        using orders o, jsonb_to_recordset(batch) as b (
            customer_id bigint, digest bytea, window_s integer, at timestamptz
        )
        where r.customer_id = b.customer_id and r.digest = b.digest and o.id = r.order_id
            and o.placed_at + make_interval(secs => b.window_s) <= b.at;
    end if;

    -- A transaction that waits here for the same request_id finds it taken once the other commits.
    -- It reads the answer below, in a statement of its own that sees that commit.
    insert into request (customer_id, digest, fingerprint, order_id, answer)
    select b.customer_id, b.digest, b.fingerprint, b.id, b.answer
    from jsonb_to_recordset(batch) as b (
        place integer, customer_id bigint, digest bytea, fingerprint bytea, id integer, answer text
    )
    where b.digest is not null
    order by b.customer_id, b.digest, b.place
    on conflict do nothing;

    perform 1
    from wallet
    where customer_id in (select b.customer_id from jsonb_to_recordset(batch) as b (customer_id bigint))
    order by customer_id
    for update;

    for p in
        select *
        from jsonb_to_recordset(batch) as b (
            place integer, id integer, public_id uuid, customer_id bigint, key_id bigint, service_id integer,
            kind text, link text, units bigint, package boolean, details jsonb, charge numeric, rate numeric,
            cost_rate numeric, cost numeric, rule text, config_hash text, provider text, panel_service text,
            leg_cost numeric, choice jsonb, digest bytea, fingerprint bytea, answer text, at timestamptz,
            window_s integer
        )
        order by b.place
    loop
        place := p.place;
        remembered := p.answer;

        if p.digest is not null then
            select r.order_id, r.fingerprint, r.answer into known
            from request r
            where r.customer_id = p.customer_id and r.digest = p.digest;

            if not found then
                -- An earlier row of this batch claimed it and could not pay: this one claims it now.
                insert into request (customer_id, digest, fingerprint, order_id, answer)
                values (p.customer_id, p.digest, p.fingerprint, p.id, p.answer);
            elsif known.order_id <> p.id then
                verdict := case when known.fingerprint = p.fingerprint then 'replayed' else 'reused' end;
                remembered := case when known.fingerprint = p.fingerprint then known.answer end;
                return next;
                continue;
            end if;
        end if;

        update wallet w
        set balance = w.balance - p.charge, version = w.version + 1
        where w.customer_id = p.customer_id and w.balance - p.charge >= w.floor
        returning w.account_id, w.balance, w.version into paid;

        if not found then
            delete from request r where r.customer_id = p.customer_id and r.digest = p.digest and r.order_id = p.id;
            verdict := 'no_money';
            remembered := null;
            return next;
            continue;
        end if;

        insert into transfer (at, reason, debit, credit, amount, order_id, wallet_version, wallet_balance)
        values (p.at, 'charge', paid.account_id, revenue, p.charge, p.id, paid.version, paid.balance);

        insert into orders (
            id, public_id, customer_id, key_id, service_id, kind, link, units, package, details, charge, remains,
            rate, cost_rate, cost, rule, config_hash, placed_at, remembered
        )
        values (
            p.id, p.public_id, p.customer_id, p.key_id, p.service_id, p.kind, p.link, p.units, p.package, p.details,
            p.charge, p.units, p.rate, p.cost_rate, p.cost, p.rule, p.config_hash, p.at,
            p.digest is not null and p.window_s is null
        );

        -- A process of an older release, still at work beside this one, names neither `leg_cost`
        -- nor `choice`.
        insert into leg (order_id, n, provider, service, ready_at, cost, reason, choice)
        values (
            p.id, 1, p.provider, p.panel_service, p.at, coalesce(p.leg_cost, p.cost), 'first route', p.choice
        );

        verdict := 'bought';
        return next;
    end loop;
end
$$;
