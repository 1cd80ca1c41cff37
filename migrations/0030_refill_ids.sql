-- A refill is asked about by its id at the panel, which the next panel of the same name may give to another refill.
create index refill_of_panel on refill (provider, panel_refill) where panel_refill is not null;
