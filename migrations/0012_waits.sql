-- What a parked leg waits for, and since when: each reason has a patience of its own.
alter table leg
    add column parked_for text;

update leg set parked_for = 'money' where state = 'parked';

alter table leg add constraint leg_parked check (state <> 'parked' or (parked_at is not null and parked_for is not null));

-- Nobody ever learned whether the panel has it: the customer was given the money back, and what the panel may have
-- taken is booked as cost. A late id is still taken, and the order at the panel is the house's.
alter table leg
    drop constraint leg_state,
    add constraint leg_state check (
        state in (
            'ready', 'leased', 'sending', 'in_doubt', 'accepted', 'parked', 'refused', 'ended', 'canceled',
            'written_off'
        )
    );

-- The neighbours of a doubt are looked for by when they were accepted.
create index watch_accepted on watch (provider, accepted_at);
