-- How a panel answers who asks about its orders.

alter table provider
    -- Rounds of status questions in a row that told of no order, and until when no further one is begun.
    add column statuses_failed integer not null default 0,
    add column statuses_again_at timestamptz,
    -- The largest batch that it answered when larger ones were refused, and when that was learned.
    add column status_batch_learned integer,
    add column status_batch_learned_at timestamptz,
    add constraint provider_statuses_failed check (statuses_failed >= 0),
    add constraint provider_status_batch_learned check (
        status_batch_learned >= 1 and (status_batch_learned is null) = (status_batch_learned_at is null)
    );
