-- What rests, where, since when: so that nothing rests in silence.

alter table dispatch
    -- Since when all sending is stopped because a backup was put in place; null once a person thawed it.
    add column restored_at timestamptz,
    -- Doubts are given up no earlier than their patience after this moment: that copy was thawed then.
    add column patience_from timestamptz;

alter table leg
    -- When it began, where it is not its order's first; that one began when the order was bought.
    add column began_at timestamptz,
    -- Since when it counts as stuck: it did not move for as long as the operator allows.
    add column stuck_at timestamptz;

-- What waits unsent, oldest first: legs are numbered as they begin.
create index leg_unsent_oldest on leg (provider, id) where state in ('ready', 'leased', 'parked');
create index leg_stuck on leg (provider) where stuck_at is not null;

alter table watch
    -- The panel's last clear word, and when it became that; null: it never spoke clearly.
    add column word text,
    add column moved_at timestamptz;

alter table cancel_request
    -- Since when nobody asks any more, because the panel never answered.
    add column given_up_at timestamptz;

create index cancel_request_given_up on cancel_request (given_up_at) where given_up_at is not null;
