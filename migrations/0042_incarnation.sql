-- Which database this is, and how far it has come: a living process sees from it that the database
-- went back in time under it, or that a backup was put in its place.
create table incarnation (
    one   boolean not null default true,
    -- Drawn when the schema was made, and anew by each restore.
    id    uuid not null default gen_random_uuid(),
    -- Raised by every heartbeat of every process, so it never falls while time goes on.
    beats bigint not null default 0,
    constraint incarnation_pk primary key (one),
    constraint incarnation_one check (one)
);

insert into incarnation default values;

-- Whether a leg may go to a panel under this epoch: nobody stopped it, and its breaker lets it through. Asked by the
-- statement that marks a leg as sent, which holds the gates' lock to its end: whoever stops sending takes that lock alone
-- and so waits for those that are being marked. A look of its own, after the lock, sees what was stopped meanwhile; the
-- statement's own may be older.
create function gate_lets_through(panel text, its_epoch bigint, at timestamptz) returns boolean
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('gates'), 0);

    return exists (
        select
        from provider p, dispatch d
        where p.id = panel and p.epoch = its_epoch and p.held_until > at
            and p.paused_at is null and d.frozen_at is null
            and (p.breaker = 'shut' or (p.breaker = 'probation' and not exists (
                select from leg other where other.provider = p.id and other.state = 'sending'
            )))
    );
end
$$;
