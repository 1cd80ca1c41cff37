-- What rests, where, since when: so that nothing rests in silence.

alter table dispatch
    -- Since when all sending is stopped because a backup was put in place; null once a person thawed it.
    add column restored_at timestamptz,
    -- Doubts are given up no earlier than their patience after this moment: that copy was thawed then.
    add column patience_from timestamptz;
