-- What the audit needs to know from a second place: a credit that is only a wallet's floor can be
-- edited unseen, and so can a remembered request be removed, after which its customer's client
-- would buy a second time.

alter table customer
    -- How far below zero the wallet may go, as a person decided; its floor is this with the sign
    -- turned.
    add column credit numeric(28, 8) not null default 0,
    add constraint customer_credit_no_debt check (credit >= 0);

update customer c
set credit = -w.floor
from wallet w
where w.customer_id = c.id;

alter table orders
    -- Whether its answer is remembered for as long as the order is. Of orders of earlier days
    -- nobody kept it.
    add column remembered boolean not null default false;

-- Buying, as before, and one thing more: whether the order's answer is remembered.
create or replace function place_orders(batch jsonb)
returns table (place integer, verdict text, remembered text)
language plpgsql as $$
declare
    revenue bigint := (select id from account where kind = 'revenue');
    p       record;
    known   record;
    paid    record;
begin
    -- Whoever looks for one of these orders, because its answer was lost, waits for this transaction's end.
    perform pg_advisory_xact_lock(b.id)
    from jsonb_to_recordset(batch) as b (id integer);

    if exists (select from jsonb_to_recordset(batch) as b (window_s integer) where b.window_s is not null) then
        -- What is remembered only for a while, and whose while is over, is forgotten. Of two who find it so, one waits
        -- here for the other, and finds the other's order below.
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

    -- Whoever waits here for the same request_id finds it taken once the other commits, and reads the answer below,
    -- in a statement of its own that sees that commit.
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
                -- Claimed by an earlier row of this batch that could not pay: this one's turn.
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

        -- A process of the version before, still at work beside this one, says neither.
        insert into leg (order_id, n, provider, service, ready_at, cost, reason, choice)
        values (
            p.id, 1, p.provider, p.panel_service, p.at, coalesce(p.leg_cost, p.cost), 'first route', p.choice
        );

        verdict := 'bought';
        return next;
    end loop;
end
$$;

-- Up to where the books were proved: the audits of a day look at what moved since. No row: everything is looked at.
create table audit_mark (
    one         boolean not null default true,
    -- When everything was looked at last, and held.
    whole_at    timestamptz not null,
    -- Transfers up to this one need not be looked at again that day.
    transfer_id bigint not null,
    constraint audit_mark_pk primary key (one),
    constraint audit_mark_one check (one)
);
