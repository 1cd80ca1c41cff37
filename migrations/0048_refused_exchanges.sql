-- Which exchanges of some hours were refused, or are in doubt: looked through for each doubt that is searched among ids,
-- and for each difference at a panel. They are few among all.
create index exchange_refused on exchange (sent_at) where verdict in ('refused', 'in_doubt');
