-- Whether a leg may go to a panel under this epoch: no person stopped it, and its breaker lets it
-- through.
--
-- The statement that marks a leg as sent calls it, and holds the gates' lock, shared, to its end. A
-- process that stops sending takes that lock alone, and so waits for the legs that are being
-- marked. The query below runs after the lock is held and sees what was stopped meanwhile; the
-- calling statement's snapshot may be older.
create or replace function gate_lets_through(panel text, its_epoch bigint, at timestamptz) returns boolean
language plpgsql volatile as $$
begin
    perform pg_advisory_xact_lock_shared(hashtext('gates'), 0);

    return exists (
        select
        from provider p, dispatch d
        where p.id = panel and p.epoch = its_epoch and p.held_until > at
            and p.paused_at is null and d.frozen_at is null
            and (p.breaker = 'closed' or (p.breaker = 'half_open' and not exists (
                select from leg other where other.provider = p.id and other.state = 'sending'
            )))
    );
end
$$;
