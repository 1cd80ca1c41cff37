-- What one unit of the panel's currency was worth in ours when a leg was sent: what the panel charged for it is what it
-- was worth then, whatever the file says by the time the panel tells. Of what was sent before, today's is the best guess.
alter table leg
    add column exchange numeric not null default 1,
    add constraint leg_exchange check (exchange > 0);

update leg
set exchange = provider.exchange
from provider
where provider.id = leg.provider and provider.exchange <> 1
    and (leg.state in ('sending', 'in_doubt', 'written_off') or exists (select from watch where watch.leg_id = leg.id));
