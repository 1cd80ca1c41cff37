-- How often a cancel was put off because its panel is at another address: that is no answer, and spends none of its tries.
alter table cancel_request
    add column address_waits integer not null default 0;
