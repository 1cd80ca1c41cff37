-- A row of a catalogue that says the same again is not written any more; when it was read is its panel's affair.
alter table panel_service
    drop column seen_at;
