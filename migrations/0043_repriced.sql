-- What a panel takes for an order of which it tells no charge is known by its price list alone. A price that moved between
-- two readings of the list moved before or after each order that was sent meanwhile: nobody can say which.

alter table catalogue_move
    -- When the list was read before: what moved, moved after that. Null of what was noted before this was.
    add column since timestamptz;

create index catalogue_move_of_rates on catalogue_move (provider, at) where what = 'rate';
