-- An order in doubt that was asked for again under its name: what is heard late of the first asking tells nothing of the
-- later ones, and what the later ones placed is younger than the first.
alter table leg
    add column repeats     integer not null default 0,
    add column repeated_at timestamptz;
